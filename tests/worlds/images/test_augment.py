from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as reference

from convscope.errors import UsageError
from convscope.graph import TensorSpec
from convscope.worlds import augmented as augmented_by
from convscope.worlds.images import augment
from convscope.worlds.images.augment import AUGMENTATIONS

IMAGES = TensorSpec((3, 20, 30))


def augmented(batch, names, seed):
    return augmented_by(batch, names, IMAGES, seed)


@pytest.fixture
def pictures():
    return torch.randint(256, (6, 3, 20, 30), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_shape_type_and_repeatability(name, pictures):
    before = pictures.clone()
    changed = augmented(pictures, (name,), 5)
    assert changed.shape == pictures.shape
    assert changed.dtype == torch.uint8
    assert torch.equal(pictures, before)
    assert not torch.equal(changed, pictures)
    assert torch.equal(changed, augmented(pictures, (name,), 5))
    assert not torch.equal(changed, augmented(pictures, (name,), 6))


def test_shift_moves_each_picture_by_whole_pixels(pictures):
    moved = augmented(pictures, ("shift",), 3).numpy()
    padded = np.pad(pictures.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)), mode="edge")
    offsets = set()
    for k in range(len(pictures)):
        found = [
            (y, x)
            for y in range(5)
            for x in range(5)
            if np.array_equal(padded[k, :, y : y + 20, x : x + 30], moved[k])
        ]
        assert len(found) == 1
        offsets.add(found[0])
    assert len(offsets) > 1


def test_flip_mirrors_some(pictures):
    flipped = augmented(pictures, ("flip",), 0)
    kinds = {
        ("same" if torch.equal(a, b) else "mirrored" if torch.equal(a, torch.flip(b, [-1])) else "other")
        for a, b in zip(flipped, pictures, strict=True)
    }
    assert kinds == {"same", "mirrored"}


def test_rotate_is_torchvisions(monkeypatch):
    smooth = torch.linspace(0, 255, 24).expand(1, 1, 16, 24).to(torch.uint8).contiguous()
    monkeypatch.setattr(augment, "TURN", 30.0)
    turned = augment.rotate(smooth, torch.Generator().manual_seed(2))
    drawn = (torch.rand(1, generator=torch.Generator().manual_seed(2)).item() * 2 - 1) * 30
    mode: Any = InterpolationMode.BILINEAR
    expected = reference.rotate(smooth.float(), -drawn, interpolation=mode)
    inside = (slice(None), slice(None), slice(5, 11), slice(7, 17))
    opposite = reference.rotate(smooth.float(), drawn, interpolation=mode)
    distances = [(turned.float() - other)[inside].abs().max().item() for other in (expected, opposite)]
    assert min(distances) < 1.5


def test_resized_crop_keeps_a_part_of_the_stated_size_and_shape():
    rows, columns = torch.arange(200.0)[:, None].expand(200, 240), torch.arange(240.0).expand(200, 240)
    plain = torch.stack([rows, columns, rows]).to(torch.uint8).expand(40, 3, 200, 240)
    areas, ratios = [], []
    for one in augmented(plain, ("resized-crop",), 3).double():
        share_y = (
            float(one[0, 150, 100] - one[0, 50, 100]) / 100
        )  # pixels of the image in a pixel of the part
        share_x = float(one[1, 100, 180] - one[1, 100, 60]) / 120
        assert torch.equal(one[0], one[2]) and 0 < share_y <= 1.02 and 0 < share_x <= 1.02
        areas.append(share_y * share_x)
        ratios.append(share_y / share_x)
    assert 0.33 < min(areas) < 0.5 and 0.8 < max(areas) <= 1.02
    assert 0.73 < min(ratios) < 0.9 and 1.1 < max(ratios) < 1.37


def test_color_jitter_is_pillows(pictures):
    changed = augment.color_jitter(pictures, torch.Generator().manual_seed(4))
    generator = torch.Generator().manual_seed(4)
    factors = (0.6 + 0.8 * torch.rand(6, 3, generator=generator)).tolist()
    kinds = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
    for before, after, row in zip(pictures, changed, factors, strict=True):
        image = Image.fromarray(before.permute(1, 2, 0).numpy())
        for number in torch.randperm(3, generator=generator).tolist():
            image = kinds[number](image).enhance(row[number])
        apart = np.abs(np.asarray(image, int) - after.permute(1, 2, 0).numpy().astype(int))
        assert apart.max() <= 4 and apart.mean() < 1  # each rounds three times
    grey = pictures[:, :1]
    assert augment.color_jitter(grey, torch.Generator().manual_seed(4)).shape == grey.shape


def test_erase_blanks_a_square_with_the_mean(pictures):
    erased = augmented(pictures, ("erase",), 4)
    for before, after in zip(pictures, erased, strict=True):
        changed = (before != after).any(0)
        assert 0 < changed.sum() <= (0.35 * 20 + 1) * (0.35 * 30 + 1)
        assert (after[:, changed] == before.float().mean().to(torch.uint8)).all()


def test_a_misspelt_augmentation_is_corrected_and_other_worlds_have_others(pictures):
    with pytest.raises(UsageError, match="Did you mean shift"):
        augmented(pictures, ("shfit",), 0)
    with pytest.raises(UsageError, match="there is none"):
        augmented_by(torch.rand(2, 1, 40), ("shift",), TensorSpec((1, 40)), 0)
