"""A network whose hooks stay: activations of one input after another, without setting up each pass."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor

from convscope.nets.activations.address import LayerAddress
from convscope.nets.activations.recording import Recorder, resolve
from convscope.nets.activations.scaling import Scales, scaled_units
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
        self._recorder = Recorder(net, self.places, complete=True)
        self._open = ExitStack()
        self._open.enter_context(self._recorder.hooked())

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
            What the network returned, and the activation `[b c ...]` of each layer that ran, channels first,
            as it was when the layer returned it.

        Raises:
            PlaceError: `scales` names a place that does not exist, or an activation is complex or sparse.
            GraphError: the inputs do not fit.
        """
        with torch.no_grad(), ExitStack() as scaling:
            if scales:
                scaling.enter_context(scaled_units(self.net, scales))
            result = self._recorder.run(inputs)
        found = filter(self._recorder.has, self.places)
        return result, {place: self._recorder.tensor(place, result) for place in found}
