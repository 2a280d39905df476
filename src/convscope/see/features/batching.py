"""Top-k dataset images for each unit, of any number of layers, in one pass over the data.

Natural examples explain units better than synthetic images do (Borowski et al. 2021, arXiv:2010.12606), so
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
from convscope.nets import LayerAddress, Net, layer_shapes, resolve
from convscope.see.features.recording import record_float32
from convscope.system.progress import last_item
from convscope.worlds.dataset import LabelledImages, scaled

Count = Literal["max", "mean", "sum"]
"""How a feature map becomes one number: its largest value, its mean or its sum."""

MEMORY = 2**30
"""Default budget for activations that are held at once, in bytes."""


@dataclass(frozen=True, eq=False)
class Best:
    """The top-k images of each unit of a layer, strongest first.

    For a place with a unit there is one row (`u` is 0). Ties are broken by the smaller sample index.

    Attributes:
        place: the layer or unit, as text.
        values: activation of unit `u` on sample `indices[u, i]`, reduced as `by` sets.
        indices: index of the sample in the data set.
        positions: position of the largest value on that sample's feature map; no axes for a dense layer.
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
    """Return the `k` samples with the highest activation of each unit, for each place.

    One pass over the data, each forward pass ended after the last place. What is held is `memory` bytes of
    activations and the best so far.

    Args:
        net: any network with one input.
        samples: images of the network's input shape; the whole data set is run.
        places: layers (all their units) or single units.
        k: images for each unit; fewer are returned where there are fewer samples.
        by: how a feature map is reduced to one number: its largest value, its mean, or its sum (the lecture's
            degree of activation).
        memory: budget for activations in bytes; decides the batch size, not the result.

    Returns:
        One ranking for each place, in the order of `places`.

    Raises:
        PlaceError: a place is not in this network, or has no activation for each image.
        UsageError: there are no samples or no places, or `k` is not positive.
    """
    return last_item(ranking(net, samples, places, k, by=by, memory=memory), "a ranking")


def ranking(
    net: Net,
    samples: LabelledImages,
    places: Sequence[str | LayerAddress],
    k: int = 9,
    *,
    by: Count = "max",
    memory: int = MEMORY,
) -> Iterator[tuple[Best, ...]]:
    """Run `best_images` batch by batch, yielding the ranking so far.

    Args:
        net: any network with one input.
        samples: images of the network's input shape.
        places: layers (all their units) or single units.
        k: images for each unit, 1 or more.
        by: how a feature map is reduced to one number.
        memory: budget for activations in bytes.

    Yields:
        After each batch, one ranking for each place over all samples up to there; the last covers all.

    Raises:
        PlaceError: a place is not in this network, or has no activation for each image.
        UsageError: there are no samples or no places, or `k` is not positive.
    """
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
            best[place] = _merge(best.get(place), maps, first, min(k, len(samples)), by, str(place))
        yield tuple(best[place] for place in resolved)


def iter_batches(
    net: Net, samples: LabelledImages, size: int
) -> Iterator[tuple[int, Float[Tensor, "b c h w"]]]:
    """Iterate over the samples in order, as inputs of the network.

    Args:
        net: its spec gives the value range to which samples are scaled.
        samples: the data set.
        size: batch size; the last batch may be smaller.

    Yields:
        Index of the batch's first sample, and the images `[b c h w]` in the spec's range.
    """
    for first in range(0, len(samples), size):
        chosen = range(first, min(first + size, len(samples)))
        yield first, scaled(samples.pixels(list(chosen)), net.input_spec)


def batch_size_for(net: Net, places: Sequence[LayerAddress], memory: int, most: int = 256) -> int:
    """Return the batch size at which the activations of these places fit into `memory` bytes.

    Counts the recorded outputs alone, four bytes for each value; what the layers between hold is not counted.

    Args:
        net: any network.
        places: the layers that are recorded together.
        memory: budget in bytes.
        most: upper limit of the result.

    Returns:
        Images for each batch, from 1 to `most`.
    """
    shapes = layer_shapes(net)
    values = sum(sum(prod(s) for s in shapes[place.layer][-1].values()) for place in places)
    return max(1, min(most, memory // max(1, 4 * values)))


def _merge(
    before: Best | None, maps: Float[Tensor, "b u *size"], first: int, k: int, by: Count, place: str
) -> Best:
    """Merge a ranking with a batch whose first sample has index `first`, keeping the top `k` of both."""
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
    at = flat[indices[unit, rank] - first, unit].argmax(1)
    for axis in reversed(range(axes)):
        extent = maps.shape[2 + axis]
        positions[unit, rank, axis] = at % extent
        at = at // extent
    return Best(place, values.contiguous(), indices, positions)
