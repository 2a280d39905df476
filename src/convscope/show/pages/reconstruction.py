"""Reconstructions of one input from the activations of several layers: inversions and caricatures."""

from PIL import Image

from convscope import worlds
from convscope.nets import Net
from convscope.see.visualization import Reconstruction
from convscope.show.images import contact_sheet, input_image
from convscope.show.images.contact_sheet import SheetTile, in_rows

SIDE, COLUMNS = 224, 6
"""Side of a tile in pixels; most tiles in a row."""


def sheet(drawn: Reconstruction, net: Net, title: str, *, exact: bool = True) -> Image.Image:
    """Draw the original and its reconstruction from each layer as a contact sheet.

    Args:
        drawn: the reconstructions.
        net: the network they are from; its spec states the value range.
        title: headline.
        exact: whether the relative error is written below each image, beside the cosine; for methods that aim
            at equality (inversion, not caricature).

    Returns:
        The sheet in RGB.
    """
    captions = [("the picture", "")] + [
        (layer, f"cosine {cosine:.2f}" + (f", missed {missed:.1%}" if exact else ""))
        for layer, cosine, missed in zip(
            drawn.layers, drawn.cosines.tolist(), drawn.relative_errors.tolist(), strict=True
        )
    ]
    tiles = [
        SheetTile(input_image.fitted(worlds.render(picture, net.input_spec), SIDE), name, [note])
        for picture, (name, note) in zip((drawn.original, *drawn.images), captions, strict=False)
    ]
    return contact_sheet.compose(in_rows(tiles, min(len(tiles), COLUMNS)), title=title)
