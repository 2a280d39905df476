"""Recording activations of a batch of images in float32, also for networks with further inputs."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from jaxtyping import Shaped
from torch import Tensor

from convscope.errors import PlaceError
from convscope.nets import LayerAddress, Net, record
from convscope.nets.activations.recording import Noted

HALVES = (torch.float16, torch.bfloat16)


def record_float32(
    net: Net,
    images: Shaped[Tensor, "b *shape"],
    places: Iterable[LayerAddress],
    *,
    noted: Noted | None = None,
) -> dict[LayerAddress, Tensor]:
    """Record activations at each place, in float32 or better.

    Only float16 and bfloat16 are converted. A network with several inputs gets the images as its first; the
    others are its specs' example values, the middle of their range.

    Args:
        net: any network.
        images: in the spec's range.
        places: what to record; `{}` is returned for none, without a forward pass.
        noted: as in `record`: called during the pass with each place and the activation that will be
            returned.

    Returns:
        Activation `[b ...]` by place, part of the autograd graph where gradients are enabled.

    Raises:
        PlaceError: an activation does not have one row for each image.
    """
    places = tuple(places)
    if not places:
        return {}
    example = net.example(len(images)) if len(net.input_specs) > 1 else images
    others = () if isinstance(example, Tensor) else tuple(example[1:])
    inputs = (images.to(net.device), *others)
    converted: dict[LayerAddress, Tensor] = {}

    def note(place: LayerAddress, activation: Tensor) -> None:
        if noted and activation.dim() and len(activation) == len(images):
            converted[place] = _in_float32(activation)
            noted(place, converted[place])

    found = record(net, inputs, places, noted=note if noted else None)
    check_rows(net, inputs, found)
    return {
        place: converted[place] if place in converted else _in_float32(act) for place, act in found.items()
    }


def _in_float32(activation: Tensor) -> Tensor:
    return activation.float() if activation.dtype in HALVES else activation


def check_rows(net: Net, inputs: Sequence[Tensor], found: Mapping[LayerAddress, Tensor]) -> None:
    """Check that each activation has one row for each input: some layers fold patches into the batch axis.

    Source: Mehta and Rastegari 2021, arXiv:2110.02178, §3.1 (MobileViT, whose blocks do).

    Args:
        net: the network, searched for an enclosing layer to suggest.
        inputs: its inputs; the first gives the batch size.
        found: activation by place.

    Raises:
        PlaceError: one has another number of rows; the hint names the nearest enclosing layer that fits.
    """
    count = len(inputs[0])
    for place, activation in found.items():
        rows = len(activation) if activation.dim() else 0
        if rows != count:
            raise PlaceError(
                f"a layer with one activation for each image: {count}",
                received=f"{rows} from {place}, which mixes parts of an image with the batch",
                hint=_enclosing_layer_hint(net, inputs, place),
            )


def _enclosing_layer_hint(net: Net, inputs: Sequence[Tensor], place: LayerAddress) -> str:
    """Return a hint that names the innermost enclosing layer with one row for each image."""
    parts = place.layer.split(".")
    for depth in range(len(parts) - 1, 0, -1):
        outer = LayerAddress(".".join(parts[:depth]))
        try:
            with torch.no_grad():
                (activation,) = record(net, inputs, [outer]).values()
        except PlaceError:  # a list of layers, which never runs itself, or one that returns no tensor
            continue
        if activation.dim() and len(activation) == len(inputs[0]):
            return f"Choose the block around it, {outer}, or a layer before or after that."
    return "Choose a layer before or after it."
