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


def machado(colours: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Simulate colour blindness (Machado, Oliveira, Fernandes 2009, severity 1) in linear light."""
    unit = colours / 255
    linear = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
    seen = (linear @ matrix.T).clip(0, 1)
    return 255 * np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)


DEUTAN = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
PROTAN = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]


def test_the_first_six_have_six_hues():
    """No two of them are both called blue: 40 degrees and more between the hues of any two."""
    lab = oklab(np.array(distinct(6)))
    hues = np.degrees(np.arctan2(lab[:, 2], lab[:, 1]))
    apart = [abs((a - b + 180) % 360 - 180) for a, b in itertools.combinations(hues, 2)]
    assert min(apart) >= 40


@pytest.mark.parametrize("matrix", [DEUTAN, PROTAN])
def test_the_first_six_are_told_apart_by_the_colour_blind(matrix):
    lab = oklab(machado(np.array(distinct(6)), np.array(matrix)))
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(lab, 2)) > 0.085
