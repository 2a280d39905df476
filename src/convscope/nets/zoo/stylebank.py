"""The packaged StyleBank, with banks for paintings in the public domain; see scripts/train_styles.py."""

from typing import TYPE_CHECKING

from convscope.graph.spec import TensorSpec
from convscope.nets.zoo.entry import ZooEntry

if TYPE_CHECKING:
    from torch import nn

STYLES = ("starry-night", "great-wave", "scream", "shipwreck")


def stylebank() -> "nn.Module":
    """Build the network with fresh weights."""
    from convscope.nets.style.bank import StyleBank, StyleBankConfig

    return StyleBank(StyleBankConfig(STYLES))


STYLEBANK = ZooEntry(
    "stylebank",
    None,
    TensorSpec((3, 256, 256), mean=(0.5,), std=(0.25,), name="photo"),
    (),
    f"stylizes photographs in four styles: {', '.join(STYLES)}; trained, for `convscope style apply`",
    "Chen et al. 2017, arXiv:1703.09210",
    "Not the paper's sizes: a sixteenth of its weights, no normalisation, and banks of one convolution.",
    weights="stylebank",
    module=stylebank,
)
