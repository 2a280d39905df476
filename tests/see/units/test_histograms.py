import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convscope.see.units.index.histograms import BINS, SMALLEST_EXPONENT, Histograms

numbers = st.floats(-1e6, 1e6, width=32, allow_subnormal=False)


def made(batches):
    found = Histograms.empty(1)
    for batch in batches:
        found.add(torch.tensor(batch, dtype=torch.float32)[:, None])
    return found


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(numbers, min_size=1, max_size=8), min_size=1, max_size=6))
def test_counts_are_numpys_and_do_not_depend_on_the_order(batches):
    found, back = made(batches), made(batches[::-1])
    values = np.concatenate([np.array(b, np.float32) for b in batches]).astype(np.float64)
    edges = found.edges(0).numpy()
    expected = np.histogram(values.clip(edges[0], np.nextafter(edges[-1], 0)), edges)[0]
    assert found.counts[0].tolist() == expected.tolist()
    assert torch.equal(found.counts, back.counts) and torch.equal(found.exponents, back.exponents)
    halves = made(batches[::2]).merged(made(batches[1::2]))
    assert torch.equal(found.counts, halves.counts) and torch.equal(found.exponents, halves.exponents)


def test_the_range_is_the_smallest_power_of_two_that_holds_all():
    found = made([[0.3], [0.9], [-1.0]])
    assert found.edges(0)[[0, -1]].tolist() == [-2.0, 2.0]  # 1 itself lies at the edge of the next
    assert len(found.counts[0]) == BINS
    assert made([[0.0, 0.0]]).exponents.tolist() == [SMALLEST_EXPONENT]


def test_what_is_not_finite_is_not_counted():
    found = made([[1.0, float("nan"), float("inf"), float("-inf")]])
    assert int(found.counts.sum()) == 1


def test_shares_below_a_value():
    found = made([list(np.linspace(0, 0.999, 1000))])
    for value in (0.1, 0.25, 0.7):
        assert found.share_below(0, value) == pytest.approx(value, abs=2e-3)
    assert found.share_below(0, -1.0) == 0 and found.share_below(0, 5.0) == 1
    assert Histograms.empty(1).share_below(0, 1.0) == 0
