"""Reconstructions of one input from the activations of several layers: inversions and caricatures."""

from math import prod

from PIL import Image

from convscope import worlds
from convscope.nets import Net, layer_shapes
from convscope.see.visualization import Reconstruction
from convscope.show.images import contact_sheet, input_image
from convscope.show.images.contact_sheet import SheetTile, in_rows

READ = {
    True: "Each picture was optimised from noise, towards the activations that one layer has for the"
    " original. Cosine 1 and 100% explained: it has the same for both.",
    False: "Each picture was optimised from the original at 3% of its contrast (from noise where there are no"
    " positions), towards the activations that one layer has for it, only stronger: more than 1 x is"
    " exaggerated. Cosine 1: all units in the same proportions.",
}
"""How to read a sheet of inversions (True), or of caricatures."""
SIDE, COLUMNS = 224, 6
"""Side of a tile in pixels; most tiles in a row."""
NOWHERE = "no positions: what, not where"
"""Note below the reconstruction from a layer that has one value for each unit."""


def sheet(drawn: Reconstruction, net: Net, title: str, note: str = "") -> Image.Image:
    """Draw the original and its reconstruction from each layer as a contact sheet.

    Below each image stands its cosine, and how much of the activations it has: their explained share for an
    inversion, their strength for a caricature; whether the layer has no positions, so that nothing in it says
    where things are; and the verdict where the image is not what was asked for.

    Args:
        drawn: the reconstructions.
        net: the network they are from; its spec states the value range.
        title: headline.
        note: a line below the original, such as how much of a file it is.

    Returns:
        The sheet in RGB.
    """
    captions = [("the picture", [note]), *_captions(drawn, net)]
    tiles = [
        SheetTile(input_image.fitted(worlds.render(picture, net.input_spec), SIDE), name, notes)
        for picture, (name, notes) in zip((drawn.original, *drawn.images), captions, strict=False)
    ]
    columns = min(len(tiles), COLUMNS)
    return contact_sheet.compose(in_rows(tiles, columns), title=title, note=READ[drawn.exact])


def _captions(drawn: Reconstruction, net: Net) -> list[tuple[str, list[str]]]:
    """Return each layer's name, with the lines that stand below its image."""
    found = []
    for row, (layer, verdict) in enumerate(zip(drawn.layers, drawn.verdicts, strict=True)):
        reached = (
            f"{float(drawn.explained[row]):.0%} explained"
            if drawn.exact
            else f"{float(drawn.strengths[row]):.1f} x as strong"
        )
        notes = [f"cosine {float(drawn.cosines[row]):.2f}, {reached}"]
        notes += [NOWHERE] if _has_no_positions(net, layer) else []
        found.append((layer, notes + ([] if verdict.word == "found" else [verdict.word])))
    return found


def _has_no_positions(net: Net, layer: str) -> bool:
    """Return whether a layer of a network whose inputs have positions has one value for each unit."""
    calls = layer_shapes(net).get(layer)
    if not (net.input_spec.size and calls):
        return False
    return all(prod(shape[1:]) == 1 for shape in calls[-1].values())
