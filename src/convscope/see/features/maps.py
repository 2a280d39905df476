"""What a network makes of one input, layer by layer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.nets import LayerAddress, Net, layer_shapes, record
from convscope.see.optimize.gradient_flow import require_finite


def activations(
    net: Net, image: Tensor | Sequence[Tensor], places: Sequence[str | LayerAddress]
) -> dict[str, Tensor]:
    """The activation at each place, without gradients, by the place's text.

    Args:
        net: any network.
        image: `[b c ...]` in the contract's range, or one `[c ...]`; one tensor for each input if there are
            several.
        places: where to look.

    Raises:
        PlaceError: a place is not in this network.
    """
    inputs = [image] if isinstance(image, Tensor) else list(image)
    ready = [x[None] if x.dim() == len(c.shape) else x for x, c in zip(inputs, net.contracts, strict=False)]
    with torch.no_grad():
        found = record(net, ready, places)
    return {str(place): activation for place, activation in found.items()}


def activation_sum(maps: Float[Tensor, "*b h w"]) -> Float[Tensor, "*b"]:
    """The lecture's degree of activation of filters, the sum over each map: a^k = sum_ij a_ij^k."""
    return maps.sum((-2, -1))


@dataclass(frozen=True, eq=False)
class FeatureMaps:
    """What one layer makes of one input: a map for each unit, or a value where there is no space left."""

    place: str
    maps: Float[Tensor, "c *size"]

    @property
    def degrees(self) -> Float[Tensor, " c"]:
        """Degree of activation of each unit: the sum over its map, or its value."""
        return self.maps.flatten(1).sum(1) if self.maps.dim() > 1 else self.maps

    @property
    def silent(self) -> int:
        """How many units are 0 everywhere."""
        return int((self.maps.reshape(len(self.maps), -1) == 0).all(1).sum())

    def strongest(self, count: int) -> list[int]:
        """The units with the highest degree of activation, the strongest first."""
        return self.degrees.topk(min(count, len(self.maps))).indices.tolist()


def feature_maps(
    net: Net, image: Tensor | Sequence[Tensor], places: Sequence[str | LayerAddress] = ()
) -> Iterator[FeatureMaps]:
    """What each layer makes of one input, in the order in which they run.

    Args:
        net: any network.
        image: one input `[c ...]` or `[1 c ...]` in the contract's range.
        places: layers to look at; every layer with one map for each unit or more if left out.

    Raises:
        ConvscopeError: an activation is NaN or infinite; the first layer where it is so is named.
    """
    wanted = list(places) or layers_with_units(net)
    for place, activation in activations(net, image, wanted).items():
        require_finite(activation[:1].float(), [place], "activations")
        yield FeatureMaps(place, activation[0])


def layers_with_units(net: Net) -> list[str]:
    """The innermost layers that return one tensor, in the order in which they run, and the result."""
    shapes = layer_shapes(net)
    names = [name for name in shapes if not any(other.startswith(f"{name}.") for other in shapes)]
    return [name for name in names if len(shapes[name][-1]) == 1 and next(iter(shapes[name][-1].values()))]
