"""Padding that may differ from side to side."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

Padding = int | Sequence[int] | str
"""A number, one for each axis, before and after for each axis `(top, bottom, left, right)`, or `"same"`."""

Sides = tuple[tuple[int, int], ...]
"""Padding before and after the input, for each axis."""


def sides(
    padding: Padding,
    size: Sequence[int],
    kernel_size: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
) -> Sides:
    """Compute the padding before and after each axis.

    `"same"` makes the output `ceil(size / stride)` long, and adds an odd zero after the input.

    Args:
        padding: the padding as given by the user.
        size: size of the input along each axis; matters for `"same"` only, as do stride and dilation.
        kernel_size: size of the kernel along each axis.
        stride: stride along each axis.
        dilation: dilation along each axis.

    Returns:
        Padding before and after, for each axis.

    Raises:
        ValueError: the padding is another string than `"same"`.

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
    """Pad a tensor with a constant.

    Args:
        x: signals or maps `[b c *size]`.
        around: padding before and after each axis.
        value: the constant.

    Returns:
        The padded tensor; `x` itself where there is nothing to pad.
    """
    if not any(before or after for before, after in around):
        return x
    return functional.pad(x, [n for axis in reversed(around) for n in axis], value=value)


def each(value: int | Sequence[int], rank: int) -> tuple[int, ...]:
    """Expand a number to one for each axis.

    Args:
        value: a number for all axes, or one for each.
        rank: number of axes.

    Returns:
        One number for each axis.
    """
    return (value,) * rank if isinstance(value, int) else tuple(value)
