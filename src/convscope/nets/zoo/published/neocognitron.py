"""The Neocognitron of 1980, for five stroke patterns."""

from typing import TYPE_CHECKING

from convscope.graph.spec import TensorSpec
from convscope.nets.zoo.entry import ZooEntry

if TYPE_CHECKING:
    from torch import nn


def neocognitron() -> "nn.Module":
    """Build three stages of S-cells and C-cells with 24 planes."""
    from convscope.nets.modules.classics.neocognitron import Neocognitron

    return Neocognitron()


NEOCOGNITRON = ZooEntry(
    "neocognitron",
    None,
    TensorSpec((1, 16, 16), kind="digit"),
    (),
    "S-cells that are inhibited and C-cells that tolerate shifts, which learn without labels or gradients",
    "Fukushima 1980, Neocognitron, Biological Cybernetics 36",
    "It does not learn by gradients: convscope train --recipe neocognitron.",
    module=neocognitron,
    output="values",
)
