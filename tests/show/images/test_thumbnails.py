"""Sheets of thumbnails, pixel by pixel, against means that NumPy takes."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from convscope import see
from convscope.graph.spec import TensorSpec
from convscope.nets import load, wrap
from convscope.show.images import thumbnails
from convscope.show.images.thumbnails import ThumbnailLevel, iter_thumbnail_sheets, thumbnail_levels
from convscope.worlds import ImageTensorDataset
from convscope.worlds.datasets import digits


def tile(sheet: np.ndarray, number: int, side: int, columns: int) -> np.ndarray:
    row, column = divmod(number, columns)
    return sheet[row * side : (row + 1) * side, column * side : (column + 1) * side]


def ink(pixels: np.ndarray) -> Image.Image:
    made = Image.new("LA", pixels.shape[::-1])
    made.putalpha(Image.fromarray(pixels))
    return made


def test_sheets_of_ink_decode_to_the_pixels_and_their_means() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (11, 28, 28), dtype=np.uint8)
    levels = (ThumbnailLevel(28, 2, 3), ThumbnailLevel(14, 3, 2), ThumbnailLevel(7, 32, 1))
    sheets = list(iter_thumbnail_sheets(map(ink, pixels), levels, ink=True))
    assert [(s.side, s.number) for s in sheets] == [(28, 0), (28, 1), (14, 0), (28, 2), (14, 1), (7, 0)]
    decoded = {
        (sheet.side, sheet.number): np.asarray(Image.open(io.BytesIO(sheet.encoded()))) for sheet in sheets
    }
    assert all(picture.ndim == 2 for picture in decoded.values())  # grey: the amount of ink
    for number, wanted in enumerate(pixels):
        assert np.array_equal(tile(decoded[28, number // 4], number % 4, 28, 2), wanted)
        for side, columns in ((14, 3), (7, 32)):
            factor = 28 // side
            means = wanted.reshape(side, factor, side, factor).astype(float).mean((1, 3))
            found = tile(decoded[side, number // columns**2], number % columns**2, side, columns)
            assert np.abs(found - means).max() <= 1
    assert decoded[28, 2].shape == (2 * 28, 2 * 28)  # three thumbnails in two rows: no more rows than needed


def test_sheets_of_colours_decode_to_about_the_pixels() -> None:
    """Smooth pictures, which lossy WebP keeps."""
    ramp = np.linspace(0, 255, 32)
    pictures = [
        Image.fromarray(
            np.stack([ramp[:, None] + 0 * ramp, 0 * ramp[:, None] + ramp, full], -1).astype(np.uint8)
        )
        for full in (np.full((32, 32), 30.0), np.full((32, 32), 220.0))
    ]
    levels = (ThumbnailLevel(32, 2, 1), ThumbnailLevel(16, 2, 1))
    large, small = iter_thumbnail_sheets(pictures, levels, ink=False)
    picture = Image.open(io.BytesIO(large.encoded()))
    assert picture.format == "WEBP" and picture.mode == "RGB" and picture.size == (64, 32)
    for number, wanted in enumerate(pictures):
        found = tile(np.asarray(picture).astype(float), number, 32, 2)
        assert np.abs(found - np.asarray(wanted)).mean() < 4
        means = np.asarray(wanted).reshape(16, 2, 16, 2, 3).astype(float).mean((1, 3))
        assert np.abs(tile(np.asarray(small.image).astype(float), number, 16, 2) - means).max() <= 1


def test_a_picture_that_is_not_square_has_a_margin() -> None:
    wide = thumbnails.thumbnail(ink(np.full((10, 20), 200, np.uint8)), 20, ink=True)
    amounts = np.asarray(wide)
    assert amounts.shape == (20, 20) and (amounts[5:15] == 200).all() and not amounts[:5].any()


@pytest.mark.parametrize(
    ("count", "longest"), [(16, 28), (10_000, 28), (500, 224), (10_000, 224), (100_000, 224)]
)
def test_sizes_fit_pictures_and_memory(count: int, longest: int) -> None:
    levels = thumbnail_levels(count, longest)
    sides = [level.side for level in levels]
    assert sides[0] <= longest and len(sides) == 3 and sides == sorted(sides, reverse=True)
    assert count * sides[0] ** 2 <= max(thumbnails.MOST_PIXELS, count * thumbnails.SIDES[-1] ** 2)
    for level in levels:
        assert level.sheets * level.per_sheet >= count > (level.sheets - 1) * level.per_sheet
        assert level.columns * level.side <= thumbnails.SHEET
    if longest == 28:
        assert sides == [28, 14, 7]


def test_the_map_has_every_input_at_its_place_in_the_colour_of_its_class() -> None:
    data = digits.test().take(range(40))
    found = see.embed_inputs(load("digits"), "relu3", data, layout="pca")
    sheet = np.asarray(thumbnails.map_sheet(found).convert("RGB")).astype(int)
    paper, ground = np.array(thumbnails.WHITE), sheet[2, 2]
    assert sheet.shape[0] >= thumbnails.MAP and not np.array_equal(paper, ground)
    coloured = np.ptp(sheet, -1) > 40
    assert coloured.mean() > 0.005
    order = thumbnails.by_class(found)
    assert sorted(order) == list(range(40)) and found.labels[order].tolist() == sorted(found.labels.tolist())


def test_an_embedding_shows_and_saves_its_map(tmp_path) -> None:
    images = torch.randint(
        0, 256, (20, 3, 12, 12), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    module = torch.nn.Sequential()
    module.add_module("conv1", torch.nn.Conv2d(3, 4, 3))
    data = ImageTensorDataset(images, torch.arange(20) % 2, ("a", "b"), TensorSpec((3, 12, 12)))
    found = see.embed_inputs(wrap(module, TensorSpec((3, 12, 12))), "conv1", data, layout="pca")
    assert "InputEmbedding" in repr(found) and "<img" in found._repr_html_()
    with Image.open(found.save(tmp_path / "map.png")) as saved:
        assert saved.width > thumbnails.MAP
