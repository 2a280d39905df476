"""Base of networks that give the probability of each pixel given those before it, in reading order."""

from abc import abstractmethod

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.nn import functional


class AutoregressiveImages(nn.Module):
    """Base class of networks of binary images, each pixel given those above it and to its left in its row.

    `forward` returns the logits `[b 1 h w]` of each pixel being 1; that of a pixel depends on no pixel from
    itself on.
    """

    @abstractmethod
    def sample(
        self, images: Float[Tensor, "b 1 h w"], generator: Generator, start: int = 0
    ) -> Float[Tensor, "b 1 h w"]:
        """Draw pixels one after the other, each from its probability given those before it.

        Args:
            images: images of 0 and 1 whose first `start` rows are kept; the others are not read.
            generator: draws the pixels, on the CPU.
            start: first row that is drawn.

        Returns:
            Images of 0 and 1.
        """


class MaskedConv2d(nn.Conv2d):
    """Convolution of an odd kernel that reads only pixels before its own in reading order.

    Pixels above are read, and those to the left; the pixel itself only with `own`. Missing weights are 0 and
    have no gradient, so that no optimizer moves them.

    Args:
        in_channels: input channels.
        out_channels: output channels.
        side: side of the kernel in pixels, odd; zeros are padded so that the size stays.
        own: whether the pixel itself is read (mask B); not in a first layer (mask A), whose input is the
            image.

    Source: van den Oord, Kalchbrenner and Kavukcuoglu 2016, Pixel Recurrent Neural Networks,
        arXiv:1601.06759, section 3.4.
    """

    mask: Tensor

    def __init__(self, in_channels: int, out_channels: int, side: int, own: bool) -> None:
        super().__init__(in_channels, out_channels, side, padding=side // 2)
        mask = torch.zeros(side * side)
        mask[: side * side // 2 + own] = 1
        self.register_buffer("mask", mask.view(side, side), persistent=False)
        with torch.no_grad():
            self.weight.mul_(self.mask)

    def forward(self, input: Float[Tensor, "b c h w"]) -> Float[Tensor, "b out h w"]:
        """Convolve with the weights that there are.

        Args:
            input: maps `[b c h w]`.

        Returns:
            Maps of the same size.
        """
        return functional.conv2d(input, self.weight * self.mask, self.bias, padding=self.padding)
