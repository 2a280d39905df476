"""Numbers of things, and shares, in words."""

MOST_SHARE = 10.0
"""Shares above it are not written out: 815,524 % says no more than "over 1000 %"."""


def counted(number: int, one: str, many: str = "") -> str:
    """Say how many things there are, in the singular for one.

    Args:
        number: how many, from 0.
        one: name of one of them.
        many: name of several; with an `s` after `one` if left out.

    Returns:
        Such as `1 layer` and `1,024 layers`.
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def capped_share(value: float) -> str:
    """Write a share that can be any number of times the whole.

    Args:
        value: from 0; 1 is the whole.

    Returns:
        The percentage with one decimal, up to ten times the whole; else that it is over that.
    """
    return f"{value:.1%}" if value <= MOST_SHARE else f"over {MOST_SHARE:.0%}"
