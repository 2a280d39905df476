"""What class activation maps share: the layer, its maps, the gradient there, stretching the result.

The pass runs without gradients up to the layer; only what comes after it is part of the graph.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from typing_extensions import override

from convscope.errors import PlaceError, UsageError
from convscope.nets import Net, Place, resolve, survey
from convscope.nets.axes import units_first
from convscope.nets.places import RESULT
from convscope.nets.recording import last_axes
from convscope.nets.structure import leaves, swap
from convscope.see.explaining.fields import stretched
from convscope.see.explaining.method import Method, Part
from convscope.see.explaining.question import Question

POOLS = ("pool", "dropout", "drop", "flatten", "identity", "softmax", "upsample")
"""Kinds of modules whose maps are not taken by themselves."""


class Cam(Method):
    """Base of the methods that weigh a layer's maps."""

    signed = False
    layer: str = Field("", description="whose maps; the last with positions to tell apart if left out")

    @override
    def attributions(self, question: Question) -> Iterator[Part]:
        """The rectified weighted sum of maps, at the input's size."""
        place = self.place(question)
        found = []
        for first in range(0, len(question), question.batch):
            rows = list(range(first, min(first + question.batch, len(question))))
            found.append(self.combined(*tail(question, place, rows)))
        yield Part(onto_inputs(question, torch.cat(found)))

    def combined(
        self, maps: Float[Tensor, "b k *size"], gradient: Float[Tensor, "b k *size"]
    ) -> Float[Tensor, "b 1 *size"]:
        """One map from a layer's maps and the gradient there."""
        raise UsageError(f"a way for {self.name} to combine maps")

    def place(self, question: Question) -> Place:
        """The layer whose maps are weighed."""
        return chosen_layer(question, self.layer)


def chosen_layer(question: Question, text: str = "") -> Place:
    """A layer by its address, or the last one before the target whose units have a map.

    Raises:
        PlaceError: the address leads nowhere, or its units have no maps.
        UsageError: no layer before the target has maps.
    """
    inputs = tuple(x[:1] for x in question.inputs)
    if not text:
        return last_maps(question.net, inputs, question.places)
    place = resolve(question.net, Place.parse(text).whole, *inputs)
    if place.layer == RESULT or len(_shape(question.net, inputs, place)) < 2:
        raise PlaceError("a layer inside the network whose units have maps", received=text)
    return place


def last_maps(net: Net, inputs: tuple[Tensor, ...], before: tuple[Place, ...]) -> Place:
    """The last layer with maps of more than one position that runs before the target is there."""
    shapes = survey(net, *inputs)
    names = list(shapes)
    ends = [names.index(place.layer) for place in before if place.layer in names and place.layer != RESULT]
    names = names[: min(ends)] if ends else [name for name in names if name != RESULT]
    skipped: set[tuple[int, ...]] = set()
    for name in reversed(names):
        parts = shapes[name][-1]
        shape = next(iter(parts.values()), ())
        if len(parts) != 1 or len(shape) < 2 or prod(shape[1:]) < 2:
            continue
        module = net.module.get_submodule(name)
        if not any(True for _ in module.children()) and _is_pool(module):
            skipped.add(shape)  # what holds it and ends with it has the same shape
        elif shape not in skipped or not any(True for _ in module.children()):
            return Place(name)
    raise UsageError(
        "a layer before the target whose units have maps",
        received=f"{net.name}, which has none",
        hint="Use a method that needs no maps: integrated, occlusion, lrp.",
    )


def _is_pool(module: nn.Module) -> bool:
    return any(word in type(module).__name__.lower() for word in POOLS)


def _shape(net: Net, inputs: tuple[Tensor, ...], place: Place) -> tuple[int, ...]:
    parts = survey(net, *inputs)[place.layer][(place.call or 0) - 1]
    return next(iter(parts.values())) if place.key is None else parts[place.key]


def tail(
    question: Question, place: Place, rows: list[int]
) -> tuple[Float[Tensor, "b k *size"], Float[Tensor, "b k *size"]]:
    """A layer's maps, and the gradient of each row's target there.

    Raises:
        UsageError: the target does not depend on the layer.
    """
    inputs = question.repeated(rows)
    with torch.no_grad(), _cut(question.net, place, inputs) as cut:
        scores = question.scores(inputs, rows)
        if not cut or not scores.requires_grad:
            raise UsageError(
                f"a layer that {question.names[rows[0]]} depends on",
                received=str(place),
                hint="Choose a layer before the target.",
            )
        (gradient,) = torch.autograd.grad(scores.sum(), cut[0], allow_unused=True, materialize_grads=True)
    last, key = last_axes(question.net), place.key or ""
    spot = (place.layer, place.call or len(survey(question.net)[place.layer]), key)
    maps, slopes = (units_first(x, spot, last) for x in (cut[0].detach(), gradient))
    return maps.float(), slopes.float()


@contextmanager
def _cut(net: Net, place: Place, inputs: tuple[Tensor, ...]) -> Iterator[list[Tensor]]:
    """The graph begins at what the layer returns; the list holds it after the pass."""
    wanted = place.call or len(survey(net, *(x[:1] for x in inputs))[place.layer])
    cut: list[Tensor] = []
    calls = 0

    def begin(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls != wanted:
            return None
        keys = [key for key, _ in leaves(output)]
        chosen = keys.index(place.key) if place.key is not None else 0
        numbers = iter(range(len(keys)))
        torch.set_grad_enabled(True)  # until the surrounding no_grad ends

        def change(tensor: Tensor) -> Tensor:
            if next(numbers) != chosen:
                return tensor
            cut.append(tensor.detach().clone().requires_grad_())
            return cut[0].clone()  # which may be overwritten in place

        return swap(output, change)

    handle = net.module.get_submodule(place.layer).register_forward_hook(begin)
    try:
        yield cut
    finally:
        handle.remove()


def onto_inputs(question: Question, maps: Float[Tensor, "b 1 *size"]) -> tuple[Tensor, ...]:
    """The maps at the size of each input that has as many axes; zeros for others.

    Raises:
        UsageError: no input has as many axes as the maps.
    """
    axes = maps.dim()
    if not any(x.dim() == axes for x in question.inputs):
        raise UsageError(
            "a layer whose maps have as many axes as an input",
            received=f"maps of {axes - 2} axes",
            hint="Choose another layer, or a method that works on the input itself: integrated, occlusion.",
        )
    return tuple(
        stretched(maps, tuple(x.shape[2:])) if x.dim() == axes else torch.zeros(x.shape, device=x.device)
        for x in question.inputs
    )


def weighed(maps: Float[Tensor, "b k *size"], weights: Float[Tensor, "b k"]) -> Float[Tensor, "b 1 *size"]:
    """The rectified sum of maps, each times its weight."""
    return torch.einsum("bk...,bk->b...", maps, weights).clamp_min(0)[:, None]
