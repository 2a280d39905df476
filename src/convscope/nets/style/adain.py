"""Any style, taken from a painting when it is used: the statistics of features, exchanged.

Source: Huang and Belongie 2017, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization",
arXiv:1703.06868. The encoder is a part of `hed-vgg16`, up to relu3_1 where the paper has relu4_1: less
arithmetic, and smaller strokes. The decoder mirrors it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convscope.errors import UsageError
from convscope.nets.style.parts import Enlarge, Maps, PaintingNet, any_size, last, unit

Statistic = Float[Tensor, "_ c 1 1"]
LAYERS = ("relu1_1", "relu2_1", "relu3_1")
"""Whose statistics are style; the last is where they are exchanged. Names are those of hed-vgg16."""
EPSILON = 1e-5
HALO = 32
"""Pixels that one sees, encoder and decoder together, at most: 13 and 12."""


@dataclass(frozen=True)
class Exchange:
    """Sizes of the network.

    Args:
        scale: features are divided by this; about the root of their mean square.

    Raises:
        UsageError: it is not positive.
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.scale < 1e9:
            raise UsageError("a scale above 0", received=str(self.scale))


class AdaIN(PaintingNet):
    """Paints photographs `[b 3 h w]`, normalised as for hed-vgg16; the result is in [0, 1], not clipped."""

    kind, shape = "adain", Exchange
    form: Exchange

    def __init__(self, form: Exchange) -> None:
        super().__init__(form)
        self.encoder = nn.Sequential()
        for block, (channels, filters, count) in enumerate(
            ((3, 64, 2), (64, 128, 2), (128, 256, 1)), start=1
        ):
            if block > 1:
                self.encoder.add_module(f"pool{block - 1}", nn.MaxPool2d(2))
            for number in range(1, count + 1):
                conv = nn.Conv2d(channels if number == 1 else filters, filters, 3, padding=1)
                self.encoder.add_module(f"conv{block}_{number}", conv)
                self.encoder.add_module(f"relu{block}_{number}", nn.ReLU())
        self.encoder.requires_grad_(False)
        self.decoder = nn.Sequential(
            unit(256, 128, 3), Enlarge(128, 128), unit(128, 64, 3), Enlarge(64, 64), last(64, 3)
        )

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
        """Features at a quarter of the size."""
        return self.encoder(images) / self.form.scale

    def levels(self, images: Maps) -> list[Maps]:
        """Features of all layers of style, the last one scaled as in `encode`."""
        found, maps = [], images
        for name, layer in self.encoder.named_children():
            maps = layer(maps)
            if name in LAYERS:
                found.append(maps / self.form.scale)
        return found

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
        return self.decoder(features) * 0.25 + 0.5


def statistics(features: Maps) -> tuple[Statistic, Statistic]:
    """Mean and standard deviation of each channel over all positions, in float32."""
    variance, mean = torch.var_mean(features.float(), (2, 3), correction=0, keepdim=True)
    return mean, (variance + EPSILON).sqrt()
