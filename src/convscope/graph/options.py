"""Checks and normal forms of layer options: a wrong one is refused where it is written."""

from collections.abc import Iterable
from typing import Any

from convscope.errors import GraphError, nearest

Extent = int | tuple[int, ...]
"""One whole number for every spatial axis, or one for each: `3`, `(3, 5)`."""

Padding = int | tuple[int, ...] | str
"""`1`, one for each axis `(1, 2)`, both ends of each axis `(top, bottom, left, right)`, or `"same"`."""


LARGEST = 2.0**127
"""Beyond this a number leaves float32, in which networks run."""


def wrong(layer: Any, name: str, expected: str) -> GraphError:
    """The error for an option that holds something else."""
    value = getattr(layer, name)
    return GraphError(f"{layer.kind}: {name} is {expected}", received=f"{name}={value!r}")


def whole(layer: Any, *names: str, least: int = 1) -> None:
    """Each named option is a whole number of at least `least`."""
    for name in names:
        value = getattr(layer, name)
        if type(value) is not int or value < least:
            raise wrong(layer, name, f"a whole number from {least}")


def flag(layer: Any, *names: str) -> None:
    """Each named option is true or false."""
    for name in names:
        if type(getattr(layer, name)) is not bool:
            raise wrong(layer, name, "true or false")


def number(layer: Any, name: str, low: float = float("-inf"), high: float = float("inf")) -> None:
    """The option is a number from `low` to `high`; it is stored as a float."""
    value = getattr(layer, name)
    if type(value) not in (int, float) or not low <= value <= high or abs(value) > LARGEST:
        raise wrong(layer, name, f"a number from {low:g} to {high:g}")
    object.__setattr__(layer, name, float(value))


def choice(layer: Any, name: str, allowed: Iterable[str]) -> None:
    """The option is one of the words."""
    allowed = tuple(allowed)
    value = getattr(layer, name)
    if value not in allowed:
        raise GraphError(
            f"{layer.kind}: {name} is {' or '.join(allowed)}",
            received=f"{name}={value!r}",
            hint=nearest(str(value), allowed),
        )


def per_axis(layer: Any, rank: int, *names: str, least: int = 1) -> None:
    """Each named option is one whole number, or one for each of `rank` axes; it is stored as a tuple."""
    for name in names:
        value = getattr(layer, name)
        values = (value,) * rank if type(value) is int else value
        if not _whole_numbers(values, least) or len(values) != rank:
            raise wrong(layer, name, f"a whole number from {least}" + f", or {rank} of them" * (rank > 1))
        object.__setattr__(layer, name, tuple(values))


def numbers(value: Extent | None) -> tuple[int, ...]:
    """An option that was stored by `per_axis`, with the type it has since."""
    return value if isinstance(value, tuple) else () if value is None else (value,)


def padding(layer: Any, rank: int) -> None:
    """`padding` in its shortest form: `"same"`, one number for each axis, or before and after for each."""
    value = layer.padding
    if value == "same":
        return
    values = (value,) * rank if type(value) is int else value
    if not _whole_numbers(values, 0) or len(values) not in (rank, 2 * rank):
        each = "left and right" if rank == 1 else "top, bottom, left and right"
        raise wrong(layer, "padding", f"same, a number from 0, one for each axis, or {each}")
    if len(values) == 2 * rank and values[::2] == values[1::2]:
        values = values[::2]
    object.__setattr__(layer, "padding", tuple(values))


def _whole_numbers(values: Any, least: int) -> bool:
    return isinstance(values, tuple | list) and all(type(v) is int and v >= least for v in values)
