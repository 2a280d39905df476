"""Draw Go boards: wood, lines, star points, coordinates, stones with a light from above, the last move."""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from convscope.worlds.go.points import LETTERS, star_points

WOOD, LINE, INK = (222, 184, 118), (74, 52, 22), (74, 52, 22)
MARK = (214, 64, 44)
"""Colour of the ring on the last move."""
RADIUS = 0.47
"""Of a stone, in cells."""
FINE = 4
"""Pixels that are drawn for each side of a pixel of the picture."""
LARGEST, SMALLEST_CELL = 760, 14


def draw_board(
    stones: np.ndarray,
    *,
    cell: int = 0,
    last: tuple[int, int] | None = None,
    strength: np.ndarray | None = None,
    labels: Mapping[tuple[int, int], str] | None = None,
    margin: bool = True,
    part: bool = False,
) -> Image.Image:
    """Draw a position.

    Args:
        stones: `[rows, columns]`: 0 empty, 1 black, 2 white.
        cell: pixels from line to line; one that suits the size if 0.
        last: the last move, which gets a ring.
        strength: `[rows, columns]` from 0 to 1, how solid each stone is drawn; all solid if left out.
        labels: short texts on points, such as the numbers of moves.
        margin: whether there is a margin with coordinates; else the picture is exactly `size` cells a side,
            so that what is laid over it falls on its points, and small coordinates stand at the edge.
        part: whether it is a part of a board, whose edges and coordinates are not known: lines go on to the
            edge of the picture.

    Returns:
        An RGB image.
    """
    margin = margin and not part
    size = max(stones.shape)
    cell = cell or max(SMALLEST_CELL, min(46, LARGEST // (size + (2 if margin else 0))))
    rows, columns = stones.shape
    image = _part_of_board(rows, columns, cell) if part else _empty_board(size, cell, margin).copy()
    offset = cell if margin else 0
    shade = {1: _stone(cell, True), 2: _stone(cell, False)}
    for row, column in zip(*np.nonzero(stones), strict=True):
        stone = shade[int(stones[row, column])]
        solid = 1.0 if strength is None else float(strength[row, column])
        alpha = Image.fromarray((np.asarray(stone.getchannel("A")) * solid).astype(np.uint8))
        image.paste(stone, (offset + int(column) * cell, offset + int(row) * cell), alpha)
    pen = ImageDraw.Draw(image)
    if last is not None:
        y, x = (offset + (k + 0.5) * cell for k in last)
        reach, width = cell * 0.2, max(2, round(cell * 0.07))
        pen.ellipse((x - reach, y - reach, x + reach, y + reach), outline=MARK, width=width)
    for (row, column), text in (labels or {}).items():
        light = stones[row, column] == 1
        if not stones[row, column]:
            y, x = offset + (row + 0.5) * cell, offset + (column + 0.5) * cell
            pen.ellipse((x - cell * 0.42, y - cell * 0.42, x + cell * 0.42, y + cell * 0.42), fill=WOOD)
        _write(pen, text, offset + (column + 0.5) * cell, offset + (row + 0.5) * cell, cell * 0.42, light)
    return image


def _part_of_board(rows: int, columns: int, cell: int) -> Image.Image:
    """Draw lines on wood that go on beyond the picture."""
    width, height = columns * cell, rows * cell
    image = Image.fromarray(_wood(max(width, height))[:height, :width])
    pen, thin = ImageDraw.Draw(image), max(1, cell // 26)
    for k in range(rows):
        pen.line((0, (k + 0.5) * cell, width, (k + 0.5) * cell), fill=LINE, width=thin)
    for k in range(columns):
        pen.line(((k + 0.5) * cell, 0, (k + 0.5) * cell, height), fill=LINE, width=thin)
    return image


@lru_cache(8)
def _empty_board(size: int, cell: int, margin: bool) -> Image.Image:
    """Draw the board without stones."""
    offset = cell if margin else 0
    side = size * cell + 2 * offset
    image = Image.fromarray(_wood(side))
    pen, middle = ImageDraw.Draw(image), cell / 2
    first, end = offset + middle, offset + size * cell - middle
    width = max(1, cell // 26)
    for k in range(size):
        at = offset + k * cell + middle
        edge = width + (1 if k in (0, size - 1) and cell > 18 else 0)
        pen.line((first, at, end, at), fill=LINE, width=edge)
        pen.line((at, first, at, end), fill=LINE, width=edge)
    dot = max(1.5, cell * 0.09)
    for row, column in star_points(size):
        y, x = (offset + (k + 0.5) * cell for k in (row, column))
        pen.ellipse((x - dot, y - dot, x + dot, y + dot), fill=LINE)
    _coordinates(pen, size, cell, margin)
    return image


def _coordinates(pen: ImageDraw.ImageDraw, size: int, cell: int, margin: bool) -> None:
    """Write letters and numbers, in the margin or at the very edge."""
    if not margin and cell < 20:
        return
    offset = cell if margin else 0
    height = cell * (0.4 if margin else 0.2)
    near = cell * (0.5 if margin else 0.13)
    far = size * cell + 2 * offset - near
    for k in range(size):
        at = offset + (k + 0.5) * cell
        for edge in (near, far) if margin else (far,):
            _write(pen, LETTERS[k], at, edge, height)
        for edge in (near, far) if margin else (near,):
            _write(pen, str(size - k), edge, at, height)


def _write(
    pen: ImageDraw.ImageDraw, text: str, x: float, y: float, height: float, light: bool = False
) -> None:
    """Write a text around a point."""
    pen.text(
        (x, y), text, fill=(250, 246, 236) if light else INK, font=_font(max(7, round(height))), anchor="mm"
    )


@lru_cache(32)
def _font(height: int):
    return ImageFont.load_default(height)


def _wood(side: int) -> np.ndarray:
    """Return the grain of a board, `[side, side, 3]` uint8: the same for each size."""
    draw = np.random.Generator(np.random.PCG64(7))
    x = np.linspace(0, 1, side)
    bend = 0.015 * np.sin(2 * np.pi * (x * 0.7 + 0.2))[:, None]
    place = x[None, :] + bend
    grain = sum(
        weight * np.sin(2 * np.pi * (count * place + phase))
        for weight, count, phase in zip((2.2, 1.6, 1.2, 0.9), (9, 23, 47, 91), draw.random(4), strict=True)
    )
    shades = np.array(WOOD, float) + np.asarray(grain)[..., None] * np.array((1.2, 1.1, 0.9))
    return np.clip(shades + draw.normal(0, 0.8, (side, side, 1)), 0, 255).astype(np.uint8)


@lru_cache(16)
def _stone(cell: int, black: bool) -> Image.Image:
    """Draw a stone with its shadow, `cell` pixels a side, RGBA."""
    side = cell * FINE
    y, x = (np.mgrid[0:side, 0:side] + 0.5) / side - 0.5
    distance = np.sqrt(x**2 + y**2)
    light = np.sqrt((x + 0.16) ** 2 + (y + 0.2) ** 2)
    if black:
        tone = np.clip(42 + 90 * np.exp(-((light / 0.2) ** 2)), 0, 255)
        colours = np.stack([tone, tone, tone * 1.04], -1)
    else:
        tone = np.clip(250 - 62 * np.clip(light / 0.66, 0, 1) ** 2, 0, 255)
        colours = np.stack([tone, tone * 0.99, tone * 0.965], -1)
    body = distance <= RADIUS - 0.015
    shadow = np.clip(1 - (np.sqrt((x - 0.02) ** 2 + (y - 0.03) ** 2) - (RADIUS - 0.04)) / 0.07, 0, 1) * 0.45
    alpha = np.where(body, 1.0, shadow) * 255
    colours = np.where(body[..., None], colours, 20)
    if not black:
        rim = body & (distance > RADIUS - 0.035)
        colours = np.where(rim[..., None], colours * 0.72, colours)
    full = np.concatenate([np.clip(colours, 0, 255), alpha[..., None]], -1).round().astype(np.uint8)
    return Image.fromarray(full).resize((cell, cell), Image.Resampling.BOX)
