"""Sound files of any rate become inputs; what is no sound is refused with the reason."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import soundfile
import torch

from convscope.errors import DataError, MissingError, UsageError
from convscope.graph import TensorSpec
from convscope.worlds import open_sample, open_whole, render, world_of
from convscope.worlds.sound.audio import read_audio, resampled, to_int16, to_wav
from convscope.worlds.sound.fitting import fitted, window_start
from convscope.worlds.sound.folder import sound_spec

SPEC = sound_spec(8000, 1.0)


def tone(rate: int, seconds: float = 1.0, hertz: float = 440.0, level: float = 0.5) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def write(path: Path, wave: np.ndarray, rate: int, **options: str) -> Path:
    soundfile.write(path, wave, rate, **options)
    return path


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100, 192000])
@pytest.mark.parametrize("ending", ["wav", "flac", "ogg"])
def test_a_tone_keeps_its_pitch_and_level_at_any_rate(rate, ending, tmp_path):
    path = write(tmp_path / f"a.{ending}", tone(min(rate, 192000)), min(rate, 192000))
    found = open_sample(path, SPEC).input[0].numpy()
    assert found.shape == (8000,)
    spectrum = np.abs(np.fft.rfft(found[1000:7000]))
    assert abs(np.argmax(spectrum) * 8000 / 6000 - 440) < 1
    assert abs(np.abs(found[1000:7000]).max() - 0.5) < 0.02


def test_resampling_agrees_with_scipy_where_both_pass():
    wave = tone(16000, 0.5, 300) + tone(16000, 0.5, 1700, 0.2)
    theirs = scipy.signal.resample_poly(wave, 1, 2, window=("kaiser", 12.0))
    ours = resampled(wave, 16000, 8000)
    assert len(ours) == len(theirs) == 4000
    np.testing.assert_allclose(ours[200:-200], theirs[200:-200], atol=2e-3)
    assert len(resampled(wave, 16000, 11025)) == round(8000 * 11025 / 16000)


def test_channels_are_mixed_and_float_files_beyond_the_range_are_scaled(tmp_path):
    two = np.stack([tone(8000), np.zeros(8000, np.float32)], 1)
    found = read_audio(write(tmp_path / "two.wav", two, 8000, subtype="FLOAT"))
    assert (found.channels, found.sample_rate, found.seconds) == (2, 8000, 1.0)
    np.testing.assert_allclose(found.waveform, two.mean(1))
    loud = read_audio(write(tmp_path / "loud.wav", 8 * tone(8000), 8000, subtype="FLOAT"))
    assert abs(np.abs(loud.waveform).max() - 1) < 1e-6


def test_long_sounds_are_cropped_to_the_loudest_part_and_short_ones_centred():
    long = np.zeros(100, np.float32)
    long[60:70] = 1
    naive = [float((long[k : k + 20] ** 2).sum()) for k in range(81)]
    assert window_start(long, 20) == int(np.argmax(naive)) == 50
    np.testing.assert_array_equal(fitted(long, 20), long[50:70])
    for length in (1, 2, 7, 19):
        short = np.arange(1, length + 1, dtype=np.int16)
        padded = fitted(short, 20)
        assert len(padded) == 20
        np.testing.assert_array_equal(padded[padded > 0], short)
        before, after = (padded > 0).argmax(), (padded[::-1] > 0).argmax()
        assert abs(int(before) - int(after)) <= 1


def test_loud_samples_of_16_bits_are_cropped_where_those_of_floats_are():
    long = np.full(100, 300, np.int16)
    long[40:50] = 20_000
    assert window_start(long, 20) == window_start(long / 32768, 20) == 30


def test_samples_of_16_bits_are_read_and_written_as_they_are(tmp_path):
    stored = np.array([-32768, -32767, -20000, -1, 0, 1, 12345, 32767] * 100, np.int16)
    soundfile.write(tmp_path / "a.wav", stored, 8000, subtype="PCM_16")
    wave = read_audio(tmp_path / "a.wav").waveform
    np.testing.assert_array_equal(to_int16(wave), stored)
    again, _ = soundfile.read(io.BytesIO(to_wav(wave, 8000)), dtype="int16")
    np.testing.assert_array_equal(again, stored)
    np.testing.assert_array_equal(to_int16([-1.5, -1, 1, 1.5]), [-32768, -32768, 32767, 32767])


def test_inputs_have_the_value_range_of_the_network(tmp_path):
    path = write(tmp_path / "a.wav", tone(8000, 1.5), 8000)
    other = replace(SPEC, value_range=(-10.0, 30.0))
    for open_it in (open_sample, open_whole):
        torch.testing.assert_close(open_it(path, other).input, 20 * open_it(path, SPEC).input + 10)
    files = [world_of(spec).to_file(open_sample(path, spec).input, spec) for spec in (SPEC, other)]
    waves = [read_audio(made[1]).waveform for made in files if made is not None]
    np.testing.assert_allclose(waves[1], waves[0], atol=1 / 32768)


def test_positions_map_back_to_the_file(tmp_path):
    wave = np.zeros(3 * 16000, np.float32)
    wave[30000:30160] = 0.9
    sample = open_sample(write(tmp_path / "click.wav", wave, 16000), SPEC)
    places = np.flatnonzero(np.abs(sample.input[0].numpy()) > 0.5)
    assert sample.placement is not None
    ((low, high),) = sample.placement.to_file([(float(places[0]), float(places[-1] + 1))])
    assert abs(low - 30000) < 40 and abs(high - 30160) < 40
    whole = open_whole(tmp_path / "click.wav", SPEC)
    assert whole.input.shape == (1, 24000)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.wav", b"", "an empty file"),
        ("none.wav", to_wav(np.zeros(0), 8000), "no samples"),
        ("one.wav", to_wav(np.zeros(1), 8000), "1 samples"),
        ("text.wav", b"a letter, not a sound", "[Ff]ormat not rec"),
        ("half.wav", to_wav(np.zeros(8000), 8000)[:8000], "bytes are missing"),
        ("cut.wav", to_wav(np.zeros(800), 8000)[:30], "WAV"),
        ("image.flac", b"\x89PNG\r\n\x1a\n" + bytes(200), "[Ff]ormat not rec"),
    ],
)
def test_what_is_no_sound_is_refused_with_the_reason(name, content, reason, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=reason):
        open_sample(path, SPEC)


def test_samples_that_are_not_numbers_missing_files_and_folders_are_refused(tmp_path):
    wave = tone(8000)
    wave[7] = np.nan
    for path in (
        write(tmp_path / "nan.wav", wave, 8000, subtype="FLOAT"),
        tmp_path / "missing.wav",
        tmp_path,
    ):
        with pytest.raises(DataError):
            open_sample(path, SPEC)
    with pytest.raises(UsageError, match="sample rate"):
        open_sample(tmp_path / "nan.wav", TensorSpec((1, 8000), kind="sound", value_range=(-1.0, 1.0)))
    with pytest.raises(DataError, match="a sound"):
        open_sample(3, SPEC)  # pyright: ignore[reportArgumentType]


def test_arrays_are_inputs_in_range():
    assert open_sample(torch.zeros(1, 8000), SPEC).input.shape == (1, 8000)
    with pytest.raises(DataError, match="from -1 to 1"):
        open_sample(torch.full((1, 8000), 3.0), SPEC)


def test_a_picture_has_the_pitch_where_it_is():
    """A rising tone: the darkest row of the spectrogram rises from left to right."""
    t = np.arange(8000) / 8000
    wave = torch.from_numpy(np.sin(2 * np.pi * (500 + 1250 * t) * t).astype(np.float32))[None]
    drawn = np.asarray(render(wave, SPEC).getchannel("A"))
    spectrogram = drawn[52:]
    rows = spectrogram[:, 40:280].argmax(0)
    hertz = 4000 * (1 - rows / len(spectrogram))
    expected = 500 + 2500 * np.arange(40, 280) / 320
    assert np.abs(hertz - expected).max() < 150
    assert np.asarray(render(torch.zeros(1, 8000), SPEC))[52:].max() == 0


def test_a_file_can_be_heard_again():
    wave = torch.from_numpy(tone(8000))[None]
    made = world_of(SPEC).to_file(wave, SPEC)
    assert made is not None and made[0] == ".wav"
    found = read_audio(made[1])
    np.testing.assert_allclose(found.waveform, wave[0].numpy(), atol=1 / 32768)
    quiet = world_of(SPEC).to_file(wave / 100, SPEC)
    assert quiet is not None and abs(np.abs(read_audio(quiet[1]).waveform).max() - 0.5) < 1e-3


def test_the_example_ships():
    sample = world_of(SPEC).example(SPEC)
    assert sample is not None and float(sample.input.abs().max()) > 0.05


def test_a_stream_that_does_not_know_its_size_is_read(tmp_path):
    content = bytearray(to_wav(tone(8000), 8000))
    at = content.index(b"data") + 4
    content[4:8] = content[at : at + 4] = b"\xff\xff\xff\xff"
    (tmp_path / "stream.wav").write_bytes(content)
    assert open_sample(tmp_path / "stream.wav", SPEC).input.abs().max() > 0.4


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingError, match="pip install soundfile soxr"):
        open_sample(to_wav(tone(8000), 8000), SPEC)
    with pytest.raises(MissingError, match="soundfile"):
        resampled(tone(8000), 8000, 16000)
