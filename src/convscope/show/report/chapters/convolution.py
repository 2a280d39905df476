"""One convolution, by hand."""

from torch import Tensor

from convscope.show.report.figure import Section
from convscope.show.report.figures.lecture import kernel_flip, padding, pooling, sparse, steps, strides


def chapter(digit: Tensor, number: int) -> Section:
    """The worked examples of the lectures; pooling on the first test digit of class `number`, `[1 h w]`."""
    figures = (steps.figure(), strides.figure(), kernel_flip.figure(), sparse.figure(), padding.figure())
    return Section("convolution", (*figures, pooling.figure(digit, number)))
