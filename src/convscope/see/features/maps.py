"""Activations and feature maps of one input, layer by layer."""

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
    """Record the activation at each place, without gradients.

    Args:
        net: any network.
        image: `[b c ...]` in the spec's range, or one `[c ...]`; one tensor for each input if there are
            several.
        places: layers or units; a unit or a position selects that part of the layer's activation.

    Returns:
        Activation by the place's text: `[b c ...]` for a layer, without the axes that the place selects from.

    Raises:
        PlaceError: a place is not in this network.
    """
    inputs = [image] if isinstance(image, Tensor) else list(image)
    ready = [x[None] if x.dim() == len(c.shape) else x for x, c in zip(inputs, net.input_specs, strict=False)]
    with torch.no_grad():
        found = record(net, ready, places)
    return {str(place): activation for place, activation in found.items()}


def activation_sum(maps: Float[Tensor, "*b h w"]) -> Float[Tensor, "*b"]:
    """Return the sum over each feature map, the lecture's degree of activation: a^k = sum_ij a_ij^k.

    Args:
        maps: feature maps with any leading axes, `[... h w]`.

    Returns:
        One number for each map, in the shape of the leading axes.
    """
    return maps.sum((-2, -1))


@dataclass(frozen=True, eq=False)
class FeatureMaps:
    """The feature maps of one layer for one input; one value for each unit where a layer has no spatial axes.

    Attributes:
        place: the layer, as text.
        maps: `[c h w]`, `[c w]` or `[c]`, units first.
    """

    place: str
    maps: Float[Tensor, "c *size"]

    @property
    def degrees(self) -> Float[Tensor, " c"]:
        """Sum over the map of each unit, or its value (the lecture's degree of activation)."""
        return self.maps.flatten(1).sum(1) if self.maps.dim() > 1 else self.maps

    @property
    def silent(self) -> int:
        """Number of units whose map is 0 everywhere."""
        return int((self.maps.reshape(len(self.maps), -1) == 0).all(1).sum())

    def strongest(self, count: int) -> list[int]:
        """Return the units with the largest sum over their map, in descending order.

        Args:
            count: how many; all units where there are fewer.

        Returns:
            Indices of units.
        """
        return self.degrees.topk(min(count, len(self.maps))).indices.tolist()


def feature_maps(
    net: Net, image: Tensor | Sequence[Tensor], places: Sequence[str | LayerAddress] = ()
) -> Iterator[FeatureMaps]:
    """Iterate over the feature maps of one input, layer by layer.

    Args:
        net: any network.
        image: one input `[c ...]` or `[1 c ...]` in the spec's range; one tensor for each input if there
            are several.
        places: layers to record; if left out, all of `layers_with_units`.

    Yields:
        One `FeatureMaps` for each place, in the order of `places`, or in the order in which the layers run.

    Raises:
        PlaceError: a place is not in this network.
        ConvscopeError: an activation is NaN or infinite; the first layer where it is so is named.
    """
    wanted = list(places) or layers_with_units(net)
    for place, activation in activations(net, image, wanted).items():
        require_finite(activation[:1].float(), [place], "activations")
        yield FeatureMaps(place, activation[0])


def layers_with_units(net: Net) -> list[str]:
    """List the innermost layers that return one tensor with units, in the order in which they run.

    Args:
        net: any network.

    Returns:
        Names of layers, the network's result (`output`) among them where it is one tensor.
    """
    shapes = layer_shapes(net)
    names = [name for name in shapes if not any(other.startswith(f"{name}.") for other in shapes)]
    return [name for name in names if len(shapes[name][-1]) == 1 and next(iter(shapes[name][-1].values()))]
