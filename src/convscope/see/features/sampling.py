"""Activation vectors of random positions, collected while the pictures pass by."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from convscope.errors import UsageError
from convscope.nets import LayerAddress, Net, layer_shapes
from convscope.see.features.batching import MEMORY, batch_size_for
from convscope.see.features.recording import record_float32
from convscope.worlds.dataset import LabelledImages, scaled

RIM = 5
"""Maps of this many positions along an axis, or more, leave out the outermost: padding shows there."""


@dataclass(frozen=True, eq=False)
class ActivationSample:
    """What a layer says at some positions of some pictures.

    Attributes:
        values: one vector for each position.
        images: the number of the picture each is from.
        positions: where on the map.
        extent: size of the map.
    """

    values: Float[Tensor, "n c"]
    images: Int64[Tensor, " n"]
    positions: Int64[Tensor, "n axes"]
    extent: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, eq=False)
class SamplingProgress:
    """How many pictures have passed; the last one holds the vectors."""

    done: int
    total: int
    vectors: ActivationSample | None = None


def iter_sample_activations(
    net: Net,
    samples: LabelledImages,
    place: LayerAddress,
    *,
    most: int,
    each: int = 1,
    seed: int = 0,
    memory: int = MEMORY,
    enough: Callable[[], bool] = lambda: False,
) -> Iterator[SamplingProgress]:
    """Collect `each` vectors at random positions of every picture, in one pass that ends after the layer.

    What is held is `memory` bytes of activations and the vectors themselves. Which pictures and positions are
    drawn depends on the seed alone, not on batches. They pass by in random order, so that those so far stand
    for all, and are those that a smaller `most` would have taken.

    Args:
        net: any network with one input.
        samples: pictures of the network's input shape.
        place: a whole layer.
        most: pictures at most, drawn at random where there are more.
        each: positions of each picture; where a map has fewer, all it has, so to say: they repeat.
        seed: of pictures and positions.
        memory: bytes of activations.
        enough: asked after each batch; once it says so, no more pictures pass.

    Raises:
        UsageError: there are no samples, or the network has several inputs.
    """
    if len(samples) == 0 or len(net.contracts) != 1:
        raise UsageError(
            "samples, and a network with one input", received=f"{len(samples)} samples for {net.name}"
        )
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(samples), generator=generator)[:most]
    extent = _extent(net, place)
    positions = _positions(extent, len(chosen), each, generator)
    found: list[Tensor] = []
    size, total, done = batch_size_for(net, [place], memory, most=32), len(chosen), 0
    while done < total and not (done and enough()):
        part = slice(done, min(done + size, total))
        with torch.no_grad():
            act = record_float32(net, scaled(samples.batch(chosen[part]), net.contract), [place])[place]
        found.append(_picked(act, positions[part]).cpu().unflatten(0, (-1, positions.shape[1])))
        done = part.stop
        if done < total:
            yield SamplingProgress(done, total)
    order = chosen[:done].argsort()
    images = chosen[order].repeat_interleave(positions.shape[1])
    values, places = torch.cat(found)[order].flatten(0, 1), positions[order].flatten(0, 1)
    yield SamplingProgress(done, total, ActivationSample(values, images, places, extent))


def _extent(net: Net, place: LayerAddress) -> tuple[int, ...]:
    parts = layer_shapes(net)[place.layer][(place.call or 0) - 1]
    return (parts[place.key] if place.key is not None else next(iter(parts.values())))[1:]


def _positions(
    extent: tuple[int, ...], pictures: int, each: int, generator: torch.Generator
) -> Int64[Tensor, "pictures each axes"]:
    """Random positions, each picture's own; a layer without space has one, and is asked once."""
    if not extent:
        return torch.zeros(pictures, 1, 0, dtype=torch.int64)
    rims = torch.tensor([int(size >= RIM) for size in extent])
    room = torch.tensor(extent) - 2 * rims
    drawn = torch.rand(pictures, each, len(extent), generator=generator, dtype=torch.float64)
    return rims + (drawn * room).long()


def _picked(act: Float[Tensor, "b c *size"], at: Int64[Tensor, "b each axes"]) -> Float[Tensor, "n c"]:
    if act.dim() == 2:
        return act
    rows = torch.arange(len(act)).repeat_interleave(at.shape[1]).to(act.device)
    flat = act.movedim(1, -1)
    return flat[(rows, *at.flatten(0, 1).to(act.device).unbind(1))]
