"""Correlations of maps with the picture against NumPy, and the ranking that leaves borders out."""

import numpy as np
import torch

from convscope.graph import TensorSpec
from convscope.see import FeatureMaps, picture_correlations

SPEC = TensorSpec((3, 32, 32), kind="image", value_range=(-1.0, 1.0))


def pooled(values: np.ndarray) -> np.ndarray:
    """Means over squares of two pixels."""
    return values.reshape(16, 2, 16, 2).mean((1, 3))


def slopes(light: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives downwards and to the right, pixel by pixel: central, one-sided at the borders."""
    along_y, along_x, last = np.zeros_like(light), np.zeros_like(light), len(light) - 1
    for y in range(len(light)):
        for x in range(len(light)):
            up, down, left, right = max(y - 1, 0), min(y + 1, last), max(x - 1, 0), min(x + 1, last)
            along_y[y, x] = (light[down, x] - light[up, x]) / (down - up)
            along_x[y, x] = (light[y, right] - light[y, left]) / (right - left)
    return along_y, along_x


def test_the_closest_property_is_that_of_numpy() -> None:
    noise = np.random.default_rng(0)
    picture = noise.uniform(-1, 1, (3, 32, 32)).astype(np.float32)
    small = np.stack([pooled(channel) for channel in (picture.astype(np.float64) + 1) / 2])
    red, green, blue = small
    light = small.mean(0)
    down, right = slopes(light)
    true = {
        "light": light,
        "dark": -light,
        "edges": np.hypot(down, right),
        "flat": -np.hypot(down, right),
        "horizontal": np.maximum(-down, 0),
        "vertical": right,
        "diagonal": np.maximum((right - down) / np.sqrt(2), 0),
        "red": red - green,
        "green": green - red,
        "yellow": (red + green) / 2 - blue,
        "blue": blue - (red + green) / 2,
    }
    given = [values + noise.normal(0, 0.2 * values.std(), values.shape) for values in true.values()]
    given.append(noise.normal(size=(16, 16)))
    maps = FeatureMaps("conv", torch.tensor(np.stack(given)).float())
    found = picture_correlations(maps, torch.tensor(picture), SPEC, range(12))
    assert [one.name for one in found[:11]] == list(true) and [one.unit for one in found] == list(range(12))
    for one, values, wanted in zip(found, given, true.values(), strict=False):
        assert one.follows
        assert abs(one.value - np.corrcoef(values.ravel(), wanted.ravel())[0, 1]) < 1e-4
    assert not found[11].follows


def test_what_cannot_be_compared_has_no_correlations() -> None:
    flat = FeatureMaps("dense", torch.rand(4))
    small, picture = FeatureMaps("late", torch.rand(4, 9, 20)), torch.rand(3, 32, 32)
    assert picture_correlations(flat, picture, SPEC, [0]) == ()
    assert picture_correlations(small, picture, SPEC, [0]) == ()
    still = picture_correlations(FeatureMaps("off", torch.ones(1, 10, 10)), picture, SPEC, [0])
    assert still[0].value == 0 and not still[0].follows


def test_a_unit_that_only_responds_at_the_border_is_not_strong() -> None:
    frame, spot = torch.full((28, 28), 9.0), torch.zeros(28, 28)
    frame[2:-2, 2:-2] = 0
    spot[10:14, 10:14] = 1
    maps = FeatureMaps("padded", torch.stack([frame, spot]))
    assert maps.deviations.argmax() == 0 and maps.strongest(2) == [1, 0]
    inside = spot.numpy()[2:26, 2:26]
    torch.testing.assert_close(maps.strengths, torch.tensor([0.0, float(inside.std())]))
    small = FeatureMaps("late", maps.maps[:, ::4, ::4])
    torch.testing.assert_close(small.strengths, small.deviations)
