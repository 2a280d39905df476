"""Check plain values read from a file: exact types, ranges, lengths.

Each function returns the value, or raises `ValueError` with the field's name, what was expected and what
was received. A `bool` is not accepted as a number, although it is one for Python.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

LARGEST = 2**53
"""Largest integer that every reader of JSON represents exactly."""


def integer(name: str, value: Any, low: int = 0, high: int = LARGEST) -> int:
    """Require an integer in a range; a float such as 1.0 is refused.

    Args:
        name: name of the field, for the message.
        value: value to check.
        low: least value allowed.
        high: largest value allowed.

    Returns:
        The value.

    Raises:
        ValueError: it is something else.
    """
    if type(value) is not int or not low <= value <= high:
        raise _wrong(name, f"an integer from {low} to {high}", value)
    return value


def number(name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
    """Require a finite number in a range.

    Args:
        name: name of the field, for the message.
        value: value to check.
        low: least value allowed.
        high: largest value allowed; magnitudes above 1e300 are always refused.

    Returns:
        The value as a float.

    Raises:
        ValueError: it is something else.
    """
    if type(value) not in (int, float) or not low <= value <= high or abs(value) > 1e300:
        raise _wrong(name, f"a finite number{_range(low, high)}", value)
    return float(value)


def number_or_none(name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float | None:
    """Require a finite number in a range, or None.

    Args:
        name: name of the field, for the message.
        value: value to check.
        low: least value allowed.
        high: largest value allowed.

    Returns:
        The value as a float, or None.

    Raises:
        ValueError: it is something else.
    """
    return None if value is None else number(name, value, low, high)


def flag(name: str, value: Any) -> bool:
    """Require true or false.

    Args:
        name: name of the field, for the message.
        value: value to check.

    Returns:
        The value.

    Raises:
        ValueError: it is something else.
    """
    if type(value) is not bool:
        raise _wrong(name, "true or false", value)
    return value


def text(name: str, value: Any, among: Iterable[str] | None = None) -> str:
    """Require a string.

    Args:
        name: name of the field, for the message.
        value: value to check.
        among: the strings allowed; any if left out.

    Returns:
        The value.

    Raises:
        ValueError: it is something else.
    """
    choices = None if among is None else sorted(among)
    if not isinstance(value, str) or (choices is not None and value not in choices):
        raise _wrong(name, "a string" if choices is None else f"one of {', '.join(choices)}", value)
    return value


def fields(name: str, value: Any, names: Iterable[str]) -> dict[str, Any]:
    """Require a mapping with exactly the given keys.

    Args:
        name: name of the mapping, for the message.
        value: value to check.
        names: its keys.

    Returns:
        A copy as a dict.

    Raises:
        ValueError: it is no mapping, or keys are missing or unknown.
    """
    if not isinstance(value, Mapping):
        raise _wrong(name, "a table", value)
    wanted = set(names)
    missing, unknown = sorted(wanted - set(value)), sorted(map(str, set(value) - wanted))
    if missing or unknown:
        words = [f"no {', '.join(missing)}"] * bool(missing)
        words += [f"the unknown {shown(', '.join(unknown))}"] * bool(unknown)
        raise ValueError(f"{name}: {' and '.join(words)}")
    return dict(value)


def items(name: str, value: Any, length: int | None = None) -> Sequence[Any]:
    """Require a list.

    Args:
        name: name of the field, for the message.
        value: value to check.
        length: number of entries; any if left out.

    Returns:
        The value.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(value, list) or (length is not None and len(value) != length):
        wanted = "a list" if length is None else f"a list of {length}"
        raise _wrong(name, wanted, f"a list of {len(value)}" if isinstance(value, list) else value)
    return value


def shown(value: Any, most: int = 60) -> str:
    """Format any value for a message, in bounded length.

    Args:
        value: a string, shown as it is, or anything else, shown by its `repr`.
        most: largest number of characters before `...`.

    Returns:
        The text.
    """
    try:
        words = value if isinstance(value, str) else repr(value)
    except ValueError:  # an integer of thousands of digits
        words = f"a {type(value).__name__} too long to be shown"
    return words if len(words) <= most else f"{words[:most]}..."


def _wrong(name: str, wanted: str, value: Any) -> ValueError:
    return ValueError(f"{name}: {wanted} was expected, not {shown(value)}")


def _range(low: float, high: float) -> str:
    if low == -math.inf and high == math.inf:
        return ""
    return f" of at least {low:g}" if high == math.inf else f" from {low:g} to {high:g}"
