"""The worked examples of the lectures, computed here by torch rather than copied from the slides."""

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from convscope.worlds import scaled
from convscope.worlds.datasets import digits

Rows = tuple[tuple[float, ...], ...]

IMAGE: Rows = (
    (1, 0, 0, 0, 0, 1),
    (0, 1, 0, 0, 1, 0),
    (0, 0, 1, 1, 0, 0),
    (1, 0, 0, 0, 1, 0),
    (0, 1, 0, 0, 1, 0),
    (0, 0, 1, 0, 1, 0),
)
"""The 6x6 image of Lee's lecture."""
DIAGONAL: Rows = ((1, -1, -1), (-1, 1, -1), (-1, -1, 1))
"""Lee's filter 1. It equals its own half turn, so it cannot tell correlation from convolution."""
UPRIGHT: Rows = ((-1, 1, -1), (-1, 1, -1), (-1, 1, -1))
"""Lee's filter 2. It equals its own half turn too."""
CORNER: Rows = ((1, 1, 0), (1, 0, 0), (0, 0, -1))
"""Ours, and not symmetric: here the two operations part."""
SIGNAL, DIFFERENCE = (1.0, 3.0, -1.0, 0.0, 2.0, 1.0), (1.0, -1.0, 0.0)
"""A signal and a filter in one dimension, from Luo's lecture."""


def correlate(image: Rows, kernel: Rows, stride: int = 1) -> Rows:
    """What every library calls convolution: slide the kernel as it is, multiply, add."""
    return rows(F.conv2d(_batch(image), _batch(kernel), stride=stride))


def convolve(image: Rows, kernel: Rows, stride: int = 1) -> Rows:
    """Convolution as mathematics has it: the kernel turned by 180 degrees first."""
    return rows(F.conv2d(_batch(image), _batch(kernel).flip(-1, -2), stride=stride))


def max_pool(image: Rows, size: int = 2) -> Rows:
    """The largest value of every `size` x `size` block."""
    return rows(F.max_pool2d(_batch(image), size))


def average_pool(image: Rows, size: int = 2) -> Rows:
    """The mean of every `size` x `size` block."""
    return rows(F.avg_pool2d(_batch(image), size))


def slide(
    signal: Sequence[float], kernel: Sequence[float], left: int, right: int, stride: int
) -> tuple[float, ...]:
    """One dimension: zeros added at either end, then the kernel every `stride` positions."""
    padded = F.pad(torch.tensor([[list(signal)]]), (left, right))
    return tuple(F.conv1d(padded, torch.tensor([[list(kernel)]]), stride=stride).flatten().tolist())


def digit(number: int) -> torch.Tensor:
    """The first test digit of a class, `[1 28 28]`: paper 0, ink 1."""
    data = digits.test()
    index = int((data.labels == number).nonzero()[0])
    return scaled(data.batch([index]), data.contract)[0]


def rows(tensor: torch.Tensor) -> Rows:
    """The last two axes of a tensor as plain numbers."""
    return tuple(tuple(row) for row in tensor.reshape(tensor.shape[-2:]).tolist())


def _batch(values: Rows) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)[None, None]
