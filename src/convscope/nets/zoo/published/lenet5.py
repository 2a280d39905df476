"""LeNet-5 as published: partly connected C3, trainable subsampling, scaled tanh, RBF output units.

Source: LeCun, Bottou, Bengio and Haffner 1998, Gradient-Based Learning Applied to Document Recognition,
section II.B; 60,000 trainable parameters, 340,908 connections. What most libraries call LeNet-5 (a full C3,
ReLU, max pooling, softmax) has 61,706.
"""

from typing import TYPE_CHECKING

from convscope.graph.chain import chain
from convscope.graph.graph import Graph
from convscope.graph.spec import TensorSpec
from convscope.nets.zoo.entry import DIGITS, ZooEntry

if TYPE_CHECKING:
    from torch import nn

BACKGROUND, INK = -0.1, 1.175
"""Normalised values of paper and ink, which give inputs a mean of about 0 and a variance of about 1."""

GLYPHS = """
.#####. ...##.. .#####. ####### .#####. .#####. ..####. ####### .#####. .#####.
....... ..###.. ....... .....## ....... ....... .##.... .....## ##...## ##..###
..###.. .####.. .#####. ....##. ....... ####### ##..... .....## ##...## ##...##
.##.##. ...##.. ##...## ...##.. .##..## ##..... ##..... ....##. ##...## ##...##
##...## ...##.. #....## ..####. .##..## ##..... ######. ...##.. .#####. ##..###
##...## ...##.. ....##. .....## ###..## .####.. ###..## ...##.. ##...## .######
##...## ...##.. ..###.. .....## ##...## ..####. ##...## ..##... ##...## .....##
##...## ...##.. .##.... .....## ##...## .....## ##...## ..##... ##...## .....##
.##.##. ...##.. ##..... ##...## ##..### ##...## ###..## ..##... ##...## ....##.
..###.. .###### ####### .#####. .###### .#####. .#####. ..##... .#####. .####..
....... ....... ....... ....... .....## ....... ....... ....... ....... .......
....... ....... ....... ....... .....## ....... ....... ....... ....... .......
"""
"""The digits as 7x12 bitmaps, ink +1, paper -1: figure 3 as public re-implementations transcribe it."""


def lenet5() -> Graph:
    """Build the graph: C1 S2 C3 S4 C5 F6 and the output, each but the last followed by a scaled tanh."""
    return chain(
        "1x32x32",
        "C1 = conv 6 5x5, squash1 = scaledtanh, S2 = subsample 2, squash2 = scaledtanh, "
        "C3 = partialconv 5x5, squash3 = scaledtanh, S4 = subsample 2, "
        "squash4 = scaledtanh, C5 = conv 120 5x5, squash5 = scaledtanh, flatten = flatten, "
        "F6 = dense 84, squash6 = scaledtanh, output = rbf 10",
    )


def codes() -> tuple[tuple[float, ...], ...]:
    """Return the bitmap of each digit, row by row: 84 values of -1 and +1."""
    rows = [line.split() for line in GLYPHS.split("\n") if line]
    bitmaps = ["".join(row[digit] for row in rows) for digit in range(len(DIGITS))]
    return tuple(tuple(1.0 if dot == "#" else -1.0 for dot in bitmap) for bitmap in bitmaps)


def draw_codes(module: "nn.Module") -> None:
    """Overwrite the random patterns of a built LeNet-5's output layer with the digits' bitmaps.

    Args:
        module: the network; changed in place.
    """
    import torch

    module.get_buffer("output.centres").copy_(torch.tensor(codes()))


LENET5 = ZooEntry(
    "lenet5",
    lenet5,
    TensorSpec(
        (1, 32, 32), mean=(-BACKGROUND / (INK - BACKGROUND),), std=(1 / (INK - BACKGROUND),), kind="digit"
    ),
    DIGITS,
    "LeNet-5 as published: partly connected C3, trainable subsampling, distances to drawn digits",
    "LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition, section II",
    "Outputs are minus the squared distance to each digit's code, so that the nearest scores highest; cross "
    "entropy on them is the paper's criterion (9) without its constant class. The codes are figure 3 as "
    "public re-implementations transcribe it, not checked against the figure.",
    prepare=draw_codes,
)
