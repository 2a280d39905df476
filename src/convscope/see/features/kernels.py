"""Filters as pictures: the weights themselves."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import PlaceError
from convscope.graph.contract import is_rgb
from convscope.nets import LayerAddress, Net, layer_shapes

Show = Literal["auto", "colour", "each", "mean"]


@dataclass(frozen=True, eq=False)
class Filters:
    """The kernels of one layer.

    `pictures` lie in [0, 1], 0.5 is a weight of 0, and every filter has the scale of its own largest weight:
    `[n 3 h w]` in colour, else `[n k 1 h w]` with one grey picture for each input channel, or one for their
    mean.
    """

    place: str
    weights: Float[Tensor, "n c *kernel"]
    pictures: Float[Tensor, "n *picture"]


def filters(net: Net, place: str | LayerAddress, *, show: Show = "auto") -> Filters:
    """The kernels of a convolution as pictures.

    Args:
        net: any network.
        place: a layer with convolution weights; with a unit, that filter alone.
        show: `colour` for kernels over three channels, `each` for one picture of each input channel, `mean`
            for one of their mean; `auto` is colour in a first layer over three channels, and each otherwise.

    Raises:
        PlaceError: there is no such layer, or it has no kernels.
    """
    place = LayerAddress.parse(place)
    weights = _weights(net, place)
    if place.unit is not None:
        if not isinstance(place.unit, int) or place.unit >= len(weights):
            raise PlaceError(f"{place.layer_text} has filters 0 to {len(weights) - 1}", received=str(place))
        weights = weights[place.unit : place.unit + 1]
    chosen = show if show != "auto" else "colour" if _sees_colour(net, place, weights) else "each"
    if chosen == "colour" and weights.shape[1] != 3:
        raise PlaceError(
            "filters over three channels, to show them in colour",
            received=f"{place}, over {weights.shape[1]}",
            hint="Use show=each or show=mean.",
        )
    flat = weights if weights.dim() == 4 else weights[:, :, None]
    if chosen == "mean":
        flat = flat.mean(1, keepdim=True)
    return Filters(str(place), weights, _pictures(flat if chosen == "colour" else flat[:, :, None]))


def layers_with_filters(net: Net) -> list[str]:
    """The names of the layers that `filters` can show."""
    return [name for name, module in net.module.named_modules() if name and _kernels(module) is not None]


def _sees_colour(net: Net, place: LayerAddress, weights: Float[Tensor, "n c *kernel"]) -> bool:
    """Whether kernels are over the colours of an image: those of the first layer with filters that runs."""
    if not is_rgb(tuple(weights.shape[1:])) or not net.contract.is_rgb:
        return False
    names = set(layers_with_filters(net))
    return next((name for name in layer_shapes(net) if name in names), "") == place.layer


def _kernels(module: torch.nn.Module) -> Tensor | None:
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


def _pictures(weights: Float[Tensor, "n *rest"]) -> Float[Tensor, "n *rest"]:
    largest = weights.flatten(1).abs().amax(1).clamp_min(torch.finfo(weights.dtype).tiny)
    return 0.5 + 0.5 * weights / largest.view(-1, *[1] * (weights.dim() - 1))
