"""Draw a picture again from nothing but what a layer kept of it.

What the drawing shows, the layer knows; what it lacks, the layer has forgotten. Several layers make a strip.

    convscope invert photo.jpg --layer blocks.1 --layer blocks.3 --layer output
    convscope invert digit.png --net digits
"""

from convscope.cli.core.shell import Shell, VerbResult
from convscope.cli.verbs.input import reconstruction
from convscope.see.activation_atlas import InvertRecipe

schema = InvertRecipe


def run(recipe: InvertRecipe, shell: Shell) -> VerbResult:
    """A strip: the picture, and what each layer remembers."""
    return reconstruction.run(recipe, shell, "What the layers of {net} remember of a picture")
