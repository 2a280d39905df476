import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from convscope.show.images.draw import (
    BLUE,
    ORANGE,
    data_uri,
    diverging,
    flatten_alpha,
    resized,
    upscale,
)
from convscope.worlds.images.render import grayscale_alpha


def test_ink_is_black_on_paper():
    opaque = np.asarray(flatten_alpha(grayscale_alpha(torch.tensor([[[0.0, 0.5, 1.0, 7.0]]]))))
    assert opaque[0, :, 0].tolist() == [255, 127, 0, 0]


def test_signs_have_their_own_hue_and_zero_is_paper():
    picture = np.asarray(diverging(np.array([[-2.0, 0.0, 1.0]])))
    assert tuple(picture[0, 0]) == (*BLUE, 255)
    assert picture[0, 1, 3] == 0
    assert tuple(picture[0, 2]) == (*ORANGE, 128)


def test_values_that_are_no_numbers_do_not_break_a_picture():
    assert np.asarray(diverging(np.array([[np.nan, 0.0]])))[..., 3].max() == 0


def test_an_address_holds_the_picture():
    picture = grayscale_alpha(np.eye(3))
    read = Image.open(io.BytesIO(base64.b64decode(data_uri(picture).partition(",")[2])))
    assert np.array_equal(np.asarray(read.convert("LA")), np.asarray(picture.convert("LA")))


def test_enlarging_repeats_pixels():
    big = np.asarray(upscale(Image.fromarray(np.array([[0, 255]], np.uint8)), 3))
    assert big.tolist() == [[0, 0, 0, 255, 255, 255]] * 3


@pytest.mark.parametrize("side", [56, 84, 100, 131])
def test_pixels_of_small_images_become_squares_of_one_size(side: int):
    """Compared with areas in floating point: the share of white in each column of an enlarged stripe."""
    stripes = Image.fromarray(np.tile(np.array([[0, 255]], np.uint8), (28, 14)))
    big = np.asarray(resized(stripes, (side, side)), dtype=float)
    fine = np.repeat(np.tile([0.0, 255.0], 14), side)  # each pixel `side` parts wide, each column 28 parts
    assert np.abs(big - fine.reshape(side, 28).mean(1)).max() <= 255 / 6


def test_photographs_are_scaled_smoothly():
    step = Image.fromarray(np.repeat(np.array([[0, 255]], np.uint8), 60, 1).repeat(120, 0))
    assert len(np.unique(np.asarray(resized(step, (240, 240))))) > 3
    assert len(np.unique(np.asarray(resized(step.resize((2, 2)), (240, 240))))) == 2
