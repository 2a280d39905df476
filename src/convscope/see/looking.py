"""Recording what a network makes of a batch of images, whatever else it takes as input."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.nets import Net, Place, record

HALVES = (torch.float16, torch.bfloat16)


def seen(net: Net, images: Float[Tensor, "b *shape"], places: Iterable[Place]) -> dict[Place, Tensor]:
    """Activations at each place, in float32 or better; further inputs stay in the middle of their range."""
    places = tuple(places)
    if not places:
        return {}
    example = net.example(len(images)) if len(net.contracts) > 1 else images
    others = () if isinstance(example, Tensor) else tuple(example[1:])
    found = record(net, (images.to(net.device), *others), places)
    return {
        place: activation.float() if activation.dtype in HALVES else activation
        for place, activation in found.items()
    }
