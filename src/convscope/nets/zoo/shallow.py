"""Networks of one hidden layer, for the theorem of universal approximation."""

from typing import TYPE_CHECKING

from convscope.graph.spec import TensorSpec
from convscope.nets.zoo.entry import ZooEntry

if TYPE_CHECKING:
    from torch import nn


def one_hidden_layer() -> "nn.Module":
    """Build networks of 4 to 64 hidden units, with ReLUs and with cubes."""
    from convscope.nets.modules.shallow import OneHiddenLayers

    return OneHiddenLayers()


ONE_HIDDEN_LAYER = ZooEntry(
    "one-hidden-layer",
    None,
    TensorSpec((1,), name="x"),
    (),
    "networks of one hidden layer of 4 to 64 units, side by side, that approximate a function of one number",
    "Cybenko 1989, Approximation by Superpositions of a Sigmoidal Function; Leshno et al. 1993, Multilayer "
    "Feedforward Networks with a Nonpolynomial Activation Function Can Approximate Any Function",
    "Train it with the task approximation: convscope train --recipe universal-approximation.",
    module=one_hidden_layer,
    output="values",
)
