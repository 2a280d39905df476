"""Entries of the zoo: what is known about a network before it is built."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from convscope.graph.graph import Graph
from convscope.graph.spec import TensorSpec

if TYPE_CHECKING:
    from torch import nn

DIGITS = tuple("0123456789")
MNIST = TensorSpec((1, 28, 28), kind="digit")
"""Spec for handwritten digits, bright on dark, in [0, 1], not normalised."""


@dataclass(frozen=True)
class ZooEntry:
    """One network of the zoo; needs no torch, so that listing is instant.

    Args:
        name: the name that `load` takes.
        graph: builds its graph; None if it is built as a module. Classifiers end in logits: softmax belongs
            to the loss and to the prediction, where it is computed together with the logarithm and cannot
            underflow.
        input_spec: specification of its input.
        classes: names of its classes; None for the thousand classes of ImageNet, read when the network is
            loaded.
        summary: one line for lists.
        paper: reference of the paper.
        note: what to know before quoting it.
        weights: name of a folder under `nets/data` with trained weights that ship; empty for none.
        prepare: sets what is fixed, not learned, in a freshly built module, in place.
        module: builds the module where there is no graph.
        output: what it returns, as `OutputSpec.kind`; empty for logits where it has classes, and where that
            is left to who reads it.
    """

    name: str
    graph: Callable[[], Graph] | None
    input_spec: TensorSpec
    classes: tuple[str, ...] | None
    summary: str
    paper: str
    note: str = ""
    weights: str = ""
    prepare: "Callable[[nn.Module], None] | None" = None
    module: "Callable[[], nn.Module] | None" = None
    output: str = ""
