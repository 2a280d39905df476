"""Data augmentation of waveforms, drawn for every sound on its own from a seeded generator."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

LATEST = 0.1
"""Largest offset of `shift`, as a share of the length."""
LOUDER = 6.0
"""Largest change of `gain`, in decibels."""
NOISE = (10.0, 40.0)
"""Lowest and highest ratio of signal to noise of `noise`, in decibels."""
FASTER = 0.2
"""Largest change of `speed`: logarithm to the base e of the factor."""


def shift(sounds: Tensor, generator: Generator) -> Tensor:
    """Shift each sound in time, and fill with zeros.

    Args:
        sounds: waveforms `[b c t]`, on the CPU.
        generator: draws the offsets, up to `LATEST` of the length each way.

    Returns:
        Waveforms `[b c t]`.
    """
    length = sounds.shape[-1]
    most = max(1, round(LATEST * length))
    offsets = torch.randint(-most, most + 1, (len(sounds), 1), generator=generator)
    return _at(sounds, torch.arange(length) - offsets)


def speed(sounds: Tensor, generator: Generator) -> Tensor:
    """Play each sound faster or slower about its middle, which changes its pitch and all its formants.

    Other voices have longer or shorter vocal tracts, whose formants differ by such a factor.

    Args:
        sounds: waveforms `[b c t]`, on the CPU.
        generator: draws the factors, from `exp(-FASTER)` to `exp(FASTER)`.

    Returns:
        Waveforms `[b c t]`, by linear interpolation between samples; zeros where the sound has ended.

    Source: Ko, Peddinti, Povey and Khudanpur 2015, Audio Augmentation for Speech Recognition, section 3.
    """
    factors = torch.exp(FASTER * (2 * torch.rand(len(sounds), 1, generator=generator) - 1))
    middle = (sounds.shape[-1] - 1) / 2
    return _at(sounds, (torch.arange(sounds.shape[-1]) - middle) * factors + middle)


def gain(sounds: Tensor, generator: Generator) -> Tensor:
    """Make each sound louder or softer, by up to `LOUDER` decibels.

    Args:
        sounds: waveforms `[b c t]` in [-1, 1], on the CPU.
        generator: draws the changes.

    Returns:
        Waveforms `[b c t]`, clipped to [-1, 1].
    """
    decibels = LOUDER * (2 * torch.rand(len(sounds), 1, 1, generator=generator) - 1)
    return (sounds * 10 ** (decibels / 20)).clamp(-1, 1)


def noise(sounds: Tensor, generator: Generator) -> Tensor:
    """Add white noise to each sound, at a ratio drawn from `NOISE`.

    Args:
        sounds: waveforms `[b c t]` in [-1, 1], on the CPU.
        generator: draws ratios and noise.

    Returns:
        Waveforms `[b c t]`, clipped to [-1, 1].
    """
    low, high = NOISE
    ratios = low + (high - low) * torch.rand(len(sounds), 1, 1, generator=generator)
    power = sounds.square().mean((1, 2), keepdim=True)
    drawn = torch.randn(sounds.shape, generator=generator)
    return (sounds + drawn * (power * 10 ** (-ratios / 10)).sqrt()).clamp(-1, 1)


def _at(sounds: Tensor, places: Tensor) -> Tensor:
    """Return each sound `[b c t]` at places `[b t]` between its samples; zeros beyond its ends."""
    padded = torch.nn.functional.pad(sounds, (1, 2))
    places = (places + 1).clamp(0, sounds.shape[-1] + 1).to(sounds.dtype)
    before = places.long()
    weight = (places - before)[:, None]
    index = before[:, None].expand(-1, sounds.shape[1], -1)
    return padded.gather(2, index) * (1 - weight) + padded.gather(2, index + 1) * weight


AUGMENTATIONS: dict[str, Callable[[Tensor, Generator], Tensor]] = {
    "shift": shift,
    "speed": speed,
    "gain": gain,
    "noise": noise,
}
"""Random changes that leave what is said as it is, by the names that `--augment` takes."""
