"""Factorisations against scikit-learn's, closed forms, and each other."""

import warnings

import pytest
import torch

from convscope.errors import UsageError
from convscope.see.activation_atlas.factorization import factorize
from convscope.see.activation_atlas.nmf import nmf


def table(rows: int, columns: int, rank: int, seed: int, noise: float = 0.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    made = torch.rand(rows, rank, generator=generator) @ torch.rand(rank, columns, generator=generator)
    return made + noise * torch.rand(rows, columns, generator=generator)


@pytest.mark.parametrize(
    ("rows", "columns", "rank", "noise"), [(60, 20, 4, 0.3), (30, 50, 6, 1.0), (200, 12, 3, 0.1)]
)
def test_errors_are_within_two_per_cent_of_scikit_learns(
    rows: int, columns: int, rank: int, noise: float
) -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    values = table(rows, columns, rank, 3, noise).double()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it might go on
        theirs = decomposition.NMF(rank, init="nndsvda", max_iter=300).fit(values.numpy())
    amounts, factors = nmf(values, rank, steps=300, tolerance=1e-7)
    assert float((values - amounts @ factors).norm()) <= 1.02 * theirs.reconstruction_err_
    assert bool((amounts >= 0).all()) and bool((factors >= 0).all())


def test_a_table_of_rank_one_is_found_exactly() -> None:
    values = torch.outer(torch.tensor([1.0, 2.0, 0.0]), torch.tensor([3.0, 0.0, 1.0, 5.0]))
    amounts, factors = nmf(values, 1)
    assert torch.allclose(amounts @ factors, values, atol=1e-5)


def test_more_factors_never_explain_less() -> None:
    values = table(40, 25, 8, 1, 0.2)
    errors = [float((values - torch.mm(*nmf(values, k))).norm()) for k in range(1, 6)]
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("count", [0, 5])
def test_impossible_counts_are_refused(count: int) -> None:
    with pytest.raises(UsageError, match="rows and columns"):
        nmf(torch.ones(4, 9), count)


def test_negative_tables_are_refused() -> None:
    with pytest.raises(UsageError, match="negative"):
        nmf(-torch.ones(4, 4), 2)


def test_blobs_in_different_units_are_the_factors() -> None:
    activation = torch.zeros(1, 4, 6, 6)
    activation[0, 0, :3, :3], activation[0, 1, :3, :3] = 2.0, 1.0
    activation[0, 3, 4:, 4:] = 1.0
    activation[0, 2, 0, 5] = -3.0
    maps, directions, explained, clipped = factorize(activation, 2)
    assert explained == pytest.approx(1.0, abs=1e-4)
    assert clipped == pytest.approx(9 / (9 * 5 + 4 + 9))
    assert torch.allclose(directions[0], torch.tensor([2.0, 1.0, 0.0, 0.0]) / 5**0.5, atol=1e-3)
    assert torch.allclose(directions[1], torch.tensor([0.0, 0.0, 0.0, 1.0]), atol=1e-3)
    assert torch.allclose(maps[0, 0, :3, :3], torch.full((3, 3), 5**0.5), atol=1e-2)
    assert float(maps[0, 0, 3:].max()) < 1e-2


def test_a_silent_layer_has_no_factors() -> None:
    with pytest.raises(UsageError, match="something to say"):
        factorize(-torch.ones(1, 4, 5, 5), 2)
