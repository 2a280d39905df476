import numpy as np
import pytest
import torch

from convscope.errors import UsageError
from convscope.graph.spec import TensorSpec
from convscope.see import fft_image, pixel_image
from convscope.see.optimize.image_params.base import noise
from convscope.see.optimize.image_params.fourier import (
    decorrelated_to_rgb,
    frequencies,
    image_from_spectrum,
    mean_square,
    rgb_to_decorrelated,
    spectrum_from_image,
)

COLOUR = TensorSpec((3, 9, 12))
SIZES = [(8, 8), (7, 9), (8, 5), (5, 8), (1, 6), (3, 3)]


def numpy_image(free: np.ndarray, size: tuple[int, int], decay: float = 1.0) -> np.ndarray:
    """Lucid's Fourier canvas in the obvious way: a wave for every frequency, summed pixel by pixel."""
    h, w = size
    fy, fx = np.fft.fftfreq(h)[:, None], np.fft.rfftfreq(w)[None, :]
    scale = 1 / np.maximum(np.sqrt(fy**2 + fx**2), 1 / max(h, w)) ** decay
    waves = (free[..., 0] + 1j * free[..., 1]) * scale
    y, x = np.mgrid[:h, :w]
    image = np.zeros((*free.shape[:2], h, w))
    for column in range(fx.shape[1]):
        paired = column not in (0, w / 2)  # the other half of the plane is its conjugate
        for row in range(h):
            wave = np.exp(2j * np.pi * (fy[row, 0] * y + fx[0, column] * x))
            image += (2 if paired else 1) * (waves[..., row, column, None, None] * wave).real
    return image / np.sqrt(h * w) / 4


@pytest.mark.parametrize("size", SIZES)
def test_frequencies_are_numpys(size: tuple[int, int]) -> None:
    fy, fx = np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])[None, :]
    np.testing.assert_allclose(frequencies(size), np.sqrt(fy**2 + fx**2), rtol=1e-6)


@pytest.mark.parametrize("decay", [1.0, 1.5])
@pytest.mark.parametrize("size", SIZES)
def test_image_of_a_spectrum_against_sums_of_waves(size: tuple[int, int], decay: float) -> None:
    free = noise((3, size[0], size[1] // 2 + 1, 2), [1, 2])
    expected = numpy_image(free.double().numpy(), size, decay)
    np.testing.assert_allclose(image_from_spectrum(free, size, decay), expected, atol=2e-5)


@pytest.mark.parametrize("size", SIZES)
def test_spectrum_and_back(size: tuple[int, int]) -> None:
    image = noise((3, *size), [4, 5])
    torch.testing.assert_close(
        image_from_spectrum(spectrum_from_image(image, 1.0), size, 1.0), image, atol=1e-5, rtol=0
    )
    torch.testing.assert_close(rgb_to_decorrelated(decorrelated_to_rgb(image)), image, atol=1e-4, rtol=1e-4)


def test_colours_are_lucids() -> None:
    matrix = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
    matrix /= np.linalg.norm(matrix, axis=0).max()
    image = noise((3, 4, 5), [1])
    expected = np.einsum("ij,bjhw->bihw", matrix, image.numpy())
    np.testing.assert_allclose(decorrelated_to_rgb(image), expected, atol=1e-6)


LUCENT = {
    (8, 8): ([0.6052345, 0.6296588, 0.5886437], 0.5043722),
    (7, 9): ([0.5148158, 0.3531333, 0.3850515], 0.4990713),
    (12, 5): ([0.535841, 0.5460306, 0.5477892], 0.4997331),
}


def test_lucents_image_of_the_same_spectrum() -> None:
    """Numbers of torch-lucent 0.1.8, `to_valid_rgb(fft_image, decorrelate=True)`, on spectra by a formula."""
    for (h, w), (values, mean) in LUCENT.items():
        free = torch.sin(torch.arange(3 * h * (w // 2 + 1) * 2).float()).view(1, 3, h, w // 2 + 1, 2)
        canvas = fft_image(TensorSpec((3, h, w)), [0])
        with torch.no_grad():
            canvas.parameters[0].copy_(free)
        image = canvas.images().detach()
        np.testing.assert_allclose(image[0, :, h // 2, w // 3], values, atol=2e-6)
        np.testing.assert_allclose(image.mean(), mean, atol=2e-6)


@pytest.mark.parametrize(
    "spec",
    [
        COLOUR,
        TensorSpec((1, 7, 7)),
        TensorSpec((5, 6, 8)),
        TensorSpec((2, 11)),
        TensorSpec((3, 6, 6), value_range=(-1.0, 1.0)),
        TensorSpec((1, 6, 6), value_range=(0.0, 255.0)),
    ],
)
@pytest.mark.parametrize("make", [pixel_image, fft_image])
@pytest.mark.parametrize("start", ["noise", "zeros"])
def test_images_have_the_specs_shape_and_range(spec: TensorSpec, make, start: str) -> None:
    canvas = make(spec, [7, 8], start=start)
    images = canvas.images()
    low, high = spec.value_range
    assert images.shape == (2, *spec.shape)
    assert low <= images.min() and images.max() <= high and images.requires_grad
    assert torch.allclose(images.mean(), torch.tensor((low + high) / 2), atol=0.05 * (high - low))
    assert bool((images[0] != images[1]).any()) == (start == "noise")


def test_pixels_stay_in_the_range_after_any_step() -> None:
    canvas = pixel_image(COLOUR, [1])
    with torch.no_grad():
        canvas.parameters[0].add_(10 * torch.randn(1, 3, 9, 12))
        canvas.project(*canvas.parameters)
    assert canvas.images().min() == 0 and canvas.images().max() == 1
    squashed = pixel_image(COLOUR, [1], bound="sigmoid")
    with torch.no_grad():
        squashed.parameters[0].add_(100 * torch.randn(1, 3, 9, 12))
    assert squashed.images().min() >= 0 and squashed.images().max() <= 1


@pytest.mark.parametrize("make", [pixel_image, fft_image])
def test_a_given_image_is_where_it_starts(make) -> None:
    image = 0.05 + 0.9 * torch.rand(3, 9, 12)
    torch.testing.assert_close(make(COLOUR, [1], start=image).images()[0], image, atol=2e-4, rtol=0)
    with pytest.raises(UsageError, match="9, 12"):
        make(COLOUR, [1], start=torch.rand(3, 8, 8))


@pytest.mark.parametrize("make", [pixel_image, fft_image])
def test_noise_depends_on_its_own_seed_alone(make) -> None:
    batch = make(COLOUR, [3, 14, 15]).images()
    torch.testing.assert_close(make(COLOUR, [14]).images()[0], batch[1], atol=1e-6, rtol=0)


def test_sizes() -> None:
    assert fft_image(COLOUR, [0], size=(31, 16)).images().shape == (1, 3, 31, 16)
    assert fft_image(COLOUR, [0], size=(16,)).images().shape == (1, 3, 16, 16)
    with pytest.raises(UsageError):
        pixel_image(COLOUR, [0], size=(1, 2, 3))
    with pytest.raises(UsageError, match="pixels"):
        fft_image(TensorSpec((5,)), [0])
    assert pixel_image(TensorSpec((5,)), [0]).images().shape == (1, 5)


@pytest.mark.parametrize("shape", [(3, 8, 8), (3, 7, 10), (1, 6, 9), (2, 5, 5), (1, 12), (2, 9)])
def test_mean_square_is_that_of_the_image(shape: tuple[int, ...]) -> None:
    is_rgb = shape[0] == 3
    free = noise((*shape[:-1], shape[-1] // 2 + 1, 2), [0, 1])
    image = image_from_spectrum(free, shape[1:], 1.0)
    image = decorrelated_to_rgb(image) if is_rgb else image
    found = mean_square(free, shape[1:], 1.0, is_rgb=is_rgb)
    torch.testing.assert_close(found, image.flatten(1).square().mean(1), rtol=1e-5, atol=0)
