"""Contact sheets with captions (filmstrips, one image per layer), and animated WebP files."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from convscope.errors import UsageError
from convscope.show.images.draw import flatten_alpha, shortened, upscale
from convscope.system.files import parse_json
from convscope.system.printable import printable
from convscope.worlds.images.decode import read_bytes, read_header

PAPER, INK, FAINT = (247, 246, 242), (32, 32, 36), (120, 118, 112)
GAP = 8
MARGIN = 20
DESCRIPTION = 0x010E
"""The EXIF tag ImageDescription, in which an animation stores its recipe."""


@dataclass(frozen=True)
class Row:
    """One row of a contact sheet: images side by side, with a name and facts at their left.

    Attributes:
        name: heading of the row; may be empty.
        pictures: the images, from left to right; at least one.
        facts: lines of small text under the name.
        below: a caption for each image; none if empty.
    """

    name: str
    pictures: Sequence[Image.Image]
    facts: Sequence[str] = ()
    below: Sequence[str] = ()


def sheet(rows: Sequence[Row], *, title: str = "", side: int = 128) -> Image.Image:
    """Draw a contact sheet: rows of images below each other, each row's text at its left.

    Args:
        rows: at least one; rows may have different numbers of images.
        title: headline of the sheet; none if empty.
        side: height of every image on the sheet, in pixels; the aspect ratio is kept. Images of at most half
            that height are enlarged by whole factors first, so that their pixels stay visible.

    Returns:
        The sheet in RGB.

    Raises:
        UsageError: there are no rows, or one without images.
    """
    if not rows or not all(row.pictures for row in rows):
        raise UsageError("rows with pictures", received=f"{len(rows)} rows")
    tiles = [[_tile(picture, side) for picture in row.pictures] for row in rows]
    title = printable(title)
    name, fact = ImageFont.load_default(15), ImageFont.load_default(11)
    left = MARGIN + max(_text_width(row, name, fact) for row in rows) + 2 * GAP
    foot = 16 if any(row.below for row in rows) else 0
    top = MARGIN + (34 if title else 0)
    widest = max(sum(tile.width + GAP for tile in line) for line in tiles)
    width = max(left + widest, MARGIN + round(ImageFont.load_default(20).getlength(title))) + MARGIN - GAP
    pitch = side + GAP + foot
    image = Image.new("RGB", (width, top + pitch * len(rows) - GAP + MARGIN), PAPER)
    draw = ImageDraw.Draw(image)
    draw.text((MARGIN, MARGIN - 4), title, fill=INK, font=ImageFont.load_default(20))
    for number, (row, line) in enumerate(zip(rows, tiles, strict=True)):
        y = top + number * pitch
        draw.text((MARGIN, y + 2), printable(row.name), fill=INK, font=name)
        for index, text in enumerate(map(printable, row.facts)):
            draw.text((MARGIN, y + 24 + 15 * index), text, fill=FAINT, font=fact)
        _paste_row(image, draw, line, row.below, (left, y))
    return image


def _paste_row(
    image: Image.Image, draw: Any, line: Sequence[Image.Image], words: Sequence[str], at: tuple[int, int]
) -> None:
    """Paste one row of tiles from `at` (x, y) to the right, and write the captions below."""
    x, y = at
    font = ImageFont.load_default(11)
    for index, tile in enumerate(line):
        image.paste(tile, (x, y))
        if words:
            draw.text(
                (x, y + tile.height + 2), shortened(words[index], font, tile.width), fill=FAINT, font=font
            )
        x += tile.width + GAP


def _text_width(row: Row, name: Any, fact: Any) -> int:
    """Return the width of the text at the left of a row, in pixels."""
    return round(
        max([name.getlength(printable(row.name)), *(fact.getlength(printable(text)) for text in row.facts)])
    )


def _tile(picture: Image.Image, side: int) -> Image.Image:
    """Scale an image to a height: small ones by nearest neighbour first, then Lanczos."""
    opaque = flatten_alpha(picture)
    if 2 * opaque.height <= side:
        opaque = upscale(opaque, side)
    return opaque.resize((max(1, round(opaque.width * side / opaque.height)), side), Image.Resampling.LANCZOS)


def animation(
    pictures: Sequence[Image.Image], path: Path, recipe: dict[str, Any], *, seconds: float = 3.0
) -> Path:
    """Write images as an animated WebP that loops for ever and holds its last frame for 1.2 seconds.

    Args:
        pictures: the frames, at least one, all of the same size; transparency is put on white.
        path: the file to write.
        recipe: stored as JSON in the EXIF tag ImageDescription, for `convscope replay`.
        seconds: divided by the number of frames, the duration of every frame but the last (at least 20 ms).

    Returns:
        `path`.
    """
    frames = [flatten_alpha(picture) for picture in pictures]
    each = max(20, round(1000 * seconds / max(len(frames), 1)))
    exif = Image.Exif()
    exif[DESCRIPTION] = json.dumps(recipe, ensure_ascii=True)
    frames[0].save(
        path,
        format="WEBP",
        save_all=True,
        append_images=frames[1:],
        exif=exif.tobytes(),
        quality=86,
        method=4,
        duration=[each] * (len(frames) - 1) + [1200],
        loop=0,
    )
    return path


def recipe_in(path: Path) -> Any:
    """Read the recipe inside an animated WebP that `animation` wrote.

    Args:
        path: an image file.

    Returns:
        The parsed JSON; None where the file carries none.

    Raises:
        PhotoError: (a DataError) the file is missing, not a regular file, too large, or no image.
        ValueError: what it carries is no JSON.
    """
    text = read_header(read_bytes(path), str(path)).getexif().get(DESCRIPTION)
    return parse_json(text) if isinstance(text, str) else None
