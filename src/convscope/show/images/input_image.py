"""Network inputs of any kind as image tiles of one size: crops, and whole images with a box drawn on them."""

import base64
from collections.abc import Sequence

import torch
from markupsafe import Markup
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional

from convscope.graph import TensorSpec
from convscope.show.images.draw import ORANGE, flatten_alpha, with_longer_side
from convscope.show.svg import Label, element, named
from convscope.worlds import render, world_of
from convscope.worlds.images import grayscale_alpha

LINE = (320, 96)
"""Width and height of the picture of a long signal's influence, in pixels."""
ASPECT = 180 / 320
"""Height of the picture of a sound for each pixel of its width."""
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


def player(tensor: Tensor, spec: TensorSpec, name: Label) -> Markup | None:
    """Build the HTML element that plays an input, with its sound inside.

    Args:
        tensor: an input of any size, without batch axis, in the spec's value range.
        spec: specification of the input.
        name: what is heard, or a name for each language, for those who do not see the page.

    Returns:
        An `<audio>` element; None for inputs that are no sounds.
    """
    made = world_of(spec).to_file(tensor, spec)
    if made is None or made[0] != ".wav":
        return None
    uri = f"data:audio/wav;base64,{base64.b64encode(made[1]).decode()}"
    return element("audio", "", controls="", preload="none", src=uri, **named("aria-label", name))


def fitted(image: Image.Image, side: int, height: int | None = None) -> Image.Image:
    """Fit a whole image into the middle of an opaque square, or rectangle.

    Args:
        image: of any mode and size.
        side: longer side of the image, and width of the square, in pixels.
        height: of a rectangle.

    Returns:
        An image of mode RGB, scaled as by `draw.resized`.
    """
    scaled = with_longer_side(image, side)
    square = Image.new("RGB", (side, height or side), BACK)
    square.paste(scaled, ((side - scaled.width) // 2, (square.height - scaled.height) // 2))
    return square


def outlined(
    image: Image.Image,
    box: Sequence[tuple[int, int]],
    side: int,
    extent: Sequence[int] = (),
    height: int | None = None,
) -> Image.Image:
    """Fit a whole image into a square, as `fitted` does, and draw a box on it.

    Args:
        image: of any mode and size.
        box: first position and the one after the last, for each axis, y before x; for one axis (signals) the
            box has the full height.
        side: of the square, in pixels.
        extent: positions of the input along each axis; the image's pixels if left out.
        height: of a rectangle in place of the square.

    Returns:
        An image of mode RGB.
    """
    square = fitted(image, side, height)
    times = side / max(image.size)
    left, top = (
        (whole - round(drawn * times)) // 2 for whole, drawn in zip(square.size, image.size, strict=True)
    )
    if len(extent) == 1 == len(box):
        box = [(round(end * image.width / extent[0]) for end in box[0])]  # pyright: ignore[reportAssignmentType]
    (y0, y1), (x0, x1) = box if len(box) == 2 else ((0, image.height), *box)
    corners = (left + x0 * times, top + y0 * times, left + x1 * times - 1, top + y1 * times - 1)
    draw = ImageDraw.Draw(square)
    draw.rectangle(corners, outline=(255, 255, 255), width=3)
    draw.rectangle(corners, outline=ORANGE, width=2)
    return square


def frame(spec: TensorSpec, side: int) -> tuple[int, int | None]:
    """Return the frame in which inputs are shown side by side on a page.

    Args:
        spec: the network's input spec.
        side: of the square for images, in pixels.

    Returns:
        Width, and height; None for a square. Sounds are wider, as their pictures are.
    """
    return (2 * side, round(2 * side * ASPECT)) if world_of(spec).has_timeline else (side, None)


def heat(influence: Tensor) -> Image.Image:
    """Draw an influence map as black with alpha: the square root of the share of the largest value.

    Args:
        influence: values from 0 up, `[h w]` or `[n]`; of long signals means are drawn, as a band.

    Returns:
        An image of mode LA, opaque at the largest value; the square root makes weak influence visible.
    """
    if influence.dim() == 1 and len(influence) > LINE[0]:
        influence = functional.adaptive_avg_pool1d(influence[None], LINE[0]).expand(LINE[1], -1)
    top = float(influence.max()) or 1.0
    values = (influence / top).clamp_min(0).sqrt()
    return grayscale_alpha(values if values.dim() == 2 else torch.atleast_2d(values))
