"""Draw tokens as a picture: words one after the other, in lines, each on a background of its own."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from convscope.graph.spec import PADDING, TensorSpec

FONTS = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansSC-Regular.otf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "msyh.ttc",
    "simhei.ttf",
    "PingFang.ttc",
    "Hiragino Sans GB.ttc",
    "DroidSansFallbackFull.ttf",
    "DejaVuSans.ttf",
    "Arial Unicode.ttf",
)
"""Fonts of the system that are tried, in this order, for what Pillow's own lacks: most have Chinese."""
SIZE = 20
"""Height of the letters in pixels."""
WIDTH = 560
"""Width of a picture in pixels."""
MARGIN, GAP = 8, 6
"""Pixels around the text, and between its lines."""
MISSING = "\U0010ffff"
"""A code point that no font has."""


@lru_cache(maxsize=64)
def _font(name: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont | None:
    """Return a font of the system, or Pillow's own for the empty name; None where it is not there."""
    try:
        return ImageFont.truetype(name, size) if name else ImageFont.load_default(size)
    except OSError:
        return None


@lru_cache(maxsize=20_000)
def _font_for(character: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont | None:
    """Return the first font that has a character; None where no font has it."""
    for name in ("", *FONTS):
        font = _font(name, size)
        if font is not None and _has(font, character):
            return font
    return None


def _has(font: ImageFont.FreeTypeFont | ImageFont.ImageFont, character: str) -> bool:
    """Return whether a font draws a character otherwise than one that it lacks."""
    if character.isspace():
        return True
    drawn, lacking = (_drawn(font, text) for text in (character, MISSING))
    return drawn != lacking


def _drawn(font: ImageFont.FreeTypeFont | ImageFont.ImageFont, text: str) -> bytes:
    """Return a text's pixels, with its size."""
    left, top, right, bottom = (round(edge) for edge in font.getbbox(text))
    picture = Image.new("L", (max(right - left, 1), max(bottom - top, 1)))
    ImageDraw.Draw(picture).text((-left, -top), text, fill=255, font=font)
    return f"{picture.size}".encode() + picture.tobytes()


def _pieces(text: str, size: int) -> list[tuple[str, ImageFont.FreeTypeFont | ImageFont.ImageFont]]:
    """Divide a text by the fonts that have its characters; what none has becomes its code point."""
    plain = ImageFont.load_default(size)
    found: list[tuple[str, ImageFont.FreeTypeFont | ImageFont.ImageFont]] = []
    for character in text:
        font = _font_for(character, size)
        shown = character if font is not None else f"[U+{ord(character):04X}]"
        font = font or plain
        if found and found[-1][1] is font:
            found[-1] = (found[-1][0] + shown, font)
        else:
            found.append((shown, font))
    return found


def can_draw(text: str) -> bool:
    """Return whether this machine has fonts for a text.

    Args:
        text: any text.

    Returns:
        False where a character is drawn as its code point, such as `[U+4E2D]`.
    """
    return all(_font_for(character, SIZE) is not None for character in set(text))


def draw_tokens(
    tokens: Sequence[str],
    tints: Sequence[tuple[int, int, int] | None] = (),
    *,
    between: str = " ",
    width: int = WIDTH,
    size: int = SIZE,
) -> Image.Image:
    """Draw tokens in lines, from left to right.

    Args:
        tokens: their texts; white space is shown as `␣` where it is a token of its own.
        tints: background of each token as RGB; None for none. Letters are black, or white on dark tints.
        between: what stands between two tokens.
        width: of the picture, in pixels.
        size: height of the letters, in pixels.

    Returns:
        An image of mode RGB, white where there is no tint, as high as the text needs.
    """
    gap = ImageFont.load_default(size).getlength(between) if between else 0.0
    spots, x, y = [], float(MARGIN), MARGIN
    line = size + 2 * GAP
    for token in tokens:
        pieces = _pieces(token if token.strip() else "␣", size)
        length = sum(font.getlength(text) for text, font in pieces)
        if x > MARGIN and x + length > width - MARGIN:
            x, y = float(MARGIN), y + line
        spots.append((x, y, length, pieces))
        x += length + gap
    picture = Image.new("RGB", (width, y + line + MARGIN), "white")
    draw = ImageDraw.Draw(picture)
    colours = [*tints, *[None] * (len(tokens) - len(tints))]
    for (x, y, length, pieces), tint in zip(spots, colours, strict=True):
        if tint is not None:
            draw.rectangle((x - 2, y, x + length + 1, y + line - 3), fill=tint)
        dark = tint is not None and 0.3 * tint[0] + 0.59 * tint[1] + 0.11 * tint[2] < 110
        for text, font in pieces:
            draw.text(
                (x, y + line - GAP - 3), text, fill="white" if dark else "black", font=font, anchor="ls"
            )
            x += font.getlength(text)
    return picture


def ink(picture: Image.Image) -> Image.Image:
    """Return black letters on white as black ink with alpha.

    Args:
        picture: of mode RGB.

    Returns:
        An image of mode LA.
    """
    alpha = 255 - np.asarray(picture.convert("L"))
    return Image.fromarray(np.stack([np.zeros_like(alpha), alpha], axis=-1), mode=None)


def token_names(indices: Sequence[int], spec: TensorSpec) -> list[str]:
    """Return the names of tokens, without the padding at both ends.

    Args:
        indices: of a vocabulary.
        spec: the vocabulary.

    Returns:
        Names; padding between tokens is `·`.
    """
    held = [at for at, index in enumerate(indices) if index != PADDING]
    inside = indices[held[0] : held[-1] + 1] if held else ()
    names = spec.vocabulary
    return [
        "·" if index == PADDING else names[index] if index < len(names) else str(index) for index in inside
    ]
