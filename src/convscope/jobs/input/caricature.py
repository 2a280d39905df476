"""Draw a picture again with what a layer sees in it exaggerated.

The drawing is made from noise so that the layer's answer points where it does for the picture, and is
stronger.

    convscope caricature photo.jpg
    convscope caricature digit.png --net digits --layer relu2
"""

from convscope.cli.core.shell import Shell, VerbResult
from convscope.cli.verbs.input import reconstruction
from convscope.see.activation_atlas import CaricatureRecipe

schema = CaricatureRecipe


def run(recipe: CaricatureRecipe, shell: Shell) -> VerbResult:
    """Reconstruct an image from each layer with its features exaggerated (caricature).

    Maximises the dot product with the layer's activations for the image, times a power of their cosine.

    See `reconstruction.run` for the files that are written and what happens on Ctrl-C.

    Args:
        recipe: image, network, layers and settings of the optimisation.
        shell: destination of results, progress and log.

    Returns:
        The JSON fields of `reconstruction.run`; exit code 0.
    """
    return reconstruction.run(recipe, shell, "What the layers of {net} see in a picture, exaggerated")
