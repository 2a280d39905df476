"""Three channels are colours only where the spec says image: height and width."""

import pytest
import torch
from torch import nn

from convscope.graph import TensorSpec
from convscope.nets import wrap
from convscope.see import filters
from convscope.see.optimize.image_params.base import fft_image
from convscope.see.optimize.image_params.maco import maco_image, mean_magnitude, power_law
from convscope.show.images.input_image import kind
from convscope.worlds import render

SIGNAL, IMAGE = TensorSpec((3, 30)), TensorSpec((3, 24, 30))


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
    assert TensorSpec(shape).is_rgb is colour
    assert not TensorSpec(shape, kind="board").is_rgb


def test_channels_of_a_signal_stay_apart() -> None:
    """A spectrum of one channel alone makes that channel alone; of an image it makes a colour."""
    for spec, apart in ((SIGNAL, True), (IMAGE, False)):
        canvas = fft_image(spec, [0], start="zeros")
        with torch.no_grad():
            canvas.parameters[0][0, 0, ..., 1, :] = 3.0
        moved = (canvas.images()[0] - 0.5).abs().flatten(1).amax(1) > 1e-4
        assert bool(moved[0]) and bool(moved[1:].any()) is not apart


def test_a_signal_is_drawn_from_itself() -> None:
    """The round trip through a spectrum is exact with and without colour."""
    for spec in (SIGNAL, IMAGE):
        given = torch.rand(1, *spec.shape, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1
        torch.testing.assert_close(fft_image(spec, [0], start=given).images(), given, atol=1e-5, rtol=0)


def test_the_phases_of_a_signal_hold_each_channels_own_strength() -> None:
    laws = power_law(SIGNAL.shape, is_rgb=False)
    assert torch.equal(laws[0], laws[1]) and not torch.equal(*power_law(IMAGE.shape, is_rgb=True)[:2])
    signals = torch.rand(5, 3, 30, generator=torch.Generator().manual_seed(1)) * 0.9 + 0.05
    alone = torch.cat([mean_magnitude(signals[:, k : k + 1], is_rgb=False) for k in range(3)])
    torch.testing.assert_close(mean_magnitude(signals, is_rgb=False), alone)
    made = maco_image(SIGNAL, [0], photographs=signals).images()[0].logit()
    strength = torch.fft.rfft(made - made.mean(1, keepdim=True)).abs()
    ratio = strength[:, 1:15] / mean_magnitude(signals, is_rgb=False)[:, 1:15]
    torch.testing.assert_close(ratio / ratio[0, 0], torch.ones_like(ratio), atol=1e-3, rtol=0)


def test_a_signal_is_no_colour_picture() -> None:
    assert kind(SIGNAL) == "ink" and kind(IMAGE) == "photo"
    assert render(torch.rand(3, 30), SIGNAL).size == (30, 3)
    assert render(torch.rand(3, 24, 30), IMAGE).mode == "RGB"


def test_only_the_first_filters_over_an_image_are_in_colour() -> None:
    flat = wrap(nn.Sequential(nn.Conv1d(3, 4, 5), nn.ReLU()).eval(), SIGNAL)
    assert filters(flat, "0").pictures.dim() == 5
    deep = wrap(nn.Sequential(nn.Conv2d(3, 3, 3), nn.ReLU(), nn.Conv2d(3, 4, 3)).eval(), IMAGE)
    assert filters(deep, "0").pictures.shape == (3, 3, 3, 3)
    assert filters(deep, "2").pictures.shape == (4, 3, 1, 3, 3)
    assert filters(deep, "2", show="colour").pictures.shape == (4, 3, 3, 3)
