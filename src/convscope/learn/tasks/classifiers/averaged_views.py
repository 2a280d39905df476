"""Test-time augmentation: the mean answer of a classifier to shifted and mirrored views of an image."""

from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

SHIFT = 1
"""Pixels by which views are shifted."""


class AveragedViews(nn.Module):
    """Average a network's output over six views of each image.

    The image, and the image shifted up and left, and down and right, by a pixel, reflected at the border;
    each also mirrored. The image itself has the weight of both shifted ones.

    Args:
        module: network of images.

    Source: Jordan 2024, arXiv:2404.00498, section 3.5.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    @override
    def forward(self, pictures: Tensor) -> Tensor:
        """Return the weighted mean of the outputs.

        Args:
            pictures: images `[b c h w]`.

        Returns:
            The output for each image, as of the network.
        """
        height, width = pictures.shape[-2:]
        padded = functional.pad(pictures, (SHIFT,) * 4, mode="reflect")
        first = padded[..., 2 * SHIFT :, 2 * SHIFT :]
        last = padded[..., :height, :width]
        return self._both(pictures) / 2 + (self._both(first) + self._both(last)) / 4

    def _both(self, pictures: Tensor) -> Tensor:
        """Return the mean of the outputs for images and their mirror images."""
        return (self.module(pictures) + self.module(pictures.flip(-1))) / 2
