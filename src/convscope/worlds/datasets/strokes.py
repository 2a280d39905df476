"""Five stroke patterns, the digits 0 to 4 on 16x16 pixels, and the same ones shifted.

After the experiment of Fukushima 1980, Neocognitron, Biological Cybernetics 36; drawn for this package.
"""

from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.graph.spec import DIGIT, TensorSpec
from convscope.worlds.images.datasets.labelled import ImageTensorDataset

CLASSES = tuple("01234")
SHIFT = 2
"""Most pixels by which a test pattern is shifted, in either direction; 3 would still be within the image."""
SPEC = TensorSpec((1, 16, 16), kind=DIGIT)
"""One grey channel in [0, 1]: paper is 0, ink 1."""
GLYPHS = """
..######.. ....#..... ..######.. ########## ......#...
.#......#. ....#..... .#......#. ........#. .....##...
#........# ....#..... #........# .......#.. ....#.#...
#........# ....#..... .........# ......#... ...#..#...
#........# ....#..... .......##. .....###.. ..#...#...
#........# ....#..... ......#... ........#. .#....#...
#........# ....#..... ....##.... .........# ##########
#........# ....#..... ...#...... #........# ......#...
.#......#. ....#..... .##....... .#......#. ......#...
..######.. ....#..... ########## ..######.. ......#...
"""
"""The patterns side by side, 10x10 each: # is ink."""


def patterns() -> Float[Tensor, "5 1 16 16"]:
    """Draw the patterns, each in the middle of its image.

    Returns:
        Images in [0, 1].
    """
    rows = [line.split() for line in GLYPHS.split("\n") if line]
    ink = [[[float(dot == "#") for dot in row[k]] for row in rows] for k in range(len(CLASSES))]
    return torch.nn.functional.pad(torch.tensor(ink), (3, 3, 3, 3))[:, None]


def train() -> ImageTensorDataset:
    """Return the training set: each pattern once, in the middle."""
    return _dataset([(0, 0)], "strokes/train")


def test() -> ImageTensorDataset:
    """Return the test set: each pattern at every shift of 1 or 2 pixels, 24 times."""
    steps = range(-SHIFT, SHIFT + 1)
    return _dataset([shift for shift in product(steps, steps) if shift != (0, 0)], "strokes/test")


test.__test__ = False  # pyright: ignore[reportFunctionMemberAccess]  # a part of a data set, not pytest's to collect


def _dataset(shifts: list[tuple[int, int]], name: str) -> ImageTensorDataset:
    """Return the patterns at some shifts `(y, x)`."""
    drawn = (patterns() * 255).to(torch.uint8)
    images = torch.cat([torch.roll(drawn, shift, (2, 3)) for shift in shifts])
    return ImageTensorDataset(images, torch.arange(len(CLASSES)).repeat(len(shifts)), CLASSES, SPEC, name)
