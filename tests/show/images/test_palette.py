"""Colours of categories: no two alike, in OKLab and in numbers."""

import itertools

import numpy as np
import pytest

from convscope.show.images.palette import distinct, oklab


def test_known_colours_in_oklab():
    """Ottosson's own table: white, and the sRGB primaries to three digits."""
    found = oklab(np.array([(255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255)]))
    expected = [(1, 0, 0), (0.628, 0.225, 0.126), (0.866, -0.234, 0.179), (0.452, -0.032, -0.312)]
    assert np.allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize(("count", "least"), [(6, 0.1), (8, 0.1), (12, 0.09), (64, 0.03)])
def test_no_two_colours_are_alike(count: int, least: float):
    colours = distinct(count)
    assert len(colours) == count
    lab = oklab(np.array(colours))
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(lab, 2)) > least


def test_a_longer_list_begins_with_the_shorter_one():
    assert distinct(20)[:7] == distinct(7) and distinct(0) == ()
