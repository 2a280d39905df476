"""Which real inputs excite a unit most: every unit of any number of layers, in one pass over the data.

Real examples explain units better than synthetic pictures do (Borowski et al. 2021, arXiv:2010.12606), so
both are shown side by side.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from convscope.errors import UsageError
from convscope.iteration import last_result
from convscope.nets import LayerAddress, Net, layer_shapes, resolve
from convscope.see.features.recording import record_float32
from convscope.worlds.dataset import LabelledImages, scaled

Count = Literal["max", "mean", "sum"]

MEMORY = 2**30
"""Bytes of activations that are held at once."""


@dataclass(frozen=True, eq=False)
class Best:
    """The inputs that excite each unit of a layer most, the strongest first.

    `values[u, i]` is what unit `u` says to sample `indices[u, i]`, and `positions[u, i]` where on its map it
    says it loudest. For a place with a unit, `u` is 0. Among equals, the earlier sample comes first.
    """

    place: str
    values: Float[Tensor, "u k"]
    indices: Int64[Tensor, "u k"]
    positions: Int64[Tensor, "u k axes"]


def best_images(
    net: Net,
    samples: LabelledImages,
    places: Sequence[str | LayerAddress],
    k: int = 9,
    *,
    by: Count = "max",
    memory: int = MEMORY,
) -> tuple[Best, ...]:
    """The `k` samples that excite each unit most, for each place.

    One pass that ends after the last place; what is held is `memory` bytes of activations and the best so
    far.

    Args:
        net: any network with one input.
        samples: pictures of the network's input shape.
        places: layers (all their units) or single units.
        k: how many.
        by: what counts of a map: its largest value, its mean, or its sum (the degree of activation).
        memory: bytes of activations.

    Raises:
        PlaceError: a place is not in this network, or has no activation for each image.
        UsageError: there are no samples, or `k` is not positive.
    """
    return last_result(ranking(net, samples, places, k, by=by, memory=memory), "a ranking")


def ranking(
    net: Net,
    samples: LabelledImages,
    places: Sequence[str | LayerAddress],
    k: int = 9,
    *,
    by: Count = "max",
    memory: int = MEMORY,
) -> Iterator[tuple[Best, ...]]:
    """As `best_images`, yielding the best of what has been seen after each batch."""
    if k < 1 or len(samples) == 0 or not places:
        raise UsageError("k of 1 or more, samples and places", received=f"k={k}, {len(samples)} samples")
    resolved = [resolve(net, place) for place in places]
    best: dict[LayerAddress, Best] = {}
    for first, images in iter_batches(net, samples, batch_size_for(net, resolved, memory)):
        with torch.no_grad():
            found = record_float32(net, images, resolved)
        for place in resolved:
            activation = found[place].float().cpu()
            maps = activation[:, None] if place.unit is not None else activation
            best[place] = _merged(best.get(place), maps, first, min(k, len(samples)), by, str(place))
        yield tuple(best[place] for place in resolved)


def iter_batches(
    net: Net, samples: LabelledImages, size: int
) -> Iterator[tuple[int, Float[Tensor, "b c h w"]]]:
    """The samples as the network's inputs, with the number of each batch's first."""
    for first in range(0, len(samples), size):
        chosen = range(first, min(first + size, len(samples)))
        yield first, scaled(samples.batch(list(chosen)), net.contract)


def batch_size_for(net: Net, places: Sequence[LayerAddress], memory: int, most: int = 256) -> int:
    """How many inputs at once keep the activations of these places within `memory` bytes."""
    shapes = layer_shapes(net)
    values = sum(sum(prod(s) for s in shapes[place.layer][-1].values()) for place in places)
    return max(1, min(most, memory // max(1, 4 * values)))


def _merged(
    before: Best | None, maps: Float[Tensor, "b u *size"], first: int, k: int, by: Count, place: str
) -> Best:
    """The best of what was and of this batch."""
    flat = maps.flatten(2) if maps.dim() > 2 else maps[:, :, None]
    new = {"max": flat.amax, "mean": flat.mean, "sum": flat.sum}[by](2).T
    units, axes = len(new), maps.dim() - 2
    numbers = torch.arange(first, first + len(maps)).expand(units, -1)
    if before is not None:
        new, numbers = torch.cat([before.values, new], 1), torch.cat([before.indices, numbers], 1)
    values, order = torch.sort(new, dim=1, descending=True, stable=True)
    values, order = values[:, :k], order[:, :k]
    indices = numbers.gather(1, order)
    positions = torch.zeros(units, order.shape[1], axes, dtype=torch.int64)
    if before is not None and axes:
        kept = order.clamp_max(before.positions.shape[1] - 1)
        positions = before.positions.gather(1, kept[..., None].expand(-1, -1, axes)).clone()
    unit, rank = (indices >= first).nonzero(as_tuple=True)
    loudest = flat[indices[unit, rank] - first, unit].argmax(1)
    for axis in reversed(range(axes)):
        extent = maps.shape[2 + axis]
        positions[unit, rank, axis] = loudest % extent
        loudest = loudest // extent
    return Best(place, values.contiguous(), indices, positions)
