"""Network inputs of any kind as image tiles of one size: crops, and whole images with a box drawn on them."""

from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from convscope.graph import TensorSpec
from convscope.show.images.draw import ORANGE, flatten_alpha, with_longer_side
from convscope.worlds import render, world_of
from convscope.worlds.images import grayscale_alpha

BACK = (236, 234, 228)
"""RGB of the margin beside images that are not square."""


def kind(spec: TensorSpec) -> str:
    """Return the CSS class with which pages show inputs of a network.

    Args:
        spec: the network's input spec.

    Returns:
        `ink` where the input's world draws black ink, which the style sheet inverts in dark mode; else
            `photo`.
    """
    return "ink" if world_of(spec).is_ink else "photo"


def opaque(tensor: Tensor, spec: TensorSpec) -> Image.Image:
    """Draw an input of a network for a file: as its world draws it, ink on white paper.

    Args:
        tensor: an input of any size, without batch axis, in the spec's value range.
        spec: specification of the input.

    Returns:
        An image of mode RGB or L.
    """
    image = render(tensor, spec)
    return flatten_alpha(image).convert("L") if image.mode == "LA" else image


def fitted(image: Image.Image, side: int) -> Image.Image:
    """Fit a whole image into the middle of an opaque square.

    Args:
        image: of any mode and size.
        side: of the square, in pixels.

    Returns:
        An image of mode RGB, scaled as by `draw.resized`.
    """
    scaled = with_longer_side(image, side)
    square = Image.new("RGB", (side, side), BACK)
    square.paste(scaled, ((side - scaled.width) // 2, (side - scaled.height) // 2))
    return square


def outlined(image: Image.Image, box: Sequence[tuple[int, int]], side: int) -> Image.Image:
    """Fit a whole image into a square, as `fitted` does, and draw a box on it.

    Args:
        image: of any mode and size.
        box: first pixel and the one after the last, for each axis, y before x; for one axis (signals) the box
            has the full height.
        side: of the square, in pixels.

    Returns:
        An image of mode RGB.
    """
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
    """Draw an influence map as black with alpha: the square root of the share of the largest value.

    Args:
        influence: values from 0 up, `[h w]` or `[n]`.

    Returns:
        An image of mode LA, opaque at the largest value; the square root makes weak influence visible.
    """
    top = float(influence.max()) or 1.0
    values = (influence / top).clamp_min(0).sqrt()
    return grayscale_alpha(values if values.dim() == 2 else torch.atleast_2d(values))
