"""Gram matrices and losses against closed forms, plain loops and the formulas of another program."""

import numpy as np
import pytest
import torch

from convscope.nets.style.losses import (
    DEVIATION_SHARE,
    content_loss,
    correlation_loss,
    gram,
    moments,
    style_loss,
)


@pytest.fixture
def chance() -> torch.Generator:
    return torch.Generator().manual_seed(4)


def gatys(features: np.ndarray) -> np.ndarray:
    """G_ij = sum over k of F_ik F_jk, written out."""
    maps = features.reshape(len(features), -1)
    return np.array([[sum(a * b for a, b in zip(x, y, strict=True)) for y in maps] for x in maps])


def test_a_gram_is_gatys_over_the_number_of_positions(chance):
    features = torch.randn(2, 3, 4, 5, generator=chance, dtype=torch.float64)
    for found, maps in zip(gram(features), features.numpy(), strict=True):
        np.testing.assert_allclose(found.numpy(), gatys(maps) / 20, rtol=1e-12)


def test_style_is_gatys_e_once(chance):
    here, there = torch.randn(2, 5, 6, 7, generator=chance, dtype=torch.float64)
    expected = ((gatys(here.numpy()) - gatys(there.numpy())) ** 2).sum() / (4 * 5**2 * 42**2)
    found = style_loss(gram(here[None]), gram(there[None]))
    assert found.item() == pytest.approx(expected, rel=1e-12)


def test_the_gradient_is_the_closed_form(chance):
    here = torch.randn(1, 5, 6, 7, generator=chance, dtype=torch.float64, requires_grad=True)
    there = torch.randn(1, 5, 6, 7, generator=chance, dtype=torch.float64)
    (found,) = torch.autograd.grad(style_loss(gram(here), gram(there)).sum(), here)
    flat = here.detach().numpy().reshape(5, 42)
    difference = gatys(here.detach().numpy()[0]) - gatys(there.numpy()[0])
    expected = difference @ flat / (5**2 * 42**2)
    np.testing.assert_allclose(found.numpy().reshape(5, 42), expected, rtol=1e-10, atol=1e-15)


def test_gradients_are_those_of_differences(chance):
    """Of Grams, and their slopes' too, whole and weighted by positions."""
    features = torch.randn(2, 3, 2, 4, generator=chance, dtype=torch.float64, requires_grad=True)
    weights = torch.rand(2, 4, generator=chance, dtype=torch.float64)
    for shares in (None, weights):
        assert torch.autograd.gradcheck(lambda x, w=shares: gram(x, w), features)
        assert torch.autograd.gradgradcheck(lambda x, w=shares: gram(x, w), features)


def test_style_forgets_where_content_does_not(chance):
    features = torch.randn(1, 6, 8, 9, generator=chance, dtype=torch.float64)
    shuffled = features.flatten(2)[..., torch.randperm(72, generator=chance)].view_as(features)
    assert style_loss(gram(shuffled), gram(features)).item() < 1e-25
    assert content_loss(shuffled, features).item() > 0.5


def test_losses_are_neural_styles_up_to_its_scaling(chance):
    """Of neural-style 0.5.7: MSE of Grams over C H W, for style; MSE of features, for content."""
    here, there = torch.randn(2, 1, 5, 6, 7, generator=chance, dtype=torch.float64)

    def its_gram(x):
        flat = x.view(5, 42)
        return torch.mm(flat, flat.t()) / x.nelement()

    its_style = torch.nn.MSELoss()(its_gram(here), its_gram(there)).item()
    assert style_loss(gram(here), gram(there)).item() * 4 / 5**2 == pytest.approx(its_style, rel=1e-12)
    its_content = torch.nn.MSELoss()(here, there).item()
    assert content_loss(here, there).item() == pytest.approx(its_content, rel=1e-12)


def standardised(here: np.ndarray, style: np.ndarray) -> np.ndarray:
    """Channels in units of the style's deviations from its means, written out."""
    spread = style.std(1, keepdims=True)
    return (here - style.mean(1, keepdims=True)) / (spread + DEVIATION_SHARE * spread.mean())


def test_correlations_are_compared_as_numpy_finds_them_position_by_position(chance):
    here = torch.randn(2, 5, 6, 7, generator=chance, dtype=torch.float64).relu()
    there = (torch.randn(1, 5, 3, 8, generator=chance, dtype=torch.float64) * 2 + 3).relu()
    style = there.numpy().reshape(5, 24)
    goal = standardised(style, style) @ standardised(style, style).T / 24
    for found, maps in zip(correlation_loss(moments(here), moments(there)), here.numpy(), strict=True):
        units = standardised(maps.reshape(5, 42), style)
        apart = ((units @ units.T / 42 - goal) ** 2).sum() / (goal**2).sum()
        assert found.item() == pytest.approx(apart + (units.mean(1) ** 2).mean(), rel=1e-10)


def test_the_style_has_no_distance_from_itself_and_its_means_alone_have_one(chance):
    style = torch.randn(1, 5, 6, 7, generator=chance, dtype=torch.float64) + 4
    shuffled = style.flatten(2)[..., torch.randperm(42, generator=chance)].view_as(style)
    assert correlation_loss(moments(shuffled), moments(style)).item() < 1e-20
    even = style.mean((2, 3), keepdim=True).expand_as(style)
    assert correlation_loss(moments(even), moments(style)).item() == pytest.approx(1)
    assert style_loss(gram(even), gram(style)) / style_loss(0 * gram(style), gram(style)) < 0.01


def test_a_style_without_variation_gives_finite_losses():
    flat = torch.full((1, 4, 5, 5), 3.0)
    for style in (flat, 0 * flat):
        assert correlation_loss(moments(style), moments(style)).item() < 1e-3
        assert torch.isfinite(correlation_loss(moments(torch.rand(1, 4, 5, 5)), moments(style))).all()


def test_moments_are_a_gram_and_means_with_their_gradients(chance):
    features = torch.randn(2, 3, 2, 4, generator=chance, dtype=torch.float64, requires_grad=True)
    weights = torch.rand(2, 4, generator=chance, dtype=torch.float64)
    for shares in (None, weights):
        found = moments(features, shares)
        torch.testing.assert_close(found[..., :-1], gram(features, shares))
        even = torch.ones(2, 4, dtype=torch.float64) if shares is None else shares
        torch.testing.assert_close(found[..., -1], (features * even).sum((2, 3)) / even.sum())
        assert torch.autograd.gradcheck(lambda x, w=shares: moments(x, w), features)
        assert torch.autograd.gradgradcheck(lambda x, w=shares: moments(x, w), features)


def test_weights_choose_positions(chance):
    features = torch.randn(2, 3, 4, 6, generator=chance, dtype=torch.float64)
    left = torch.zeros(4, 6, dtype=torch.float64)
    left[:, :2] = 1
    torch.testing.assert_close(gram(features, left), gram(features[..., :2]))
    torch.testing.assert_close(gram(features, torch.full((4, 6), 3.0)), gram(features))
    assert not gram(features, torch.zeros(4, 6)).any()


def test_pictures_of_different_sizes_compare(chance):
    small = torch.randn(1, 4, 3, 3, generator=chance, dtype=torch.float64)
    assert style_loss(gram(small.repeat(1, 1, 2, 3)), gram(small)).item() < 1e-25


def test_a_gram_made_under_autocast_has_its_gradient_outside():
    features = torch.rand(1, 4, 5, 6, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        made = gram(features).float().square().sum()
    (slope,) = torch.autograd.grad(made, features)
    (wanted,) = torch.autograd.grad(gram(features).square().sum(), features)
    torch.testing.assert_close(slope, wanted, rtol=2e-2, atol=1e-2)
