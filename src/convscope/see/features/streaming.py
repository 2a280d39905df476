"""One forward pass that hands each recorded activation to a callback, without keeping it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from convscope.nets import LayerAddress, Net, frozen, layer_shapes
from convscope.nets.activations.address import RESULT
from convscope.nets.activations.axes import units_first
from convscope.nets.activations.recording import last_axes
from convscope.nets.activations.tree import tree_leaves
from convscope.nets.inference.memory_format import channels_last, channels_last_is_faster
from convscope.see.features.recording import check_rows

OnActivation = Callable[[int, Tensor], None]


class ActivationStream:
    """Pass activations of many layers to a callback during the forward pass.

    Each activation is handed over as soon as its layer has run, before a later layer can overwrite it in
    place, and none is kept: memory stays that of a plain pass. May be used for any number of passes.

    Args:
        net: any network.
        places: whole layers, as `resolve` returns them.
        receive: called with the index of the place in `places`, and its activation `[b c ...]` in the
            network's own precision; values that are not floating-point are skipped.
    """

    def __init__(self, net: Net, places: Sequence[LayerAddress], receive: OnActivation) -> None:
        self.net, self.receive = net, receive
        self.calls: Counter[str] = Counter()
        self.inputs: tuple[Tensor, ...] = ()
        self.use_channels_last = False
        shapes, self.last = layer_shapes(net), last_axes(net)
        self.modules = {
            name: module
            for name, module in net.module.named_modules()
            if name and name in {place.layer for place in places}
        }
        self.places_by_call: dict[tuple[str, int], list[tuple[int, str | None]]] = {}
        for number, place in enumerate(places):
            at = (place.layer, place.call or len(shapes[place.layer]))
            self.places_by_call.setdefault(at, []).append((number, place.key))

    @contextmanager
    def open(self) -> Iterator[Callable[[Shaped[Tensor, "b *shape"]], None]]:
        """Register the forward hooks, and yield a function that runs a batch of images `[b ...]`.

        The network is in evaluation mode and without gradients meanwhile; hooks are removed at the end, also
        after an error.

        Yields:
            The function. It raises `PlaceError` where an activation does not have one row for each image.
        """
        handles: list[Any] = []
        with frozen(self.net.module), torch.no_grad():
            try:
                self.use_channels_last = channels_last_is_faster(self.net)
                for name, module in self.modules.items():
                    handles.append(module.register_forward_hook(self._hook(name)))
                yield self._run
            finally:
                for handle in handles:
                    handle.remove()

    def _run(self, images: Shaped[Tensor, "b *shape"]) -> None:
        self.calls.clear()
        example = self.net.example(len(images)) if len(self.net.input_specs) > 1 else images
        others = () if isinstance(example, Tensor) else tuple(example[1:])
        images = images.to(self.net.device)
        self.inputs = (channels_last(images) if self.use_channels_last else images, *others)
        result = self.net(*self.inputs)
        if RESULT not in self.modules:
            self._emit((RESULT, 1), result)

    def _hook(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            self.calls[name] += 1
            self._emit((name, self.calls[name]), output)

        return hook

    def _emit(self, at: tuple[str, int], output: Any) -> None:
        for number, key in self.places_by_call.get(at, ()):
            parts = dict(tree_leaves(output))
            key = key if key is not None else next(iter(parts), "")
            act = units_first(parts[key], (at[0], at[1], key), self.last) if key in parts else None
            if act is not None and act.is_floating_point():
                check_rows(self.net, self.inputs, {LayerAddress(at[0], key=key): act})
                self.receive(number, act)
