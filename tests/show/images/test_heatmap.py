"""Heat and sentences against matplotlib's colours and pictures whose answer is known."""

import numpy as np
import pytest
from PIL import Image

from convscope.errors import UsageError
from convscope.show.images.heatmap import EMBER, colours, overlay, strip
from convscope.show.pages.explanation_text import share_of, where


def test_lightness_rises_evenly():
    linear = np.array(EMBER, float) / 255
    linear = np.where(linear > 0.04045, ((linear + 0.055) / 1.055) ** 2.4, linear / 12.92)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    lightness = np.where(luminance > 0.008856, 116 * np.cbrt(luminance) - 16, 903.3 * luminance)
    steps = np.diff(lightness)
    assert steps.min() > 0.7 * steps.mean()
    assert steps.max() < 1.3 * steps.mean()


def test_colours_pass_through_their_steps():
    assert np.allclose(colours(np.linspace(0, 1, 9, dtype=np.float32)), EMBER)


def test_the_hottest_place_is_the_lightest_and_signs_have_their_colours():
    photo, heat = Image.new("RGB", (20, 10), (128, 128, 128)), np.zeros((10, 20))
    heat[2, 3], heat[7, 15] = 1.0, -1.0
    plain = np.asarray(overlay(photo, heat, signed=False)).astype(int)
    assert tuple(np.unravel_index(plain.sum(-1).argmax(), (10, 20))) == (2, 3)
    both = np.asarray(overlay(photo, heat, signed=True)).astype(int)
    assert both[2, 3, 0] > both[2, 3, 2] + 100
    assert both[7, 15, 2] > both[7, 15, 0] + 100
    assert np.array_equal(both[0, 0], both[9, 0])
    assert np.isfinite(np.asarray(overlay(photo, heat * np.nan, signed=True))).all()
    with pytest.raises(UsageError):
        overlay(photo, heat[0], signed=True)


def test_a_signal_is_a_band():
    band = strip(np.linspace(-1, 1, 9), signed=True, height=10, width=90)
    assert band.size == (90, 10)
    pixels = np.asarray(band).astype(int)
    assert pixels[5, 2, 2] > pixels[5, 2, 0]
    assert pixels[5, 88, 0] > pixels[5, 88, 2]


def test_where_heat_lies_is_said_in_words():
    heat = np.zeros((90, 120))
    heat[:30, 80:] = 1
    assert where(heat).startswith("the top right of the picture: half of the heat lies on 5.6 %")
    assert where(np.zeros((9, 9))) == ""
    assert where(np.eye(9)).startswith("the middle of")
    assert share_of(0.0004) == "below 0.1 %"
    assert share_of(0.032) == "3.2 %"
    assert share_of(0.51) == "51 %"
