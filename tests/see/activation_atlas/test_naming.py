"""Names of cells: what supports them, and what takes them away."""

import numpy as np
import pytest
import torch
from scipy import stats

from convscope.see.activation_atlas.naming import (
    ClassAttribution,
    LabelShare,
    Region,
    components,
    label_shares,
    largest_first,
    supported_classes,
)

NAMES = tuple(f"class {k}" for k in range(100))
CELLS, EACH, CARRIER, DAISY = 6, 8, 7, 42
OWNERS = torch.arange(CELLS).repeat_interleave(EACH)


def attributed() -> tuple[torch.Tensor, torch.Tensor]:
    """Noise; one class contributes most everywhere, another one more in cell 2 than elsewhere."""
    contributions = torch.randn(CELLS * EACH, 100, generator=torch.Generator().manual_seed(0))
    contributions[:, CARRIER] += 50
    contributions[OWNERS == 2, DAISY] += 6
    return contributions, torch.ones(CELLS * EACH, 100, dtype=torch.bool)


def named(contributions: torch.Tensor, likeliest: torch.Tensor) -> list[list[str]]:
    return [
        [found.name for found in cell] for cell in supported_classes(contributions, likeliest, OWNERS, NAMES)
    ]


def test_a_class_that_is_high_everywhere_names_no_cell() -> None:
    contributions, likeliest = attributed()
    found = supported_classes(contributions, likeliest, OWNERS, NAMES)
    assert float(contributions.mean(0).argmax()) == CARRIER
    assert all(one.unit != CARRIER for cell in found for one in cell)
    (daisy, *_) = found[2]
    expected = contributions[OWNERS == 2, DAISY].mean() - contributions[:, DAISY].mean()
    assert (daisy.unit, daisy.support, daisy.pictures, daisy.likeliest) == (DAISY, EACH, EACH, 5)
    assert daisy.contribution == pytest.approx(float(expected), abs=1e-4)


def test_a_class_that_the_network_does_not_answer_names_no_cell() -> None:
    contributions, likeliest = attributed()
    likeliest[:, DAISY] = False
    assert "class 42" not in named(contributions, likeliest)[2]
    likeliest[2 * EACH : 2 * EACH + 3, DAISY] = True  # three pictures of eight are not enough, four are
    assert "class 42" not in named(contributions, likeliest)[2]
    likeliest[2 * EACH + 3, DAISY] = True
    assert "class 42" in named(contributions, likeliest)[2]


def test_a_class_of_one_half_of_the_pictures_names_no_cell() -> None:
    contributions, likeliest = attributed()
    members = (OWNERS == 2).nonzero().flatten()
    contributions[members[::2], DAISY] += 60
    contributions[members[1::2], DAISY] = -20
    assert "class 42" not in named(contributions, likeliest)[2]


def test_noise_names_few_cells() -> None:
    contributions = torch.randn(CELLS * EACH, 100, generator=torch.Generator().manual_seed(1))
    likeliest = torch.ones_like(contributions, dtype=torch.bool)
    assert sum(map(bool, named(contributions, likeliest))) <= 1
    contributions[OWNERS == 0, 3] += 0.5  # a sixth of what three standard errors of eight pictures need
    assert "class 3" not in named(contributions, likeliest)[0]


@pytest.mark.parametrize(
    ("count", "pictures", "usual", "typical"),
    [
        (8, 9, 0.2, True),
        (2, 4, 0.2, False),  # half of four may be chance
        (2, 9, 0.1, False),  # the most common label, and yet no name: 22%
        (5, 5, 0.2, True),
        (5, 5, 0.9, False),  # nearly all pictures have it
        (40, 100, 0.1, False),  # no majority
    ],
)
def test_a_label_is_typical_of_a_clear_majority(
    count: int, pictures: int, usual: float, typical: bool
) -> None:
    label = LabelShare("roses", count, pictures, usual)
    assert label.typical is typical
    # the lower bound solves (p - q)^2 = z^2 q (1 - q) / n
    q = label.lower_bound
    z = stats.norm.ppf(0.975)
    assert (label.share - q) ** 2 == pytest.approx(z**2 * q * (1 - q) / pictures, abs=1e-9)


def test_chance_names_no_cell_of_many() -> None:
    """Of 200 atlases with labels drawn at random, about 5% have a name anywhere; without correction 88%."""
    rng, cells = np.random.default_rng(0), 50
    drawn = rng.binomial(12, 0.3, size=(200, cells))
    for together, expected in ((1, lambda share: share > 0.5), (cells, lambda share: share <= 0.1)):
        shares = [[LabelShare("a", int(n), 12, 0.3, together).typical for n in atlas] for atlas in drawn]
        assert expected(np.mean([any(atlas) for atlas in shares]))
    q, z = LabelShare("a", 11, 12, 0.3, cells).lower_bound, stats.norm.ppf(1 - 0.025 / cells)
    assert (11 / 12 - q) ** 2 == pytest.approx(z**2 * q * (1 - q) / 12, abs=1e-9)


def test_each_picture_counts_once() -> None:
    labels = torch.tensor([0, 1, 1, 2])
    found = label_shares(labels, torch.tensor([1, 1, 1, 0, 2]), torch.arange(4), ("a", "b", "c"))
    assert found == (LabelShare("b", 2, 3, 0.5), LabelShare("a", 1, 3, 0.25))
    assert label_shares(labels * 0, torch.arange(4), torch.arange(4), ("one",)) == ()


def test_components_are_the_closure_of_touching() -> None:
    cells = [(y, x) for y, x in np.argwhere(np.random.default_rng(3).random((9, 9)) < 0.35).tolist()]
    near = np.array([[max(abs(a - c), abs(b - d)) <= 1 for c, d in cells] for a, b in cells])
    for _ in cells:
        near = near @ near
    expected = {tuple(row.nonzero()[0].tolist()) for row in near}
    found = components(cells)
    assert {tuple(group) for group in found} == expected and len(found) == len(expected) > 1


def test_a_class_with_the_name_of_a_label_is_left_out() -> None:
    share = LabelShare("daisy", 9, 10, 0.2)
    label = Region("daisy", "label", (1, 2), 20, 0, 1, share)
    same, other = Region("daisy", "class", (2, 3), 30, 0, 2), Region("daisy", "class", (8,), 4, 5, 5)
    assert largest_first([other, same, label]) == (label, other)
    assert isinstance(ClassAttribution(1, "a", 0.5, 2, 8, 5), ClassAttribution)
