"""Three channels are colours only where the contract says image: height and width."""

import pytest
import torch
from torch import nn

from convscope.graph import InputContract
from convscope.graph.contract import is_rgb
from convscope.nets import wrap
from convscope.see import filters
from convscope.see.optimize.image_params.base import fft_image
from convscope.see.optimize.image_params.maco import maco_image, mean_magnitude, power_law
from convscope.show.images.input_image import image_of, kind

SIGNAL, IMAGE = InputContract(3, width=30), InputContract(3, 24, 30)


@pytest.mark.parametrize(
    ("shape", "colour"),
    [
        ((3, 8, 8), True),
        ((3, 1, 8), True),
        ((3, 8), False),
        ((3,), False),
        ((1, 8, 8), False),
        ((4, 8, 8), False),
    ],
)
def test_the_rule(shape, colour) -> None:
    names = dict(zip(("channels", *(("height", "width")[3 - len(shape) :])), shape, strict=True))
    assert is_rgb(shape) is InputContract(**names).is_rgb is colour


def test_channels_of_a_signal_stay_apart() -> None:
    """A spectrum of one channel alone makes that channel alone; of an image it makes a colour."""
    for contract, apart in ((SIGNAL, True), (IMAGE, False)):
        canvas = fft_image(contract, [0], start="zeros")
        with torch.no_grad():
            canvas.parameters[0][0, 0, ..., 1, :] = 3.0
        moved = (canvas.images()[0] - 0.5).abs().flatten(1).amax(1) > 1e-4
        assert bool(moved[0]) and bool(moved[1:].any()) is not apart


def test_a_signal_is_drawn_from_itself() -> None:
    """The round trip through a spectrum is exact with and without colour."""
    for contract in (SIGNAL, IMAGE):
        given = torch.rand(1, *contract.shape, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1
        torch.testing.assert_close(fft_image(contract, [0], start=given).images(), given, atol=1e-5, rtol=0)


def test_the_phases_of_a_signal_hold_each_channels_own_strength() -> None:
    laws = power_law(SIGNAL.shape)
    assert torch.equal(laws[0], laws[1]) and not torch.equal(*power_law(IMAGE.shape)[:2])
    signals = torch.rand(5, 3, 30, generator=torch.Generator().manual_seed(1)) * 0.9 + 0.05
    alone = torch.cat([mean_magnitude(signals[:, k : k + 1]) for k in range(3)])
    torch.testing.assert_close(mean_magnitude(signals), alone)
    made = maco_image(SIGNAL, [0], photographs=signals).images()[0].logit()
    strength = torch.fft.rfft(made - made.mean(1, keepdim=True)).abs()
    ratio = strength[:, 1:15] / mean_magnitude(signals)[:, 1:15]
    torch.testing.assert_close(ratio / ratio[0, 0], torch.ones_like(ratio), atol=1e-3, rtol=0)


def test_a_signal_is_no_colour_picture() -> None:
    assert kind(SIGNAL) == "ink" and kind(IMAGE) == "photo"
    assert image_of(torch.rand(3, 30), SIGNAL).size == (30, 3)
    assert image_of(torch.rand(3, 24, 30), IMAGE).mode == "RGB"


def test_only_the_first_filters_over_an_image_are_in_colour() -> None:
    flat = wrap(nn.Sequential(nn.Conv1d(3, 4, 5), nn.ReLU()).eval(), SIGNAL)
    assert filters(flat, "0").pictures.dim() == 5
    deep = wrap(nn.Sequential(nn.Conv2d(3, 3, 3), nn.ReLU(), nn.Conv2d(3, 4, 3)).eval(), IMAGE)
    assert filters(deep, "0").pictures.shape == (3, 3, 3, 3)
    assert filters(deep, "2").pictures.shape == (4, 3, 1, 3, 3)
    assert filters(deep, "2", show="colour").pictures.shape == (4, 3, 3, 3)
