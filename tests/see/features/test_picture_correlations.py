"""Correlations of maps with the picture against NumPy, and the ranking that leaves borders out."""

import numpy as np
import torch

from convscope.graph import TensorSpec
from convscope.see import FeatureMaps, picture_correlations

SPEC = TensorSpec((3, 32, 32), kind="image", value_range=(-1.0, 1.0))


def pooled(values: np.ndarray) -> np.ndarray:
    """Means over squares of two pixels."""
    return values.reshape(16, 2, 16, 2).mean((1, 3))


def edges(light: np.ndarray) -> np.ndarray:
    """The magnitude of the gradient, pixel by pixel: central differences, one-sided at the borders."""
    found = np.zeros_like(light)
    for y in range(32):
        for x in range(32):
            up, down, left, right = max(y - 1, 0), min(y + 1, 31), max(x - 1, 0), min(x + 1, 31)
            along_y = (light[down, x] - light[up, x]) / (down - up)
            along_x = (light[y, right] - light[y, left]) / (right - left)
            found[y, x] = np.hypot(along_y, along_x)
    return found


def test_the_closest_property_is_that_of_numpy() -> None:
    noise = np.random.default_rng(0)
    picture = noise.uniform(-1, 1, (3, 32, 32)).astype(np.float32)
    picture += np.linspace(-0.5, 0.5, 32)[None, None]
    shown = (picture.astype(np.float64) + 1) / 2
    light = shown.mean(0)
    wanted = {
        "light": light,
        "dark": -light,
        "edges": edges(light),
        "flat": -edges(light),
        "red": shown[0] - shown[1],
        "green": shown[1] - shown[0],
        "yellow": (shown[0] + shown[1]) / 2 - shown[2],
        "blue": shown[2] - (shown[0] + shown[1]) / 2,
    }
    true = {name: pooled(values) for name, values in wanted.items()}
    given = [values + noise.normal(0, 0.3 * values.std(), values.shape) for values in true.values()]
    given.append(noise.normal(size=(16, 16)))
    maps = FeatureMaps("conv", torch.tensor(np.stack(given)).float())
    found = picture_correlations(maps, torch.tensor(picture), SPEC, range(9))
    for one, values, name in zip(found, given, true, strict=False):
        assert (one.unit, one.name) == (list(true).index(name), name) and one.follows
        assert abs(one.value - np.corrcoef(values.ravel(), true[name].ravel())[0, 1]) < 1e-5
    assert not found[8].follows


def test_what_cannot_be_compared_has_no_correlations() -> None:
    flat = FeatureMaps("dense", torch.rand(4))
    small, picture = FeatureMaps("late", torch.rand(4, 3, 3)), torch.rand(3, 32, 32)
    assert picture_correlations(flat, picture, SPEC, [0]) == ()
    assert picture_correlations(small, picture, SPEC, [0]) == ()
    still = picture_correlations(FeatureMaps("off", torch.ones(1, 8, 8)), picture, SPEC, [0])
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
