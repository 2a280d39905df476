"""Factorise a layer's activations into a few groups of units that are active together (neuron groups).

Source: Olah et al. 2018, "The Building Blocks of Interpretability", Distill, doi:10.23915/distill.00010.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import UsageError
from convscope.nets import Net, NetLike, as_net, frozen, resolve
from convscope.recipe.result import Result
from convscope.see.activation_atlas.nmf import nmf
from convscope.see.activation_atlas.recipe import FactorsRecipe as Recipe
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

    def __len__(self) -> int:
        return len(self.directions)


def factors(net: NetLike, images: InputLike | Sequence[InputLike], layer: str, **recipe: object) -> Factors:
    """Factorise a layer's activations for some images (NMF), and synthesise an image for each factor.

    Args:
        net: any network with one input, or its name.
        images: one or more, as `worlds.open_inputs` takes them; the factors are common to all of them.
        layer: name of the layer.
        **recipe: fields of `FactorsRecipe`: `count`, `steps`, `size`, ...

    Returns:
        The factors with their images.

    Raises:
        PlaceError: the layer is not in this network.
        UsageError: the layer has fewer positions or units than factors, no positive activation, or no
            gradient with respect to the image.
        ConvscopeError: its activations are NaN or infinite.
    """
    net = as_net(net)
    several = images if isinstance(images, list | tuple) else [images]
    named = {"net": net.name, "images": [name_of(image) for image in several], "layer": layer}
    wanted = Recipe.parse({**named, **recipe})
    with frozen(net.module):
        return last_result(iter_factors(net, images, wanted), "a factorisation")


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
    place = resolve(net, recipe.layer).layer_only
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
