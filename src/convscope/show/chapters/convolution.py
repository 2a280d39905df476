"""One convolution, by hand."""

from torch import Tensor

from convscope.show.figure import Section
from convscope.show.figures import padding, pooling, sparse, steps, strides, turned


def chapter(digit: Tensor, number: int) -> Section:
    """The worked examples of the lectures; pooling on the first test digit of class `number`, `[1 h w]`."""
    figures = (steps.figure(), strides.figure(), turned.figure(), sparse.figure(), padding.figure())
    return Section("convolution", (*figures, pooling.figure(digit, number)))
