"""Validation and normalisation of layer options, so that a wrong one is refused where it is written.

The functions take a layer that is being made (they are called from `__post_init__`) and names of its options.
"""

from collections.abc import Iterable
from typing import Any

from convscope.errors import GraphError, nearest

Extent = int | tuple[int, ...]
"""One whole number for every spatial axis, or one for each: `3`, `(3, 5)`."""

Padding = int | tuple[int, ...] | str
"""`1`, one for each axis `(1, 2)`, both ends of each axis `(top, bottom, left, right)`, or `"same"`."""


LARGEST = 2.0**127
"""Largest number of an option; larger ones overflow float32, in which networks run."""


def wrong(layer: Any, name: str, expected: str) -> GraphError:
    """Return the error for an option with an invalid value.

    Args:
        layer: the layer.
        name: the option, whose value the error shows.
        expected: what it should be, as a noun.

    Returns:
        The error, to be raised.
    """
    value = getattr(layer, name)
    return GraphError(f"{layer.kind}: {expected} as {name}", received=f"{name}={value!r}")


def whole(layer: Any, *names: str, least: int = 1) -> None:
    """Check that options are whole numbers.

    Args:
        layer: the layer.
        *names: the options.
        least: smallest valid number.

    Raises:
        GraphError: one is not a whole number, or smaller.
    """
    for name in names:
        value = getattr(layer, name)
        if type(value) is not int or value < least:
            raise wrong(layer, name, f"a whole number from {least}")


def flag(layer: Any, *names: str) -> None:
    """Check that options are true or false.

    Args:
        layer: the layer.
        *names: the options.

    Raises:
        GraphError: one is neither.
    """
    for name in names:
        if type(getattr(layer, name)) is not bool:
            raise wrong(layer, name, "true or false")


def number(layer: Any, name: str, low: float = float("-inf"), high: float = float("inf")) -> None:
    """Check that an option is a number in a range, and store it as a float.

    Args:
        layer: the layer.
        name: the option.
        low: smallest valid number.
        high: largest valid number.

    Raises:
        GraphError: it is not a number, NaN, outside of the range, or beyond float32 (`LARGEST`).
    """
    value = getattr(layer, name)
    if type(value) not in (int, float) or not low <= value <= high or abs(value) > LARGEST:
        raise wrong(layer, name, f"a number from {low:g} to {high:g}")
    object.__setattr__(layer, name, float(value))


def choice(layer: Any, name: str, allowed: Iterable[str]) -> None:
    """Check that an option is one of some words.

    Args:
        layer: the layer.
        name: the option.
        allowed: the valid words.

    Raises:
        GraphError: it is something else.
    """
    allowed = tuple(allowed)
    value = getattr(layer, name)
    if value not in allowed:
        raise GraphError(
            f"{layer.kind}: {' or '.join(allowed)} as {name}",
            received=f"{name}={value!r}",
            hint=nearest(str(value), allowed),
        )


def per_axis(layer: Any, rank: int, *names: str, least: int = 1) -> None:
    """Check that options are whole numbers, one or one for each spatial axis, and store them as tuples.

    Args:
        layer: the layer.
        rank: number of spatial axes.
        *names: the options.
        least: smallest valid number.

    Raises:
        GraphError: one is something else.
    """
    for name in names:
        value = getattr(layer, name)
        values = (value,) * rank if type(value) is int else value
        if not _whole_numbers(values, least) or len(values) != rank:
            raise wrong(layer, name, f"a whole number from {least}" + f", or {rank} of them" * (rank > 1))
        object.__setattr__(layer, name, tuple(values))


def numbers(value: Extent | None) -> tuple[int, ...]:
    """Return an option that `per_axis` has stored, as a tuple for the type checker.

    Args:
        value: the option.

    Returns:
        The tuple; a single number as a tuple of one, None as an empty one.
    """
    return value if isinstance(value, tuple) else () if value is None else (value,)


def padding(layer: Any, rank: int) -> None:
    """Check the option `padding`, and store it in its shortest form.

    That is `"same"`, a tuple of one number for each axis, or of two (before and after) where they differ.

    Args:
        layer: the layer.
        rank: number of spatial axes.

    Raises:
        GraphError: it is none of them.
    """
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


Table = tuple[tuple[int, ...], ...]
"""A connection table: for each output map, the input maps it reads, counted from 0."""


def connections(layer: Any, name: str) -> None:
    """Check that an option is a connection table, and store it as a `Table`.

    Args:
        layer: the layer.
        name: the option: for each output map the input maps that it reads, at least one, each once.

    Raises:
        GraphError: it is something else.
    """
    rows = getattr(layer, name)
    if not isinstance(rows, tuple | list) or not rows or not all(map(_distinct_maps, rows)):
        expected = f"{layer.kind}: {name} lists, for each output map, the input maps it reads, each once"
        raise GraphError(expected, received=f"{name}={rows!r}")
    object.__setattr__(layer, name, tuple(map(tuple, rows)))


def existing_maps(layer: Any, table: Table, channels: int) -> None:
    """Check that a connection table reads only maps that there are.

    Args:
        layer: the layer, which the error names.
        table: its connection table.
        channels: number of input maps.

    Raises:
        GraphError: it reads a map beyond the last.
    """
    highest = max(map(max, table))
    if highest >= channels:
        received = f"{channels} input maps, and a table that reads map {highest}"
        raise GraphError(f"{layer.kind}: a table of existing input maps, counted from 0", received=received)


def _distinct_maps(row: object) -> bool:
    """Return whether a row of a connection table has one number or more, each from 0 and only once."""
    if not isinstance(row, tuple | list) or not row:
        return False
    return all(type(i) is int and i >= 0 for i in row) and len(set(row)) == len(row)
