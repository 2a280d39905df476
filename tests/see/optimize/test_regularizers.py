import numpy as np
import torch
from scipy.ndimage import convolve1d

from convscope.see import blur_penalty, l1, l2, total_variation
from convscope.see.optimize.objectives.regularizers import binomial_blur


def test_penalties_against_numpy() -> None:
    x = torch.randn(3, 2, 7, 5, dtype=torch.float64)
    a = x.numpy()
    np.testing.assert_allclose(l1(0.5)({}, x), np.abs(a - 0.5).sum((1, 2, 3)))
    np.testing.assert_allclose(l2()({}, x), np.sqrt((a**2).sum((1, 2, 3))))
    tv = np.abs(np.diff(a, axis=2)).sum((1, 2, 3)) + np.abs(np.diff(a, axis=3)).sum((1, 2, 3))
    np.testing.assert_allclose(total_variation()({}, x), tv)
    kernel = [0.25, 0.5, 0.25]
    smooth = convolve1d(convolve1d(a, kernel, axis=2, mode="nearest"), kernel, axis=3, mode="nearest")
    np.testing.assert_allclose(binomial_blur(x), smooth)
    np.testing.assert_allclose(blur_penalty()({}, x), 0.5 * ((a - smooth) ** 2).sum((1, 2, 3)))


def test_penalties_in_one_dimension() -> None:
    x = torch.tensor([[[1.0, 3.0, 2.0]]])
    assert total_variation()({}, x).item() == 3.0
    torch.testing.assert_close(binomial_blur(x), torch.tensor([[[1.5, 2.25, 2.25]]]))


def test_the_norm_has_a_gradient_at_zero() -> None:
    x = torch.zeros(1, 1, 4, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(l2()({}, x).sum(), x)
    assert bool((gradient == 0).all())
