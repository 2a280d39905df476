"""Any style, taken from a painting when it is used: the statistics of features, exchanged.

Source: Huang and Belongie 2017, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization",
arXiv:1703.06868. Here

- the encoder is a part of `hed-vgg16`, up to relu3_1 where the paper has relu4_1: less arithmetic, smaller
  strokes. Its filters were tuned to find edges and have forgotten much of the colours (the best linear guess
  of a photograph from its features has 14 dB), so the mean colours of blocks of 4 pixels stand beside them:
  three channels, whose statistics are exchanged like all others'. The decoder, which mirrors the encoder,
  says what to add to these colours, enlarged;
- beyond the edge both see the picture mirrored, where hed-vgg16 sees zeros: statistics are of pictures, not
  of their frames.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from convscope.nets.style.parts import Maps, UpsampleConv, any_size, convolution, last, unit

Statistic = Float[Tensor, "_ c 1 1"]
LAYERS = ("relu1_1", "relu2_1", "relu3_1")
"""Whose statistics are style; the last is where they are exchanged. Names are those of hed-vgg16."""
BLOCK = 4
"""Side of the blocks whose mean colours are features, in pixels: what two poolings leave."""
COLOUR, MIDDLE = 64.0, 0.45
"""A colour is a feature in units of so many 255ths, from this grey of a picture in [0, 1], about."""
EPSILON = 1e-5
HALO = 32
"""Pixels that one sees, encoder and decoder together, at most: 13 and 12."""


class AdaIN(nn.Module):
    """Paints photographs `[b 3 h w]`, normalised as for hed-vgg16; the result is in [0, 1], not clipped."""

    kind = "adain"

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential()
        for block, (channels, filters, count) in enumerate(
            ((3, 64, 2), (64, 128, 2), (128, 256, 1)), start=1
        ):
            if block > 1:
                self.encoder.add_module(f"pool{block - 1}", nn.MaxPool2d(2))
            for number in range(1, count + 1):
                conv = convolution(channels if number == 1 else filters, filters, 3)
                self.encoder.add_module(f"conv{block}_{number}", conv)
                self.encoder.add_module(f"relu{block}_{number}", nn.ReLU())
        self.encoder.requires_grad_(False)
        self.decoder = nn.Sequential(
            unit(256 + 3, 128, 3), UpsampleConv(128, 128), unit(128, 64, 3), UpsampleConv(64, 64), last(64, 3)
        )

    @classmethod
    def of(cls, options: dict[str, Any]) -> "AdaIN":
        """From what `options` wrote."""
        return cls(**options)

    @property
    def options(self) -> dict[str, Any]:
        """What makes the same network again, JSON-ready."""
        return {}

    @property
    def halo(self) -> int:
        """How far a pixel sees while the statistics are given, in pixels, rounded up."""
        return HALO

    @property
    def numbers_per_pixel(self) -> int:
        """Numbers in memory at once for each pixel that is painted, about: two of 64 maps, and a copy."""
        return 200

    def forward(self, images: Maps, style: tuple[Statistic, Statistic] | None = None) -> Maps:
        """Paint with the means and deviations of a style; with the photograph's own if left out."""
        return any_size(lambda x: self.decode(self.exchange(self.encode(x), style)), images)

    def encode(self, images: Maps) -> Maps:
        """Features at a quarter of the size: 256 of the encoder, and 3 of colour."""
        return torch.cat([self.encoder(images), colours(images)], 1)

    def levels(self, images: Maps) -> list[Maps]:
        """Features of all layers of style; the last are those of `encode`."""
        found, maps = [], images
        for name, layer in self.encoder.named_children():
            maps = layer(maps)
            if name in LAYERS:
                found.append(maps)
        return [*found[:-1], torch.cat([found[-1], colours(images)], 1)]

    def exchange(
        self,
        features: Maps,
        style: tuple[Statistic, Statistic] | None,
        own: Sequence[Statistic] | None = None,
    ) -> Maps:
        """Features with the means and deviations of a style in place of their own."""
        if style is None:
            return features
        mean, deviation = own or statistics(features)
        return (features - mean) / deviation * style[1] + style[0]

    def decode(self, features: Maps) -> Maps:
        """A picture in [0, 1] from features."""
        blurred = functional.interpolate(features[:, -3:], scale_factor=BLOCK, mode="bilinear")
        return blurred * (COLOUR / 255) + MIDDLE + self.decoder(features) * 0.25


def colours(images: Maps) -> Maps:
    """The mean colours of blocks of pictures, as features."""
    return functional.avg_pool2d(images, BLOCK) / COLOUR


def statistics(features: Maps) -> tuple[Statistic, Statistic]:
    """Mean and standard deviation of each channel over all positions, in float32."""
    variance, mean = torch.var_mean(features.float(), (2, 3), correction=0, keepdim=True)
    return mean, (variance + EPSILON).sqrt()
