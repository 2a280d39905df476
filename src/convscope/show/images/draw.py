"""Arrays as images: grayscale with transparency, signed values in two hues, and many of them as one sheet."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont

from convscope.errors import UsageError
from convscope.printable import printable
from convscope.show.svg import element
from convscope.worlds.images.render import flat, numbers

ORANGE, BLUE = (224, 96, 16), (38, 112, 190)
"""Colours for values above and below zero; distinguishable with any colour vision."""
PAPER = (255, 255, 255)


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


def tag(image: Image.Image, alt: str, kind: str = "ink") -> Markup:
    """Encode an image as an HTML `<img>` element with an inline PNG.

    Args:
        image: of any mode that PNG knows.
        alt: alternative text.
        kind: CSS class that decides how the style sheet treats the image: `ink` (inverted in dark mode),
            `signed` or `photo`.

    Returns:
        The element.
    """
    return element("img", src=data_uri(image), alt=alt, width=image.width, height=image.height, class_=kind)


def webp(image: Image.Image, alt: str, quality: int = 80) -> Markup:
    """Encode a photograph as an HTML `<img>` element with an inline lossy WebP, about a tenth of a PNG.

    Args:
        image: of mode RGB or RGBA.
        alt: alternative text.
        quality: of the WebP encoder, 0 to 100.

    Returns:
        The element, of CSS class `photo`.
    """
    file = io.BytesIO()
    image.save(file, format="WEBP", quality=quality, method=4)
    source = "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")
    return element("img", src=source, alt=alt, width=image.width, height=image.height, class_="photo")


def grid(
    images: Sequence[Image.Image], labels: Sequence[str] = (), *, columns: int | None = None, side: int = 84
) -> Image.Image:
    """Draw a contact sheet in a regular grid, each image with its label below.

    Args:
        images: at least one; transparency is put on white.
        labels: one for each image, broken into two lines at most; none if empty.
        columns: images in a row; chosen for a sheet somewhat wider than high if left out.
        side: height in pixels that images are enlarged to by a whole factor, approximately; larger ones keep
            their size.

    Returns:
        The sheet in RGB.

    Raises:
        UsageError: no images, or a different number of labels.
    """
    if not images or (labels and len(labels) != len(images)):
        raise UsageError(
            "as many labels as pictures, and at least one",
            received=f"{len(images)} pictures, {len(labels)} labels",
        )
    tiles = [flatten_alpha(upscale(image, side)) for image in images]
    columns = columns or min(len(tiles), max(1, round((len(tiles) * 1.6) ** 0.5)))
    gap, font = 8, ImageFont.load_default(11)
    widest = max(t.width for t in tiles)
    words = [_lines(label, font, widest) for label in labels]
    foot = max((5 + 13 * len(lines) for lines in words), default=0)
    width, height = widest + gap, max(t.height for t in tiles) + gap + foot
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * width + gap, rows * height + gap), (247, 246, 242))
    draw = ImageDraw.Draw(sheet)
    for index, tile in enumerate(tiles):
        x, y = gap + index % columns * width, gap + index // columns * height
        sheet.paste(tile, (x, y))
        for number, line in enumerate(words[index] if labels else ()):
            draw.text((x, y + tile.height + 3 + 13 * number), line, fill=(70, 70, 74), font=font)
    return sheet


def shortened(text: str, font: Any, width: int) -> str:
    """Cut a text to one line of a given width, ending in an ellipsis where something was cut.

    Args:
        text: any text; characters that cannot be printed are escaped.
        font: a Pillow font.
        width: available width in pixels.

    Returns:
        The text, at most `width` wide unless its first two letters alone are wider.
    """
    text = printable(text)
    while len(text) > 2 and font.getlength(text) > width:
        text = text[:-2].rstrip() + "…"
    return text


def _lines(text: str, font: Any, width: int) -> list[str]:
    """Break a text at a space into at most two lines of the given width, cutting what does not fit."""
    text = printable(text)
    if font.getlength(text) <= width or " " not in text:
        return [shortened(text, font, width)]
    parts = text.split(" ")
    fitting = [n for n in range(1, len(parts)) if font.getlength(" ".join(parts[:n])) <= width]
    first = max(fitting, default=1)
    return [shortened(" ".join(part), font, width) for part in (parts[:first], parts[first:])]
