"""Measures of returned images, against scipy, numpy and closed forms."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.nn import functional

from convscope.learn.tasks.generative.measures import PrincipalComponents, checkerboard, median_filter, psnr
from convscope.worlds.datasets import digits


def test_psnr_is_its_formula():
    assert psnr(0.01) == pytest.approx(20)
    assert psnr(0.01, extent=10) == pytest.approx(40)
    assert psnr(0) == math.inf


@pytest.mark.parametrize("side", [3, 5])
def test_the_median_filter_is_scipys(side):
    images = torch.randn(3, 2, 9, 7, generator=torch.Generator().manual_seed(0))
    expected = [
        [ndimage.median_filter(channel.numpy(), side, mode="nearest") for channel in image]
        for image in images
    ]
    np.testing.assert_array_equal(median_filter(images, side).numpy(), np.array(expected))


def test_the_pattern_is_the_power_of_the_three_highest_frequencies():
    errors = torch.randn(4, 2, 8, 6, generator=torch.Generator().manual_seed(0))
    power = np.abs(np.fft.fft2(errors.double().numpy())) ** 2 / 48**2
    highest = power[..., 4, 0] + power[..., 0, 3] + power[..., 4, 3]
    pattern, whole = checkerboard(errors)
    assert pattern == pytest.approx(highest.sum())
    assert whole == pytest.approx(power.sum() - power[..., 0, 0].sum())


def test_white_noise_and_a_checkerboard_are_its_ends():
    noise = torch.randn(2000, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    pattern, whole = checkerboard(noise)
    assert pattern / whole == pytest.approx(3 / 783, rel=0.05)
    board = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(4, 4)[None, None]
    pattern, whole = checkerboard(board)
    assert pattern == pytest.approx(whole) == pytest.approx(1)


@pytest.mark.parametrize(("kernel", "counts"), [(2, {1}), (3, {1, 2, 4}), (4, {4})])
def test_kernels_overlap_evenly_where_their_side_is_a_multiple_of_the_stride(kernel, counts):
    """Inside, where no border is near: an all-ones kernel counts the products that are added up."""
    made = functional.conv_transpose2d(torch.ones(1, 1, 8, 8), torch.ones(1, 1, kernel, kernel), stride=2)
    inner = made[:, :, 4:12, 4:12]
    assert set(inner.flatten().tolist()) == counts
    pattern, whole = checkerboard(inner)
    assert (pattern > 0) == (kernel == 3)
    assert pattern == pytest.approx(whole)


def test_a_transposed_convolution_is_the_adjoint():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 3, 9, 9, generator=generator).double()
    y = torch.randn(1, 5, 5, 5, generator=generator).double()
    kernel = torch.randn(5, 3, 3, 3, generator=generator).double()
    forward = functional.conv2d(x, kernel, stride=2, padding=1)
    back = functional.conv_transpose2d(y, kernel, stride=2, padding=1)
    assert float((forward * y).sum()) == pytest.approx(float((x * back).sum()))


def test_principal_components_are_those_of_a_singular_value_decomposition():
    images = digits.train().images[:500, :, ::2, ::2].float() / 255
    held_out = digits.test().images[:20, :, ::2, ::2].float() / 255
    flat = images.flatten(1).double().numpy()
    _, _, axes = np.linalg.svd(flat - flat.mean(0), full_matrices=False)
    centred = held_out.flatten(1).double().numpy() - flat.mean(0)
    for count in (1, 10, 40):
        expected = flat.mean(0) + centred @ axes[:count].T @ axes[:count]
        found = PrincipalComponents(images, count).reconstruct(held_out)
        np.testing.assert_allclose(found.flatten(1).numpy(), expected, atol=1e-5)
