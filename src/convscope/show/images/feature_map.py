"""Feature maps as images in two strong palettes, and coded so that a page can change their scale itself."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from convscope.show.images.heatmap import EMBER, FULL

SIGNED = (
    (3, 40, 92),
    (24, 92, 170),
    (84, 152, 214),
    (176, 209, 236),
    (247, 246, 242),
    (248, 205, 164),
    (236, 138, 62),
    (194, 78, 14),
    (104, 36, 0),
)
"""Nine equidistant colours from blue (below zero) over paper (zero) to orange, dark at both ends."""
LEVELS = 63
"""Steps of a coded map; fewer than 255 make smaller files and cannot be told apart on a screen."""


def full_colour(values: ArrayLike) -> float:
    """Return the magnitude that a map's full colour stands for.

    Args:
        values: one map of any shape.

    Returns:
        The 99.5th percentile of the magnitudes, so that single outliers do not make all else pale; the
            largest where that is 0.
    """
    magnitudes = np.abs(np.asarray(values, np.float32))
    return float(np.percentile(magnitudes, FULL)) or float(magnitudes.max())


def coded(values: ArrayLike, *, signed: bool) -> Image.Image:
    """Code a map on its own scale as grey levels, of which a page makes colours by SVG filters.

    The filter `brightness(k)` (of signed maps `contrast(k)`) before the palette changes the scale exactly.

    Args:
        values: one map `[h w]`.
        signed: False codes 0 as black and the full colour as white; True codes 0 as the middle grey, and the
            full colour as black below and white above zero.

    Returns:
        An image of mode L with 64 levels at most.
    """
    shares = _shares(values, full_colour(values), signed=signed)
    return Image.fromarray((np.round(shares * LEVELS) * (255 / LEVELS)).round().astype(np.uint8))


def coloured(values: ArrayLike, limit: float, *, signed: bool) -> Image.Image:
    """Draw a map in the colours that a page gives it.

    Args:
        values: one map `[h w]`.
        limit: the magnitude of the full colour; larger ones have it too.
        signed: whether orange and blue are drawn above and below zero; else "inferno", black at 0.

    Returns:
        An image of mode RGB.
    """
    table = np.array(SIGNED if signed else EMBER, np.float32)
    steps, shares = np.linspace(0, 1, len(table)), _shares(values, limit, signed=signed)
    hues = [np.interp(shares, steps, table[:, k]) for k in range(3)]
    return Image.fromarray(np.stack(hues, -1).round().astype(np.uint8))


def on_one_scale(maps: ArrayLike, units: Sequence[int]) -> list[Image.Image]:
    """Draw maps of one layer on one scale and in one palette, so that they can be compared.

    Args:
        maps: all maps of the layer, `[c h w]`.
        units: those that are drawn; at least one.

    Returns:
        An image of mode RGB for each, in orange and blue if any value of the layer is negative, also where no
            map that is drawn has one.
    """
    whole = np.asarray(maps, np.float32)
    signed, limit = bool((whole < 0).any()), max(full_colour(whole[unit]) for unit in units)
    return [coloured(whole[unit], limit, signed=signed) for unit in units]


def _shares(values: ArrayLike, limit: float, *, signed: bool) -> NDArray[np.float32]:
    """Scale to [0, 1]; of signed values 0 becomes one half."""
    shares = np.nan_to_num(np.asarray(values, np.float32)) / (limit or 1.0)
    return (np.clip(shares, -1, 1) + 1) / 2 if signed else np.clip(shares, 0, 1)
