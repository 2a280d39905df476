"""A network whose hooks stay: activations of one input after another, without setting up each pass."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from convscope.nets.activations.address import RESULT, LayerAddress
from convscope.nets.activations.axes import units_first
from convscope.nets.activations.freezing import frozen
from convscope.nets.activations.recording import last_axes, layer_shapes, resolve
from convscope.nets.activations.scaling import Scales, scaled_units
from convscope.nets.activations.tree import after, tree_leaves, tree_replace
from convscope.nets.network import Net


class HookedNet:
    """Record the same layers of a network for many inputs: hooks and frozen state are set up only once.

    `record` does the same for one batch, and restores the network after each. Here the network stays frozen
    (evaluation mode, no weight gradients) until `close`, and a pass costs little more than the network
    itself: for live views. Use it in `with`, or call `close`.

    Args:
        net: the network. Not copied; others may run it meanwhile, from the same thread.
        layers: addresses of whole layers; `output` is the network's result.

    Raises:
        PlaceError: there is no such layer, or it returns no tensor.

    Source:
        Nanda and Bloom 2022, TransformerLens (`HookedTransformer.run_with_cache`), for the name and the idea.
    """

    def __init__(self, net: Net, layers: Sequence[LayerAddress | str]) -> None:
        self.net = net
        self.places = tuple(resolve(net, layer).layer_only for layer in layers)
        self._shapes, self._last = layer_shapes(net), last_axes(net)
        self._found: dict[LayerAddress, Tensor] = {}
        self._versions: list[tuple[Tensor, int]] = []
        self._calls: dict[str, int] = {}
        self._running, self._copying = False, False
        self._open = ExitStack()
        self._open.enter_context(frozen(net.module))
        modules = dict(net.module.named_modules())
        for layer in dict.fromkeys(place.layer for place in self.places):
            if layer in modules and layer:
                hook = self._hook(layer, [place for place in self.places if place.layer == layer])
                self._open.callback(after(modules[layer], hook).remove)
        self._results = [p for p in self.places if p.layer == RESULT and RESULT not in modules]

    def __enter__(self) -> "HookedNet":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the hooks off, and restore the state that the network had before."""
        self._open.close()

    def run(self, *inputs: Tensor, scales: Scales | None = None) -> tuple[Any, dict[LayerAddress, Tensor]]:
        """Run the network without gradients, and record the layers.

        Args:
            *inputs: one tensor `[b c ...]` in the spec's range for each input.
            scales: factors of units, as for `scaled_units`; None or empty for the network as it is.

        Returns:
            What the network returned, and the activation `[b c ...]` of each layer, channels first, as it
            was when the layer returned it.

        Raises:
            PlaceError: `scales` names a place that does not exist.
            GraphError: the inputs do not fit.
        """
        result = self._pass(inputs, scales)
        if any(tensor._version != version for tensor, version in self._versions):
            self._copying = True  # a later layer overwrites in place what another has returned
            result = self._pass(inputs, scales)
        return result, {place: self._found[place] for place in self.places if place in self._found}

    def _pass(self, inputs: tuple[Tensor, ...], scales: Scales | None) -> Any:
        self._found, self._versions, self._calls, self._running = {}, [], {}, True
        try:
            with torch.no_grad(), ExitStack() as scaling:
                if scales:
                    scaling.enter_context(scaled_units(self.net, scales))
                result = self.net(*inputs)
        finally:
            self._running = False
        self._note(RESULT, 1, self._results, result)
        return result

    def _hook(self, layer: str, places: Sequence[LayerAddress]) -> Any:
        usual = len(self._shapes[layer])

        def hook(_module: nn.Module, _inputs: Any, output: Any) -> Any:
            if not self._running:
                return None
            self._calls[layer] = call = self._calls.get(layer, 0) + 1
            wanted = [place for place in places if (place.call or usual) == call]
            if not wanted:
                return None
            self._note(layer, call, wanted, output)
            return tree_replace(output, Tensor.clone) if self._copying else None

        return hook

    def _note(self, layer: str, call: int, places: Sequence[LayerAddress], output: Any) -> None:
        if not places:
            return
        tensors = dict(tree_leaves(output))
        for place in places:
            key = place.key if place.key is not None else next(iter(tensors))
            self._found[place] = units_first(tensors[key], (layer, call, key), self._last)
            if not self._copying:
                self._versions.append((tensors[key], tensors[key]._version))
