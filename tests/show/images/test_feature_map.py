"""Coded feature maps against the arithmetic of the browser's filters, and their colours."""

import numpy as np
import pytest

from convscope.show.images.feature_map import LEVELS, SIGNED, coded, coloured, full_colour, on_one_scale
from convscope.show.images.heatmap import EMBER


@pytest.mark.parametrize("signed", [False, True])
def test_brightness_and_contrast_change_the_scale_exactly(signed):
    """brightness(k): k v; contrast(k): k (v - 1/2) + 1/2, as CSS filter effects define them."""
    values = np.random.default_rng(0).uniform(-3 if signed else 0, 3, (20, 20))
    own, limit = full_colour(values), 7.5
    grey = np.asarray(coded(values, signed=signed), np.float64) / 255
    k = own / limit
    scaled = k * (grey - 0.5) + 0.5 if signed else k * grey
    table = np.array(SIGNED if signed else EMBER, np.float64)
    steps = np.linspace(0, 1, len(table))
    shown = np.stack([np.interp(scaled, steps, table[:, c]) for c in range(3)], -1)
    wanted = np.asarray(coloured(np.clip(values, -own, own), limit, signed=signed), np.float64)
    assert np.abs(shown - wanted).max() <= 255 * 8 * k / (2 * LEVELS) + 1


def test_one_outlier_does_not_make_a_map_pale():
    values = np.ones((40, 40))
    values[0, 0] = 1000
    assert full_colour(values) == 1
    alone = np.zeros((40, 40))
    alone[0, 0] = 4
    assert full_colour(alone) == 4


def test_zero_and_both_ends_have_the_colours_of_the_tables():
    ends = np.asarray(coloured([[-2.0, 0.0, 2.0]], 2.0, signed=True))[0].tolist()
    assert ends == [list(SIGNED[0]), list(SIGNED[4]), list(SIGNED[-1])]
    assert np.asarray(coloured([[0.0, 2.0]], 2.0, signed=False))[0].tolist() == [
        list(EMBER[0]),
        list(EMBER[-1]),
    ]


def test_maps_of_one_layer_share_a_scale_and_a_palette():
    weak, strong = on_one_scale([np.full((3, 3), 1.0), np.full((3, 3), -4.0)], [0, 1])
    assert np.asarray(strong)[0, 0].tolist() == list(SIGNED[0])
    assert np.asarray(weak)[0, 0].tolist() == [round(x) for x in np.array(SIGNED[5], float)]


def test_the_palette_is_chosen_by_the_whole_layer():
    """Maps that are all positive are orange, not yellow, where another map of the layer is not."""
    layer = np.stack([np.full((3, 3), 2.0), np.full((3, 3), -4.1)])
    (shown,) = on_one_scale(layer, [0])
    assert np.asarray(shown)[0, 0].tolist() == list(SIGNED[-1])
    (shown,) = on_one_scale(layer[:1], [0])
    assert np.asarray(shown)[0, 0].tolist() == list(EMBER[-1])
