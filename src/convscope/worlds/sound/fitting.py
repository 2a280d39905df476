"""Bring waveforms to the length of a network's input."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def window_start(wave: NDArray[Any], length: int) -> int:
    """Return where the window of an input begins in a waveform.

    A longer waveform is cropped to the window of the most energy, the sum of the squares; of several alike
    to the first. A shorter one is centred between zeros, so that its window begins before it.

    Args:
        wave: samples `[t]`, at the sample rate of the input.
        length: samples of the input.

    Returns:
        The first sample; negative for shorter waveforms.
    """
    spare = len(wave) - length
    if spare <= 0:
        return -(-spare // 2)
    sums = np.concatenate(([0.0], np.cumsum(np.square(wave, dtype=np.float64))))
    return int(np.argmax(sums[length:] - sums[: spare + 1]))


def fitted(wave: NDArray[Any], length: int) -> NDArray[Any]:
    """Crop or pad a waveform to a length, as `window_start` says.

    Args:
        wave: samples `[t]`.
        length: samples of the input.

    Returns:
        `length` samples of the same dtype.
    """
    start = window_start(wave, length)
    if len(wave) >= length:
        return wave[start : start + length]
    return np.pad(wave, (-start, length - len(wave) + start))
