"""Zeros around the input, as many as each side needs."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

Padding = int | Sequence[int] | str
"""A number, one for each axis, before and after for each axis `(top, bottom, left, right)`, or `"same"`."""

Sides = tuple[tuple[int, int], ...]


def sides(
    padding: Padding,
    size: Sequence[int],
    kernel_size: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
) -> Sides:
    """Zeros before and after, axis by axis.

    `"same"` makes the output `ceil(size / stride)` long, and puts the odd zero after the input.

    Source: TensorFlow's and Keras' "SAME".
    """
    rank = len(kernel_size)
    if padding == "same":
        each = zip(size, kernel_size, stride, dilation, strict=True)
        totals = [max((-(-s // step) - 1) * step + d * (k - 1) + 1 - s, 0) for s, k, step, d in each]
        return tuple((total // 2, total - total // 2) for total in totals)
    if isinstance(padding, str):
        raise ValueError(f"padding is a number, numbers or 'same', not {padding!r}")
    values = (padding,) * rank if isinstance(padding, int) else tuple(padding)
    if len(values) == rank:
        return tuple((value, value) for value in values)
    return tuple(zip(values[::2], values[1::2], strict=True))


def pad(x: Float[Tensor, "b c *size"], around: Sides, value: float = 0.0) -> Float[Tensor, "b c *padded"]:
    """`x` with zeros (or another value) around it."""
    if not any(before or after for before, after in around):
        return x
    return functional.pad(x, [n for axis in reversed(around) for n in axis], value=value)


def each(value: int | Sequence[int], rank: int) -> tuple[int, ...]:
    """One number for each axis."""
    return (value,) * rank if isinstance(value, int) else tuple(value)
