"""Placement of names on a map so that none covers another, the most important first."""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt

from PIL import ImageFont

PAD = (7, 2)
"""Pixels around a name: left and right, above and below."""
AIR, LEADING = 2, 1.25
"""Least distance of two names in pixels; height of a line in sizes of the font."""
SMALLEST, LARGEST = 13, 24
"""Size of a name's font in pixels where it is first shown, and at most."""
SAFETY = 1.12
"""Factor on the width of text, for fonts that are wider than the one that measures."""
Measure = Callable[[str, int], float]


@dataclass(frozen=True)
class MapLabel:
    """A name at a point of a square map.

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
    """A name that has room on a map of some width.

    Attributes:
        index: of the label.
        size: size of its font in pixels.
        box: left, top, right and bottom in pixels.
    """

    index: int
    size: int
    box: tuple[float, float, float, float]


def place_labels(
    labels: Sequence[MapLabel], widths: Sequence[int], measure: Measure | None = None
) -> dict[int, list[PlacedLabel]]:
    """Choose for each width of a map the labels that have room: the more important ones first.

    A label is shifted by as much of its own size as its point lies across the map: at the left border it
    begins there, at the right border it ends there. So none leaves the map. Its font grows with the square
    root of the width, more slowly than distances do, so labels that have room keep it on larger maps.

    Args:
        labels: the most important first.
        widths: of the map in pixels, increasing.
        measure: width of a text at a font size, in pixels; an estimate for sans-serif fonts if left out.

    Returns:
        The labels that have room, for each width; those of smaller widths first.
    """
    first: dict[int, int] = {}
    layers: dict[int, list[PlacedLabel]] = {}
    for width in widths:
        layer = [_placed(labels, index, width, began, measure) for index, began in first.items()]
        for index in range(len(labels)):
            candidate = _placed(labels, index, width, width, measure)
            wide = candidate.box[2] - candidate.box[0]
            if index in first or wide > width or any(_overlap(candidate.box, p.box) for p in layer):
                continue
            first[index] = width
            layer.append(candidate)
        layers[width] = layer
    return layers


def estimated_width(text: str, size: int) -> float:
    """Estimate the width of a text in a sans-serif font; wide characters, as Chinese ones, count as squares.

    Args:
        text: of one line.
        size: of the font in pixels.

    Returns:
        The width in pixels, rather too large.
    """
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    narrow = "".join(letter for letter in text if unicodedata.east_asian_width(letter) not in "WF")
    return SAFETY * ImageFont.load_default(size).getlength(narrow) + wide * size


def _placed(
    labels: Sequence[MapLabel], index: int, width: int, began: int, measure: Measure | None
) -> PlacedLabel:
    """Place one label on a map of this width, as it was first shown at the width `began`."""
    label = labels[index]
    size = min(LARGEST, int(SMALLEST * sqrt(width / began)))
    wide = (measure or estimated_width)(label.text, size) + 2 * PAD[0]
    high = LEADING * size + 2 * PAD[1]
    left, top = label.x * (width - wide), label.y * (width - high)
    return PlacedLabel(index, size, (left, top, left + wide, top + high))


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return (
        one[0] < other[2] + AIR
        and other[0] < one[2] + AIR
        and one[1] < other[3] + AIR
        and other[1] < one[3] + AIR
    )
