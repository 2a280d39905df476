"""The worked examples of the lectures, computed by torch instead of copied from the slides."""

from collections.abc import Sequence

import torch
from torch.nn import functional as F

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
"""Lee's filter 1. Rotation by 180 degrees leaves it unchanged, so correlation and convolution agree."""
UPRIGHT: Rows = ((-1, 1, -1), (-1, 1, -1), (-1, 1, -1))
"""Lee's filter 2. Rotation by 180 degrees leaves it unchanged, too."""
CORNER: Rows = ((1, 1, 0), (1, 0, 0), (0, 0, -1))
"""An asymmetric kernel of ours, for which correlation and convolution differ."""
SIGNAL, DIFFERENCE = (1.0, 3.0, -1.0, 0.0, 2.0, 1.0), (1.0, -1.0, 0.0)
"""A signal and a filter in one dimension, from Luo's lecture."""


def correlate(image: Rows, kernel: Rows, stride: int = 1) -> Rows:
    """Compute the cross-correlation of an image and a kernel, which deep learning calls convolution.

    Args:
        image: rows of the input.
        kernel: rows of the kernel, used without flipping.
        stride: step along both axes.

    Returns:
        Rows of the output, without padding ("valid").
    """
    return rows(F.conv2d(_batch(image), _batch(kernel), stride=stride))


def convolve(image: Rows, kernel: Rows, stride: int = 1) -> Rows:
    """Compute the mathematical convolution: the kernel is rotated by 180 degrees first.

    Args:
        image: rows of the input.
        kernel: rows of the kernel, flipped along both axes before it slides.
        stride: step along both axes.

    Returns:
        Rows of the output, without padding ("valid").
    """
    return rows(F.conv2d(_batch(image), _batch(kernel).flip(-1, -2), stride=stride))


def max_pool(image: Rows, size: int = 2) -> Rows:
    """Compute max pooling over non-overlapping windows.

    Args:
        image: rows of the input.
        size: side of the window, and the stride.

    Returns:
        Rows of the output.
    """
    return rows(F.max_pool2d(_batch(image), size))


def average_pool(image: Rows, size: int = 2) -> Rows:
    """Compute average pooling over non-overlapping windows.

    Args:
        image: rows of the input.
        size: side of the window, and the stride.

    Returns:
        Rows of the output.
    """
    return rows(F.avg_pool2d(_batch(image), size))


def slide(
    signal: Sequence[float], kernel: Sequence[float], left: int, right: int, stride: int
) -> tuple[float, ...]:
    """Compute the cross-correlation of a zero-padded signal and a kernel in one dimension.

    Args:
        signal: the input values.
        kernel: the weights, used without flipping.
        left: zeros added before the signal.
        right: zeros added after it.
        stride: step of the kernel.

    Returns:
        The output values.
    """
    padded = F.pad(torch.tensor([[list(signal)]]), (left, right))
    return tuple(F.conv1d(padded, torch.tensor([[list(kernel)]]), stride=stride).flatten().tolist())


def digit(number: int) -> torch.Tensor:
    """Return the first test digit of a class.

    Args:
        number: the class, 0 to 9.

    Returns:
        The image `[1 28 28]` in [0, 1]: paper 0, ink 1.
    """
    data = digits.test()
    index = int((data.labels == number).nonzero()[0])
    return data.inputs([index])[0]


def rows(tensor: torch.Tensor) -> Rows:
    """Convert the last two axes of a tensor to tuples of numbers.

    Args:
        tensor: `[... h w]`, whose other axes have length 1.

    Returns:
        h rows of w numbers.
    """
    return tuple(tuple(row) for row in tensor.reshape(tensor.shape[-2:]).tolist())


def _batch(values: Rows) -> torch.Tensor:
    """Convert rows to a tensor `[1 1 h w]`."""
    return torch.tensor(values, dtype=torch.float32)[None, None]
