"""Data augmentation of uint8 images, drawn for every image on its own from a seeded generator.

The transforms of torchvision v2 draw once for a whole batch, from torch's global generator. So what they
change is drawn here, and where a change has no batched form, torchvision's kernel is called image by image.

A new one is one function and one entry in `AUGMENTATIONS`.
"""

from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.nn import functional

REACH = 0.08
"""Largest offset of `shift`, as a share of the side: 2 pixels of 28."""
TURN = 12.0
"""Largest angle of `rotate`, in degrees."""
HOLE = 0.3
"""Side of the square that `erase` fills, as a share of the image's side."""
AREA = 0.35
"""Smallest part of an image that `resized-crop` keeps, as a share of its area."""
RATIO = 4 / 3
"""Largest ratio of the sides of the part that `resized-crop` keeps to those of the image, either way."""
JITTER = 0.4
"""Largest change of brightness, contrast and saturation by `color-jitter`, as a share."""


def shift(pictures: Tensor, generator: Generator) -> Tensor:
    """Translate each image by whole pixels, vertically and horizontally, with edge padding.

    Args:
        pictures: images `[b c h w]`, uint8, on the CPU.
        generator: draws the offsets, up to `REACH` of the side (1 pixel at least) each way.

    Returns:
        Shifted images `[b c h w]`, uint8.
    """
    height, width = pictures.shape[-2:]
    vertical, horizontal = max(1, round(REACH * height)), max(1, round(REACH * width))
    rows = _shifted_indices(len(pictures), height, vertical, generator)
    columns = _shifted_indices(len(pictures), width, horizontal, generator)
    index = torch.arange(len(pictures))[:, None, None]
    moved = pictures.permute(0, 2, 3, 1)[index, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def flip(pictures: Tensor, generator: Generator) -> Tensor:
    """Flip images left to right, each with a probability of one half.

    Args:
        pictures: images `[b c h w]`, uint8, on the CPU.
        generator: draws which images are flipped.

    Returns:
        Images `[b c h w]`, uint8.
    """
    mirrored = torch.rand(len(pictures), generator=generator) < 0.5
    return torch.where(mirrored[:, None, None, None], pictures.flip(-1), pictures)


def rotate(pictures: Tensor, generator: Generator) -> Tensor:
    """Rotate each image about its centre, with edge padding.

    Args:
        pictures: images `[b c h w]`, uint8, on the CPU.
        generator: draws the angles, uniformly from `-TURN` to `TURN` degrees.

    Returns:
        Rotated images `[b c h w]`, uint8, bilinearly interpolated.
    """
    angle = (torch.rand(len(pictures), generator=generator) * 2 - 1) * (TURN * torch.pi / 180)
    height, width = pictures.shape[-2:]
    sine, cosine, zero = angle.sin(), angle.cos(), torch.zeros_like(angle)
    rows = (cosine, -sine * height / width, zero, sine * width / height, cosine, zero)
    turn = torch.stack(rows, 1).view(-1, 2, 3)
    grid = functional.affine_grid(turn, list(pictures.shape), align_corners=False)
    turned = functional.grid_sample(pictures.float(), grid, padding_mode="border", align_corners=False)
    return turned.round_().to(torch.uint8)


def erase(pictures: Tensor, generator: Generator) -> Tensor:
    """Fill a square of each image with the image's mean (Cutout).

    Args:
        pictures: images `[b c h w]`, uint8, on the CPU.
        generator: draws the centres of the squares, which may reach beyond the edge.

    Returns:
        Images `[b c h w]`, uint8.

    Source: DeVries, Taylor 2017, arXiv:1708.04552.
    """
    inside = []
    for axis, size in ((2, pictures.shape[2]), (3, pictures.shape[3])):
        centre = torch.randint(size, (len(pictures), 1), generator=generator)
        near = (torch.arange(size) - centre).abs() <= HOLE * size / 2
        inside.append(near[:, None, :, None] if axis == 2 else near[:, None, None, :])
    mean = pictures.float().mean((1, 2, 3), keepdim=True).to(torch.uint8)
    return torch.where(inside[0] & inside[1], mean, pictures)


def resized_crop(pictures: Tensor, generator: Generator) -> Tensor:
    """Crop a part of each image and resize it to the whole (torchvision's `RandomResizedCrop`).

    Args:
        pictures: images `[b c h w]`, uint8, on the CPU.
        generator: draws area, ratio of the sides, and place; area and logarithm of the ratio uniformly.

    Returns:
        Images `[b c h w]`, uint8, resized bilinearly with antialiasing.

    Source: Szegedy et al. 2014, arXiv:1409.4842, section 6, with a larger smallest area.
    """
    from torchvision.transforms.v2.functional import resized_crop as crop

    height, width = pictures.shape[-2:]
    area, ratio, top, left = torch.rand(4, len(pictures), generator=generator)
    area = AREA + (1 - AREA) * area
    ratio = RATIO ** (2 * ratio - 1)
    rows = (height * (area * ratio).sqrt()).round().clamp(1, height).long()
    columns = (width * (area / ratio).sqrt()).round().clamp(1, width).long()
    first = (top * (height - rows + 1)).long(), (left * (width - columns + 1)).long()
    boxes = torch.stack([*first, rows, columns], 1).tolist()
    size = [height, width]
    parts = [crop(one, y, x, h, w, size) for one, (y, x, h, w) in zip(pictures, boxes, strict=True)]
    return torch.stack(parts)


def color_jitter(pictures: Tensor, generator: Generator) -> Tensor:
    """Change brightness, contrast and saturation of each image, in random order.

    Args:
        pictures: images `[b c h w]`, uint8, on the CPU.
        generator: draws the factors, uniformly from `1 - JITTER` to `1 + JITTER`, and their order.

    Returns:
        Images `[b c h w]`, uint8; the saturation of grey ones stays.

    Source: torchvision's `ColorJitter`, without changes of hue.
    """
    from torchvision.transforms.v2 import functional as v2

    changes = (v2.adjust_brightness, v2.adjust_contrast, v2.adjust_saturation)
    factors = 1 + JITTER * (2 * torch.rand(len(pictures), len(changes), generator=generator) - 1)
    changed = []
    for one, row in zip(pictures, factors.tolist(), strict=True):
        for number in torch.randperm(len(changes), generator=generator).tolist():
            one = changes[number](one, row[number])
        changed.append(one)
    return torch.stack(changed)


AUGMENTATIONS: dict[str, Callable[[Tensor, Generator], Tensor]] = {
    "shift": shift,
    "flip": flip,
    "alternating-flip": flip,  # of a first epoch; the batches of a training alternate in later ones
    "rotate": rotate,
    "erase": erase,
    "resized-crop": resized_crop,
    "color-jitter": color_jitter,
}


def _shifted_indices(count: int, size: int, reach: int, generator: Generator) -> Tensor:
    """Return for each image the source index of each position along one axis, `[count size]`."""
    offset = torch.randint(-reach, reach + 1, (count, 1), generator=generator)
    return (torch.arange(size) + offset).clamp_(0, size - 1)
