"""Placement of names on a map so that none covers another, the most important first."""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import ImageFont

PAD = (7, 3)
"""Pixels around a name, left and right, above and below."""
AIR = 2
"""Least distance of two names in pixels."""
SAFETY = 1.12
"""Factor on the width of text, for fonts that are wider than the one that measures."""


@dataclass(frozen=True)
class MapLabel:
    """A name at a point of a map.

    Attributes:
        text: the name.
        x: of the point, from 0 (left) to 1.
        y: of the point, from 0 (top) to 1.
    """

    text: str
    x: float
    y: float


@dataclass(frozen=True)
class PlacedLabel:
    """A name that has room on a map.

    Attributes:
        index: of the label.
        width: width of the map in pixels from which on there is room.
        size: size of its font in pixels.
    """

    index: int
    width: int
    size: int


def place_labels(
    labels: Sequence[MapLabel],
    widths: Sequence[tuple[int, int]],
    *,
    aspect: float = 1.0,
    measure: Callable[[str, int], float] | None = None,
) -> list[PlacedLabel]:
    """Choose for each label the smallest width of the map at which it has room.

    A label's box is shifted by as much of its own size as its point lies across the map: at the left border
    it begins there, at the right border it ends there. So no box leaves the map, and boxes that are apart at
    one width stay apart at every larger one.

    Args:
        labels: the most important first.
        widths: widths of the map in pixels, increasing, and the size of the font of labels that are first
            shown there.
        aspect: height of the map divided by its width.
        measure: width of a text at a font size, both in pixels; an estimate for any sans-serif font if left
            out.

    Returns:
        The labels that have room at one of the widths, in the order of widths, then of importance.
    """
    placed: list[PlacedLabel] = []
    for width, size in widths:
        boxes = [box(labels[p.index], width, p.size, aspect, measure) for p in placed]
        for index, label in enumerate(labels):
            mine = box(label, width, size, aspect, measure)
            taken = any(p.index == index for p in placed)
            if taken or mine[2] - mine[0] > width or any(_overlap(mine, other) for other in boxes):
                continue
            placed.append(PlacedLabel(index, width, size))
            boxes.append(mine)
    return placed


def box(
    label: MapLabel,
    width: int,
    size: int,
    aspect: float = 1.0,
    measure: Callable[[str, int], float] | None = None,
) -> tuple[float, float, float, float]:
    """Return the box of a label on a map.

    Args:
        label: the name and its point.
        width: of the map in pixels.
        size: of the font in pixels.
        aspect: height of the map divided by its width.
        measure: width of a text at a font size; an estimate if left out.

    Returns:
        Left, top, right and bottom in pixels.
    """
    wide = (measure or estimated_width)(label.text, size) + 2 * PAD[0]
    high = 1.25 * size + 2 * PAD[1]
    left, top = label.x * (width - wide), label.y * (width * aspect - high)
    return left, top, left + wide, top + high


def estimated_width(text: str, size: int) -> float:
    """Estimate the width of a text in a sans-serif font; wide characters, as Chinese ones, count as squares.

    Args:
        text: of one line.
        size: of the font in pixels.

    Returns:
        The width in pixels, rather too large.
    """
    font = ImageFont.load_default(size)
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    narrow = "".join(letter for letter in text if unicodedata.east_asian_width(letter) not in "WF")
    return SAFETY * font.getlength(narrow) + wide * size


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return (
        one[0] < other[2] + AIR
        and other[0] < one[2] + AIR
        and one[1] < other[3] + AIR
        and other[1] < one[3] + AIR
    )
