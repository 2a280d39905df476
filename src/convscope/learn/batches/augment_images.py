"""Random changes of training pictures, every picture its own, drawn from a generator and made on bytes.

A new one is one function and one entry in `AUGMENTATIONS`, and its name in `plan.AUGMENTATION_NAMES`.
"""

from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.nn import functional

REACH = 0.08
"""Share of the side that `shift` moves a picture at most: 2 pixels of 28."""
TURN = 12.0
"""Degrees that `rotate` turns a picture at most."""
HOLE = 0.3
"""Share of the side that `erase` blanks."""


def shift(pictures: Tensor, generator: Generator) -> Tensor:
    """Move up or down and sideways by whole pixels; the edge is continued."""
    height, width = pictures.shape[-2:]
    vertical, horizontal = max(1, round(REACH * height)), max(1, round(REACH * width))
    rows = _moved(len(pictures), height, vertical, generator)
    columns = _moved(len(pictures), width, horizontal, generator)
    which = torch.arange(len(pictures))[:, None, None]
    moved = pictures.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def flip(pictures: Tensor, generator: Generator) -> Tensor:
    """Mirror left and right, every other one."""
    mirrored = torch.rand(len(pictures), generator=generator) < 0.5
    return torch.where(mirrored[:, None, None, None], pictures.flip(-1), pictures)


def rotate(pictures: Tensor, generator: Generator) -> Tensor:
    """Turn about the centre, corners continued from the edge."""
    angle = (torch.rand(len(pictures), generator=generator) * 2 - 1) * (TURN * torch.pi / 180)
    height, width = pictures.shape[-2:]
    sine, cosine, zero = angle.sin(), angle.cos(), torch.zeros_like(angle)
    rows = (cosine, -sine * height / width, zero, sine * width / height, cosine, zero)
    turn = torch.stack(rows, 1).view(-1, 2, 3)
    grid = functional.affine_grid(turn, list(pictures.shape), align_corners=False)
    turned = functional.grid_sample(pictures.float(), grid, padding_mode="border", align_corners=False)
    return turned.round_().to(torch.uint8)


def erase(pictures: Tensor, generator: Generator) -> Tensor:
    """Blank a square with the picture's mean. Source: DeVries, Taylor 2017 (Cutout), arXiv:1708.04552."""
    inside = []
    for axis, size in ((2, pictures.shape[2]), (3, pictures.shape[3])):
        centre = torch.randint(size, (len(pictures), 1), generator=generator)
        near = (torch.arange(size) - centre).abs() <= HOLE * size / 2
        inside.append(near[:, None, :, None] if axis == 2 else near[:, None, None, :])
    mean = pictures.float().mean((1, 2, 3), keepdim=True).to(torch.uint8)
    return torch.where(inside[0] & inside[1], mean, pictures)


AUGMENTATIONS: dict[str, Callable[[Tensor, Generator], Tensor]] = {
    "shift": shift,
    "flip": flip,
    "rotate": rotate,
    "erase": erase,
}


def augmented(pictures: Tensor, names: tuple[str, ...], seed: int) -> Tensor:
    """Apply augmentations in the order named.

    Args:
        pictures: `[b c h w]`, uint8, on the CPU; left as they are.
        names: of `AUGMENTATIONS`.
        seed: the same one gives the same changes.
    """
    generator = Generator().manual_seed(seed)
    for name in names:
        pictures = AUGMENTATIONS[name](pictures, generator)
    return pictures


def _moved(count: int, size: int, reach: int, generator: Generator) -> Tensor:
    """For each picture, which source position stands at each position: `[count size]`."""
    offset = torch.randint(-reach, reach + 1, (count, 1), generator=generator)
    return (torch.arange(size) + offset).clamp_(0, size - 1)
