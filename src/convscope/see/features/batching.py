"""Batches of a data set as inputs of a network, of a size that fits into memory."""

from collections.abc import Iterator, Sequence
from math import prod

from jaxtyping import Float
from torch import Tensor

from convscope.nets import LayerAddress, Net, layer_shapes
from convscope.worlds.dataset import LabelledDataset

MEMORY = 2**30
"""Default budget for activations that are held at once, in bytes."""


def iter_batches(
    net: Net, samples: LabelledDataset, size: int
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
        yield first, samples.inputs(list(chosen), net.input_spec)


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
