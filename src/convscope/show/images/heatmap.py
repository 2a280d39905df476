"""Heatmaps over images, with a perceptually uniform colour map."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from convscope.errors import UsageError
from convscope.show.images.draw import BLUE, ORANGE

EMBER = (
    (0, 0, 4),
    (31, 12, 72),
    (85, 15, 109),
    (136, 34, 106),
    (186, 54, 85),
    (227, 89, 51),
    (249, 140, 10),
    (249, 201, 50),
    (252, 255, 164),
)
"""Nine equidistant colours of "inferno" (van der Walt and Smith 2015, CC0), whose lightness rises evenly."""
FULL = 99.5
"""Percentile of the magnitude that gets the full colour, so that single outliers do not dim all else."""
DIM = 0.62
"""Brightness of the grayscale image below the heatmap; its contrast where values are signed."""


def colours(values: ArrayLike) -> NDArray[np.float32]:
    """Map values in [0, 1] to the colour map "inferno", linearly interpolated between nine steps.

    Args:
        values: an array of any shape `[...]`; values outside of [0, 1] get the end colours.

    Returns:
        RGB `[... 3]` in float32, from 0 to 255.
    """
    steps = np.linspace(0, 1, len(EMBER))
    table = np.array(EMBER, np.float32)
    return np.stack(
        [np.interp(np.asarray(values, np.float32), steps, table[:, k]) for k in range(3)], -1
    ).astype(np.float32)


def enlarged(coarse: ArrayLike, size: Sequence[int]) -> NDArray[np.float32]:
    """Enlarge a map of few cells to be drawn: the sum of a cubic B-spline on each cell, times its value.

    Linear interpolation bends at the centres of cells, which the eye sees as creases and diamonds; bicubic
    interpolation rings. This curve has two continuous derivatives and stays between the lowest and the
    highest value; it passes below the top of a lone cell (4/9 of it at the centre, in two axes). It is for
    pictures: metrics measure the interpolated map.

    Source: Unser, Splines: a perfect fit for signal and image processing (1999), §II; equal to
    `scipy.ndimage.zoom(coarse, ..., order=3, prefilter=False, mode="nearest", grid_mode=True)`.

    Args:
        coarse: a map of any number of axes `[*cells]`, its values at the centres of cells.
        size: the new size of each axis. Axes that would not grow must have it already.

    Returns:
        The map at that size, in float32; beyond the outermost centres their values go on.

    Raises:
        UsageError: an axis has more cells than positions, or the number of axes is another one.
    """
    values = np.asarray(coarse, np.float32)
    if values.ndim != len(size) or any(
        cells > extent for cells, extent in zip(values.shape, size, strict=True)
    ):
        raise UsageError(
            f"a map of at most {'x'.join(map(str, size))} cells",
            received=f"shape {values.shape}",
            hint="Average it first, or draw it at its own size.",
        )
    for axis, extent in enumerate(size):
        if values.shape[axis] != extent:
            weights = _b_splines(values.shape[axis], extent)
            values = np.moveaxis(np.tensordot(weights, values, (1, axis)), 0, axis)
    return values


def _b_splines(cells: int, extent: int) -> NDArray[np.float32]:
    """Return the values of the cells' cubic B-splines at the centres of positions, `[extent cells]`."""
    at = (np.arange(extent) + 0.5) * cells / extent - 0.5
    centres = np.arange(-2, cells + 2)
    away = np.abs(at[:, None] - centres)
    near, far = 2 / 3 - away**2 + away**3 / 2, (2 - away) ** 3 / 6
    values = np.where(away < 1, near, np.where(away < 2, far, 0))
    inside = centres.clip(0, cells - 1)[:, None] == np.arange(cells)
    return (values @ inside).astype(np.float32)


def overlay(photo: Image.Image, heat: ArrayLike, *, signed: bool) -> Image.Image:
    """Draw a heatmap over a grayscale version of an image.

    Values are scaled so that the 99.5th percentile of the magnitude gets the full colour.

    Args:
        photo: the network's input; resized to the heatmap's size. Where it has several pixels for each value
            along both axes, as the picture of a board has, the heatmap is enlarged instead.
        heat: the heatmap `[h w]`, of any scale; NaN counts as 0.
        signed: True draws positive values in orange and negative ones in blue on a light image; False draws
            positive values in "inferno" on a dark one and ignores negative ones.

    Returns:
        An image of mode RGB, of the heatmap's size or a multiple of it.

    Raises:
        UsageError: the heatmap has not two axes.
    """
    drawn = layer(heat, signed=signed)
    if not photo.width % drawn.width and not photo.height % drawn.height:
        drawn = drawn.resize(photo.size, Image.Resampling.NEAREST)
    veil, size = np.asarray(drawn, np.float32), drawn.size
    grey = np.asarray(photo.convert("L").resize(size, Image.Resampling.LANCZOS), np.float32)
    below = (255 - DIM * (255 - grey) if signed else DIM * grey)[..., None]
    share = veil[..., 3:] / 255
    return Image.fromarray(
        np.clip(below * (1 - share) + veil[..., :3] * share, 0, 255).round().astype(np.uint8)
    )


def layer(heat: ArrayLike, *, signed: bool) -> Image.Image:
    """Draw a heatmap alone, transparent where it is 0, to be laid over an image.

    Args:
        heat: the heatmap `[h w]`, of any scale; NaN counts as 0.
        signed: as in `overlay`.

    Returns:
        An image of mode RGBA and of the heatmap's size.

    Raises:
        UsageError: the heatmap has not two axes.
    """
    values = np.nan_to_num(np.asarray(heat, dtype=np.float32))
    if values.ndim != 2:
        raise UsageError("heat with height and width", received=f"shape {values.shape}")
    values = values if signed else np.maximum(values, 0)
    top = float(np.percentile(np.abs(values), FULL)) or float(np.abs(values).max()) or 1.0
    strength = np.clip(np.abs(values) / top, 0, 1)
    if signed:
        hue = np.where(values[..., None] >= 0, np.array(ORANGE, np.float32), np.array(BLUE, np.float32))
        share = strength**0.8 * 0.92
    else:
        hue, share = colours(strength), np.sqrt(strength) * 0.85
    return Image.fromarray(np.concatenate([hue, 255 * share[..., None]], -1).round().astype(np.uint8))


def strip(heat: ArrayLike, *, signed: bool, height: int = 48, width: int = 448) -> Image.Image:
    """Draw the attributions of a signal or a vector as one band of colour.

    Args:
        heat: `[w]`, drawn from left to right; other shapes are flattened.
        signed: as in `overlay`.
        height: of the band, in pixels.
        width: of the band, in pixels.

    Returns:
        An image of mode RGB.
    """
    values = np.asarray(heat, dtype=np.float32).reshape(1, -1)
    band = np.repeat(values, height, 0)
    wide = overlay(Image.new("L", band.shape[::-1], 255 if signed else 0), band, signed=signed)
    return wide.resize((width, height), Image.Resampling.NEAREST)
