"""Content image, style images and result of a style transfer, side by side."""

from collections.abc import Sequence

from PIL import Image

from convscope.see.style import StyleResult
from convscope.show.images import contact_sheet
from convscope.show.images.contact_sheet import SheetRow, SheetTile
from convscope.system.counting import capped_share

HEIGHT = 320
"""Height of every image, in pixels."""
MOST_STYLES = 6
"""Most style images shown."""


def sheet(
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
        The sheet in RGB.
    """
    shares = painted.settled.shares
    names = [("content", f"{content.width} x {content.height}")]
    names += [
        ("style" if len(paintings) == 1 else f"style, {share:.0%}", f"{p.width} x {p.height}")
        for p, share in zip(paintings, shares, strict=True)
    ][:MOST_STYLES]
    names.append(("result", _reached(painted)))
    pictures = (content, *paintings[:MOST_STYLES], made)
    tiles = [SheetTile(image, name, [note]) for image, (name, note) in zip(pictures, names, strict=True)]
    return contact_sheet.compose([SheetRow(tiles)], side=HEIGHT)


def _reached(painted: StyleResult) -> str:
    """Format the remaining style and content losses, as means over the layers."""
    losses = painted.losses
    style = sum(losses.style.values()) / max(len(losses.style), 1)
    before = sum(losses.style_of_content.values()) / max(len(losses.style_of_content), 1)
    words = [f"missing of the style {capped_share(style)} (photograph {capped_share(before)})"]
    if losses.values:
        words.append(f"of the content {capped_share(sum(losses.values.values()) / len(losses.values))}")
    return ", ".join(words)
