"""Placement of names on a map: over their own cells alone, where they cover least, none over another."""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import pi, sqrt

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

PAD = 3
"""Pixels at the left and the right of a name, for its halo."""
AIR, LEADING = 2, 1.15
"""Least distance of two names in pixels; height of a line in sizes of the font."""
SMALLEST, LARGEST = 12, 40
"""Size of a name's font in pixels at least and at most."""
LIGHTEST, WEIGHTIEST = 0.01, 0.036
"""Size of the font of the least and of the most important name, in widths of the map."""
SHRINK = 0.85
"""Factor on the size of a name's font while there is no room for it."""
NOTED, NOTE, LEAST_NOTE = 18, 0.55, 10
"""Size of a name's font from which on its note is shown; the note's, as a share of it, in pixels at least."""
STEPS = 6
"""Positions that are tried along each side of a cell."""
OVER = 0.4
"""Least share of a name that lies over its own cells; the rest is over empty ones."""
PULL = 1.0
"""Cost of a name as far from the centre of its cells as their radius; what it covers on average costs 1."""
SAFETY = 1.12
"""Factor on the width of text, for fonts that are wider than the one that measures."""
RIM = 1e-6
"""Share of a cell that a name may lie over by rounding."""
Measure = Callable[[str, int], float]
Array = NDArray[np.float64]
Box = tuple[float, float, float, float]
Colour = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class MapCells:
    """The cells of a square map.

    Attributes:
        drawn: which cells show something; the others are empty.
        detail: how much there is to see, in squares of any size; 0 where the map is empty.
    """

    drawn: Bool[NDArray[np.bool_], "n n"]
    detail: Float[NDArray[np.float64], "m m"]


@dataclass(frozen=True)
class MapLabel:
    """A name on a square map.

    Attributes:
        name: any text.
        x: of the point that it belongs to, from 0 (left) to 1.
        y: of that point, from 0 (top) to 1.
        note: small text below the name, where there is room.
        weight: how important it is: its font grows with the square root, from 0 to 1.
        cells: row and column of each cell that has the name; the map must have `MapCells`. Without any, the
            name is centred on the point, or as near to it as the border of the map allows.
    """

    name: str
    x: float
    y: float
    note: str = ""
    weight: float = 0.0
    cells: Sequence[tuple[int, int]] = field(default=())


@dataclass(frozen=True)
class PlacedLabel:
    """A name that has room on a map of some width.

    Attributes:
        index: of the label.
        lines: its name, in one line or two.
        size: size of its font in pixels.
        note: its note; empty where that has no room.
        note_size: size of the note's font in pixels.
        centre: of name and note, from 0 to 1 (x, y).
        box: left, top, right and bottom in pixels.
    """

    index: int
    lines: tuple[str, ...]
    size: int
    note: str
    note_size: int
    centre: tuple[float, float]
    box: Box


def place_labels(
    labels: Sequence[MapLabel],
    widths: Sequence[int],
    cells: MapCells | None = None,
    measure: Measure | None = None,
) -> dict[int, list[PlacedLabel]]:
    """Choose for each width of a map the labels that have room, and where: the more important ones first.

    A name lies over its own cells and empty ones, never over another's, and not over another name. Of all
    such places it takes the one where it covers least, near the centre of its cells; where there is none, its
    font shrinks, its name is broken into two lines, and at last it is left out. From one width to the next,
    its centre stays and its font grows no faster than the map: a place that was free remains so.

    Args:
        labels: the most important first.
        widths: of the map in pixels, increasing.
        cells: of the map, where labels have some.
        measure: width of a text at a font size, in pixels; an estimate for sans-serif fonts if left out.

    Returns:
        The labels that have room, for each width; those of smaller widths first.
    """
    measure = measure or estimated_width
    grounds = [_Ground(label, cells) for label in labels]
    layers: dict[int, list[PlacedLabel]] = {}
    layer: list[PlacedLabel] = []
    for before, width in zip((0, *widths), widths, strict=False):
        layer = [_grown(labels[old.index], old, before, width, measure) for old in layer]
        shown = {place.index for place in layer}
        for index in range(len(labels)):
            if index not in shown:
                found = _search(grounds[index], index, width, [place.box for place in layer], measure)
                layer += [found] if found else []
        for number, place in enumerate(layer):
            label = labels[place.index]
            if label.note and not place.note and place.size >= NOTED:
                noted = _boxed(replace(place, note=label.note), width, measure)
                others = [other.box for other in layer if other is not place]
                if grounds[place.index].free(*_relative(noted, width), _scaled(others, width)).all():
                    layer[number] = noted
        layers[width] = list(layer)
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


def drawn_width(text: str, size: int) -> float:
    """Measure the width of a text in the font that `write_label` writes with.

    Args:
        text: of one line.
        size: of the font in pixels.

    Returns:
        The width in pixels.
    """
    return ImageFont.load_default(size).getlength(text)


def write_label(land: Image.Image, place: PlacedLabel, ink: Colour, halo: Colour) -> None:
    """Write a name on a map, each letter with a halo in place of a background.

    Args:
        land: the map; it is changed.
        place: the name, as `place_labels` with `drawn_width` has placed it.
        ink: RGB of the letters, from 0 to 255.
        halo: RGB around them.
    """
    draw = ImageDraw.Draw(land)
    x, y = (place.box[0] + place.box[2]) / 2, place.box[1]
    texts = [(line, place.size) for line in place.lines]
    texts += [(place.note, place.note_size)] if place.note else []
    for text, size in texts:
        font = ImageFont.load_default(size)
        at = (x, y + LEADING * size / 2)
        draw.text(at, text, fill=ink, font=font, anchor="mm", stroke_width=1 + size // 10, stroke_fill=halo)
        y += LEADING * size


class _Ground:
    """Where one label may lie, and what it would cover there; all lengths in widths of the map."""

    def __init__(self, label: MapLabel, cells: MapCells | None) -> None:
        self.label = label
        self.cells = cells if label.cells else None
        if self.cells is None:
            return
        grid = len(self.cells.drawn)
        rows, columns = np.array(label.cells).T
        own = np.zeros((grid, grid))
        own[rows, columns] = 1
        self.own, self.foreign = _table(own), _table(self.cells.drawn & (own == 0))
        typical = float(self.cells.detail.mean() / max(self.cells.drawn.mean(), 1e-12))
        self.detail = _table(self.cells.detail / max(typical, 1e-12))
        self.middle = (float(columns.mean() + 0.5) / grid, float(rows.mean() + 0.5) / grid)
        self.radius = sqrt(len(rows) / pi) / grid
        inside = np.arange(STEPS) / STEPS
        self.x = ((columns[:, None, None] + inside[None, :, None]) / grid + 0 * inside).ravel()
        self.y = ((rows[:, None, None] + inside[None, None, :]) / grid + 0 * inside[:, None]).ravel()

    def centres(self, wide: float, high: float) -> tuple[Array, Array]:
        """Return the centres that may be taken: one near the point, or many over the cells."""
        if self.cells is not None:
            return self.x, self.y
        return (
            np.array([min(max(self.label.x, wide / 2), 1 - wide / 2)]),
            np.array([min(max(self.label.y, high / 2), 1 - high / 2)]),
        )

    def free(self, x: Array, y: Array, wide: float, high: float, taken: Array) -> NDArray[np.bool_]:
        """Return at which centres the box is inside the map, over no other cell and over no other name."""
        left, top, right, bottom = box = (x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)
        free = (left >= -RIM) & (top >= -RIM) & (right <= 1 + RIM) & (bottom <= 1 + RIM)
        for one in taken:
            free &= (left >= one[2]) | (right <= one[0]) | (top >= one[3]) | (bottom <= one[1])
        if self.cells is not None:
            free &= _sum(self.foreign, *box) * len(self.cells.drawn) ** 2 <= RIM
            free &= _sum(self.own, *box) >= OVER * wide * high
        return free

    def cost(self, x: Array, y: Array, wide: float, high: float) -> Array:
        """Return how much a box covers, on average 1, and how far it is from the centre of the cells."""
        if self.cells is None:
            return np.zeros(len(x))
        covered = _sum(self.detail, x - wide / 2, y - high / 2, x + wide / 2, y + high / 2) / (wide * high)
        away = np.hypot(x - self.middle[0], y - self.middle[1])
        return covered + PULL * away / self.radius


def _search(
    ground: _Ground, index: int, width: int, taken: Sequence[Box], measure: Measure
) -> PlacedLabel | None:
    """Find the best place for a name at the largest size that has room; None if none has."""
    size, least, others = _wanted(ground.label, width), _least(width), _scaled(taken, width)
    while True:
        for lines, note in _variants(ground.label, size):
            tried = _boxed(PlacedLabel(index, lines, size, note, 0, (0.5, 0.5), (0, 0, 0, 0)), width, measure)
            wide, high = _relative(tried, width)[2:]
            x, y = ground.centres(wide, high)
            free = ground.free(x, y, wide, high, others)
            if free.any():
                best = int(np.where(free, ground.cost(x, y, wide, high), np.inf).argmin())
                return _boxed(replace(tried, centre=(float(x[best]), float(y[best]))), width, measure)
        if size == least:
            return None
        size = max(least, int(size * SHRINK))


def _least(width: int) -> int:
    """Return the size of the font of the least important name on a map of this width."""
    return max(SMALLEST, int(LIGHTEST * width))


def _wanted(label: MapLabel, width: int) -> int:
    """Return the size of a name's font on a map of this width, where there is room."""
    return max(_least(width), min(LARGEST, int(WEIGHTIEST * width * sqrt(label.weight))))


def _grown(label: MapLabel, old: PlacedLabel, before: int, width: int, measure: Measure) -> PlacedLabel:
    """Return a name of a smaller map on a larger one: at the same place, relatively no larger."""
    size = max(old.size, min(_wanted(label, width), int(old.size * width / before)))
    return _boxed(replace(old, size=size), width, measure)


def _variants(label: MapLabel, size: int) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield lines and note: in one line, and in two of about equal length; with the note, then without."""
    spaces = [at for at, letter in enumerate(label.name) if letter == " "]
    broken: list[tuple[str, ...]] = [(label.name,)]
    if spaces:
        at = min(spaces, key=lambda at: abs(2 * at + 1 - len(label.name)))
        broken.append((label.name[:at], label.name[at + 1 :]))
    for note in dict.fromkeys([label.note if size >= NOTED else "", ""]):
        yield from ((lines, note) for lines in broken)


def _boxed(place: PlacedLabel, width: int, measure: Measure) -> PlacedLabel:
    """Return a label with the box that its lines and its note take around its centre."""
    small = max(LEAST_NOTE, int(NOTE * place.size))
    wide = max(measure(line, place.size) for line in place.lines)
    high = LEADING * place.size * len(place.lines)
    if place.note:
        wide, high = max(wide, measure(place.note, small)), high + LEADING * small
    wide += 2 * PAD
    left, top = place.centre[0] * width - wide / 2, place.centre[1] * width - high / 2
    return replace(place, note_size=small, box=(left, top, left + wide, top + high))


def _relative(place: PlacedLabel, width: int) -> tuple[Array, Array, float, float]:
    """Return the centre, the width and the height of a label, in widths of the map."""
    left, top, right, bottom = place.box
    x, y = place.centre
    return np.array([x]), np.array([y]), (right - left) / width, (bottom - top) / width


def _scaled(boxes: Sequence[Box], width: int) -> Array:
    """Return boxes with `AIR` around them, in widths of the map."""
    return (np.array(boxes).reshape(-1, 4) + np.array([-AIR, -AIR, AIR, AIR])) / width


def _table(values: NDArray[np.number] | NDArray[np.bool_]) -> Array:
    """Return sums over rectangles from the upper left corner (Crow 1984), of squares of the unit square."""
    sums = np.zeros((len(values) + 1, len(values) + 1))
    sums[1:, 1:] = values.astype(float).cumsum(0).cumsum(1) / len(values) ** 2
    return sums


def _sum(table: Array, left: Array, top: Array, right: Array, bottom: Array) -> Array:
    """Return the integral over rectangles of what is constant in each square of a table."""
    return (
        _at(table, right, bottom) - _at(table, left, bottom) - _at(table, right, top) + _at(table, left, top)
    )


def _at(table: Array, x: Array, y: Array) -> Array:
    """Interpolate a table of sums, which is exact between its squares' corners."""
    last = len(table) - 1
    column, row = (np.clip(at * last, 0, last) for at in (x, y))
    left, top = (np.minimum(at.astype(int), last - 1) for at in (column, row))
    right, below = column - left, row - top
    upper = table[top, left] * (1 - right) + table[top, left + 1] * right
    lower = table[top + 1, left] * (1 - right) + table[top + 1, left + 1] * right
    return upper * (1 - below) + lower * below
