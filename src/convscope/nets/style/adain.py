"""AdaIN: style transfer to any style at inference, by exchanging the statistics of features.

Source: Huang and Belongie 2017, "Arbitrary Style Transfer in Real-time with Adaptive Instance
Normalization", arXiv:1703.06868. Differences from the paper:

- the encoder is a part of `hed-vgg16`, up to relu3_1 where the paper has relu4_1: less arithmetic, smaller
  strokes. Its filters were fine-tuned to detect edges and have lost much of the colours (linear regression
  of a photograph from its features reaches 14 dB), so the mean colours of blocks of 4 pixels are added as
  three channels, whose statistics are exchanged like all others'. The decoder, which mirrors the encoder,
  predicts a residual to these colours, upsampled;
- encoder and decoder use reflection padding, where hed-vgg16 uses zeros: statistics should not depend
  on the border.
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
"""Layers whose statistics define style; they are exchanged at the last. Names are those of hed-vgg16."""
BLOCK = 4
"""Side of the blocks whose mean colours are features, in pixels: two poolings by 2."""
COLOUR, MIDDLE = 64.0, 0.45
"""Scale and offset of colour features: units of 1/255 that make 1, and the grey in [0, 1] that is about 0."""
EPSILON = 1e-5
HALO = 32
"""Radius in pixels of the receptive field of encoder (13) and decoder (12), rounded up."""


class AdaIN(nn.Module):
    """AdaIN network with a fixed encoder, for photographs `[b 3 h w]` normalised as for hed-vgg16.

    The result is in [0, 1], not clipped.
    """

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
        """Build a network from its saved options.

        Args:
            options: what the property `options` returned.

        Returns:
            The network, with fresh weights.
        """
        return cls(**options)

    @property
    def options(self) -> dict[str, Any]:
        """The configuration from which `of` builds the same network, JSON-ready: empty."""
        return {}

    @property
    def halo(self) -> int:
        """Radius of the receptive field in pixels while the statistics are given, rounded up."""
        return HALO

    @property
    def numbers_per_pixel(self) -> int:
        """Peak memory for each output pixel, in values, approximately: two sets of 64 maps, and a copy."""
        return 200

    def forward(self, images: Maps, style: tuple[Statistic, Statistic] | None = None) -> Maps:
        """Stylize photographs with the statistics of a style.

        Args:
            images: normalised photographs `[b 3 h w]`, of any size.
            style: means and standard deviations of a style's features, `[1 259 1 1]` or `[b 259 1 1]`; None
                reconstructs the photographs.

        Returns:
            Stylized images `[b 3 h w]` in [0, 1], not clipped.
        """
        return any_size(lambda x: self.decode(self.exchange(self.encode(x), style)), images)

    def encode(self, images: Maps) -> Maps:
        """Encode photographs as features at a quarter of the size.

        Args:
            images: normalised photographs `[b 3 h w]`, sides multiples of 4.

        Returns:
            Features `[b 259 h/4 w/4]`: 256 of the encoder, and 3 of colour.
        """
        return torch.cat([self.encoder(images), colours(images)], 1)

    def levels(self, images: Maps) -> list[Maps]:
        """Return the features of all layers that define style.

        Args:
            images: normalised photographs `[b 3 h w]`, sides multiples of 4.

        Returns:
            Feature maps of `LAYERS` in order, at full, half and a quarter of the size; the last are those
            of `encode`.
        """
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
        """Replace the channel statistics of features by those of a style (adaptive instance normalisation).

        Args:
            features: features `[b 259 h w]`.
            style: means and standard deviations of the style, `[_ 259 1 1]`; None returns the features
                unchanged.
            own: means and standard deviations to normalise with, as of the whole image when `features` are
                of a tile; by default those of `features`.

        Returns:
            Features of the same shape.
        """
        if style is None:
            return features
        mean, deviation = own or statistics(features)
        return (features - mean) / deviation * style[1] + style[0]

    def decode(self, features: Maps) -> Maps:
        """Decode features to images.

        Args:
            features: features `[b 259 h w]`.

        Returns:
            Images `[b 3 4h 4w]` in [0, 1], not clipped.
        """
        blurred = functional.interpolate(features[:, -3:], scale_factor=BLOCK, mode="bilinear")
        return blurred * (COLOUR / 255) + MIDDLE + self.decoder(features) * 0.25


def colours(images: Maps) -> Maps:
    """Return the mean colours of blocks of 4x4 pixels, as features.

    Args:
        images: normalised photographs `[b 3 h w]`.

    Returns:
        Mean colours `[b 3 h/4 w/4]`, scaled by `1 / COLOUR`.
    """
    return functional.avg_pool2d(images, BLOCK) / COLOUR


def statistics(features: Maps) -> tuple[Statistic, Statistic]:
    """Return the mean and standard deviation of each channel over all positions, in float32.

    Args:
        features: features `[b c h w]`.

    Returns:
        Means and standard deviations `[b c 1 1]`; `EPSILON` is added to the variance.
    """
    variance, mean = torch.var_mean(features.float(), (2, 3), correction=0, keepdim=True)
    return mean, (variance + EPSILON).sqrt()
