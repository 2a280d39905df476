"""Sounds that are made by rule: tones that rise, fall, stay or tremble, and noise.

Nothing has to be fetched, every class is certain, and what a network has to find is known: how a ridge runs
through the spectrogram, whatever its pitch, loudness, length and place.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from convscope.worlds.sound.folder import sound_spec
from convscope.worlds.sound.recordings import LabelledSounds

CLASSES = ("falling", "noise", "rising", "steady", "trembling")
SIZES = {"train": 1000, "test": 250}
SEED = 0
SPEC = sound_spec(8000, 1.0)
LENGTHS = (0.35, 0.9)
"""Shortest and longest sound, in seconds."""
PITCHES = (250.0, 1200.0)
"""Lowest and highest pitch in the middle of a sound, in hertz."""
INTERVAL = (4.0, 12.0)
"""Semitones by which a tone rises or falls from its beginning to its end."""
TREMBLE = (4.0, 9.0)
"""Times a second that a tone trembles,"""
DEPTH = (1.0, 2.5)
"""and by how many semitones it does, each way."""
PARTIALS = 4
"""Partials of a tone; each is half as loud as the one before."""
RAMP = 0.02
"""Seconds in which a sound begins and ends."""
QUIETEST, BACKGROUND = 0.15, 0.02
"""Peak of the softest sound, and standard deviation of the noise behind every one; 1 is the loudest."""


def train() -> LabelledSounds:
    """Return the sounds to learn from.

    Returns:
        1,000 sounds, 200 of each class, at 8 kHz.
    """
    return _part("train")


def test() -> LabelledSounds:
    """Return the sounds to test on: others, drawn from the same rules.

    Returns:
        250 sounds, 50 of each class.
    """
    return _part("test")


test.__test__ = False  # pyright: ignore[reportFunctionMemberAccess]  # a part of a data set, not pytest's to collect


def _part(name: str) -> LabelledSounds:
    draw = np.random.Generator(np.random.PCG64([SEED, SIZES[name]]))
    labels = np.arange(SIZES[name]) % len(CLASSES)
    waves = [_sound(CLASSES[label], draw) for label in labels]
    return LabelledSounds(waves, torch.from_numpy(labels), CLASSES, SPEC, f"chirps/{name}")


def _sound(kind: str, draw: np.random.Generator) -> NDArray[np.int16]:
    """Draw a sound of a class."""
    rate = SPEC.sample_rate or 1
    seconds = draw.uniform(*LENGTHS)
    time = np.arange(round(seconds * rate)) / rate
    wave = draw.normal(size=len(time)) if kind == "noise" else _tone(pitches(kind, time, draw), draw)
    ramp = np.minimum(1, np.minimum(time, time[-1] - time) / RAMP)
    wave = wave / np.abs(wave).max() * ramp * draw.uniform(QUIETEST, 1 - 4 * BACKGROUND)
    whole = draw.normal(scale=BACKGROUND, size=rate)
    begin = draw.integers(0, rate - len(wave) + 1)
    whole[begin : begin + len(wave)] += wave
    return (whole.clip(-1, 1) * 32767).astype(np.int16)


def pitches(kind: str, time: NDArray[np.float64], draw: np.random.Generator) -> NDArray[np.float64]:
    """Draw how the pitch of a tone runs.

    Args:
        kind: one of `CLASSES` other than noise.
        time: of each sample, in seconds from 0.
        draw: where it is drawn from.

    Returns:
        The fundamental at each sample, in hertz.
    """
    middle = np.exp(draw.uniform(*np.log(PITCHES)))
    way = {"rising": 1.0, "falling": -1.0}.get(kind, 0.0)
    steps = way * draw.uniform(*INTERVAL) * (time / time[-1] - 0.5)
    if kind == "trembling":
        phase = 2 * np.pi * (draw.uniform(*TREMBLE) * time + draw.uniform())
        steps = steps + draw.uniform(*DEPTH) * np.sin(phase)
    return middle * 2 ** (steps / 12)


def _tone(pitch: NDArray[np.float64], draw: np.random.Generator) -> NDArray[np.float64]:
    """Return a tone of some partials; those beyond half the sample rate are left out."""
    rate = SPEC.sample_rate or 1
    phase = 2 * np.pi * (np.cumsum(pitch) / rate + draw.uniform())
    heard = [k for k in range(1, PARTIALS + 1) if k * pitch.max() < rate / 2]
    return sum((np.sin(k * phase) / 2**k for k in heard), np.zeros_like(pitch))
