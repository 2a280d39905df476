"""Make a caricature: an image whose activations at a layer are those of a picture, but stronger.

It is optimised from the picture at 3% of its contrast so that the activations have the direction that they
have for the picture, at a larger length; from noise at layers without positions.

    convscope caricature photo.jpg
    convscope caricature digit.png --net digits --layer relu2
"""

from convscope.jobs.input import reconstruction
from convscope.jobs.job import Steps
from convscope.jobs.output.workspace import Workspace
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
