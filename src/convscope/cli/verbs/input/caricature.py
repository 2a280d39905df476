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
    """A strip: the picture, and what each layer makes of it."""
    return reconstruction.run(recipe, shell, "What the layers of {net} see in a picture, exaggerated")
