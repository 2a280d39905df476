"""Convolution kernels as images."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import PlaceError
from convscope.nets import LayerAddress, Net, layer_shapes, takes_network
from convscope.recipe.result import Result

Show = Literal["auto", "colour", "each", "mean"]
"""How the input channels of a kernel are drawn; see `filters`."""


@dataclass(frozen=True, eq=False)
class Filters(Result):
    """The kernels of one layer, and images of them.

    Attributes:
        place: the layer or filter, as text.
        weights: the kernels, output channels first.
        pictures: in [0, 1], where 0.5 is a weight of 0; each filter is scaled by its own largest absolute
            weight. `[n 3 h w]` in colour, else `[n k 1 h w]` with one grey image for each input channel, or
            one (`k` is 1) for their mean.
    """

    place: str
    weights: Float[Tensor, "n c *kernel"]
    pictures: Float[Tensor, "n *picture"]

    @property
    def has_extent(self) -> bool:
        """Whether a kernel covers more than one position, so that it has a shape that can be shown."""
        return self.weights[0, 0].numel() > 1


@takes_network
def filters(net: Net, place: str | LayerAddress, *, show: Show = "auto") -> Filters:
    """Return the kernels of a convolution, and images of them.

    Args:
        net: any network, or its name.
        place: a layer with convolution weights; with a unit, that filter alone.
        show: `colour` for kernels over three channels, `each` for one image of each input channel, `mean`
            for one of their mean; `auto` is `colour` in the first layer of a network over RGB images, else
            `each`.

    Returns:
        The weights on the CPU in float32, and their images; kernels over one dimension are one pixel high.

    Raises:
        PlaceError: there is no such layer, it has no kernels, or `colour` is chosen for kernels that are not
            over three channels.
    """
    place = LayerAddress.parse(place)
    weights = _weights(net, place)
    if place.unit is not None:
        if not isinstance(place.unit, int) or place.unit >= len(weights):
            raise PlaceError(
                f"one of the filters 0 to {len(weights) - 1} of {place.layer_text}", received=str(place)
            )
        weights = weights[place.unit : place.unit + 1]
    chosen = show if show != "auto" else "colour" if _is_first_rgb_layer(net, place, weights) else "each"
    if chosen == "colour" and weights.shape[1] != 3:
        raise PlaceError(
            "filters over three channels, to show them in colour",
            received=f"{place}, over {weights.shape[1]}",
            hint="Use show=each or show=mean.",
        )
    flat = weights if weights.dim() == 4 else weights[:, :, None]
    if chosen == "mean":
        flat = flat.mean(1, keepdim=True)
    return Filters(str(place), weights, _to_images(flat if chosen == "colour" else flat[:, :, None]))


@takes_network
def layers_with_filters(net: Net) -> list[str]:
    """List the layers whose kernels `filters` can show.

    Args:
        net: any network.

    Returns:
        Names of the modules whose `weight` has three or four axes, in the order of `named_modules`.
    """
    return [name for name, module in net.module.named_modules() if name and _kernels(module) is not None]


def _is_first_rgb_layer(net: Net, place: LayerAddress, weights: Float[Tensor, "n c *kernel"]) -> bool:
    """Return whether this is the first layer with kernels that runs, over the colours of an RGB image."""
    spec = net.input_spec
    if not spec.is_rgb or weights.dim() != 4 or weights.shape[1] != spec.channels:
        return False
    names = set(layers_with_filters(net))
    return next((name for name in layer_shapes(net) if name in names), "") == place.layer


def _kernels(module: torch.nn.Module) -> Tensor | None:
    """Return a `weight` of three or four axes with output channels first; None for any other module."""
    weight = getattr(module, "weight", None)
    if not isinstance(weight, Tensor) or weight.dim() not in (3, 4):
        return None
    return weight.transpose(0, 1) if getattr(module, "transposed", False) else weight


def _weights(net: Net, place: LayerAddress) -> Float[Tensor, "n c *kernel"]:
    names = layers_with_filters(net)
    kernels = _kernels(dict(net.module.named_modules())[place.layer]) if place.layer in names else None
    if kernels is None:
        from convscope.errors import nearest

        raise PlaceError(
            f"a layer of {net.name} with filters", received=str(place), hint=nearest(place.layer, names)
        )
    return kernels.detach().float().cpu()


def _to_images(weights: Float[Tensor, "n *rest"]) -> Float[Tensor, "n *rest"]:
    """Scale each filter's weights into [0, 1], with 0 at 0.5 and its largest absolute weight at 0 or 1."""
    largest = weights.flatten(1).abs().amax(1).clamp_min(torch.finfo(weights.dtype).tiny)
    return 0.5 + 0.5 * weights / largest.view(-1, *[1] * (weights.dim() - 1))
