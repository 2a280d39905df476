"""Contact sheets: one layout for rows of images with captions.

Callers give data: rows of tiles with their texts. Fonts, margins, and how texts are escaped, wrapped and
shortened are decided here, so that no caption overlaps its neighbour or is cut without an ellipsis.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from convscope.errors import UsageError
from convscope.show.images.draw import flatten_alpha, resized, upscale
from convscope.system.counting import counted
from convscope.system.printable import printable

Colour = tuple[int, int, int]
PAPER, INK, FAINT = (247, 246, 242), (31, 32, 35), (92, 94, 102)
"""RGB of the sheet, of names and titles, and of notes."""
MARGIN, GAP = 16, 12
"""Pixels around the sheet, and between its tiles."""
TITLE = 20
"""Size of the headline's font, in pixels."""
NAME, NOTE, WIDE = (14, 16), (11, 13), 200
"""Sizes of the font of names and notes: the second where every column is at least `WIDE` pixels wide."""
LEADING = 1.25
"""Distance between lines of text, in sizes of the font."""
_WIDEST = 8
"""Most tiles in a row of pairs."""
SIDE_COLUMN, NARROWEST, TITLE_WIDTH = 210, 48, 720
"""Pixels: most for text at the left of rows, least for a column, most that a title widens a sheet to."""


@dataclass(frozen=True)
class Note:
    """A line of small text.

    Attributes:
        text: any text.
        colour: RGB, from 0 to 255.
    """

    text: str
    colour: Colour = FAINT


@dataclass(frozen=True)
class SheetTile:
    """An image with its caption below.

    Attributes:
        image: of any mode and size; transparency is put on white. None for text alone.
        name: the caption's heading; none if empty.
        notes: lines of small text below it.
    """

    image: Image.Image | None
    name: str = ""
    notes: Sequence[str | Note] = ()


@dataclass(frozen=True)
class SheetRow:
    """Tiles side by side, with text at their left.

    Attributes:
        tiles: from left to right; at least one.
        name: heading at the left; none if empty.
        notes: lines of small text below the heading.
    """

    tiles: Sequence[SheetTile]
    name: str = ""
    notes: Sequence[str | Note] = ()


def compose(
    rows: Sequence[SheetRow], *, title: str = "", note: str = "", side: int | None = None, gap: int = GAP
) -> Image.Image:
    """Draw rows of images with captions below each other, in columns.

    Every text is escaped, broken into two lines at most, and has an ellipsis where it does not fit. Rows with
    images leave the same room for captions, so that regular grids stay regular.

    Args:
        rows: at least one; they may have different numbers of tiles.
        title: headline of the sheet; none if empty.
        note: a line of small text below the headline; none if empty.
        side: height that every image is scaled to, in pixels, with its aspect ratio kept; images keep their
            size if left out.
        gap: pixels between tiles.

    Returns:
        The sheet in RGB.

    Raises:
        UsageError: there are no rows, or one without tiles.
    """
    if not rows or not all(row.tiles for row in rows):
        raise UsageError("rows with pictures", received=f"{len(rows)} rows")
    images = [[_opaque(tile.image, side) for tile in row.tiles] for row in rows]
    columns = _column_widths(images)
    large = min(columns) >= WIDE
    beside = [_block(row, SIDE_COLUMN, large) for row in rows]
    below = [
        [_block(tile, width, large) for tile, width in zip(row.tiles, columns, strict=False)] for row in rows
    ]
    left = max(_width(lines) for lines in beside)
    left = MARGIN + (left + 2 * GAP if left else 0)
    title_width = min(_width(_headline(title, note, large)), TITLE_WIDTH)
    width = max(left + sum(columns) + gap * (len(columns) - 1), MARGIN + title_width) + MARGIN
    head = _headline(title, note, large, width - 2 * MARGIN)
    tops = [MARGIN + (_height(head) + GAP if head else 0)]
    for height in _row_heights(beside, images, below):
        tops.append(tops[-1] + height + gap)
    sheet = Image.new("RGB", (width, tops[-1] - gap + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    _write(draw, head, (MARGIN, MARGIN))
    for y, texts, row_images, captions in zip(tops, beside, images, below, strict=False):
        _write(draw, texts, (MARGIN, y))
        x, caption = left, y + _tallest(row_images)
        for image, lines, column in zip(row_images, captions, columns, strict=False):
            if image is not None:
                sheet.paste(image, (x, y))
            _write(draw, lines, (x, caption))
            x += column + gap
    return sheet


def grid(
    images: Sequence[Image.Image], labels: Sequence[str] = (), *, columns: int | None = None, side: int = 140
) -> Image.Image:
    """Draw a contact sheet in a regular grid, each image with its label below.

    Args:
        images: at least one; transparency is put on white.
        labels: one for each image, broken into two lines at most; none if empty.
        columns: most images in a row; chosen for a sheet somewhat wider than high if left out.
        side: height in pixels that images are enlarged to by a whole factor, approximately; larger ones keep
            their size.

    Returns:
        The sheet in RGB.

    Raises:
        UsageError: no images, or a different number of labels.
    """
    if not images or (labels and len(labels) != len(images)):
        raise UsageError(
            "as many labels as pictures, and at least one",
            received=f"{counted(len(images), 'picture')}, {counted(len(labels), 'label')}",
        )
    notes = [(label,) for label in labels] or [()] * len(images)
    tiles = [SheetTile(upscale(image, side), "", note) for image, note in zip(images, notes, strict=True)]
    return compose(in_rows(tiles, columns))


def in_rows(tiles: Sequence[SheetTile], columns: int | None = None) -> list[SheetRow]:
    """Break a sequence of tiles into as few rows as possible, of lengths as equal as possible.

    Args:
        tiles: in the order of reading.
        columns: most tiles in a row; chosen for a sheet somewhat wider than high if left out.

    Returns:
        The rows, without text at their left; the last may be shorter.
    """
    columns = _balanced(len(tiles), columns or round((len(tiles) * 1.6) ** 0.5))
    return [SheetRow(tiles[start : start + columns]) for start in range(0, len(tiles), columns)]


def in_pairs(upper: Sequence[SheetTile], lower: Sequence[SheetTile], group: int = 1) -> list[SheetRow]:
    """Break two sequences of tiles into rows, each row of the first with that of the second under it.

    Args:
        upper: in the order of reading.
        lower: the tile that belongs under each.
        group: how many neighbours belong together; groups of several begin a new row.

    Returns:
        The rows, without text at their left.

    Raises:
        UsageError: there are not as many lower tiles as upper ones.
    """
    if len(upper) != len(lower):
        raise UsageError(
            "a tile under each", received=f"{len(upper)} above, {len(lower)} below", hint="Give one for each."
        )
    chunk, rows = group if group > 1 else len(upper), []
    for start in range(0, len(upper), chunk):
        pairs = [in_rows(tiles[start : start + chunk], _WIDEST) for tiles in (upper, lower)]
        rows += [row for pair in zip(*pairs, strict=True) for row in pair]
    return rows


def _balanced(count: int, most: int) -> int:
    """Return how many tiles to put in a row, so that the rows are as few, and as equal, as they can be."""
    rows = -(-count // max(1, most))
    return max(1, -(-count // max(1, rows)))


@dataclass(frozen=True)
class _Line:
    """One line of text as it is drawn."""

    text: str
    font: Any
    size: int
    colour: Colour


def _opaque(image: Image.Image | None, side: int | None) -> Image.Image | None:
    """Put an image on white, and scale it to a height if one is given."""
    if image is None:
        return None
    opaque = flatten_alpha(image)
    if side is None:
        return opaque
    return resized(opaque, (max(1, round(opaque.width * side / opaque.height)), side))


def _headline(title: str, note: str, large: bool, width: int | None = None) -> list[_Line]:
    return [*_texts([title], TITLE, INK, width), *_texts([note], NOTE[large], FAINT, width)]


def _row_heights(
    beside: Sequence[Sequence[_Line]],
    images: Sequence[Sequence[Image.Image | None]],
    below: Sequence[Sequence[Sequence[_Line]]],
) -> Iterator[int]:
    """Yield each row's height: rows with images leave the same room for the captions below them."""
    foot = max(
        (_height(c) for row, line in zip(images, below, strict=True) if _tallest(row) for c in line),
        default=0,
    )
    for texts, row_images, captions in zip(beside, images, below, strict=True):
        tall = _tallest(row_images)
        tile = tall + foot if tall else max(map(_height, captions))
        yield max(_height(texts), tile)


def _column_widths(images: Sequence[Sequence[Image.Image | None]]) -> list[int]:
    """Return each column's width; a column without images is as wide as the widest image."""
    count = max(map(len, images))
    widths = [
        max((row[k].width for row in images if k < len(row) and row[k] is not None), default=0)  # pyright: ignore[reportOptionalMemberAccess]
        for k in range(count)
    ]
    return [max(width or max(widths), NARROWEST) for width in widths]


def _tallest(images: Iterable[Image.Image | None]) -> int:
    return max((image.height for image in images if image is not None), default=0)


def _block(captioned: SheetTile | SheetRow, width: int, large: bool) -> list[_Line]:
    """Break a heading and its notes into lines of a given width."""
    lines = _texts([captioned.name], NAME[large], INK, width)
    for note in captioned.notes:
        text, colour = (note.text, note.colour) if isinstance(note, Note) else (note, FAINT)
        lines += _texts([text], NOTE[large], colour, width)
    return lines


def _texts(texts: Iterable[str], size: int, colour: Colour, width: int | None = None) -> list[_Line]:
    """Break texts into lines, at most two for each; empty texts have none."""
    font = ImageFont.load_default(size)
    return [
        _Line(line, font, size, colour)
        for text in map(printable, texts)
        for line in ([text] if width is None else wrapped(text, font, width))
        if line
    ]


def _width(lines: Iterable[_Line]) -> int:
    return max((round(line.font.getlength(line.text)) + 1 for line in lines), default=0)


def _height(lines: Sequence[_Line]) -> int:
    """Return the height of lines of text, with some air above them; 0 for none."""
    return round(sum(LEADING * line.size for line in lines)) + 4 if lines else 0


def _write(draw: ImageDraw.ImageDraw, lines: Iterable[_Line], at: tuple[int, int]) -> None:
    x, y = at[0], at[1] + 4.0
    for line in lines:
        draw.text((x, y), line.text, fill=line.colour, font=line.font)
        y += LEADING * line.size


def wrapped(text: str, font: Any, width: int, most: int = 2) -> list[str]:
    """Break a text into lines of a given width, and put an ellipsis for what does not fit.

    Lines are broken at spaces; words wider than a line after one of `. _ / : -`, or else anywhere. What does
    not fit is left out at the end; in one word, as addresses of layers are, before the end, which says most.

    Args:
        text: a text of one line.
        font: a Pillow font.
        width: of a line, in pixels.
        most: lines at the most.

    Returns:
        The lines; none for an empty text.
    """
    lines, rest = [], text.strip()
    while len(lines) < most - 1 and font.getlength(rest) > width:
        fitting = max(1, _fitting(rest, font, width))
        space = rest.rfind(" ", 1, fitting + 1)
        joints = [match.end() for match in re.finditer(r"[._/:-]", rest[:fitting])]
        cut = space if space > 0 else joints[-1] if joints else fitting
        lines.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    if rest and font.getlength(rest) > width:
        if " " in text.strip():
            rest = rest[: max(1, _fitting(rest, font, width, "…"))].rstrip() + "…"
        else:
            rest = "…" + rest[-max(1, _fitting(rest[::-1], font, width, "…")) :]
    return [*lines, rest] if rest else lines


def _fitting(text: str, font: Any, width: int, ending: str = "") -> int:
    """Return how many letters of a text fit into a width together with an ending."""
    return bisect_right(
        range(1, len(text) + 1), width, key=lambda n: font.getlength(text[:n].rstrip() + ending)
    )
