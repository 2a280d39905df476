"""Folders of sounds and FSDD: classes, splits, speakers, and files that cannot be read."""

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from convscope import worlds
from convscope.errors import DataError, MissingError, UsageError
from convscope.learn.batches.holdout import hold_out
from convscope.learn.setup import split_for_test
from convscope.worlds.sound import augment
from convscope.worlds.sound.folder import folder_spec, sound_spec

SPEC = sound_spec(8000, 0.5)


def sounds(root: Path, names: list[str], rate: int = 8000, seconds: float = 0.3) -> None:
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        wave = 0.3 * np.random.default_rng(number).normal(size=round(rate * seconds)).clip(-1, 1)
        soundfile.write(path, wave, rate)


def test_a_folder_of_classes_is_read_and_what_is_damaged_is_counted(tmp_path):
    sounds(tmp_path, ["no/a.wav", "no/b.flac", "yes/a.wav", "yes/c.ogg"])
    (tmp_path / "yes" / "bad.wav").write_bytes(b"RIFF")
    (tmp_path / "yes" / "notes.txt").write_text("not a sound")
    data = worlds.open(tmp_path, spec=SPEC)
    assert data.classes == ("no", "yes")
    assert data.labels.tolist() == [0, 0, 1, 1]
    assert [Path(problem.path).name for problem in data.problems] == ["bad.wav"]
    batch = data.batch([3, 0])
    assert batch.inputs[0].shape == (2, 1, 4000) and batch.targets.tolist() == [1, 0]
    one = worlds.open_sample(tmp_path / "no" / "a.wav", SPEC).input
    assert torch.equal(batch.inputs[0][1], one)
    wide = replace(SPEC, value_range=(0.0, 10.0))
    torch.testing.assert_close(data.inputs([0], wide), 5 * data.inputs([0]) + 5)
    assert len(data.take([2, 1])) == 2 and data.take([2, 1]).labels.tolist() == [1, 0]


def test_parts_and_speakers_are_found(tmp_path):
    sounds(
        tmp_path,
        [
            f"{part}/{c}/{s}_nohash_0.wav"
            for part in ("train", "test")
            for c in "ab"
            for s in ("0a1b2c3d", "ffffffff")
        ],
    )
    train = worlds.open(tmp_path, "train", spec=SPEC)
    assert train.groups == ("0a1b2c3d", "ffffffff") * 2
    assert len(worlds.open(tmp_path, "test", spec=SPEC)) == 4
    with pytest.raises(UsageError, match="train"):
        worlds.open(tmp_path, "tset", spec=SPEC)
    sounds(tmp_path, ["train/a/somebody.wav"])
    assert worlds.open(tmp_path, "train", spec=SPEC).groups == ()


def test_a_class_of_damaged_files_alone_is_refused(tmp_path):
    sounds(tmp_path, ["a/1.wav"])
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "1.wav").write_bytes(b"nothing")
    with pytest.raises(DataError, match="none of b"):
        worlds.open(tmp_path, spec=SPEC)


def test_the_input_of_a_fresh_network_follows_the_files(tmp_path):
    sounds(tmp_path, ["a/1.wav", "b/2.wav"], rate=11025, seconds=0.73)
    found = folder_spec(tmp_path)
    assert found is not None and (found.sample_rate, found.shape) == (11025, (1, 8820))
    sounds(tmp_path, ["a/3.wav", "a/4.wav", "b/5.wav"], rate=48000, seconds=3)
    found = folder_spec(tmp_path)
    assert found is not None and (found.sample_rate, found.shape) == (16000, (1, 32000))
    assert folder_spec(tmp_path / "a") is None  # no folders of classes in it
    assert worlds.folder_spec(tmp_path) == found


def fsdd(root: Path, speakers: tuple[str, ...] = ("george", "lucas")) -> None:
    names = [f"recordings/{d}_{s}_{k}.wav" for d in range(10) for s in speakers for k in (0, 4, 5, 11)]
    sounds(root, names, seconds=0.05)


@pytest.mark.parametrize("zipped", [False, True])
def test_fsdd_has_the_authors_split_and_one_for_each_speaker(zipped, tmp_path):
    fsdd(tmp_path)
    if zipped:
        files = sorted((tmp_path / "recordings").iterdir())
        with zipfile.ZipFile(tmp_path / "recordings.zip", "w") as archive:
            for file in files:
                archive.write(file, f"recordings/{file.name}")
                file.unlink()
    test, train = (worlds.open("fsdd", split, root=tmp_path) for split in ("test", "train"))
    assert len(test) == len(train) == 40 and test.labels.bincount().tolist() == [4] * 10
    held = worlds.open("fsdd-without-lucas", "test", root=tmp_path)
    rest = worlds.open("fsdd-without-lucas", root=tmp_path)
    assert set(held.speakers) == {"lucas"} and set(rest.speakers) == {"george"}
    assert len(held) == len(rest) == 40
    assert held.spec.sample_rate == 8000


def test_fsdd_that_is_not_there_or_damaged_is_refused(tmp_path):
    with pytest.raises(MissingError, match="free-spoken-digit"):
        worlds.open("fsdd", root=tmp_path)
    with pytest.raises(MissingError, match="no folder"):
        worlds.open("fsdd")
    (tmp_path / "recordings.zip").write_bytes(b"PK nothing")
    with pytest.raises(DataError, match="archive"):
        worlds.open("fsdd", root=tmp_path)
    fsdd(tmp_path)
    with pytest.raises(UsageError, match="george, lucas"):
        worlds.open("fsdd-without-theo", root=tmp_path)


def test_the_real_fsdd_is_read(shared_data):
    data = worlds.open("fsdd-without-george", "test", root=shared_data / "fsdd")
    assert len(data) == 500 and data.labels.bincount().tolist() == [50] * 10
    assert float(data.inputs(range(20)).abs().max()) > 0.1


def test_inputs_of_another_rate_are_resampled(tmp_path):
    sounds(tmp_path, ["a/1.wav", "b/2.wav"])
    data = worlds.open(tmp_path, spec=SPEC)
    double = data.inputs([0], sound_spec(16000, 0.5))
    assert double.shape == (1, 1, 8000)
    torch.testing.assert_close(
        double[0, 0, ::2][1600:2400], data.inputs([0])[0, 0][1600:2400], atol=0.35, rtol=0
    )


def test_augmentations_are_what_they_say():
    batch = torch.randn(6, 1, 2000).mul(0.1).clamp(-1, 1)

    def run(name: str, seed: int = 0) -> torch.Tensor:
        return worlds.augmented(batch, (name,), sound_spec(2000, 1.0), seed)

    for name in augment.AUGMENTATIONS:
        assert run(name).shape == batch.shape
        torch.testing.assert_close(run(name), run(name))
        assert not torch.equal(run(name), run(name, 1))
    shifted = run("shift")[0, 0]
    offsets = [
        k
        for k in range(-200, 201)
        if torch.allclose(torch.roll(batch[0, 0], k)[200:1800], shifted[200:1800], atol=1e-6)
    ]
    assert len(offsets) == 1
    assert torch.equal(shifted, moved(batch[0, 0], offsets[0]))
    ratio = run("gain") / batch
    assert torch.allclose(ratio, ratio[..., :1].expand_as(ratio), rtol=1e-3)
    tone = torch.sin(torch.arange(2000) * 2 * torch.pi * 0.05)[None, None]
    faster = worlds.augmented(tone, ("speed",), sound_spec(2000, 1.0), 3)[0, 0]
    peak = int(torch.fft.rfft(faster[500:1500] * torch.hann_window(1000)).abs().argmax()) / 1000
    assert 0.05 * 0.81 < peak < 0.05 * 1.23 and abs(peak - 0.05) > 0.001


def moved(wave: torch.Tensor, offset: int) -> torch.Tensor:
    """One sound, shifted to the right (left, if negative), with zeros where there is none."""
    found = torch.zeros_like(wave)
    for at in range(len(wave)):
        if 0 <= at - offset < len(wave):
            found[at] = wave[at - offset]
    return found


def test_gain_and_noise_stay_within_their_decibels():
    quiet = 0.01 * torch.randn(400, 1, 500, generator=torch.Generator().manual_seed(1))
    spec = sound_spec(500, 1.0)
    louder = worlds.augmented(quiet, ("gain",), spec, 0).square().mean((1, 2)) / quiet.square().mean((1, 2))
    changes = 10 * louder.log10()
    assert -6.01 < float(changes.min()) < -5.8 and 5.8 < float(changes.max()) < 6.01
    added = worlds.augmented(quiet, ("noise",), spec, 0) - quiet
    ratios = 10 * (quiet.square().mean((1, 2)) / added.square().mean((1, 2))).log10()
    assert 9 < float(ratios.min()) < 11 and 39 < float(ratios.max()) < 41


def test_whole_speakers_are_held_out(tmp_path):
    sounds(
        tmp_path, [f"{digit}/{digit}_{name}_{k}.wav" for digit in "01" for name in "abcde" for k in range(3)]
    )
    data = worlds.open(tmp_path, spec=SPEC)
    assert len(set(data.groups)) == 5
    train, test = split_for_test(data, seed=0)
    assert not set(train.groups) & set(test.groups)
    assert len(test) == 6 and set(test.labels.tolist()) == {0, 1}
    rest, chosen = hold_out(train, 0.2, seed=1)
    assert not set(rest.groups) & set(chosen.groups) and len(rest) + len(chosen) == 24
