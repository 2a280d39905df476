"""Texts of different lengths: less padding in batches, with the same results."""

import torch
from torch import Generator, Tensor

from convscope.graph.analysis.padding import padding_that_counts
from convscope.nets import Net
from convscope.worlds import Dataset

POOL = 20
"""Batches of texts that are sorted by length together."""


def trims(data: Dataset, net: Net) -> bool:
    """Return whether the padding at the end of all texts of a batch may be left out.

    Args:
        data: samples of any kind.
        net: the network that reads them.

    Returns:
        Whether these are indices whose padding does not change the network's result.
    """
    integer = len(data.specs) == 1 and data.specs[0].is_integer and len(data.specs[0].shape) == 1
    return integer and _reach(net) is not None


def _reach(net: Net) -> int | None:
    graph = net.graph
    return None if graph is None else net.cache("padding", lambda: padding_that_counts(graph))


def trimmed(tokens: Tensor, net: Net) -> Tensor:
    """Cut a batch of texts where the network sees nothing but padding: the result is the same, and earlier.

    Args:
        tokens: `[b t]`, 0 for padding.
        net: a network for which `trims` is true.

    Returns:
        `[b s]` of the longest text, and the padding behind it that the network can see.
    """
    held = (tokens != 0).any(0).nonzero()
    end = int(held[-1]) + 1 if len(held) else 0
    reach = _reach(net) or 0
    return tokens[:, : max(end + reach, 2 * reach + 1)]


def by_length(order: Tensor, lengths: Tensor, batch: int, generator: Generator) -> Tensor:
    """Reorder samples so that those of a batch are of similar length: less padding has to be computed.

    Every `POOL` batches are sorted, and the batches are shuffled again.

    Args:
        order: indices of samples in random order, `[n]`.
        lengths: of all samples.
        batch: samples of a batch.
        generator: of the order of the batches.

    Returns:
        The same indices in another order.
    """
    whole = len(order) // batch * batch
    pools = [pool[lengths[pool].argsort(stable=True)] for pool in order[:whole].split(POOL * batch)]
    if not pools:
        return order
    batches = torch.cat(pools).view(-1, batch)
    return torch.cat((batches[torch.randperm(len(batches), generator=generator)].flatten(), order[whole:]))


def lengths_of(data: Dataset) -> Tensor:
    """Return the number of tokens of every text.

    Args:
        data: texts as indices, 0 for padding.

    Returns:
        The numbers, `[n]`.
    """
    parts = torch.arange(len(data)).split(1000)
    return torch.cat([(data.batch(part).inputs[0] != 0).sum(1) for part in parts])
