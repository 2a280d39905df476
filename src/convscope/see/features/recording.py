"""Recording what a network makes of a batch of images, whatever else it takes as input."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import PlaceError
from convscope.nets import LayerAddress, Net, record
from convscope.nets.activations.recording import Noted

HALVES = (torch.float16, torch.bfloat16)


def record_float32(
    net: Net, images: Float[Tensor, "b *shape"], places: Iterable[LayerAddress], *, noted: Noted | None = None
) -> dict[LayerAddress, Tensor]:
    """Activations at each place, in float32 or better; further inputs stay in the middle of their range.

    Args:
        net: any network.
        images: in the contract's range.
        places: where to look.
        noted: as in `record`; called with what will be returned.

    Raises:
        PlaceError: an activation does not have one row for each image.
    """
    places = tuple(places)
    if not places:
        return {}
    example = net.example(len(images)) if len(net.contracts) > 1 else images
    others = () if isinstance(example, Tensor) else tuple(example[1:])
    inputs = (images.to(net.device), *others)
    early: dict[LayerAddress, Tensor] = {}

    def note(place: LayerAddress, activation: Tensor) -> None:
        if noted and activation.dim() and len(activation) == len(images):
            early[place] = _in_float32(activation)
            noted(place, early[place])

    found = record(net, inputs, places, noted=note if noted else None)
    check_rows(net, inputs, found)
    return {place: early[place] if place in early else _in_float32(act) for place, act in found.items()}


def _in_float32(activation: Tensor) -> Tensor:
    return activation.float() if activation.dtype in HALVES else activation


def check_rows(net: Net, inputs: Sequence[Tensor], found: Mapping[LayerAddress, Tensor]) -> None:
    """Whether each activation has one row for each input: some layers fold patches into the batch.

    Source: Mehta and Rastegari 2021, arXiv:2110.02178, §3.1 (MobileViT, whose blocks do).

    Raises:
        PlaceError: one has not; the nearest layer around it that has is named.
    """
    count = len(inputs[0])
    for place, activation in found.items():
        rows = len(activation) if activation.dim() else 0
        if rows != count:
            raise PlaceError(
                f"a layer with one activation for each image: {count}",
                received=f"{rows} from {place}, which mixes parts of an image with the batch",
                hint=_around(net, inputs, place),
            )


def _around(net: Net, inputs: Sequence[Tensor], place: LayerAddress) -> str:
    """Names the innermost layer around a place that gives each image a row of its own."""
    names = place.layer.split(".")
    for depth in range(len(names) - 1, 0, -1):
        outer = LayerAddress(".".join(names[:depth]))
        try:
            with torch.no_grad():
                (activation,) = record(net, inputs, [outer]).values()
        except PlaceError:  # a list of layers, which never runs itself, or one that returns no tensor
            continue
        if activation.dim() and len(activation) == len(inputs[0]):
            return f"Choose the block around it, {outer}, or a layer before or after that."
    return "Choose a layer before or after it."
