"""Reductions of activations of any size and layout, against NumPy."""

import numpy as np
import pytest
import torch

from convscope.see.units.index import reduce
from convscope.see.units.index.reduce import LONGEST, ActivationSummary, _length

SIZES = [(64, 56), (37, 37), (112, 112), (5, 7), (1200,), (1031,), ()]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("lowest", [False, True])
@pytest.mark.parametrize("last", [False, True])
def test_peaks_and_their_spots(size, lowest, last, monkeypatch):
    monkeypatch.setattr(reduce, "CACHED", 5000)
    act = torch.randn(4, 3, *size, generator=torch.Generator().manual_seed(1))
    if last and len(size) == 2:
        act = act.contiguous(memory_format=torch.channels_last)
    flat = act.numpy().reshape(4, 3, -1)
    found = ActivationSummary.of(act)
    assert np.array_equal(found.maxima.numpy(), flat.max(2))
    assert np.array_equal(found.minima.numpy(), flat.min(2))
    mean, squares = found.moments()
    np.testing.assert_allclose(mean.numpy(), flat.mean(2), atol=1e-5)
    assert mean.shape == squares.shape == (4, 3)
    np.testing.assert_allclose(squares.numpy(), (flat**2).mean(2), rtol=1e-4)
    numbers = torch.arange(10, 14)
    threshold = torch.full((3,), -torch.inf)
    got = found.candidates(threshold, numbers, first=100, k=4, lowest=lowest)
    best = flat.argmin(2) if lowest else flat.argmax(2)
    assert got.flat_positions.tolist() == best.reshape(-1).tolist()
    assert got.units.tolist() == [100, 101, 102] * 4
    assert got.images.tolist() == np.repeat(numbers.numpy(), 3).tolist()
    ends = -flat.min(2) if lowest else flat.max(2)
    assert got.values.tolist() == ends.reshape(-1).tolist()


def test_layout_and_precision_make_no_difference():
    act = torch.randn(2, 5, 40, 40).bfloat16().float()
    wanted, threshold, numbers = ActivationSummary.of(act), torch.zeros(5), torch.arange(2)
    for other in (act.contiguous(memory_format=torch.channels_last), act.bfloat16()):
        found = ActivationSummary.of(other)
        assert torch.equal(found.maxima, wanted.maxima) and torch.equal(found.minima, wanted.minima)
        one, two = (r.candidates(threshold, numbers, 0, 2, lowest=True) for r in (found, wanted))
        assert torch.equal(one.flat_positions, two.flat_positions)


@pytest.mark.parametrize("units", [1, 2, 8, 24, 64, 96])
def test_among_equals_the_first_spot_counts_in_any_layout(units):
    act = torch.randint(0, 3, (3, units, 56, 24), generator=torch.Generator().manual_seed(2)).float()
    act = act.contiguous(memory_format=torch.channels_last)
    found = ActivationSummary.of(act)
    got = found.candidates(torch.full((units,), -torch.inf), torch.arange(3), 0, 9, lowest=False)
    assert got.flat_positions.tolist() == act.numpy().reshape(3, units, -1).argmax(2).reshape(-1).tolist()
    np.testing.assert_allclose(found.moments()[1].numpy(), (act.numpy() ** 2).mean((2, 3)), rtol=1e-5)


def test_only_what_can_be_among_the_best_is_looked_at():
    act = torch.arange(40.0).view(20, 2)
    found = ActivationSummary.of(act)
    got = found.candidates(torch.full((2,), -torch.inf), torch.arange(20), 0, 3, lowest=False)
    assert sorted(set(got.images.tolist())) == [17, 18, 19]
    got = found.candidates(torch.tensor([36.0, torch.inf]), torch.arange(20), 0, 3, lowest=False)
    assert (got.units.tolist(), got.images.tolist()) == ([0], [19])


def test_parts_divide_maps():
    for values in range(1, 5000):
        length = _length(values)
        assert values % length == 0 and (length <= LONGEST or length == values)
    assert _length(12544) == 448
