"""Draw a picture again from nothing but what a layer kept of it.

What the drawing shows, the layer knows; what it lacks, the layer has forgotten. Several layers make a strip.

    convscope invert digits digit.png
    convscope invert efficientnet_lite0 photo.jpg --layer blocks.1 --layer blocks.3 --layer output
"""

from convscope.cli import redrawing
from convscope.cli.shell import Answer, Shell
from convscope.see.layer_recipe import Invert

schema = Invert


def run(recipe: Invert, shell: Shell) -> Answer:
    """A strip: the picture, and what each layer remembers."""
    return redrawing.run(recipe, shell, "What the layers of {net} remember of a picture")
