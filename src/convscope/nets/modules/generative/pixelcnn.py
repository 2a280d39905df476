"""PixelCNN: the probability of each pixel given those before it, in reading order."""

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from typing_extensions import override

from convscope.nets.modules.generative.autoregressive import AutoregressiveImages, MaskedConv2d

FIRST, INNER = 7, 3
"""Sides of the kernels of the first layer and of those behind it, in pixels."""
MOST = 2**24
"""Most weights; larger options in a file are refused before memory is taken."""


class PixelCNN(AutoregressiveImages):
    """PixelCNN for binary images of one channel: masked convolutions with residual connections.

    Stacked masked kernels leave a blind spot: pixels to the right in the rows above that no path reaches.

    Args:
        shape: channels (1), height and width of the images.
        channels: maps of the inner layers.
        layers: masked convolutions behind the first.

    Source: van den Oord, Kalchbrenner and Kavukcuoglu 2016, arXiv:1601.06759, section 3.5.
    """

    kind = "pixelcnn"

    def __init__(self, shape: Sequence[int] = (1, 28, 28), channels: int = 24, layers: int = 4) -> None:
        super().__init__()
        self.input_shape, self.channels, self.layers = tuple(shape), channels, layers
        sizes = (*self.input_shape, channels, layers)
        if not all(type(size) is int and size > 0 for size in sizes) or self.input_shape[0] != 1:
            raise ValueError(f"one channel, and whole numbers above 0, not {sizes}")
        if prod((channels, channels, INNER, INNER, layers)) > MOST:
            raise ValueError(f"at most {MOST} weights, not {channels} maps in {layers} layers")
        self.first = MaskedConv2d(1, channels, FIRST, own=False)
        self.inner = nn.ModuleList(MaskedConv2d(channels, channels, INNER, own=True) for _ in range(layers))
        self.last = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.ReLU(), nn.Conv2d(channels, 1, 1))

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of the constructor, JSON-ready."""
        return {"shape": list(self.input_shape), "channels": self.channels, "layers": self.layers}

    @property
    def reach(self) -> int:
        """Pixels above, to the left and to the right that an output depends on."""
        return FIRST // 2 + self.layers * (INNER // 2)

    def forward(self, x: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 1 h w"]:
        """Compute the logits of all pixels, each given those before it.

        Args:
            x: binary images `[b 1 h w]`.

        Returns:
            Logits of each pixel being 1; that of a pixel depends on no pixel from itself on.
        """
        features = torch.relu(self.first(x))
        for layer in self.inner:
            features = features + torch.relu(layer(features))
        return self.last(features)

    @override
    def sample(
        self, images: Float[Tensor, "b 1 h w"], generator: Generator, start: int = 0
    ) -> Float[Tensor, "b 1 h w"]:
        drawn = images.clone()
        drawn[:, :, start:] = 0
        height, width = drawn.shape[2:]
        for row in range(start, height):
            for column in range(width):
                top, left = max(0, row - self.reach), max(0, column - self.reach)
                part = drawn[:, :, top : row + 1, left : column + self.reach + 1]  # nothing else is in reach
                logits = self(part)[:, 0, -1, column - left]
                chance = torch.sigmoid(logits).cpu()
                drawn[:, 0, row, column] = torch.bernoulli(chance, generator=generator).to(drawn)
        return drawn
