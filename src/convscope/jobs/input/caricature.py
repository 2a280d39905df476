"""Draw a picture again with what a layer sees in it exaggerated.

The drawing is made from noise so that the layer's answer points where it does for the picture, and is
stronger.

    convscope caricature photo.jpg
    convscope caricature digit.png --net digits --layer relu2
"""

from convscope.jobs.input import reconstruction
from convscope.jobs.job import Steps
from convscope.jobs.workspace import Workspace
from convscope.see.activation_atlas import CaricatureRecipe

schema = CaricatureRecipe


def run(recipe: CaricatureRecipe, workspace: Workspace) -> Steps:
    """Reconstruct an image from each layer with its features exaggerated (caricature).

    Maximises the dot product with the layer's activations for the image, times a power of their cosine.

    See `reconstruction.run` for the files that are written and what happens on Ctrl-C.

    Args:
        recipe: image, network, layers and settings of the optimisation.
        workspace: where the result goes, and what is logged.

    Returns:
        The steps of `reconstruction.run`.
    """
    return reconstruction.run(recipe, workspace, "What the layers of {net} see in a picture, exaggerated")
