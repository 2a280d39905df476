import numpy as np
import pytest
import torch
from PIL import Image

from convscope.errors import UsageError
from convscope.graph.spec import TensorSpec
from convscope.worlds.images.adapt import to_spec


@pytest.fixture
def colour():
    smooth = np.fromfunction(lambda y, x, c: 3 * y + 2 * x + 20 * c, (40, 48, 3)).astype(np.uint8)
    return smooth, torch.from_numpy(smooth).permute(2, 0, 1)[None].contiguous()


def test_digits_are_framed_for_lenet_with_the_low_end():
    digit = torch.full((2, 1, 28, 28), 255, dtype=torch.uint8)
    framed = to_spec(digit, TensorSpec((1, 32, 32), value_range=(-0.1, 1.175)))
    assert framed.shape == (2, 1, 32, 32)
    assert torch.allclose(framed[:, :, 2:30, 2:30], torch.tensor(1.175))
    assert torch.allclose(framed[:, :, :2], torch.tensor(-0.1))
    assert torch.allclose(framed[..., 30:], torch.tensor(-0.1))


def test_an_uneven_frame_keeps_every_pixel():
    digit = torch.full((1, 1, 29, 31), 255, dtype=torch.uint8)
    framed = to_spec(digit, TensorSpec((1, 32, 33)))
    assert framed.shape == (1, 1, 32, 33)
    assert framed.sum() == 29 * 31


def test_luminance_is_pils(colour):
    picture, tensor = colour
    grey = to_spec(tensor, TensorSpec((1, 40, 48)))
    expected = np.asarray(Image.fromarray(picture).convert("L"))
    assert np.abs(grey[0, 0].numpy() * 255 - expected).max() <= 1


def test_grey_is_repeated():
    grey = torch.arange(64, dtype=torch.uint8).view(1, 1, 8, 8)
    three = to_spec(grey, TensorSpec((3, 8, 8)))
    assert torch.equal(three, (grey.float() / 255).expand(1, 3, 8, 8))


@pytest.mark.parametrize("size", [(24, 20), (96, 96), (40, 100)])
def test_other_sizes_are_resized_as_pil_does(colour, size):
    picture, tensor = colour
    resized = to_spec(tensor, TensorSpec((3, *size)))
    expected = np.asarray(Image.fromarray(picture).resize(size[::-1], Image.Resampling.BILINEAR))
    assert np.abs(resized[0].permute(1, 2, 0).numpy() * 255 - expected).max() < 2


def test_a_plain_vector_takes_as_many_numbers(colour):
    vector = to_spec(colour[1], TensorSpec((3 * 40 * 48,)))
    assert torch.equal(vector, colour[1].flatten(1).float() / 255)
    for spec in (TensorSpec((100,)), TensorSpec((3, 40))):
        with pytest.raises(UsageError, match="pictures of 3x40x48"):
            to_spec(colour[1], spec)


def test_no_way_from_three_channels_to_five(colour):
    with pytest.raises(UsageError, match="5 channel"):
        to_spec(colour[1], TensorSpec((5, 40, 48)))
