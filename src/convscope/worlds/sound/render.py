"""Draw sounds: the waveform above its spectrogram, in black ink."""

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from convscope.worlds.images.render import grayscale_alpha, numbers

WIDTH, WAVE, GAP, SPECTRUM = 320, 48, 4, 128
"""Pixels: width of a picture, height of the waveform, of what separates it, and of the spectrogram."""
RANGE = 70.0
"""Decibels below the loudest place of a spectrogram that are drawn as paper."""
AXIS = 0.25
"""Ink of the line of silence."""


def draw(wave: Float[Tensor, "c t"]) -> Image.Image:
    """Draw a waveform above its spectrogram; time runs from left to right, frequency upwards.

    The waveform is scaled to its largest magnitude. The spectrogram goes from 0 Hz to half of the sample
    rate, and from the loudest place, black, to `RANGE` decibels below it.

    Args:
        wave: samples `[c t]` or `[t]`; of several channels the mean is drawn.

    Returns:
        An image of mode LA, `WIDTH` pixels wide.
    """
    samples = np.nan_to_num(np.atleast_2d(numbers(wave)).mean(axis=0))
    paper = np.zeros((GAP, WIDTH), dtype=np.float32)
    return grayscale_alpha(np.concatenate([_waveform(samples), paper, _spectrogram(samples)]))


def _waveform(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ink between the lowest and highest sample of each column, `[WAVE WIDTH]`."""
    peak = max(float(np.abs(samples).max()), 1e-9)
    edges = np.linspace(0, len(samples), WIDTH + 1)
    middle = (WAVE - 1) / 2
    ink = np.zeros((WAVE, WIDTH), dtype=np.float32)
    ink[round(middle)] = AXIS
    rows = np.arange(WAVE)
    for column in range(WIDTH):
        first = min(int(edges[column]), len(samples) - 1)
        part = samples[first : max(int(edges[column + 1]), first + 1)] / peak
        top, bottom = middle * (1 - part.max()), middle * (1 - part.min())
        if bottom - top > 0.5:
            ink[(rows >= np.floor(top)) & (rows <= np.ceil(bottom)), column] = 1.0
    return ink


def _spectrogram(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the ink of a spectrogram, low frequencies at the bottom, `[SPECTRUM WIDTH]`."""
    size = max(32, min(512, 2 ** int(np.log2(max(len(samples) / 24, 32)))))
    hop = max(1, min(size // 4, len(samples) // WIDTH))
    x = torch.from_numpy(np.ascontiguousarray(samples))
    window = torch.hann_window(size)
    found = torch.stft(x, size, hop, window=window, center=True, pad_mode="constant", return_complex=True)
    power = found.abs().square()
    loudest = float(power.max())
    if loudest <= 1e-12:
        return np.zeros((SPECTRUM, WIDTH), dtype=np.float32)
    decibels = 10 * torch.log10((power / loudest).clamp_min(1e-12))
    ink = (1 + decibels / RANGE).clamp(0, 1)[None, None]
    drawn = torch.nn.functional.interpolate(ink, (SPECTRUM, WIDTH), mode="bilinear", antialias=True)
    return drawn[0, 0].flip(0).numpy()
