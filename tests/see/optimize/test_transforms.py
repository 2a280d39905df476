import numpy as np
import pytest
import torch
from scipy.ndimage import rotate as scipy_rotate
from torch import Generator, Tensor

from convscope.errors import UsageError
from convscope.see.optimize.transforms import (
    Fit,
    Jitter,
    Pad,
    Rotate,
    Scale,
    apply_transforms,
    lucid_transforms,
    translations,
)


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


@pytest.fixture
def image() -> Tensor:
    return torch.rand(2, 3, 20, 33, generator=seeded(1))


def test_pad_and_fit(image: Tensor) -> None:
    padded = Pad(4, 0.5)(image, seeded())
    assert padded.shape == (2, 3, 28, 41) and bool((padded[..., :4, :] == 0.5).all())
    assert torch.equal(padded[..., 4:-4, 4:-4], image)
    assert torch.equal(Fit((20, 33))(padded, seeded()), image)
    assert Fit((25, 12))(image, seeded()).shape == (2, 3, 25, 12)


def test_jitter_cuts_every_place_evenly() -> None:
    ramp = torch.arange(12.0).view(1, 1, 1, 12).expand(1, 1, 9, 12)
    chance, seen = seeded(), set()
    for _ in range(200):
        part = Jitter(4)(ramp, chance)
        assert part.shape == (1, 1, 5, 8)
        seen.add(int(part[0, 0, 0, 0]))
    assert seen == {0, 1, 2, 3, 4}
    with pytest.raises(UsageError, match="12"):
        Jitter(12)(ramp, chance)


@pytest.mark.parametrize("degrees", [10.0, -30.0, 90.0])
def test_rotation_of_an_image_that_is_not_square_against_scipy(degrees: float) -> None:
    """A rotation measured in shares of height and width would shear; pixels are what counts."""
    image = torch.zeros(1, 1, 24, 40)
    image[0, 0, 8:16, 12:28] = 1
    image[0, 0, 9:12, 13:16] = 0.3
    turned = Rotate((degrees,), value=0.0)(image, seeded())[0, 0].numpy()
    expected = scipy_rotate(image[0, 0].numpy(), degrees, order=1, reshape=False, mode="grid-constant")
    np.testing.assert_allclose(turned, expected, atol=1e-4)


def test_rotation_fills_in_with_its_value() -> None:
    turned = Rotate((45.0,), value=0.25)(torch.full((1, 1, 9, 9), 0.25), seeded())
    torch.testing.assert_close(turned, torch.full((1, 1, 9, 9), 0.25))


def test_scale(image: Tensor) -> None:
    assert Scale((0.5,))(image, seeded()).shape == (2, 3, 10, 16)
    flat = Scale((1.3,))(torch.full((1, 1, 10, 20), 0.7), seeded())
    torch.testing.assert_close(flat, torch.full((1, 1, 13, 26), 0.7))


def test_signals_in_one_dimension() -> None:
    signal = torch.rand(2, 4, 50)
    out = apply_transforms(signal, lucid_transforms(), seeded())
    assert out.dim() == 3 and out.shape[:2] == (2, 4)
    assert apply_transforms(signal, translations((50,), 3, 0.5), seeded()).shape == signal.shape


@pytest.mark.parametrize("transforms", [lucid_transforms(), translations((20, 33), 2, 0.5)])
def test_draws_are_the_generators_alone(image: Tensor, transforms) -> None:
    """The same for every image, whatever it shares its batch with; and repeatable."""
    batch = apply_transforms(image, transforms, seeded(7))
    for i in range(2):
        torch.testing.assert_close(apply_transforms(image[i : i + 1], transforms, seeded(7))[0], batch[i])
    before = torch.get_rng_state()
    apply_transforms(image, transforms, seeded(8))
    assert torch.equal(before, torch.get_rng_state())


def test_draws_differ(image: Tensor) -> None:
    chance = seeded()
    a, b = (apply_transforms(image, translations((20, 33), 3, 0.5), chance) for _ in range(2))
    assert a.shape == b.shape == image.shape and not torch.equal(a, b)


def test_gradients_reach_the_image(image: Tensor) -> None:
    image.requires_grad_()
    (gradient,) = torch.autograd.grad(apply_transforms(image, lucid_transforms(), seeded(3)).sum(), image)
    assert float((gradient != 0).float().mean()) > 0.9
