"""Heat and sentences against matplotlib's colours, scipy's splines and pictures whose answer is known."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from convscope.errors import UsageError
from convscope.show.images.heatmap import EMBER, colours, enlarged, layer, overlay, strip
from convscope.show.pages.explanation.text import share_of, where


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


@pytest.mark.parametrize(("cells", "size"), [((7, 7), (224, 224)), ((3, 5), (31, 64)), ((11,), (40,))])
def test_a_coarse_map_is_enlarged_by_the_splines_of_scipy(cells, size):
    coarse = np.random.default_rng(0).normal(size=cells)
    times = [extent / n for extent, n in zip(size, cells, strict=True)]
    settings = {"order": 3, "prefilter": False, "mode": "nearest", "grid_mode": True}
    assert np.allclose(enlarged(coarse, size), ndimage.zoom(coarse, times, **settings), atol=1e-5)


def test_an_enlarged_map_has_no_creases_and_does_not_ring():
    """Linear interpolation bends at the centres of cells alone, all at once; a spline everywhere a little."""
    coarse = np.random.default_rng(1).random((7, 7)).astype(np.float32)
    drawn = enlarged(coarse, (224, 224))
    linear = torch.nn.functional.interpolate(torch.tensor(coarse)[None, None], (224, 224), mode="bilinear")
    for axis in (0, 1):
        bends = [np.abs(np.diff(values, 2, axis=axis)).max() for values in (drawn, linear[0, 0].numpy())]
        assert bends[0] < 0.1 * bends[1]
    assert coarse.min() <= drawn.min() and drawn.max() <= coarse.max()
    assert np.allclose(enlarged(np.full((3, 4), 2.5), (9, 16)), 2.5)
    assert np.array_equal(enlarged(coarse, (7, 7)), coarse)


@pytest.mark.parametrize("at", [(0, 0), (3, 3), (6, 2)])
def test_the_peak_of_an_enlarged_map_stays_in_its_cell(at):
    y, x = np.mgrid[:7, :7]
    spot = np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / 4)
    drawn = enlarged(spot, (224, 224))
    peak = np.unravel_index(drawn.argmax(), drawn.shape)
    assert tuple(int(k) // 32 for k in peak) == at


def test_a_map_of_more_cells_than_positions_is_refused():
    for shape in ((8, 8), (4,)):
        with pytest.raises(UsageError, match="at most 7x7 cells"):
            enlarged(np.zeros(shape), (7, 7))


def test_a_signal_is_a_band():
    band = strip(np.linspace(-1, 1, 9), signed=True, height=10, width=90)
    assert band.size == (90, 10)
    pixels = np.asarray(band).astype(int)
    assert pixels[5, 2, 2] > pixels[5, 2, 0]
    assert pixels[5, 88, 0] > pixels[5, 88, 2]


def test_where_heat_lies_is_said_in_words():
    heat = np.zeros((90, 120))
    heat[:30, 80:] = 1
    place = "at the top right of the picture, on 5.6% of it"
    assert where(heat)["en"] == f"half of the positive attribution lies in one area, {place}"
    assert "右上" in where(heat)["zh"]
    assert where(np.zeros((9, 9))) is None
    assert "one area, at the middle" in where(np.eye(9))["en"]
    assert share_of(0.0004) == "< 0.1%"
    assert share_of(0.032) == "3.2%"
    assert share_of(0.51) == "51%"


def test_separate_spots_are_no_middle():
    heat = np.zeros((84, 84))
    for y, x in ((8, 8), (8, 70), (70, 40)):
        heat[y : y + 6, x : x + 6] = 1
    said = where(heat)["en"]
    assert "3 separate areas (top left, top right, bottom centre)" in said and "middle" not in said
    heat[::12, ::12] = 1.5  # one cell each: together more than the spots
    assert "scattered" in where(heat)["en"]
    noise = np.zeros((84, 84))
    noise[::12, ::12] = 1
    assert "scattered over many small areas" in where(noise)["en"]


def test_a_layer_over_grey_is_the_overlay():
    rng = np.random.default_rng(0)
    photo = Image.fromarray(rng.integers(0, 255, (20, 30, 3), dtype=np.uint8))
    heat = rng.normal(size=(20, 30))
    veil = np.asarray(layer(heat, signed=True), np.float32)
    below = 255 - 0.62 * (255 - np.asarray(photo.convert("L"), np.float32))
    share = veil[..., 3:] / 255
    wanted = below[..., None] * (1 - share) + veil[..., :3] * share
    assert np.abs(np.asarray(overlay(photo, heat, signed=True), np.float32) - wanted).max() <= 0.5
