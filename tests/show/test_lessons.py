"""The worked examples: against the slides' numbers, and against loops that share no code with torch."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from convscope.show import lessons


def test_stride_one_and_two_as_printed():
    one = lessons.correlate(lessons.IMAGE, lessons.DIAGONAL)
    assert one == ((3, -1, -3, -1), (-3, 1, 0, -3), (-3, -3, 0, 1), (3, -2, -2, -1))
    assert lessons.correlate(lessons.IMAGE, lessons.DIAGONAL, 2) == ((3, -3), (-3, 0))
    two = lessons.correlate(lessons.IMAGE, lessons.UPRIGHT)
    assert two == ((-1, -1, -1, -1), (-1, -1, -2, 1), (-1, -1, -2, 1), (-1, 0, -4, 3))
    assert lessons.max_pool(one) == ((3, 0), (3, 1))
    assert lessons.max_pool(two) == ((-1, 1), (0, 3))


@pytest.mark.parametrize("kernel", [lessons.DIAGONAL, lessons.UPRIGHT, lessons.CORNER])
def test_both_operations_agree_with_scipy(kernel):
    image = np.array(lessons.IMAGE)
    assert np.array_equal(
        lessons.correlate(lessons.IMAGE, kernel), signal.correlate2d(image, kernel, "valid")
    )
    assert np.array_equal(lessons.convolve(lessons.IMAGE, kernel), signal.convolve2d(image, kernel, "valid"))


def test_only_the_asymmetric_filter_tells_them_apart():
    for kernel in (lessons.DIAGONAL, lessons.UPRIGHT):
        assert lessons.correlate(lessons.IMAGE, kernel) == lessons.convolve(lessons.IMAGE, kernel)
    assert lessons.correlate(lessons.IMAGE, lessons.CORNER) != lessons.convolve(lessons.IMAGE, lessons.CORNER)


def test_padding_in_one_dimension_as_printed():
    assert lessons.slide(lessons.SIGNAL, lessons.DIFFERENCE, 0, 1, 2) == (-2, -1, 1)
    assert lessons.slide(lessons.SIGNAL, lessons.DIFFERENCE, 1, 1, 2) == (-1, 4, -2)


@settings(max_examples=30)
@given(left=st.integers(0, 3), right=st.integers(0, 3), stride=st.integers(1, 3))
def test_sliding_agrees_with_a_loop(left, right, stride):
    padded = [0.0] * left + list(lessons.SIGNAL) + [0.0] * right
    expected = [
        sum(padded[k + i] * w for i, w in enumerate(lessons.DIFFERENCE))
        for k in range(0, len(padded) - 2, stride)
    ]
    assert lessons.slide(lessons.SIGNAL, lessons.DIFFERENCE, left, right, stride) == tuple(expected)


def test_average_pooling_agrees_with_a_loop():
    pooled = lessons.average_pool(lessons.IMAGE)
    for y, x in product(range(3), range(3)):
        block = [lessons.IMAGE[2 * y + i][2 * x + j] for i, j in product(range(2), range(2))]
        assert pooled[y][x] == sum(block) / 4
