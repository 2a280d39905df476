"""Draw a picture again with what a layer sees in it exaggerated.

The drawing is made from noise so that the layer's answer points where it does for the picture, and is
stronger.

    convscope caricature digits digit.png --layer relu2
    convscope caricature efficientnet_lite0 photo.jpg
"""

from convscope.cli import redrawing
from convscope.cli.shell import Answer, Shell
from convscope.see.layer_recipe import Caricature

schema = Caricature


def run(recipe: Caricature, shell: Shell) -> Answer:
    """A strip: the picture, and what each layer makes of it."""
    return redrawing.run(recipe, shell, "What the layers of {net} see in a picture, exaggerated")
