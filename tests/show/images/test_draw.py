import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from convscope.errors import UsageError
from convscope.show.images.draw import (
    BLUE,
    ORANGE,
    data_uri,
    diverging,
    flatten_alpha,
    grid,
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


def test_a_sheet_holds_every_picture_where_its_label_is():
    tiles = [Image.new("RGB", (4, 4), (i * 20, 0, 0)) for i in range(7)]
    sheet = np.asarray(grid(tiles, [str(i) for i in range(7)], columns=3, side=20))
    colours = {tuple(c) for c in sheet.reshape(-1, 3)}
    assert all((i * 20, 0, 0) in colours for i in range(7))
    assert sheet.shape[0] == 3 * (20 + 8 + 18) + 8


def test_enlarging_repeats_pixels():
    big = np.asarray(upscale(Image.fromarray(np.array([[0, 255]], np.uint8)), 3))
    assert big.tolist() == [[0, 0, 0, 255, 255, 255]] * 3


def test_a_sheet_needs_pictures_and_fitting_labels():
    with pytest.raises(UsageError):
        grid([])
    with pytest.raises(UsageError):
        grid([Image.new("L", (1, 1))], ["a", "b"])


def test_a_long_label_takes_two_lines_and_none_is_cut_at_the_edge():
    pictures = [grayscale_alpha(np.eye(28)) for _ in range(2)]
    short = grid(pictures, ["conv2:3", "conv2:4"])
    long = grid(pictures, ["conv2:3", "conv2:3 - 0.3*conv2:7"])
    assert long.width == short.width
    assert long.height == short.height + 13
    broken = np.asarray(grid(pictures, ["", "w" * 80]))
    rim = broken[-20:, -8:]  # nothing is written on the margin
    assert (rim == broken[0, 0]).all()
