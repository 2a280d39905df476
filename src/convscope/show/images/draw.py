"""Arrays as images: grayscale with transparency, signed values in two hues; scaled, and encoded for pages."""

import base64
import io
from math import ceil

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike
from PIL import Image

from convscope.show.svg import Label, element, named
from convscope.worlds.images import flat, numbers

ORANGE, BLUE = (224, 96, 16), (38, 112, 190)
"""Colours for values above and below zero; distinguishable with any colour vision."""
PAPER = (255, 255, 255)
SMALL = 96
"""Pixels of the longer side below which single pixels of an image are shown as squares."""


def diverging(values: ArrayLike, limit: float | None = None) -> Image.Image:
    """Convert signed values to an image: orange above zero, blue below, opacity by magnitude.

    Args:
        values: an array or a tensor on any device: `[h w]`, `[1 h w]` or `[c h w]` (drawn as the mean of its
            channels); NaN counts as 0.
        limit: the magnitude drawn fully opaque; the largest in the array if left out or 0.

    Returns:
        An image of mode RGBA.
    """
    array = np.nan_to_num(flat(numbers(values)))
    top = limit if limit else float(np.abs(array).max()) or 1.0
    alpha = (np.clip(np.abs(array) / top, 0, 1) * 255).round().astype(np.uint8)
    hue = np.where(array[..., None] >= 0, np.array(ORANGE, np.uint8), np.array(BLUE, np.uint8))
    return Image.fromarray(np.concatenate([hue, alpha[..., None]], axis=-1))


def flatten_alpha(image: Image.Image, paper: tuple[int, int, int] = PAPER) -> Image.Image:
    """Composite an image onto an opaque background.

    Args:
        image: of any mode.
        paper: RGB of the background, from 0 to 255.

    Returns:
        An image of mode RGB and of the same size.
    """
    below = Image.new("RGBA", image.size, (*paper, 255))
    return Image.alpha_composite(below, image.convert("RGBA")).convert("RGB")


def upscale(image: Image.Image, side: int) -> Image.Image:
    """Enlarge an image by a whole factor with nearest-neighbour interpolation.

    Args:
        image: of any size.
        side: height to come near to, in pixels.

    Returns:
        The enlarged image; of the same size where it is already higher than about two thirds of `side`.
    """
    times = max(1, round(side / image.height))
    return image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)


def resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Resize an image so that the pixels of small ones stay visible as sharp squares.

    Images of less than 96 pixels that at least double are enlarged by nearest-neighbour interpolation by a
    whole factor, then averaged down to the size, so that squares are equally large; others by Lanczos.

    Args:
        image: of mode RGB or L.
        size: width and height in pixels.

    Returns:
        The resized image.
    """
    times = max(size[0] / image.width, size[1] / image.height)
    if max(image.size) >= SMALL or times < 2:
        return image.resize(size, Image.Resampling.LANCZOS)
    if size[0] % image.width == size[1] % image.height == 0:
        return image.resize(size, Image.Resampling.NEAREST)
    whole = 4 * ceil(times)  # Pillow averages whole pixels: more of them come nearer to areas
    large = image.resize((image.width * whole, image.height * whole), Image.Resampling.NEAREST)
    return large.resize(size, Image.Resampling.BOX)


def with_longer_side(image: Image.Image, side: int) -> Image.Image:
    """Resize an image as `resized` does, its longer side to a given length and its aspect ratio kept.

    Args:
        image: of any mode; transparency is put on white.
        side: length of the longer side, in pixels.

    Returns:
        The image in RGB.
    """
    times = side / max(image.size)
    return resized(
        flatten_alpha(image), (max(1, round(image.width * times)), max(1, round(image.height * times)))
    )


def data_uri(image: Image.Image) -> str:
    """Encode an image as a PNG in a `data:` URI.

    Args:
        image: of any mode that PNG knows.

    Returns:
        The URI, for pages that load nothing from elsewhere.
    """
    file = io.BytesIO()
    image.save(file, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def lossless_uri(image: Image.Image) -> str:
    """Encode an image as a lossless WebP in a `data:` URI, of less size than a PNG from about 16 pixels on.

    Args:
        image: of mode L or RGB.

    Returns:
        The URI.
    """
    file = io.BytesIO()
    image.convert("RGB").save(file, format="WEBP", lossless=True, quality=60, method=3)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def tag(image: Image.Image, alt: Label, kind: str = "ink") -> Markup:
    """Encode an image as an HTML `<img>` element with an inline PNG.

    Args:
        image: of any mode that PNG knows.
        alt: alternative text, or one for each language.
        kind: CSS class that decides how the style sheet treats the image: `ink` (inverted in dark mode),
            `signed` or `photo`.

    Returns:
        The element.
    """
    return _img(data_uri(image), image, alt, kind)


def webp(image: Image.Image, alt: Label, quality: int = 80) -> Markup:
    """Encode a photograph as an HTML `<img>` element with an inline lossy WebP, about a tenth of a PNG.

    Args:
        image: of mode RGB or RGBA.
        alt: alternative text, or one for each language.
        quality: of the WebP encoder, 0 to 100.

    Returns:
        The element, of CSS class `photo`.
    """
    return _img(webp_uri(image, quality), image, alt, "photo")


def webp_uri(image: Image.Image, quality: int = 80) -> str:
    """Encode an image as a lossy WebP in a `data:` URI.

    Args:
        image: of mode RGB or RGBA.
        quality: of the WebP encoder, 0 to 100.

    Returns:
        The URI.
    """
    file = io.BytesIO()
    image.save(file, format="WEBP", quality=quality, method=4)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def _img(source: str, image: Image.Image, alt: Label, kind: str) -> Markup:
    size = {"width": image.width, "height": image.height}
    return element("img", src=source, class_=kind, **size, **named("alt", alt))
