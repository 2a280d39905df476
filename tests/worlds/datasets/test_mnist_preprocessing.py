import numpy as np
import pytest
import torch
from PIL import Image

from convscope.errors import DataError
from convscope.worlds.datasets import digits

DIGITS = digits.test().take(range(0, 2000, 10))
PAPER, INK = 235.0, 40.0


def photograph(
    digit: torch.Tensor, *, side=300, scale=8, light=0.0, noise=0.0, invert=False, at=(20, 45)
) -> Image.Image:
    """A digit as it looks on paper: enlarged, off centre, dark on light, under uneven light."""
    ink = np.asarray(Image.fromarray(digit.numpy()).resize((28 * scale,) * 2, Image.Resampling.BICUBIC)) / 255
    sheet = np.zeros((side, side + 60))
    sheet[at[0] : at[0] + ink.shape[0], at[1] : at[1] + ink.shape[1]] = ink
    levels = PAPER - (PAPER - INK) * sheet
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : (side + 60) * 1j]
    levels = levels * (1 - light * (0.3 * x + 0.2 * y + 0.2 * x * x + 0.3))
    levels += np.random.default_rng(0).normal(0, noise, levels.shape) if noise else 0
    levels = 255 - levels if invert else levels
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))


def found_again(pictures: list[Image.Image]) -> float:
    """Share of photographs whose nearest digit, of 200, is the one that was photographed."""
    seen = torch.stack([digits.to_tensor(picture) for picture in pictures]).flatten(1)
    truth = DIGITS.images[: len(pictures)].flatten(1) / 255
    return float(
        (torch.cdist(seen, DIGITS.images.flatten(1) / 255).argmin(1) == torch.arange(len(truth)))
        .float()
        .mean()
    )


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"invert": True},
        {"light": 0.8},
        {"noise": 6.0},
        {"light": 0.5, "noise": 4.0, "side": 700, "scale": 20},
        {"side": 1200, "scale": 6, "at": (900, 60)},
    ],
    ids=str,
)
def test_photographed_digits_are_found_again(how):
    assert found_again([photograph(image[0], **how) for image in DIGITS.images[:20]]) >= 0.85


def test_in_the_manner_of_mnist():
    for image in DIGITS.images[:20]:
        tensor = digits.to_tensor(photograph(image[0]))
        assert tensor.shape == (1, 28, 28) and tensor.dtype == torch.float32
        assert tensor.min() == 0 and 0.9 < tensor.max() <= 1
        drawn = tensor[0] > 0
        assert max(drawn.any(0).sum(), drawn.any(1).sum()) <= 20
        y, x = (tensor[0].sum(axis) @ torch.arange(28.0) / tensor.sum() for axis in (1, 0))
        reach = [drawn.any(axis).nonzero() for axis in (1, 0)]
        for middle, ends in ((y, reach[0]), (x, reach[1])):
            assert abs(middle - 14) <= 0.51 or ends.min() == 0 or ends.max() == 27


def test_mnist_itself_is_centred_like_this():
    """The centre that is aimed at is the one MNIST has."""
    ink = digits.train().images[:, 0].double()
    for axis in (1, 2):
        middle = (ink.sum(axis) @ torch.arange(28.0, dtype=torch.float64)) / ink.sum((1, 2))
        assert abs(float(middle.median()) - 14) < 0.15


def test_what_is_in_mnists_form_is_kept():
    for image in DIGITS.images[:20]:
        assert torch.equal(digits.to_tensor(Image.fromarray(image[0].numpy())), image / 255)


def test_a_thin_pen_does_not_fade():
    picture = Image.new("L", (800, 800), 240)
    pixels = np.array(picture)
    pixels[100:700, 398:401] = 30
    tensor = digits.to_tensor(Image.fromarray(pixels))
    assert 20 < tensor.sum() < 80 and tensor.max() > 0.95


def test_a_speck_of_dust_does_not_count():
    clean = np.array(photograph(DIGITS.images[3, 0]))
    dusty = clean.copy()
    dusty[2, 2] = dusty[-3, 350] = 0
    assert (
        digits.to_tensor(Image.fromarray(dusty)) - digits.to_tensor(Image.fromarray(clean))
    ).abs().max() < 0.05


def test_transparent_drawings_lie_on_white():
    grey = photograph(DIGITS.images[5, 0])
    clear = Image.new("RGBA", grey.size, (0, 0, 0, 0))
    clear.putalpha(grey.point(lambda level: 255 - level))
    assert (digits.to_tensor(clear) - digits.to_tensor(grey)).abs().mean() < 0.02


@pytest.mark.parametrize("level", [0, 17, 128, 255])
@pytest.mark.parametrize("size", [(1, 1), (28, 29), (300, 200), (2000, 1), (5, 5)])
def test_nothing_drawn(level, size):
    with pytest.raises(DataError, match="one digit"):
        digits.to_tensor(Image.new("L", size, level))


def test_only_noise():
    noise = np.random.default_rng(0).normal(128, 5, (200, 200)).clip(0, 255).astype(np.uint8)
    with pytest.raises(DataError, match="one digit"):
        digits.to_tensor(Image.fromarray(noise))


@pytest.mark.parametrize("seed", range(30))
def test_any_picture_gives_a_digit_or_a_data_error(seed):
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (*rng.integers(1, 40, 2), 3)).astype(np.uint8)
    try:
        tensor = digits.to_tensor(Image.fromarray(picture))
        assert tensor.isfinite().all() and tensor.min() >= 0 and tensor.max() <= 1
    except DataError:
        pass


def test_from_a_file(tmp_path):
    photograph(DIGITS.images[7, 0]).save(tmp_path / "seven.png")
    assert torch.equal(digits.open(tmp_path / "seven.png"), digits.to_tensor(photograph(DIGITS.images[7, 0])))
    with pytest.raises(DataError):
        digits.open(tmp_path / "nothing.png")


@pytest.mark.parametrize("level", [0, 1, 31, 128, 255])
@pytest.mark.parametrize("side", [28, 60])
def test_every_constant_picture_is_blank(level, side):
    with pytest.raises(DataError, match="one digit, drawn in a colour"):
        digits.to_tensor(Image.new("L", (side, side), level))


def test_a_photograph_is_told_from_faint_ink():
    """Noise has no even background; it is not the pen that is too thin."""
    noise = np.random.default_rng(0).integers(0, 256, (60, 60), dtype=np.uint8)
    with pytest.raises(DataError, match=r"one digit on even paper.*photograph"):
        digits.to_tensor(Image.fromarray(noise))
    faint = np.full((60, 60), 200, np.uint8)
    faint[20:40, 28:32] -= 12
    with pytest.raises(DataError, match=r"at most .* of 255 .*darker pen"):
        digits.to_tensor(Image.fromarray(faint))
