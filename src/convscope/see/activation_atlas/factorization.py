"""A layer's answer to pictures as a few groups of units that speak together.

Source: Olah et al. 2018, "The Building Blocks of Interpretability", Distill, doi:10.23915/distill.00010.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import UsageError
from convscope.iteration import last_result
from convscope.nets import Net, frozen, resolve
from convscope.see.activation_atlas.nmf import nmf
from convscope.see.activation_atlas.recipe import FactorsRecipe as Recipe
from convscope.see.features.recording import record_float32
from convscope.see.optimize.gradient_flow import check_reached, require_finite
from convscope.see.visualization.direction_images import (
    RenderConfig,
    RenderedDirections,
    iter_render_directions,
)


@dataclass(frozen=True, eq=False)
class Factors:
    """Groups of units, the one that explains most first.

    Attributes:
        place: the layer.
        maps: how much of each group is at each position, `[n k ...]` for n pictures.
        directions: the proportions of units in each group, `[k c]`, of length 1.
        shares: what each group contributes to the sum of all activations that the groups explain.
        explained: share of the energy (sum of squares) above 0 that the groups together explain.
        clipped: share of the energy that was negative and left out.
        images: a picture made for each group, `[k c ...]` in the contract's range.
        unmoved: groups whose gradient was exactly 0 in every step: their pictures are noise.
    """

    place: str
    maps: Float[Tensor, "n k *size"]
    directions: Float[Tensor, "k c"]
    shares: Float[Tensor, " k"]
    explained: float
    clipped: float
    images: Float[Tensor, "k *shape"]
    unmoved: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.directions)


@dataclass(frozen=True, eq=False)
class FactorsProgress:
    """The groups, and the pictures for them so far."""

    done: float
    factors: Factors


def factors(net: Net, images: Tensor, layer: str, **recipe: object) -> Factors:
    """Factor what a layer says to pictures, and draw each factor.

    Args:
        net: any network with one input.
        images: `[b c ...]` in the contract's range; several pictures share the factors.
        layer: which layer.
        **recipe: fields of the recipe: `count`, `steps`, `size`, ...

    Raises:
        PlaceError: the layer is not in this network.
        UsageError: the layer has fewer positions or units than factors, says nothing, or has no gradient with
            respect to the image.
        ConvscopeError: its activations are NaN or infinite.
    """
    wanted = Recipe.parse({"net": net.name, "images": ["..."], "layer": layer, **recipe})
    with frozen(net.module):
        return last_result(iter_factors(net, images, wanted), "a factorisation").factors


def iter_factors(net: Net, images: Tensor, recipe: Recipe) -> Iterator[FactorsProgress]:
    """As `factors`, yielding after each step; can be stopped at any time."""
    place = resolve(net, recipe.layer).layer_only
    with torch.no_grad():
        activation = record_float32(net, images, [place])[place].cpu()
    require_finite(activation, [f"{place}, picture {n}" for n in range(len(activation))], "activations")
    if recipe.steps:
        check_reached(net, [place], images[:1])
    maps, directions, explained, clipped = factorize(activation, recipe.count, str(place))
    amounts = maps.transpose(0, 1).flatten(1).sum(1) * directions.sum(1)
    pencil = RenderConfig(
        recipe.steps, recipe.lr, recipe.cosine_power, recipe.size, recipe.batch, recipe.seed
    )
    drawn: RenderedDirections
    for drawn in iter_render_directions(net, place, directions, pencil):
        yield FactorsProgress(
            drawn.done,
            Factors(
                str(place),
                maps,
                directions,
                amounts / amounts.sum(),
                explained,
                clipped,
                drawn.images,
                drawn.unmoved,
            ),
        )


def factorize(
    activation: Float[Tensor, "n c *size"], count: int, place: str = "the layer"
) -> tuple[Float[Tensor, "n k *size"], Float[Tensor, "k c"], float, float]:
    """Maps, unit directions, explained and clipped shares of the energy; the largest group first."""
    channels, size = activation.shape[1], activation.shape[2:]
    table = activation.movedim(1, -1).reshape(-1, channels).double()
    positive, energy = table.clamp_min(0), float(table.square().sum())
    if count > min(table.shape) or not bool((positive > 0).any()):
        raise UsageError(
            f"a layer with {count} positions and {count} units or more, and something to say",
            received=f"{place} with {len(table)} positions and {channels} units",
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
