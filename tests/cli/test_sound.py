"""Every verb starts from a sound file: the network that ships, a folder of sounds, pages that play."""

import json
import re
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile

from convscope import worlds
from convscope.worlds.sound.audio import read_audio

SPOKEN = Path(worlds.__file__).parent / "data" / "spoken"
NET = ("--net", "spoken-digits")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_the_digits_that_ship_are_understood(convscope):
    files = sorted(SPOKEN.glob("*.wav"))
    done = convscope("classify", *files, *NET, "--json")
    assert done.code == 0, done.err
    folder = convscope("classify", SPOKEN, *NET, "--json").json
    assert [one["top"] for one in folder["answers"]] == [one["top"] for one in done.json["answers"]]
    answers = [found["top"][0]["label"] for found in done.json["answers"]]
    assert answers == [file.stem for file in files] == list("0123456789")


def test_a_sound_for_a_network_of_pictures_is_refused_with_the_right_network(convscope):
    done = convscope("classify", SPOKEN / "7.wav", "--net", "digits")
    assert done.code == 3 and "spoken-digits" in done.err


def test_look_and_explain_show_and_play_the_sound(convscope):
    done = convscope("look", SPOKEN / "7.wav", *NET, "--out", "seen", "--json")
    assert done.code == 0, done.err
    places = {layer["place"]: layer["shape"] for layer in done.json["layers"]}
    assert places["log_mel.decibels"] == [1, 40, 51]
    page = Path("seen/look.html").read_text(encoding="utf-8")
    assert page.count("<audio") == 1 and "media-src data:" in page
    done = convscope("explain", SPOKEN / "7.wav", *NET, "--method", "gradcam", "--out", "why", "--json")
    assert done.code == 0, done.err
    (found,) = done.json["explanations"]
    assert found["target"] == "7" and found["layer"] == "relu3"
    assert found["wrt"] == "log_mel" and found["checks"]["baseline"] == "silence"
    heat = found["heat"]
    assert np.array(heat["values"]).shape == (len(heat["hertz"]), len(heat["seconds"])) == (40, 51)
    np.testing.assert_allclose(heat["hertz"], librosa.mel_frequencies(42, fmin=0, fmax=4000)[1:-1], rtol=1e-6)
    np.testing.assert_allclose(heat["seconds"], np.arange(51) * 0.02)
    assert any("over time and frequency" in line for line in done.json["said"])
    assert convscope("replay", "why/7-gradcam.png", "--json").json["replayed"]["same_picture"] is True


def test_methods_are_compared_on_the_spectrogram_and_the_waveform_can_be_asked_for(convscope):
    few = ("--method", "gradcam", "--method", "lrp", "--method", "integrated")
    done = convscope("explain", SPOKEN / "7.wav", *NET, *few, "--compare", "--out", "why", "--json")
    assert done.code == 0, done.err
    assert [one["wrt"] for one in done.json["explanations"]] == ["log_mel"] * 3
    assert set(done.json["verdicts"][0]["margin"]) == {"silence", "blur"}
    page = Path("why/index.html").read_text(encoding="utf-8")
    assert page.count('class="framed"') >= 3 and page.count("<audio") == 1
    assert "2 kHz</span>" in page and "0.4 s</span>" in page and "频谱图" in page
    done = convscope("explain", SPOKEN / "7.wav", *NET, "--wrt", "input", "--out", "waves", "--json")
    assert done.code == 0, done.err
    (found,) = done.json["explanations"]
    assert found["wrt"] == "input" and "heat" not in found and found["checks"]["baseline"] == "blur"
    done = convscope("explain", SPOKEN / "7.wav", *NET, "--wrt", "conv9", "--json")
    assert done.code == 2 and "conv" in done.json["error"]["hint"]


def test_visualize_saves_what_can_be_heard(convscope):
    done = convscope("visualize", "spoken-digits", "output:3", "--steps", "12", "--out", "made", "--json")
    assert done.code == 0, done.err
    (found,) = done.json["pictures"]
    heard = read_audio(Path("made") / found["sound"])
    assert heard.sample_rate == 8000 and len(heard.waveform) == 8000
    assert 0.3 < np.abs(heard.waveform).max() <= 1
    spectrum = np.abs(np.fft.rfft(heard.waveform)) ** 2
    assert spectrum[:50].sum() < 0.1 * spectrum.sum()  # nothing that no voice has
    random = convscope("visualize", "spoken-digits", "output:3", "--steps", "0", "--json").json
    assert found["score"] > random["pictures"][0]["score"] + 3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes, high and low tones, by five speakers."""
    random = np.random.default_rng(0)
    for name, hertz in (("high", 2000), ("low", 300)):
        for speaker in "abcde":
            for number in range(4):
                path = tmp_path / "tones" / name / f"{name}_{speaker}_{number}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                t = np.arange(2400) / 8000
                wave = 0.4 * np.sin(2 * np.pi * hertz * (1 + 0.1 * random.random()) * t)
                soundfile.write(path, wave + 0.02 * random.normal(size=len(t)), 8000)
    return tmp_path / "tones"


FRONT = "log_mel 16 n_fft=128 sample_rate=8000 top_db=60, batchnorm"
CHAIN = f"{FRONT}, conv 4 3x3, relu, maxpool 4, flatten, dense 2"


def test_a_folder_of_sounds_is_learned_and_its_units_play(convscope, folder):
    done = convscope("train", CHAIN, folder, "--epochs", "6", "--batch", "8", "--out", "run", "--json")
    assert done.code == 0, done.err
    assert "none of their samples is learned from" in done.err
    assert done.json["test"]["accuracy"] == 1.0
    page = Path("run/report.html").read_text(encoding="utf-8")
    assert "high" in page and "low" in page
    answer = convscope("classify", folder / "low" / "low_a_0.wav", "--net", "run", "--json").json
    assert answer["answers"][0]["top"][0]["label"] == "low"
    done = convscope("units", "run", "--data", folder, "--out", "all", "--json")
    assert done.code == 0, done.err
    words = (
        "unit",
        "run",
        "conv1:1",
        "--data",
        folder,
        "--top-k",
        "3",
        "--steps",
        "4",
        "--out",
        "one",
        "--json",
    )
    done = convscope(*words)
    assert done.code == 0, done.err
    assert len(done.json["top"]) == 3 and done.json["receptive_field"] == [127 + 2 * 32]
    page = Path("one/unit.html").read_text(encoding="utf-8")
    assert page.count("<audio") == 2 + 2 * 3 * 2
    sounds = re.findall(r'src="(data:audio/wav;base64,[^"]+)"', page)
    assert len(set(sounds)) > 6


def test_bad_sounds_of_a_folder_are_counted_and_a_wrong_rate_refused(convscope, folder):
    (folder / "low" / "low_a_9.wav").write_bytes(b"RIFF but no sound")
    done = convscope("train", CHAIN, folder, "--epochs", "1", "--json")
    assert done.code == 0 and done.json["unread"] == 1
    done = convscope("train", CHAIN.replace("8000", "16000"), folder, "--epochs", "1", "--json")
    assert done.code == 2 and "sample_rate=8000" in json.dumps(done.json)


def test_the_other_verbs_take_sounds_too(convscope, folder):
    for words in (
        ("invert", SPOKEN / "3.wav", *NET, "--layer", "relu1", "--steps", "4"),
        ("caricature", SPOKEN / "3.wav", *NET, "--layer", "relu1", "--steps", "4"),
    ):
        done = convscope(*words, "--out", words[0], "--json")
        assert done.code in (0, 1), done.err  # 1: not found in so few steps
        heard = read_audio(Path(words[0]) / done.json["layers"][0]["sound"])
        assert len(heard.waveform) == 8000
    done = convscope("factors", SPOKEN / "3.wav", *NET, "--layer", "relu2", "--steps", "2", "--json")
    assert done.code == 0, done.err
    done = convscope("data", "check", folder)
    assert done.code == 0 and "40 sounds in 2 classes" in done.out
    done = convscope("dream", SPOKEN / "3.wav", *NET)
    assert done.code == 2 and "one picture" in done.err
