"""Patches of features, replaced by a style's: against loops in NumPy."""

import numpy as np
import pytest
import torch

from convscope.nets.style import style_swap
from convscope.nets.style.style_swap import EQUAL_ENERGY, Part, content_share, style_patches, swap


def maps(channels, height, width, seed):
    return torch.randn(1, channels, height, width, generator=torch.Generator().manual_seed(seed))


def patch(features, row, column):
    """The patch around a position, reflected at the border, with NumPy."""
    wide = np.pad(features[0].numpy(), ((0, 0), (1, 1), (1, 1)), mode="reflect")
    return wide[:, row : row + 3, column : column + 3]


def test_patches_lie_where_their_centres_were_and_are_averaged_where_they_overlap(monkeypatch):
    content, style = maps(5, 7, 6, 0), maps(5, 8, 9, 1)
    patches = style_patches(style)
    places = [(row, column) for row in range(0, 8, 2) for column in range(0, 9, 2)]
    assert len(patches.centres) == len(patches.directions) == len(places)
    chosen = torch.randint(len(places), (42,), generator=torch.Generator().manual_seed(2))
    monkeypatch.setattr(style_swap, "_nearest", lambda features, style, part: chosen)
    total, count = np.zeros((5, 9, 8)), np.zeros((9, 8))
    for number, which in enumerate(chosen.tolist()):
        row, column = divmod(number, 6)
        total[:, row : row + 3, column : column + 3] += patch(style, *places[which])
        count[row : row + 3, column : column + 3] += 1
    assert np.allclose(swap(content, patches)[0].numpy(), (total / count)[:, 1:-1, 1:-1], atol=1e-5)


def test_the_most_similar_patch_is_taken_by_cosine_similarity(monkeypatch):
    """A projection to many dimensions keeps nearly all angles, so nearly all neighbours are the true ones."""
    monkeypatch.setattr(style_swap, "DIMENSIONS", 3000)
    monkeypatch.setattr(style_swap, "NEARNESS", 0.0)
    content, style = maps(6, 9, 8, 3), maps(6, 12, 10, 4) * 5
    found = style_swap._nearest(content, style_patches(style), Part((0, 0), (9, 8)))
    cut = [patch(style, row, column).ravel() for row in range(0, 12, 2) for column in range(0, 10, 2)]
    directions = np.stack([one / np.linalg.norm(one) for one in cut])
    similar = np.stack([directions @ patch(content, *divmod(n, 8)).ravel() for n in range(72)])
    best = similar.max(1)
    chosen = similar[np.arange(72), found.numpy()]
    assert (found.numpy() == similar.argmax(1)).mean() > 0.9
    assert (best - chosen).max() < 0.1 * best.max()


@pytest.mark.parametrize("most", [1, 200, 2**24])
def test_a_style_swapped_for_itself_stays_however_many_rows_are_compared_at_a_time(monkeypatch, most):
    monkeypatch.setattr(style_swap, "STRIDE", 1)
    monkeypatch.setattr(style_swap, "MOST_SIMILARITIES", most)
    style = maps(8, 11, 13, 5)
    assert torch.allclose(swap(style, style_patches(style)), style, atol=1e-6)


def test_nothing_but_the_style_is_in_the_result():
    """Each value is a mean of the style's, so none is outside their range; a flat style gives flat maps."""
    content, style = maps(4, 10, 10, 6) * 100, maps(4, 6, 7, 7)
    made = swap(content, style_patches(style))
    assert made.shape == content.shape
    assert (made.amax((2, 3)) <= style.amax((2, 3))).all()
    assert (made.amin((2, 3)) >= style.amin((2, 3))).all()
    flat = torch.full((1, 4, 6, 7), 0.3)
    assert torch.allclose(swap(content, style_patches(flat)), torch.tensor(0.3))


def test_where_all_patches_are_as_similar_the_one_of_the_same_place_is_taken():
    """A flat photograph has no direction; so its patches are those of the nearest places, each by its own."""
    flat, style = torch.zeros(1, 4, 20, 16), maps(4, 10, 12, 8)
    rows, columns = np.arange(0, 10, 2), np.arange(0, 12, 2)
    near_row = [np.abs((rows + 0.5) / 10 - (row + 0.5) / 20).argmin() for row in range(20)]
    near_column = [np.abs((columns + 0.5) / 12 - (column + 0.5) / 16).argmin() for column in range(16)]
    wanted = np.add.outer(6 * np.array(near_row), near_column).ravel()
    found = style_swap._nearest(flat, style_patches(style), Part((0, 0), (20, 16)))
    assert np.array_equal(found.numpy(), wanted)


def test_a_part_takes_the_patches_that_the_whole_takes_there():
    content, style = maps(4, 20, 16, 9), style_patches(maps(4, 10, 12, 10))
    whole = style_swap._nearest(content, style, Part((0, 0), (20, 16))).view(20, 16)
    below = style_swap._nearest(content[:, :, 8:, 4:], style, Part((8, 4), (20, 16))).view(12, 12)
    assert torch.equal(below[1:, 1:], whole[9:, 5:])  # borders are reflected


def test_what_is_similar_is_taken_from_anywhere():
    """The photograph is the style, turned by half: each patch is found where it lies there."""
    style = maps(6, 12, 12, 11) * 10
    content = style.roll((6, 6), (2, 3))
    found = style_swap._nearest(content, style_patches(style), Part((0, 0), (12, 12))).view(12, 12)
    places = [(row, column) for row in range(0, 12, 2) for column in range(0, 12, 2)]
    inside = [(row, column) for row in (2, 4, 8) for column in (2, 4, 8)]
    assert all(places[found[(r + 6) % 12, (c + 6) % 12]] == (r, c) for r, c in inside)


def test_of_a_patch_as_much_stays_as_a_wiener_filter_passes():
    """Position by position in NumPy: the mean square of the patch, at the border of a part of it."""
    content = maps(5, 6, 7, 12) * torch.logspace(-1, 1, 7)
    values, got = content[0].double().numpy(), content_share(content)
    assert got.shape == (1, 1, 6, 7)
    for row, column in np.ndindex(6, 7):
        around = values[:, max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
        energy = (around**2).mean()
        assert float(got[0, 0, row, column]) == pytest.approx(energy / (energy + EQUAL_ENERGY), rel=1e-5)
    assert float(content_share(torch.zeros(1, 4, 5, 5)).max()) == 0
    assert torch.allclose(content_share(torch.full((1, 4, 5, 5), EQUAL_ENERGY**0.5)), torch.tensor(0.5))
