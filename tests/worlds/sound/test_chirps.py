"""Sounds made by rule: what their class says is heard in them, by a measure that knows no rule."""

import numpy as np
import pytest
import torch
from scipy.signal import ShortTimeFFT

from convscope import worlds
from convscope.worlds.sound import chirps

RATE = 8000


def ridge(wave: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the pitch of the loudest bin over time, in semitones, where the sound is, and its flatness."""
    frames = ShortTimeFFT(np.hanning(512), 64, RATE, mfft=4096)
    power = np.abs(frames.stft(wave.astype(float))) ** 2
    loud = power.sum(0) > 0.2 * power.sum(0).max()
    bins = power[20:, loud]
    flatness = np.exp(np.log(bins + 1e-9).mean(0)) / (bins.mean(0) + 1e-9)
    return 12 * np.log2((20 + bins.argmax(0)) * RATE / 4096), float(np.median(flatness))


def heard(wave: np.ndarray) -> str:
    pitch, flatness = ridge(wave)
    if flatness > 0.3:
        return "noise"
    slope, start = np.polyfit(np.arange(len(pitch)), pitch, 1)
    rest = pitch - slope * np.arange(len(pitch)) - start
    if np.median(np.abs(rest)) > 0.3 and abs(slope * len(pitch)) < 4:
        return "trembling"
    return "steady" if abs(slope * len(pitch)) < 2 else "rising" if slope > 0 else "falling"


def test_what_is_heard_is_the_class():
    data = worlds.open("chirps", "test")
    assert isinstance(data, worlds.LabelledDataset) and data.classes == chirps.CLASSES
    found = [heard(wave) for wave in data.waveforms]  # pyright: ignore[reportAttributeAccessIssue]
    wanted = [data.classes[label] for label in data.labels.tolist()]
    assert np.mean([a == b for a, b in zip(found, wanted, strict=True)]) > 0.9


def test_the_same_sounds_each_time_and_others_to_test_on():
    train, again, test = worlds.open("chirps"), chirps.train(), chirps.test()
    assert torch.equal(train.content, again.content) and (len(train), len(test)) == (1000, 250)
    assert torch.bincount(train.labels).tolist() == [200] * 5
    assert not {w.tobytes() for w in train.waveforms} & {w.tobytes() for w in test.waveforms}
    batch = train.inputs(range(8))
    assert batch.shape == (8, 1, RATE) and 0.1 < float(batch.abs().max()) <= 1


@pytest.mark.parametrize("kind", chirps.CLASSES)
def test_no_class_is_told_by_its_loudness_or_place(kind):
    data = chirps.train()
    waves = [w for w, k in zip(data.waveforms, data.labels.tolist(), strict=True) if data.classes[k] == kind]
    peaks = np.array([np.abs(w.astype(int)).max() for w in waves]) / 32768
    begins = np.array([np.argmax(np.abs(w.astype(int)) > 0.12 * 32768) for w in waves]) / RATE
    assert peaks.min() < 0.3 and peaks.max() > 0.8
    assert begins.min() < 0.1 and begins.max() > 0.4
