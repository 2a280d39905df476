"""Alternating flip: each image is mirrored in every other epoch."""

import torch
from torch import Generator, Tensor

NAME = "alternating-flip"
"""Name of the augmentation. In a single batch, or a first epoch, it is the `flip` of images."""


class AlternatingFlip:
    """Mirror half of the images at random in the first epoch, the others in the second, and so on.

    So two epochs show each image from both sides, where sides drawn anew show half of the images twice from
    the same one.

    Args:
        count: number of samples.
        seed: decides which images are mirrored first.

    Source: Jordan 2024, arXiv:2404.00498, section 3.6.
    """

    def __init__(self, count: int, seed: int) -> None:
        generator = Generator().manual_seed(seed)
        self._first = torch.rand(count, generator=generator) < 0.5

    def __call__(self, pictures: Tensor, samples: Tensor, epoch: int) -> Tensor:
        """Mirror the images whose turn it is.

        Args:
            pictures: images `[b c h w]`.
            samples: their indices in the data, `[b]`, on the CPU.
            epoch: index of the epoch, from 0.

        Returns:
            Images `[b c h w]`.
        """
        mirrored = self._first[samples] ^ bool(epoch % 2)
        return torch.where(mirrored[:, None, None, None].to(pictures.device), pictures.flip(-1), pictures)
