"""The packaged AdaIN network: its decoder stylizes photographs with any style; see scripts/train_adain.py."""

from dataclasses import replace
from typing import TYPE_CHECKING

from convscope.graph.spec import ImageTransform
from convscope.nets.zoo.entry import ZooEntry
from convscope.nets.zoo.hed_vgg16 import HED_VGG16

if TYPE_CHECKING:
    from torch import nn


BLOCKS = 2
"""Residual blocks of the decoder."""


def adain() -> "nn.Module":
    """Build the network with fresh weights."""
    from convscope.nets.style.adain import AdaIN

    return AdaIN(BLOCKS)


ADAIN = ZooEntry(
    "adain",
    None,
    replace(HED_VGG16.input_spec, shape=(3, 256, 256), transform=ImageTransform()),
    (),
    "stylizes photographs in the style of any painting; trained, for `convscope style apply`",
    "Huang and Belongie 2017, arXiv:1703.06868",
    "Not the paper's sizes: features of relu3_1, and colours beside them.",
    weights="adain",
    module=adain,
)
