"""The chapter "One convolution, by hand"."""

from torch import Tensor

from convscope.show.report.figure import Section
from convscope.show.report.figures.lecture import kernel_flip, padding, pooling, sparse, steps, strides


def chapter(digit: Tensor, number: int) -> Section:
    """Build the chapter that works through one convolution by hand.

    It shows each step of a convolution, strides, correlation against convolution, sparse connections, padding
    and pooling.

    Args:
        digit: the image that is pooled, `[1 h w]` in [0, 1]: the first test digit of class `number`.
        number: its class, for the command under the figure.

    Returns:
        The section.
    """
    figures = (steps.figure(), strides.figure(), kernel_flip.figure(), sparse.figure(), padding.figure())
    return Section("convolution", (*figures, pooling.figure(digit, number)))
