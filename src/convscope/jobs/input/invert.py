"""Invert features: reconstruct a picture from a layer's activations alone.

The reconstruction is one input with nearly the same activations: what differs from the picture is not needed
for them. Several layers make a strip.

    convscope invert photo.jpg --layer blocks.1 --layer blocks.3 --layer output
    convscope invert digit.png --net digits
"""

from convscope.jobs.input import reconstruction
from convscope.jobs.job import Steps
from convscope.jobs.output.workspace import Workspace
from convscope.see.activation_atlas import InvertRecipe

schema = InvertRecipe


def run(recipe: InvertRecipe, workspace: Workspace) -> Steps:
    """Invert the activations of each layer: find an image that reproduces them, starting from noise.

    See `reconstruction.run` for the files that are written and what happens on Ctrl-C.

    Args:
        recipe: image, network, layers and settings of the optimisation.
        workspace: where the result goes, and what is logged.

    Returns:
        The steps of `reconstruction.run`.
    """
    return reconstruction.run(recipe, workspace, "What the layers of {net} remember of a picture")
