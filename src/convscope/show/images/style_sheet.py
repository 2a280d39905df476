"""Content image, style images and result of a style transfer, side by side."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from convscope.see.style import StyleResult
from convscope.show.images.draw import flatten_alpha

SHEET, INK, SOFT = (247, 246, 242), (31, 32, 35), (92, 94, 102)
HEIGHT, GAP, FOOT = 320, 14, 40
MOST = 6
"""Most style images shown."""


def strip(
    content: Image.Image, paintings: Sequence[Image.Image], made: Image.Image, painted: StyleResult
) -> Image.Image:
    """Draw the inputs of a style transfer and its result side by side.

    Below each style image stands its weight where there are several; below the result the remaining style and
    content losses.

    Args:
        content: the content image.
        paintings: the style images; the first six are shown.
        made: the result as an image.
        painted: the result's losses and recipe.

    Returns:
        The strip in RGB.
    """
    shares = painted.settled.shares
    names = [("content", f"{content.width} x {content.height}")]
    names += [
        ("style" if len(paintings) == 1 else f"style, {share:.0%}", f"{p.width} x {p.height}")
        for p, share in zip(paintings, shares, strict=True)
    ][:MOST]
    names.append(("result", _reached(painted)))
    tiles = [_tile(image) for image in (content, *paintings[:MOST], made)]
    width = GAP + sum(tile.width + GAP for tile in tiles)
    paper = Image.new("RGB", (width, GAP + HEIGHT + FOOT + GAP // 2), SHEET)
    draw, x = ImageDraw.Draw(paper), GAP
    for tile, (name, note) in zip(tiles, names, strict=True):
        paper.paste(tile, (x, GAP))
        draw.text((x, GAP + HEIGHT + 5), name, fill=INK, font=ImageFont.load_default(14))
        draw.text((x, GAP + HEIGHT + 23), note, fill=SOFT, font=ImageFont.load_default(11))
        x += tile.width + GAP
    return paper


def _reached(painted: StyleResult) -> str:
    """Format the remaining style and content losses, as means over the layers."""
    losses = painted.losses
    style = sum(losses.style.values()) / max(len(losses.style), 1)
    before = sum(losses.style_of_content.values()) / max(len(losses.style_of_content), 1)
    words = [f"missing of the style {style:.1%} (photograph {before:.0%})"]
    if losses.values:
        words.append(f"of the content {sum(losses.values.values()) / len(losses.values):.0%}")
    return ", ".join(words)


def _tile(image: Image.Image) -> Image.Image:
    opaque = flatten_alpha(image)
    return opaque.resize(
        (max(1, round(opaque.width * HEIGHT / opaque.height)), HEIGHT), Image.Resampling.LANCZOS
    )
