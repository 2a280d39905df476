"""Factorise a layer's activations into a few groups of units that are active together (neuron groups).

Source: Olah et al. 2018, "The Building Blocks of Interpretability", Distill, doi:10.23915/distill.00010.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import PlaceError, UsageError
from convscope.nets import Net, describe, frozen, layer_shapes, resolve, takes_network
from convscope.recipe.result import Result
from convscope.see.activation_atlas.nmf import nmf
from convscope.see.activation_atlas.recipe import FactorsRecipe as Recipe
from convscope.see.attribution.methods.cam_layers import ACTIVATIONS
from convscope.see.features.maps import layers_with_units
from convscope.see.features.recording import record_float32
from convscope.see.optimize.gradient_flow import check_reached, require_finite
from convscope.see.visualization.direction_images import (
    RenderConfig,
    RenderedDirections,
    iter_render_directions,
)
from convscope.system.counting import counted
from convscope.system.progress import Progress, last_result
from convscope.worlds import InputLike, name_of, open_inputs

POSITIONS = 49
"""Fewest positions of the map of a layer that is factorised by default: 7x7."""


@dataclass(frozen=True, eq=False)
class Factors(Result):
    """Non-negative factors of a layer's activations (neuron groups), by descending contribution.

    Attributes:
        place: the layer.
        maps: amount of each factor at each position, `[n k ...]` for n images.
        directions: contribution of each unit to each factor, of length 1.
        shares: contribution of each factor to the sum of the reconstructed activations.
        explained: share of the energy (sum of squares) of the positive activations that the factors
            reconstruct.
        clipped: share of the energy of all activations that was negative and left out.
        images: a synthetic image for each factor's direction, `[k c ...]` in the spec's value range.
        inputs: the images that were factorised, `[n c ...]` in the spec's value range.
        net: the network; its input spec says how images are drawn.
        recipe: the recipe as it was given.
        unmoved: indices of factors whose gradient was exactly 0 in every step: their images are the starting
            noise.
        not_raised: indices of the other factors whose images excite them no more than the starting noise.
    """

    place: str
    maps: Float[Tensor, "n k *size"]
    directions: Float[Tensor, "k c"]
    shares: Float[Tensor, " k"]
    explained: float
    clipped: float
    images: Float[Tensor, "k *drawn"]
    inputs: Float[Tensor, "n *shape"]
    net: Net
    recipe: Recipe
    unmoved: tuple[int, ...] = ()
    not_raised: tuple[int, ...] = ()

    def _answer(self) -> Iterator[tuple[str, Any]]:
        yield "place", self.place
        yield "shares", self.shares
        yield "explained", self.explained

    def __len__(self) -> int:
        return len(self.directions)


@takes_network
def factors(
    net: Net, images: InputLike | Sequence[InputLike], layer: str | None = None, **recipe: object
) -> Factors:
    """Factorise a layer's activations for some images (NMF), and synthesise an image for each factor.

    Args:
        net: any network with one input, or its name.
        images: one or more, as `worlds.open_inputs` takes them; the factors are common to all of them.
        layer: name of the layer; `default_factors_layer` chooses one if left out.
        **recipe: fields of `FactorsRecipe`: `count`, `steps`, `size`, ...

    Returns:
        The factors with their images.

    Raises:
        PlaceError: the layer is not in this network.
        UsageError: the layer has fewer positions or units than factors, no positive activation, or no
            gradient with respect to the image.
        ConvscopeError: its activations are NaN or infinite.
    """
    several = images if isinstance(images, list | tuple) else [images]
    named = {"net": net.name, "images": [name_of(image) for image in several], "layer": layer}
    wanted = Recipe.parse({**named, **recipe})
    with frozen(net.module):
        return last_result(iter_factors(net, images, wanted), "a factorisation")


@takes_network
def default_factors_layer(net: Net) -> str:
    """Return the layer that is factorised by default: the last activation function with a map large enough.

    Args:
        net: the network.

    Returns:
        Address of the last layer of `POSITIONS` or more positions that is an activation function, else of any
        kind; where all maps are smaller, the last of the largest.

    Raises:
        PlaceError: no layer has a map.
    """
    shapes, kinds = layer_shapes(net), {layer.name: layer.kind for layer in describe(net).layers}
    found = [
        (name, prod(shape[1:]))
        for name in layers_with_units(net)
        if len(shape := next(iter(shapes[name][-1].values()))) > 1
    ]
    if not found:
        raise PlaceError(
            "a layer with maps",
            received=f"{net.name}, which has none",
            hint="Choose a network with convolutions: convscope nets lists them.",
        )
    large = [name for name, positions in found if positions >= POSITIONS]
    plain = {function.replace("_", "") for function in ACTIVATIONS}
    active = [name for name in large if kinds.get(name, "").lower().replace("_", "") in plain]
    most = max(positions for _, positions in found)
    return (active or large or [name for name, positions in found if positions == most])[-1]


@takes_network
def iter_factors(
    net: Net, images: InputLike | Sequence[InputLike], recipe: Recipe
) -> Iterator[Progress[Factors]]:
    """Run `factors`, yielding after each step of the synthetic images.

    The iterator can be closed at any time; weights should be frozen by the caller (`nets.frozen`).

    Args:
        net: any network with one input.
        images: one or more, as `worlds.open_inputs` takes them; the factors are common to all of them.
        recipe: layer and settings.

    Yields:
        The progress with the factors, and their images so far.

    Raises:
        PlaceError: the layer is not in this network.
        UsageError: the layer has fewer positions or units than factors, no positive activation, or no
            gradient with respect to the image.
        ConvscopeError: its activations are NaN or infinite.
    """
    if len(net.input_specs) != 1:
        raise UsageError(
            "a network with one input",
            received=f"{net.name} with {len(net.input_specs)}",
            hint="Choose a network with one input: convscope nets lists them.",
        )
    place = resolve(net, recipe.layer or default_factors_layer(net)).layer_only
    (images,) = open_inputs(images, net.input_specs)
    with torch.no_grad():
        activation = record_float32(net, images, [place])[place].cpu()
    require_finite(activation, [f"{place}, picture {n}" for n in range(len(activation))], "activations")
    if recipe.steps:
        check_reached(net, [place], images[:1])
    maps, directions, explained, clipped = factorize(activation, recipe.count, str(place))
    amounts = maps.transpose(0, 1).flatten(1).sum(1) * directions.sum(1)
    render_config = RenderConfig(
        recipe.steps, recipe.lr, recipe.cosine_power, recipe.size, recipe.batch, recipe.seed
    )

    def collect(rendered: RenderedDirections) -> Factors:
        shares = amounts / amounts.sum()
        return Factors(
            str(place),
            maps,
            directions,
            shares,
            explained,
            clipped,
            rendered.images,
            images.cpu(),
            net,
            recipe,
            rendered.unmoved,
            rendered.not_raised,
        )

    for step in iter_render_directions(net, place, directions, render_config):
        yield Progress(step.fraction, step.message, lambda step=step: collect(step.result()))


def factorize(
    activation: Float[Tensor, "n c *size"], count: int, place: str = "the layer"
) -> tuple[Float[Tensor, "n k *size"], Float[Tensor, "k c"], float, float]:
    """Factorise activations by non-negative matrix factorisation; negative values are set to 0.

    Args:
        activation: activations of `n` images.
        count: number of factors `k`.
        place: name of the layer, for messages.

    Returns:
        Maps `[n k ...]` of each factor's amount, directions `[k c]` of length 1, the share of the positive
        activations' energy that is reconstructed, and the share of all energy that was negative. The factor
        with the largest contribution is first.

    Raises:
        UsageError: there are fewer positions or units than factors, or no positive activation.
    """
    channels, size = activation.shape[1], activation.shape[2:]
    table = activation.movedim(1, -1).reshape(-1, channels).double()
    positive, energy = table.clamp_min(0), float(table.square().sum())
    if count > min(table.shape) or not bool((positive > 0).any()):
        raise UsageError(
            f"a layer with {counted(count, 'position')} and {counted(count, 'unit')} or more, and something "
            "to say",
            received=f"{place} with {counted(len(table), 'position')} and {counted(channels, 'unit')}",
            hint="Ask for fewer factors, or for an earlier layer.",
        )
    amounts, found = nmf(positive, count)
    left = float((positive - amounts @ found).square().sum()) / float(positive.square().sum())
    lengths = found.norm(dim=1)
    amounts, found = amounts * lengths, found / lengths.clamp_min(1e-12)[:, None]
    order = (amounts.sum(0) * found.sum(1)).argsort(descending=True)
    maps = amounts[:, order].reshape(len(activation), *size, count).movedim(-1, 1)
    clipped = float(table.clamp_max(0).square().sum()) / (energy or 1.0)
    return maps.float(), found[order].float(), 1 - left, clipped
