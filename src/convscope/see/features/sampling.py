"""Sampling activation vectors at random positions of a layer, in one pass over a data set."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from convscope.errors import UsageError
from convscope.nets import LayerAddress, Net, layer_shapes
from convscope.see.features.batching import MEMORY, batch_size_for
from convscope.see.features.recording import record_float32
from convscope.system.counting import counted
from convscope.system.progress import Progress
from convscope.worlds.dataset import LabelledDataset

RIM = 5
"""Maps of at least this many positions along an axis leave out the outermost, which padding affects."""


@dataclass(frozen=True, eq=False)
class ActivationSample:
    """Activation vectors of a layer at sampled positions, ordered by image.

    Attributes:
        values: one vector over the layer's channels for each position.
        images: index in the data set of the image that each vector is from.
        positions: position of each vector on the feature map; no axes for a layer without spatial axes.
        extent: size of the feature map.
    """

    values: Float[Tensor, "n c"]
    images: Int64[Tensor, " n"]
    positions: Int64[Tensor, "n axes"]
    extent: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.values)


def iter_sample_activations(
    net: Net,
    samples: LabelledDataset,
    place: LayerAddress,
    *,
    most: int,
    each: int = 1,
    seed: int = 0,
    memory: int = MEMORY,
    enough: Callable[[], bool] = lambda: False,
) -> Iterator[Progress[ActivationSample]]:
    """Sample `each` activation vectors at random positions of every image, in one pass over the data.

    Each forward pass ends after the layer. What is held is `memory` bytes of activations and the vectors
    themselves. Which images and positions are drawn depends on the seed alone, not on the batch size. Images
    are run in random order, so that a run that is stopped early holds a random sample, the one that a
    smaller `most` would have taken.

    Args:
        net: any network with one input.
        samples: images of the network's input shape.
        place: a whole layer.
        most: the most images to run; drawn at random where there are more.
        each: positions for each image, drawn with replacement; one for a layer without spatial axes.
        seed: of the choice of images and positions.
        memory: budget for activations in bytes.
        enough: called after each batch; no further batch is run once it returns True.

    Yields:
        The progress with the sample so far, after each batch.

    Raises:
        UsageError: there are no samples, or the network has several inputs.
    """
    if len(samples) == 0 or len(net.input_specs) != 1:
        raise UsageError(
            "samples, and a network with one input", received=f"{len(samples)} samples for {net.name}"
        )
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(samples), generator=generator)[:most]
    extent = _extent(net, place)
    positions = _positions(extent, len(chosen), each, generator)
    found: list[Tensor] = []

    def collect() -> ActivationSample:
        values = torch.cat(found)
        order = chosen[: len(values)].argsort()
        images = chosen[order].repeat_interleave(positions.shape[1])
        return ActivationSample(values[order].flatten(0, 1), images, positions[order].flatten(0, 1), extent)

    size, total, done = batch_size_for(net, [place], memory, most=32), len(chosen), 0
    while done < total and not (done and enough()):
        part = slice(done, min(done + size, total))
        with torch.no_grad():
            act = record_float32(net, samples.inputs(chosen[part], net.input_spec), [place])[place]
        found.append(_gather_vectors(act, positions[part]).cpu().unflatten(0, (-1, positions.shape[1])))
        done = part.stop
        yield Progress(done / total, f"{done:,} of {counted(total, 'picture')}", collect)
    if done < total:
        yield Progress(1.0, f"{done:,} of {counted(total, 'picture')}", collect)


def _extent(net: Net, place: LayerAddress) -> tuple[int, ...]:
    """Return the size of the place's feature map, without its channel axis."""
    parts = layer_shapes(net)[place.layer][(place.call or 0) - 1]
    return (parts[place.key] if place.key is not None else next(iter(parts.values())))[1:]


def _positions(
    extent: tuple[int, ...], images: int, each: int, generator: torch.Generator
) -> Int64[Tensor, "images each axes"]:
    """Draw positions for each image, inside the border; one empty position without spatial axes."""
    if not extent:
        return torch.zeros(images, 1, 0, dtype=torch.int64)
    rims = torch.tensor([int(size >= RIM) for size in extent])
    room = torch.tensor(extent) - 2 * rims
    drawn = torch.rand(images, each, len(extent), generator=generator, dtype=torch.float64)
    return rims + (drawn * room).long()


def _gather_vectors(
    act: Float[Tensor, "b c *size"], at: Int64[Tensor, "b each axes"]
) -> Float[Tensor, "n c"]:
    """Gather the activation vectors at each image's positions, image by image."""
    if act.dim() == 2:
        return act
    rows = torch.arange(len(act)).repeat_interleave(at.shape[1]).to(act.device)
    flat = act.movedim(1, -1)
    return flat[(rows, *at.flatten(0, 1).to(act.device).unbind(1))]
