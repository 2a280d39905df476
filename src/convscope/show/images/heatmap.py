"""Heatmaps over images, with a perceptually uniform colour map."""

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
