"""Many small images of one size in one file, within a number of bytes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, sqrt

from PIL import Image

from convscope.show.images.draw import webp_uri
from convscope.show.images.input_image import fitted

SIDES = (56, 48, 40, 32, 24, 16)
"""Sides of a tile, in pixels, from the most wanted to the smallest."""
PIXEL = 0.5
"""Estimated bytes for each pixel of a sheet of small photographs, as base64."""


@dataclass(frozen=True)
class Sprite:
    """A sheet of small images.

    Attributes:
        uri: the sheet as a `data:` URI.
        side: of a tile, in pixels.
        columns: tiles in a row.
        rows: of tiles.
        shown: number of images that are in the sheet, the first ones.
    """

    uri: str
    side: int
    columns: int
    rows: int
    shown: int


def sprite(count: int, draw: Callable[[Sequence[int]], Sequence[Image.Image]], budget: int) -> Sprite:
    """Draw images side by side as one lossy WebP, as large as fits into a number of bytes.

    Tiles become smaller before images are left out.

    Args:
        count: number of images, the most wanted first.
        draw: returns the images of some indices; called for a few at a time.
        budget: most bytes of the URI.

    Returns:
        The sheet; an empty one of one tile if there are no images.
    """
    side = next((s for s in SIDES if count * s * s * PIXEL <= budget), SIDES[-1])
    shown = min(count, max(1, int(budget / (side * side * PIXEL))))
    tiles = [fitted(image, side) for image in _drawn(shown, draw)]
    while True:
        made = _sheet(tiles[:shown], side)
        if len(made.uri) <= budget or (shown <= 1 and side == SIDES[-1]):
            return made
        smaller = [s for s in SIDES if s < side]
        if smaller:
            side = smaller[0]
            tiles = [tile.resize((side, side), Image.Resampling.LANCZOS) for tile in tiles]
        else:
            shown = max(1, int(shown * 0.9 * budget / len(made.uri)))


def _drawn(count: int, draw: Callable[[Sequence[int]], Sequence[Image.Image]]) -> list[Image.Image]:
    """Draw images a few at a time, so that only small ones are kept."""
    made: list[Image.Image] = []
    for start in range(0, count, 64):
        images = draw(range(start, min(start + 64, count)))
        made += [fitted(image, SIDES[0]) if max(image.size) > SIDES[0] else image for image in images]
    return made


def _sheet(tiles: Sequence[Image.Image], side: int) -> Sprite:
    columns = max(1, ceil(sqrt(len(tiles))))
    rows = max(1, ceil(len(tiles) / columns))
    sheet = Image.new("RGB", (columns * side, rows * side), (255, 255, 255))
    for i, tile in enumerate(tiles):
        sheet.paste(tile, (i % columns * side, i // columns * side))
    return Sprite(webp_uri(sheet, 72), side, columns, rows, len(tiles))
