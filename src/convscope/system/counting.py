"""Numbers of things in words."""


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
