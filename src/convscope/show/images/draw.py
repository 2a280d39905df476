"""Arrays as pictures: digits as ink, signed values as orange and blue, many of them as one sheet."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

from convscope.errors import UsageError
from convscope.printable import printable
from convscope.show.svg import element

ORANGE, BLUE = (224, 96, 16), (38, 112, 190)
"""Above and below zero: a pair that people with any colour vision tell apart."""
PAPER = (255, 255, 255)


def grayscale_alpha(values: ArrayLike) -> Image.Image:
    """Values from 0 (paper shows through) to 1 (ink); RGB `[3 h w]` stays as it is."""
    array = np.clip(np.nan_to_num(_numbers(values)), 0, 1)
    if array.ndim == 3 and array.shape[0] == 3:
        return Image.fromarray((array.transpose(1, 2, 0) * 255).round().astype(np.uint8))
    alpha = (_flat(array) * 255).round().astype(np.uint8)
    return Image.fromarray(np.stack([np.zeros_like(alpha), alpha], axis=-1), mode=None)


def diverging(values: ArrayLike, limit: float | None = None) -> Image.Image:
    """Orange above zero, blue below, as strong as the value; `limit` is the value of full colour."""
    array = np.nan_to_num(_flat(_numbers(values)))
    top = limit if limit else float(np.abs(array).max()) or 1.0
    alpha = (np.clip(np.abs(array) / top, 0, 1) * 255).round().astype(np.uint8)
    hue = np.where(array[..., None] >= 0, np.array(ORANGE, np.uint8), np.array(BLUE, np.uint8))
    return Image.fromarray(np.concatenate([hue, alpha[..., None]], axis=-1))


def flatten_alpha(image: Image.Image, paper: tuple[int, int, int] = PAPER) -> Image.Image:
    """The picture as opaque RGB, for files and screens that know no transparency."""
    below = Image.new("RGBA", image.size, (*paper, 255))
    return Image.alpha_composite(below, image.convert("RGBA")).convert("RGB")


def upscale(image: Image.Image, side: int) -> Image.Image:
    """The picture at a whole multiple of its size, about `side` pixels high; pixels stay crisp."""
    times = max(1, round(side / image.height))
    return image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)


def data_uri(image: Image.Image) -> str:
    """The picture as a `data:` address, for pages that fetch nothing."""
    file = io.BytesIO()
    image.save(file, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def tag(image: Image.Image, alt: str, kind: str = "ink") -> Markup:
    """The picture as `<img>`; `kind` is the class that the style sheet knows: `ink`, `signed` or `photo`."""
    return element("img", src=data_uri(image), alt=alt, width=image.width, height=image.height, class_=kind)


def webp(image: Image.Image, alt: str, quality: int = 80) -> Markup:
    """A photograph, or a picture like one, as `<img>`: a tenth of a PNG, and not exact."""
    file = io.BytesIO()
    image.save(file, format="WEBP", quality=quality, method=4)
    source = "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")
    return element("img", src=source, alt=alt, width=image.width, height=image.height, class_="photo")


def grid(
    images: Sequence[Image.Image], labels: Sequence[str] = (), *, columns: int | None = None, side: int = 84
) -> Image.Image:
    """A contact sheet: every picture at about `side` pixels, its label below, in two lines at most.

    Raises:
        UsageError: no pictures, or a different number of labels.
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
    """Return the text in one line, with its end left out where it is wider."""
    text = printable(text)
    while len(text) > 2 and font.getlength(text) > width:
        text = text[:-2].rstrip() + "…"
    return text


def _lines(text: str, font: Any, width: int) -> list[str]:
    """The text broken at a space where it is too wide for one line; what does not fit on two is left out."""
    text = printable(text)
    if font.getlength(text) <= width or " " not in text:
        return [shortened(text, font, width)]
    parts = text.split(" ")
    fitting = [n for n in range(1, len(parts)) if font.getlength(" ".join(parts[:n])) <= width]
    first = max(fitting, default=1)
    return [shortened(" ".join(part), font, width) for part in (parts[:first], parts[first:])]


def _numbers(values: ArrayLike) -> NDArray[np.float32]:
    """Any array, tensors on any device included, as float32."""
    detach = getattr(values, "detach", None)
    return np.asarray(detach().cpu().float() if detach else values, dtype=np.float32)


def _flat(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """`[h w]` from `[h w]`, `[1 h w]` or, as the mean of its channels, `[c h w]`."""
    return array.mean(axis=0) if array.ndim == 3 else np.atleast_2d(array)
