"""Distorted images: drawn in their ranges, always alike, and as scipy distorts."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from convscope.errors import UsageError
from convscope.worlds import DistortedImages, ImageTensorDataset, digits
from convscope.worlds.datasets.distorted import DISTORTIONS, Distortion, distort, draw_poses


def corners_in_the_original(poses: torch.Tensor, distortion: Distortion) -> tuple[np.ndarray, ...]:
    """Rotation, factor of lengths and offset in pixels of the distorted image, of digits of 28 pixels."""
    before, after = 13.5, (distortion.side(28) - 1) / 2
    linear = poses[:, :, :2].double().numpy() * before / after  # pixels of the image to those of the original
    scale = 1 / np.sqrt(np.linalg.det(linear))
    angle = np.degrees(np.arctan2(linear[:, 0, 1], linear[:, 0, 0]))
    centre = -np.linalg.solve(linear, poses[:, :, 2:].double().numpy() * before)[:, :, 0]
    return angle, scale, centre


def test_poses_fill_their_ranges():
    distortion = DISTORTIONS["rts"]
    assert distortion.side(28) == 42
    poses = draw_poses(4000, (28, 28), distortion, torch.Generator().manual_seed(0))
    angle, scale, centre = corners_in_the_original(poses, distortion)
    for values, low, high in ((angle, -45, 45), (scale, 0.7, 1.2)):
        room = (high - low) * 0.01
        assert low - 1e-4 <= values.min() < low + room and high - room < values.max() <= high + 1e-4
        assert np.mean(values) == pytest.approx((low + high) / 2, abs=(high - low) * 0.03)
    reach = np.abs(centre) + 14 * scale[:, None]
    assert reach.max() <= 21 + 1e-4 and (reach.max(0) > 20.8).all()
    linear = poses[:, :, :2]
    torch.testing.assert_close(linear[:, 0, 0], linear[:, 1, 1])  # neither sheared nor mirrored
    torch.testing.assert_close(linear[:, 0, 1], -linear[:, 1, 0])


def test_a_rotation_alone_leaves_size_and_place():
    distortion = DISTORTIONS["rotation"]
    poses = draw_poses(500, (28, 28), distortion, torch.Generator().manual_seed(0))
    angle, scale, centre = corners_in_the_original(poses, distortion)
    assert distortion.side(28) == 28 and np.abs(angle).max() > 80
    np.testing.assert_allclose(scale, 1, atol=1e-5)
    np.testing.assert_allclose(centre, 0, atol=1e-5)


def test_a_distorted_digit_is_that_of_scipy():
    distortion, pictures = DISTORTIONS["rts"], digits.test().images[:5]
    poses = draw_poses(5, (28, 28), distortion, torch.Generator().manual_seed(3))
    found = distort(pictures, poses, distortion)
    assert found.shape == (5, 1, 42, 42) and found.dtype == torch.uint8
    angle, scale, centre = corners_in_the_original(poses, distortion)
    for k in range(5):
        turn = np.radians(angle[k])  # clockwise as seen, rows before columns
        inverse = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) / scale[k]
        offset = 13.5 - inverse @ (20.5 + centre[k, ::-1])
        drawn = ndimage.affine_transform(
            pictures[k, 0].double().numpy(), inverse, offset, (42, 42), order=1, mode="grid-constant"
        )
        np.testing.assert_allclose(found[k, 0].numpy(), drawn, atol=0.51)


def test_a_positive_angle_turns_clockwise():
    picture = torch.zeros(1, 1, 29, 29, dtype=torch.uint8)
    picture[0, 0, 14, 14:] = 255  # a hand to the right
    quarter = torch.tensor([[[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]])
    found = distort(picture, quarter, DISTORTIONS["rotation"])[0, 0]
    assert (found[14:, 14] > 250).all() and int(found[:14].max()) < 5  # now it points down
    (angle,), _, _ = corners_in_the_original(quarter, DISTORTIONS["rotation"])
    assert angle == pytest.approx(90)


def test_each_image_is_always_distorted_alike():
    data = DistortedImages(digits.test(), "rts", seed=4)
    whole = data.pixels(range(20))
    assert torch.equal(data.pixels([7, 3]), whole[[7, 3]])
    assert torch.equal(data.take([9, 3]).pixels([1]), whole[[3]])
    assert torch.equal(data.take([9, 3]).take([1]).pixels([0]), whole[[3]])
    assert torch.equal(DistortedImages(digits.test(), "rts", seed=4).pixels(range(20)), whole)
    assert not torch.equal(DistortedImages(digits.test(), "rts", seed=5).pixels(range(20)), whole)
    assert torch.equal(data.labels, digits.test().labels) and data.spec.shape == (1, 42, 42)
    (inputs,), labels = data.batch([2]).inputs, data.batch([2]).targets
    torch.testing.assert_close(inputs, whole[2:3].float() / 255)
    assert labels.tolist() == [int(data.labels[2])]


def test_colour_images_of_any_shape_are_distorted():
    images = torch.randint(256, (3, 3, 10, 21), dtype=torch.uint8)
    data = DistortedImages(ImageTensorDataset(images, torch.tensor([0, 1, 0]), ("a", "b")), "rts")
    assert data.pixels([0, 2]).shape == (2, 3, 15, 32) and data.spec.shape == (3, 15, 32)


def test_an_unknown_distortion_is_refused():
    with pytest.raises(UsageError, match="rotation"):
        DistortedImages(digits.test(), "rotate")
