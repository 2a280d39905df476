"""One forward pass that hands on what stands at many places, each while it is there."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
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
    """Listens at places of a network, for as many passes as one likes.

    Each activation is handed on as soon as it is there, before a later layer can overwrite it in place, and
    nothing is kept: memory stays that of a plain pass.

    Args:
        net: any network.
        places: whole layers, as `resolve` returns them.
        receive: gets the number of the place and its activation, in float32 or better.
    """

    def __init__(self, net: Net, places: Sequence[LayerAddress], receive: OnActivation) -> None:
        self.net, self.receive = net, receive
        self.calls: Counter[str] = Counter()
        self.inputs: tuple[Tensor, ...] = ()
        self.aside = False
        shapes, self.last = layer_shapes(net), last_axes(net)
        self.modules = {
            name: module
            for name, module in net.module.named_modules()
            if name and name in {place.layer for place in places}
        }
        self.waiting: dict[tuple[str, int], list[tuple[int, str | None]]] = {}
        for number, place in enumerate(places):
            at = (place.layer, place.call or len(shapes[place.layer]))
            self.waiting.setdefault(at, []).append((number, place.key))

    @contextmanager
    def open(self) -> Iterator[Callable[[Float[Tensor, "b *shape"]], None]]:
        """A function that runs a batch of images; hooks are gone afterwards, whatever happens.

        Raises:
            PlaceError: by that function: an activation does not have one row for each image.
        """
        handles: list[Any] = []
        with frozen(self.net.module), torch.no_grad():
            try:
                self.aside = channels_last_is_faster(self.net)
                for name, module in self.modules.items():
                    handles.append(module.register_forward_hook(self._hook(name)))
                yield self._run
            finally:
                for handle in handles:
                    handle.remove()

    def _run(self, images: Float[Tensor, "b *shape"]) -> None:
        self.calls.clear()
        example = self.net.example(len(images)) if len(self.net.contracts) > 1 else images
        others = () if isinstance(example, Tensor) else tuple(example[1:])
        images = images.to(self.net.device)
        self.inputs = (channels_last(images) if self.aside else images, *others)
        result = self.net(*self.inputs)
        if RESULT not in self.modules:
            self._give((RESULT, 1), result)

    def _hook(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def passed(_module: nn.Module, _inputs: Any, output: Any) -> None:
            self.calls[name] += 1
            self._give((name, self.calls[name]), output)

        return passed

    def _give(self, at: tuple[str, int], output: Any) -> None:
        for number, key in self.waiting.get(at, ()):
            parts = dict(tree_leaves(output))
            key = key if key is not None else next(iter(parts), "")
            act = units_first(parts[key], (at[0], at[1], key), self.last) if key in parts else None
            if act is not None and act.is_floating_point():
                check_rows(self.net, self.inputs, {LayerAddress(at[0], key=key): act})
                self.receive(number, act)
