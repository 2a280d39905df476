"""Plots: where points land, round ticks, and texts in both languages."""

import re
from itertools import pairwise

import pytest
import torch

from convscope.learn import Plot, Series
from convscope.show.report.figures.plot import Axis, legend, plot

WORD = {"en": "a word", "zh": "词"}


def made(*points, joined=False, **more):
    series = [Series(WORD, torch.tensor(one), joined) for one in points]
    return Plot(WORD, (WORD, WORD), series, WORD, **more)


def lines(markup):
    """Coordinates of the joined lines."""
    paths = re.findall(r'd="M([^"]*)" class="line-', str(markup))
    return [[tuple(map(float, pair.split())) for pair in path.split("L")] for path in paths]


def test_lines_are_linear_in_their_points():
    ((first, second, third),) = lines(plot(made([[0.0, 1.0], [1.0, 3.0], [3.0, 7.0]], joined=True)))
    assert second[0] - first[0] == pytest.approx((third[0] - second[0]) / 2, abs=0.15)
    assert first[1] - second[1] == pytest.approx((second[1] - third[1]) / 2, abs=0.15)


def test_a_power_law_is_a_straight_line_on_logarithmic_axes():
    points = [[2.0**k, 4.0**-k] for k in range(2, 8)]
    (found,) = lines(plot(made(points, joined=True, logarithmic=True)))
    steps = [b[1] - a[1] for a, b in pairwise(found)]
    assert steps == pytest.approx([steps[0]] * 5, abs=0.15) and steps[0] > 10


def test_square_axes_have_the_same_scale():
    drawn = str(plot(made([[0.0, 0.0], [4.0, 1.0]], square=True)))
    first, second = re.findall(r"M([\d.]+) ([\d.]+)h", drawn)
    assert float(second[0]) - float(first[0]) == pytest.approx(
        4 * (float(first[1]) - float(second[1])), abs=0.5
    )


def test_ticks_are_round_and_inside():
    assert Axis(-0.1, 1.04, 0, 1).ticks() == pytest.approx([0, 0.5, 1.0])
    assert Axis(0.9, 1100, 0, 1, True).ticks() == [1, 10, 100, 1000]
    assert Axis(3.9, 66, 0, 1, True).ticks() == [4, 8, 16, 32, 64]


def test_both_languages_are_there_and_one_point_is_enough():
    found = str(plot(made([[1.0, 1.0]]))) + str(legend(made([[1.0, 1.0]])))
    assert found.count("a word") >= 3 and found.count("词") >= 3
