"""Connection tables of several sources: concat joins them, one table counts through all; against loops."""

from itertools import accumulate

import numpy as np
import pytest
import torch

from convscope import nets
from convscope.errors import GraphError
from convscope.graph import Branch, from_json, graph_of_branches, to_json

SOURCES = {"picture": (3, 7, 8), "motion": (2, 7, 8)}
TABLES = {
    "picture": ((0, 1), (2,), (), (0, 1, 2)),
    "motion": ((1,), (0, 1), (0,), ()),
}
"""For each source, and each of four output maps, which maps of that source it reads."""


def joined() -> str:
    """The table of the joined maps, as a chain writes it: the second source counts on from the first."""
    starts = [0, *accumulate(channels for channels, *_ in SOURCES.values())]
    rows = zip(*TABLES.values(), strict=True)
    return "/".join(
        "+".join(str(start + m) for start, maps in zip(starts, row, strict=False) for m in maps)
        for row in rows
    )


def network(layers: str) -> torch.nn.Module:
    graph = graph_of_branches(SOURCES, [Branch("both", tuple(SOURCES), layers)])
    return nets.build(from_json(to_json(graph)), seed=0).double()


def windows(x: np.ndarray, size: int, stride: int):
    for i in range((x.shape[1] - size) // stride + 1):
        for j in range((x.shape[2] - size) // stride + 1):
            yield i, j, x[:, i * stride : i * stride + size, j * stride : j * stride + size]


def links_of(row: int):
    """The links of an output map in the order of their weights: source by source."""
    return [(name, m) for name, table in TABLES.items() for m in table[row]]


def inputs() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {name: torch.randn(2, *shape, generator=generator).double() for name, shape in SOURCES.items()}


def test_partial_convolution_reads_each_source_by_a_table_of_its_own():
    module, given = network(f"partialconv 3 table={joined()}"), inputs()
    weights = dict(module.named_parameters())
    kernels = iter(weights["both.links"].detach().numpy())
    bias = weights["both.bias"].detach().numpy()
    expected = np.zeros((2, 4, 5, 6)) + bias[:, None, None]
    for row in range(4):
        for name, m in links_of(row):
            kernel = next(kernels)
            for i, j, window in windows(given[name][:, m].numpy(), 3, 1):
                expected[:, row, i, j] += (window * kernel).sum((1, 2))
    assert next(kernels, None) is None
    np.testing.assert_allclose(module(*given.values()).detach().numpy(), expected, atol=1e-12)


def test_softmax_weighted_pooling_reads_each_source_by_a_table_of_its_own():
    module, given = network(f"softpool 3 stride=2 table={joined()}"), inputs()
    (weight,) = module.parameters()
    with torch.no_grad():
        weight.normal_(generator=torch.Generator().manual_seed(2))
    scalars, expected = iter(weight.detach().numpy()), np.zeros((2, 4, 3, 3))
    for row in range(4):
        for name, m in links_of(row):
            scalar = next(scalars)
            for i, j, window in windows(given[name][:, m].numpy(), 3, 2):
                share = np.exp(scalar * window)
                expected[:, row, i, j] += (window * share).sum((1, 2)) / share.sum((1, 2))
    np.testing.assert_allclose(module(*given.values()).detach().numpy(), expected, atol=1e-12)


def test_without_a_link_a_source_has_no_gradient():
    module = network("partialconv 3 table=0+3/1")
    given = {name: x.requires_grad_() for name, x in inputs().items()}
    module(*given.values())[:, 1].sum().backward()
    assert given["picture"].grad[:, 1].abs().sum() > 0
    assert not given["picture"].grad[:, [0, 2]].any() and not given["motion"].grad.any()


def test_a_map_beyond_the_last_source_is_refused():
    with pytest.raises(GraphError, match=r"branch both.*existing input maps"):
        network("partialconv 3 table=0/5")
