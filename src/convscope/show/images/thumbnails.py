"""Thumbnails of many inputs: sheets of them in several sizes for a browser, and one picture of their map."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from math import ceil

from PIL import Image, ImageOps
from torch import Tensor

from convscope.see import InputEmbedding
from convscope.show.images import contact_sheet, palette
from convscope.show.images.contact_sheet import INK, SheetRow, SheetTile
from convscope.show.images.input_image import fitted
from convscope.show.images.map_labels import MapLabel, drawn_width, place_labels, write_label
from convscope.system.counting import counted
from convscope.system.printable import printable
from convscope.worlds import render, world_of

SIDES = (128, 64, 32)
"""Sides of the largest thumbnails in pixels, from the most wanted to the smallest."""
MOST_PIXELS = 2**26
"""Most pixels of all thumbnails of the largest size together."""
SHEET, MOST_COLUMNS = 1024, 32
"""Longest side of a sheet in pixels, and most thumbnails in a row of it."""
QUALITY = 90
"""Quality of sheets of colour pictures, which are lossy WebP."""
MAP = 1200
"""Side of the picture of a map, in pixels."""
WHITE = (255, 255, 255)
TILE = 0.9
"""Side of a thumbnail on the picture of a map, in sides of a cell of a full grid."""


@dataclass(frozen=True)
class ThumbnailLevel:
    """Thumbnails of one size.

    Attributes:
        side: of a thumbnail, in pixels.
        columns: of a sheet, and rows; the last sheet may have fewer rows.
        sheets: number of sheets.
    """

    side: int
    columns: int
    sheets: int

    @property
    def per_sheet(self) -> int:
        """Thumbnails of a full sheet, row by row."""
        return self.columns**2


@dataclass(frozen=True)
class ThumbnailSheet:
    """One sheet.

    Attributes:
        side: of its thumbnails.
        number: of the sheet among those of its size, from 0.
        image: mode L for ink, 255 where there is most of it; else RGB.
    """

    side: int
    number: int
    image: Image.Image

    def encoded(self) -> bytes:
        """Return the file: PNG for ink, lossy WebP for colours."""
        made = BytesIO()
        if self.image.mode == "L":
            self.image.save(made, "PNG")
        else:
            self.image.save(made, "WEBP", quality=QUALITY, method=3)
        return made.getvalue()


def file_format(ink: bool) -> str:
    """Return the format of sheets, which is also the ending of their files.

    Args:
        ink: whether the pictures are black ink with alpha.

    Returns:
        `png` or `webp`.
    """
    return "png" if ink else "webp"


def thumbnail_levels(count: int, longest: int) -> tuple[ThumbnailLevel, ...]:
    """Choose the sizes in which inputs are drawn: the largest that is sensible, its half and its quarter.

    Args:
        count: number of inputs.
        longest: longer side of their pictures, in pixels.

    Returns:
        Three sizes, the largest first.
    """
    side = next((side for side in SIDES if count * side**2 <= MOST_PIXELS), SIDES[-1])
    sides = dict.fromkeys(max(1, ceil(min(side, longest) / part)) for part in (1, 2, 4))
    found = []
    for side in sides:
        columns = max(1, min(MOST_COLUMNS, SHEET // side))
        found.append(ThumbnailLevel(side, columns, ceil(count / columns**2)))
    return tuple(found)


def thumbnail(image: Image.Image, side: int, *, ink: bool) -> Image.Image:
    """Draw a picture of an input as a square.

    Args:
        image: as `worlds.render` returns it.
        side: of the square, in pixels.
        ink: whether the picture is black ink with alpha.

    Returns:
        Mode L with the amount of ink; else RGB, with a margin where the picture is not square.
    """
    if not ink:
        return fitted(image, side)
    amount = image.getchannel("A")
    if amount.width != amount.height:
        square = Image.new("L", (max(amount.size), max(amount.size)), 0)
        square.paste(amount, ((square.width - amount.width) // 2, (square.height - amount.height) // 2))
        amount = square
    return amount if amount.width == side else amount.resize((side, side), Image.Resampling.BOX)


def iter_thumbnail_sheets(
    images: Iterable[Image.Image], levels: Sequence[ThumbnailLevel], *, ink: bool
) -> Iterator[ThumbnailSheet]:
    """Draw pictures side by side on sheets, in all sizes at once.

    Args:
        images: pictures of the inputs, as `worlds.render` returns them.
        levels: sizes, the largest first.
        ink: whether the pictures are black ink with alpha.

    Yields:
        Each sheet as soon as it is full, and the last ones at the end.
    """
    mode = "L" if ink else "RGB"
    pages = [Image.new(mode, _square(level.columns * level.side)) for level in levels]
    count = 0
    for image in images:
        large = thumbnail(image, levels[0].side, ink=ink)
        for level, page in zip(levels, pages, strict=True):
            small = (
                large
                if level.side == large.width
                else large.resize(_square(level.side), Image.Resampling.BOX)
            )
            row, column = divmod(count % level.per_sheet, level.columns)
            page.paste(small, (column * level.side, row * level.side))
        count += 1
        for level, page in zip(levels, pages, strict=True):
            if count % level.per_sheet == 0:
                yield ThumbnailSheet(level.side, count // level.per_sheet - 1, page.copy())
    for level, page in zip(levels, pages, strict=True):
        rest = count % level.per_sheet
        if rest:
            height = ceil(rest / level.columns) * level.side
            yield ThumbnailSheet(level.side, count // level.per_sheet, page.crop((0, 0, page.width, height)))


def _square(side: int) -> tuple[int, int]:
    return side, side


def drawn_inputs(embedding: InputEmbedding, order: Sequence[int], batch: int = 64) -> Iterator[Image.Image]:
    """Draw the inputs of an embedding.

    Args:
        embedding: the embedding.
        order: numbers of the inputs in it, in the order in which they are drawn.
        batch: inputs that are opened at a time.

    Yields:
        The picture of each, as its world draws it.
    """
    spec = embedding.net.input_spec
    for first in range(0, len(order), batch):
        part = embedding.images[list(order[first : first + batch])]
        for tensor in embedding.data.inputs(part, spec):
            yield render(tensor, spec)


def by_class(embedding: InputEmbedding) -> list[int]:
    """Return the numbers of the inputs class by class, as sheets have them: classes lie together on a map.

    Args:
        embedding: the embedding.

    Returns:
        Every number once.
    """
    return embedding.labels.argsort(stable=True).tolist()


def map_sheet(embedding: InputEmbedding) -> Image.Image:
    """Draw the map of an embedding: every input as a thumbnail at its place, in the colour of its class.

    Args:
        embedding: the embedding; its last layout is drawn.

    Returns:
        The picture in RGB, with the name of each class at the median of its inputs.
    """
    spec, data = embedding.net.input_spec, embedding.data
    ink = world_of(spec).is_ink
    layout, points = list(embedding.layouts.items())[-1]
    side = max(6, round(TILE * MAP / embedding.grid[0]))
    colours = palette.distinct(len(data.classes))
    land = Image.new("RGB", (MAP + side, MAP + side), WHITE)
    numbers = range(len(embedding))
    for number, image in zip(numbers, drawn_inputs(embedding, numbers), strict=True):
        x, y = points[number].tolist()
        at = (round(x * MAP), round((1 - y) * MAP))
        tile = thumbnail(image, side, ink=ink)
        colour = colours[int(embedding.labels[number])]
        land.paste(
            Image.new("RGB", tile.size, colour)
            if ink
            else ImageOps.expand(tile.crop(_inner(side)), 1, colour),
            at,
            tile if ink else None,
        )
    _write_names(land, embedding, points)
    about = "UMAP" if layout == "umap" else f"PCA, {embedding.spread:.0%} of the variance"
    note = "; ".join([f"{counted(len(embedding), 'input')} of {data.name}", about])
    title = f"Inputs by {embedding.place} of {embedding.net.name}"
    return contact_sheet.compose([SheetRow([SheetTile(land)])], title=title, note=note)


def _inner(side: int) -> tuple[int, int, int, int]:
    """Return the part of a thumbnail that a frame of one pixel leaves."""
    return 1, 1, side - 1, side - 1


def _write_names(land: Image.Image, embedding: InputEmbedding, points: Tensor) -> None:
    """Write the names of the classes at their medians, the most frequent ones first."""
    counts = embedding.labels.bincount(minlength=len(embedding.data.classes))
    classes = [k for k in counts.argsort(descending=True, stable=True).tolist() if counts[k]]
    centres = [points[embedding.labels == k].median(0).values.tolist() for k in classes]
    labels = [
        MapLabel(printable(embedding.data.classes[k]), x, 1 - y)
        for k, (x, y) in zip(classes, centres, strict=True)
    ]
    for place in place_labels(labels, [land.width], measure=drawn_width)[land.width]:
        write_label(land, place, INK, WHITE)
