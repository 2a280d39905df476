"""The worked examples: against the slides' numbers, and against loops that share no code with torch."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from convscope.show.report import worked_examples


def test_stride_one_and_two_as_printed():
    one = worked_examples.correlate(worked_examples.IMAGE, worked_examples.DIAGONAL)
    assert one == ((3, -1, -3, -1), (-3, 1, 0, -3), (-3, -3, 0, 1), (3, -2, -2, -1))
    assert worked_examples.correlate(worked_examples.IMAGE, worked_examples.DIAGONAL, 2) == ((3, -3), (-3, 0))
    two = worked_examples.correlate(worked_examples.IMAGE, worked_examples.UPRIGHT)
    assert two == ((-1, -1, -1, -1), (-1, -1, -2, 1), (-1, -1, -2, 1), (-1, 0, -4, 3))
    assert worked_examples.max_pool(one) == ((3, 0), (3, 1))
    assert worked_examples.max_pool(two) == ((-1, 1), (0, 3))


@pytest.mark.parametrize(
    "kernel", [worked_examples.DIAGONAL, worked_examples.UPRIGHT, worked_examples.CORNER]
)
def test_both_operations_agree_with_scipy(kernel):
    image = np.array(worked_examples.IMAGE)
    assert np.array_equal(
        worked_examples.correlate(worked_examples.IMAGE, kernel), signal.correlate2d(image, kernel, "valid")
    )
    assert np.array_equal(
        worked_examples.convolve(worked_examples.IMAGE, kernel), signal.convolve2d(image, kernel, "valid")
    )


def test_only_the_asymmetric_filter_tells_them_apart():
    for kernel in (worked_examples.DIAGONAL, worked_examples.UPRIGHT):
        assert worked_examples.correlate(worked_examples.IMAGE, kernel) == worked_examples.convolve(
            worked_examples.IMAGE, kernel
        )
    assert worked_examples.correlate(
        worked_examples.IMAGE, worked_examples.CORNER
    ) != worked_examples.convolve(worked_examples.IMAGE, worked_examples.CORNER)


def test_padding_in_one_dimension_as_printed():
    assert worked_examples.slide(worked_examples.SIGNAL, worked_examples.DIFFERENCE, 0, 1, 2) == (-2, -1, 1)
    assert worked_examples.slide(worked_examples.SIGNAL, worked_examples.DIFFERENCE, 1, 1, 2) == (-1, 4, -2)


@settings(max_examples=30)
@given(left=st.integers(0, 3), right=st.integers(0, 3), stride=st.integers(1, 3))
def test_sliding_agrees_with_a_loop(left, right, stride):
    padded = [0.0] * left + list(worked_examples.SIGNAL) + [0.0] * right
    expected = [
        sum(padded[k + i] * w for i, w in enumerate(worked_examples.DIFFERENCE))
        for k in range(0, len(padded) - 2, stride)
    ]
    assert worked_examples.slide(
        worked_examples.SIGNAL, worked_examples.DIFFERENCE, left, right, stride
    ) == tuple(expected)


def test_average_pooling_agrees_with_a_loop():
    pooled = worked_examples.average_pool(worked_examples.IMAGE)
    for y, x in product(range(3), range(3)):
        block = [worked_examples.IMAGE[2 * y + i][2 * x + j] for i, j in product(range(2), range(2))]
        assert pooled[y][x] == sum(block) / 4
