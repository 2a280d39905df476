"""Inputs that are texts: their words or characters, and the attribution of each."""

from typing import Any

from torch import Tensor

from convscope.errors import UsageError
from convscope.nets import Net
from convscope.see import explain
from convscope.show import tinted
from convscope.worlds import world_of

METHOD = "integrated"
"""Integrated gradients, whose values add up to the difference that the text makes."""


def pieces(net: Net, tensor: Tensor) -> list[dict[str, Any]]:
    """Return the words or characters of an input.

    Args:
        net: the network.
        tensor: one input `[*shape]`.

    Returns:
        `text`, `first` position, the one after the `last`, and the `gap` before the next; none where the
        input is no text.
    """
    return [vars(piece) for piece in world_of(net.input_spec).pieces(tensor, net.input_spec)]


def word_attributions(net: Net, tensor: Tensor, target: int | None = None) -> dict[str, Any]:
    """Return what each word or character adds to an answer.

    Args:
        net: a network of texts.
        tensor: one input `[t]`.
        target: number of the class; the likeliest one if None.

    Returns:
        `target` (its name), `probability`, and `pieces`, each with its `value`.

    Raises:
        UsageError: the input is no text, or no gradient reaches its words.
    """
    found = pieces(net, tensor)
    if not found:
        raise UsageError("a text", received=f"an input of {net.name}", hint="Type a sentence.")
    explanation = explain(net, tensor[None], METHOD, target)
    task = explanation.task  # whose positions begin with the first token, not with the padding before it
    shown = tinted.pieces_of([given[0] for given in task.inputs], task.net.input_specs)
    values = tinted.totals(shown, explanation.heatmap[0].cpu().numpy())
    return {
        "target": explanation.targets[0],
        "probability": float(explanation.probabilities[0]),
        "pieces": [{**piece, "value": value} for piece, value in zip(found, values, strict=True)],
    }
