"""Inputs of any network as tiles of one size: crops, and whole images with a box around what counts."""

from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from convscope.graph.contract import InputContract
from convscope.show.images.draw import ORANGE, flatten_alpha, grayscale_alpha

BACK = (236, 234, 228)
"""Beside crops that are not square."""


def image_of(picture: Tensor, contract: InputContract) -> Image.Image:
    """An input `[c ...]` in the contract's range: colour images in colour, all else as ink.

    Signals `[c n]` and vectors are one row for each channel, or one row.
    """
    low, high = contract.value_range
    unit = (picture.detach().float().cpu() - low) / (high - low)
    if unit.dim() == 1:
        unit = unit[None]
    return grayscale_alpha(unit)


def kind(contract: InputContract) -> str:
    """How pages show such inputs: `photo`, or `ink`, which is inverted in the dark."""
    return "photo" if contract.is_rgb else "ink"


def fitted(image: Image.Image, side: int) -> Image.Image:
    """The whole image in the middle of an opaque square; small ones enlarge to crisp pixels."""
    times = side / max(image.size)
    size = (max(1, round(image.width * times)), max(1, round(image.height * times)))
    smooth = image.mode == "RGB" and max(image.size) > 24
    scaled = flatten_alpha(image).resize(
        size, Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST
    )
    square = Image.new("RGB", (side, side), BACK)
    square.paste(scaled, ((side - size[0]) // 2, (side - size[1]) // 2))
    return square


def outlined(image: Image.Image, box: Sequence[tuple[int, int]], side: int) -> Image.Image:
    """The whole image in a square, with a box on it: first pixel and the one after the last, y then x."""
    square = fitted(image, side)
    times = side / max(image.size)
    left, top = ((side - round(extent * times)) // 2 for extent in image.size)
    (y0, y1), (x0, x1) = box if len(box) == 2 else ((0, image.height), *box)
    corners = (left + x0 * times, top + y0 * times, left + x1 * times - 1, top + y1 * times - 1)
    draw = ImageDraw.Draw(square)
    draw.rectangle(corners, outline=(255, 255, 255), width=3)
    draw.rectangle(corners, outline=ORANGE, width=2)
    return square


def heat(influence: Tensor) -> Image.Image:
    """Shares as ink, the largest full; the square root brings out what is weak."""
    top = float(influence.max()) or 1.0
    values = (influence / top).clamp_min(0).sqrt()
    return grayscale_alpha(values if values.dim() == 2 else torch.atleast_2d(values))
