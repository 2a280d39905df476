"""Numbers of things, and shares, in words."""

MOST_SHARE = 10.0
"""Shares above it are not written out: 815,524% says no more than "over 1000%"."""


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


def percent_short_of(share: float) -> str:
    """Write a share in percent with one decimal, which is 100 only for all and 0 only for none.

    Args:
        share: from 0 to 1.

    Returns:
        Such as `62.5`, without a sign; `>99.9` and `<0.1` where rounding would say all or none.
    """
    if share in (0, 1):
        return f"{100 * share:.0f}"
    if share < 0.0005:
        return "<0.1"
    return ">99.9" if share >= 0.9995 else f"{100 * share:.1f}"


def percent_right(accuracy: float) -> str:
    """Write an accuracy in percent with one decimal, so that it is the complement of `percent_wrong`.

    Args:
        accuracy: from 0 to 1.

    Returns:
        Such as `98.2`, without a sign; noise of floating point decides no tie.
    """
    return f"{round(100 * accuracy, 6):.1f}"


def percent_wrong(accuracy: float) -> str:
    """Write the error rate that belongs to an accuracy, in percent: both together are 100.0.

    Args:
        accuracy: from 0 to 1.

    Returns:
        Such as `1.8`, without a sign.
    """
    return f"{100 - float(percent_right(accuracy)):.1f}"
