"""Recording what a network makes of a batch of images, whatever else it takes as input."""

from collections.abc import Iterable

from jaxtyping import Float
from torch import Tensor

from convscope.nets import Net, Place, record


def seen(net: Net, images: Float[Tensor, "b *shape"], places: Iterable[Place]) -> dict[Place, Tensor]:
    """Activations in float32 at each place; further inputs are held at the middle of their ranges."""
    places = tuple(places)
    if not places:
        return {}
    example = net.example(len(images)) if len(net.contracts) > 1 else images
    others = () if isinstance(example, Tensor) else tuple(example[1:])
    found = record(net, (images.to(net.device), *others), places)
    return {place: activation.float() for place, activation in found.items()}
