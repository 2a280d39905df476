"""Sentences about classes that a unit prefers: each is made false, and goes."""

import pytest
import torch
from scipy import stats

from convscope.see.units.class_preference import (
    class_of_largest_mean,
    overrepresented_class,
    peak_std,
)
from convscope.see.units.index.unit_index import Example, UnitStatistics
from convscope.worlds import binomial_tail


def entry(
    top: list[int], sizes: list[int], means: list[float] | None = None, spread: float = 1.0
) -> UnitStatistics:
    """Statistics of a unit with given classes of its top images; peaks of all images spread around 0."""
    edges = torch.linspace(-6 * spread, 6 * spread, 481, dtype=torch.float64)
    shares = torch.tensor(stats.norm.cdf(edges, scale=spread)).diff()
    return UnitStatistics(
        place="conv:0",
        images=sum(sizes),
        top=tuple(Example(k, label, 1.0, ()) for k, label in enumerate(top)),
        bottom=(),
        mean=0.0,
        std=spread,
        inactive_share=0.5,
        counts=(shares * 100_000).round().long(),
        edges=edges.float(),
        by_class=torch.tensor(means or [0.0] * len(sizes)),
        class_sizes=torch.tensor(sizes),
        dead=False,
        saturated=False,
        _index=None,  # pyright: ignore[reportArgumentType]  # not read here
        _number=0,
    )


@pytest.mark.parametrize(("least", "trials", "share"), [(2, 9, 0.1), (9, 9, 0.2), (0, 5, 0.3), (5, 9, 0.5)])
def test_tails_are_scipys(least: int, trials: int, share: float) -> None:
    expected = stats.binom.sf(least - 1, trials, share)
    assert binomial_tail(least, trials, share) == pytest.approx(expected, rel=1e-9)


def test_two_of_nine_are_chance() -> None:
    tenth = [100] * 10
    assert overrepresented_class(entry([9, 9, 0, 1, 2, 3, 4, 5, 6], tenth)) is None
    assert overrepresented_class(entry([9] * 6 + [0, 1, 2], tenth)) == 9
    assert overrepresented_class(entry([9] * 4 + [3] * 4 + [1], tenth)) is None  # a tie
    assert overrepresented_class(entry([1] * 9, [10, 990])) is None  # nearly all images are of this class
    assert overrepresented_class(entry([], tenth)) is None


def test_means_within_two_standard_errors_are_alike() -> None:
    sizes = [50, 50, 50]
    error = 1.0 * (2 / 50) ** 0.5
    assert class_of_largest_mean(entry([0], sizes, [12.0, 12.0 - 1.9 * error, 3.0])) is None
    assert class_of_largest_mean(entry([0], sizes, [12.0, 12.0 - 2.2 * error, 3.0])) == 0
    assert class_of_largest_mean(entry([0], [50, 0, 0], [1.0, 0.0, 0.0])) is None
    assert (
        class_of_largest_mean(entry([0], [50, 50, 2], [12.0, 3.0, 11.0])) is None
    )  # two images prove little


@pytest.mark.parametrize("spread", [0.1, 1.0, 7.0])
def test_the_spread_of_peaks_is_that_of_their_histogram(spread: float) -> None:
    assert peak_std(entry([0], [1], spread=spread)) == pytest.approx(spread, rel=0.01)
