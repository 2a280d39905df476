"""The eight symmetries of the square, for planes and for points."""

from functools import lru_cache

import torch
from jaxtyping import Float, Int64
from torch import Tensor

COUNT = 8
"""Four turns, each mirrored or not; number 0 leaves everything as it is."""


def apply(planes: Float[Tensor, "*b h w"], number: int) -> Float[Tensor, "*b h w"]:
    """Turn and mirror boards.

    Args:
        planes: any tensor whose last two axes are rows and columns of a square board.
        number: 0 to 7: quarter turns against the clock, plus 4 where columns are mirrored after them.

    Returns:
        The same values at other points.
    """
    turned = torch.rot90(planes, number % 4, (-2, -1))
    return turned.flip(-1) if number >= 4 else turned


def inverse(number: int) -> int:
    """Return the symmetry that undoes another.

    Args:
        number: 0 to 7.

    Returns:
        Its number. Mirror images undo themselves.
    """
    return number if number >= 4 else -number % 4


@lru_cache
def point_map(size: int) -> Int64[Tensor, "8 n"]:
    """Return where each symmetry takes each point.

    Args:
        size: side of the board.

    Returns:
        `map[s, k]` is the index, row by row, at which point `k` lies after symmetry `s`; shared, and
        not to be written to.
    """
    places = torch.arange(size * size).view(size, size)
    found = torch.empty(COUNT, size * size, dtype=torch.int64)
    for number in range(COUNT):
        found[number, apply(places, number).flatten()] = places.flatten()
    return found
