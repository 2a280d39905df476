"""Scale units while a network runs, so that everything after them sees the scaled activation."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from math import isfinite
from typing import Any

from torch import Tensor, nn

from convscope.errors import UsageError
from convscope.nets.activations.address import RESULT, LayerAddress
from convscope.nets.activations.axes import Spot, units_first
from convscope.nets.activations.recording import last_axes, layer_shapes, resolve
from convscope.nets.activations.tree import tree_leaves, tree_replace
from convscope.nets.network import Net, takes_network

Rows = list[tuple[LayerAddress, float]]
Scales = Mapping[str, float] | Mapping[LayerAddress, float]
"""Factors of units by address."""


@takes_network
@contextmanager
def scaled_units(net: Net, scales: Scales) -> Iterator[Net]:
    """Multiply units by a factor inside `with`, while the rest of the network runs on: 0 ablates a unit.

    Each factor is applied to what the layer returns, before any later layer reads it, and before hooks that
    were registered earlier: activations that are recorded meanwhile are the scaled ones. The activation is
    copied first, so that a layer before that shares its memory keeps its values.

    Args:
        net: the network; its weights are left as they are, and its hooks are gone afterwards.
        scales: by address the factor; an address without a unit scales the whole layer, one with a position
            that neuron only. Of a module that runs several times the last call is scaled, unless the
            address says which.

    Yields:
        The same network.

    Raises:
        PlaceError: there is no such layer, unit or position.
        UsageError: a factor is not finite.

    Source:
        Morcos et al. 2018, On the importance of single directions for generalization, arXiv:1803.06959
        (ablation of units by clamping them to 0).
    """
    by_layer: dict[str, Rows] = {}
    for place, factor in scales.items():
        if not isfinite(factor):
            raise UsageError("a finite factor", received=f"{factor} for {place}", hint="0 ablates a unit.")
        found = resolve(net, place)
        by_layer.setdefault(found.layer, []).append((found, float(factor)))
    named = dict(net.module.named_modules())
    shapes, last = layer_shapes(net), last_axes(net)
    with ExitStack() as hooks:
        for layer, rows in by_layer.items():
            inside = layer in named or layer != RESULT
            module = named[layer] if inside else net.module
            hook = _hook(layer, rows, len(shapes[layer]) if inside else 1, last)
            handle = nn.Module.register_forward_hook(module, hook, prepend=True)
            hooks.callback(handle.remove)
        yield net


def _hook(layer: str, rows: Rows, usual: int, last: frozenset[Spot]) -> Callable[..., Any]:
    """Return a forward hook that scales what each call of a layer returns."""
    calls: Counter[str] = Counter()

    def scale(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        calls[layer] = calls[layer] % usual + 1
        wanted = [(place, factor) for place, factor in rows if (place.call or usual) == calls[layer]]
        if not wanted:
            return None
        tensors = dict(tree_leaves(output))
        first = next(iter(tensors), "")
        changed: dict[int, Tensor] = {}
        for place, factor in wanted:
            key = place.key if place.key is not None else first
            held = tensors[key]
            act = changed.setdefault(id(held), held.clone())
            view = units_first(act, (layer, calls[layer], key), last)
            view[_index(place)] *= factor
        return tree_replace(output, lambda tensor: changed.get(id(tensor), tensor))

    return scale


def _index(place: LayerAddress) -> tuple[Any, ...]:
    """Return the index of a unit and position in an activation `[b c ...]`."""
    unit = slice(None) if place.unit is None else int(place.unit)
    return (slice(None), unit, *(place.position or ()))
