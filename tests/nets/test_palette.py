"""Palettes of paintings: colour statistics, the map between two, and low frequencies in the palette."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.ndimage import gaussian_filter

from convscope.errors import UsageError
from convscope.nets.style.bank import StyleBank, StyleBankConfig
from convscope.nets.style.palette import (
    MOST_GAIN,
    SIGMA,
    apply_colour_map,
    colour_map,
    colour_statistics,
    from_numbers,
    gaussian_blur,
    photo_statistics,
    to_numbers,
    with_palettes,
)


def image(seed: int, height: int = 40, width: int = 50) -> torch.Tensor:
    """Colours that vary together, in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.rand(3, 3, generator=generator)
    return ((mixing @ torch.rand(3, height * width, generator=generator)) / 3).view(3, height, width)


def test_a_map_gives_the_wanted_statistics_and_is_that_of_scipy() -> None:
    one, two = image(1), image(2)
    (_, own), (goal, wanted) = colour_statistics(one), colour_statistics(two)
    affine = colour_map(colour_statistics(one), (goal, wanted))
    mapped = colour_statistics(apply_colour_map(one.double(), affine))
    torch.testing.assert_close(mapped[0], goal)
    torch.testing.assert_close(mapped[1], wanted, atol=2e-4, rtol=0)  # what both have added
    root = sqrtm(own.numpy())
    expected = np.linalg.inv(root) @ sqrtm(root @ wanted.numpy() @ root) @ np.linalg.inv(root)
    np.testing.assert_allclose(affine[:, :3].numpy(), expected.real, atol=1e-8)


def test_a_foggy_photograph_does_not_become_noise() -> None:
    fog = 0.5 + 0.001 * image(3)
    free = colour_map(colour_statistics(fog), colour_statistics(image(2)))
    held = colour_map(colour_statistics(fog), colour_statistics(image(2)), MOST_GAIN)
    assert float(torch.linalg.eigvalsh(free[:, :3])[-1]) > MOST_GAIN
    assert float(torch.linalg.eigvalsh(held[:, :3])[-1]) == pytest.approx(MOST_GAIN)


def test_statistics_of_a_large_photograph_are_those_of_some_of_its_pixels() -> None:
    pixels = (255 * image(4, 1200, 1500)).to(torch.uint8)
    mean, covariance = photo_statistics(pixels)
    whole = colour_statistics(pixels.double() / 255)
    torch.testing.assert_close(mean, whole[0], atol=1e-3, rtol=0)
    torch.testing.assert_close(covariance, whole[1], atol=1e-3, rtol=0)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-3), (torch.bfloat16, 1e-2)])
def test_the_blur_is_that_of_scipy(dtype: torch.dtype, tolerance: float) -> None:
    x = torch.rand(1, 3, 37, 61, generator=torch.Generator().manual_seed(0)).to(dtype)
    expected = gaussian_filter(x[0].float().numpy(), (0, SIGMA, SIGMA), mode="nearest", truncate=3.1)
    np.testing.assert_allclose(
        gaussian_blur(x)[0].float().numpy(), expected, atol=1e-2 if dtype.itemsize < 4 else 2e-3
    )


def test_low_frequencies_are_the_palettes_and_strokes_the_networks() -> None:
    photo, affine = image(5)[None], colour_map(colour_statistics(image(5)), colour_statistics(image(6)))
    target = apply_colour_map(photo, affine)
    strokes = 0.1 * (torch.arange(40)[:, None] + torch.arange(50)).remainder(2).sub(0.5)
    dark = target + strokes - 0.3
    found = with_palettes(dark, photo, {"wave": 1.0}, {"wave": affine})
    inside = (..., slice(4, -4), slice(4, -4))  # edges are repeated, strokes are not
    torch.testing.assert_close(found[inside], (target + strokes)[inside], atol=5e-3, rtol=0)


def test_weights_mix_palettes_photograph_and_painted_colours() -> None:
    photo, painted = image(5)[None], torch.full((1, 3, 40, 50), 0.2)
    maps = {"wave": torch.cat([torch.zeros(3, 3), torch.full((3, 1), 0.8)], 1).double()}

    def middle(weights: dict[str, float]) -> float:
        return float(with_palettes(painted, 0 * photo + 0.4, weights, maps).mean())

    assert middle({}) == pytest.approx(0.4)
    assert middle({"wave": 0.25}) == pytest.approx(0.75 * 0.4 + 0.25 * 0.8)
    assert middle({"wave": 2.0}) == pytest.approx(0.8)
    assert middle({"wave": 0.5, "unknown": 0.5}) == pytest.approx(0.5 * 0.8 + 0.5 * 0.2)
    halves = torch.zeros(1, 1, 40, 50)
    halves[..., 25:] = 1
    found = with_palettes(painted, 0 * photo + 0.4, {"wave": halves}, maps)
    assert float(found[..., 0].mean()) == pytest.approx(0.4) and float(
        found[..., -1].mean()
    ) == pytest.approx(0.8)


def test_palettes_are_saved_with_the_network_and_hostile_ones_are_refused() -> None:
    bank = StyleBank(StyleBankConfig(("wave", "scream"), width=4, after=1))
    assert bank.colour_maps(colour_statistics(image(1))) == {}
    bank.set_palette("wave", image(2))
    again = StyleBank.of(bank.options)
    assert again.form == bank.form and again.with_style("hat").form.palettes == bank.form.palettes
    (mean, covariance), (wanted, spread) = (
        from_numbers(to_numbers(colour_statistics(image(2)))),
        colour_statistics(image(2)),
    )
    torch.testing.assert_close(mean, wanted, atol=1e-6, rtol=0)
    torch.testing.assert_close(covariance, spread, atol=1e-6, rtol=0)
    good = list(bank.form.palettes["wave"])
    for palettes in (
        {"hat": good},
        {"wave": good[:-1]},
        {"wave": [float("nan"), *good[1:]]},
        {"wave": [-1.0, *good[1:]]},
        {"wave": []},
    ):
        with pytest.raises(UsageError):
            StyleBank.of({**bank.options, "palettes": palettes})
