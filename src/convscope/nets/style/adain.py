"""AdaIN: style transfer to any style at inference, by exchanging the statistics of features.

Source: Huang and Belongie 2017, "Arbitrary Style Transfer in Real-time with Adaptive Instance
Normalization", arXiv:1703.06868. Differences from the paper:

- the encoder is a part of `hed-vgg16`, up to relu3_1 where the paper has relu4_1: less arithmetic, smaller
  strokes. Its filters were fine-tuned to detect edges and have lost much of the colours (linear regression
  of a photograph from its features reaches 14 dB), so the mean colours of blocks of 4 pixels are added as
  three channels. Their whole covariance is exchanged, not only their variances, as in the whitening and
  colouring transform of Li et al. 2017, arXiv:1705.08086: so the palette is the painting's. The decoder,
  which mirrors the encoder, predicts a residual to these colours, upsampled;
- encoder and decoder use reflection padding, where hed-vgg16 uses zeros: statistics should not depend
  on the border.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from convscope.errors import UsageError
from convscope.nets.style.parts import Maps, Residual, UpsampleConv, any_size, convolution, last, unit

Statistic = Float[Tensor, "_ c 1 1"]
LAYERS = ("relu1_1", "relu2_1", "relu3_1")
"""Layers whose statistics define style; they are exchanged at the last. Names are those of hed-vgg16."""
BLOCK = 4
"""Side of the blocks whose mean colours are features, in pixels: two poolings by 2."""
COLOUR, MIDDLE = 64.0, 0.45
"""Scale and offset of colour features: units of 1/255 that make 1, and the grey in [0, 1] that is about 0."""
EPSILON, COLOUR_EPSILON = 1e-5, 0.02
"""Added to variances. More for those of colours: the noise of a grey photograph should not become colours."""
MOST_BLOCKS = 16
HALO, BLOCK_HALO = 32, 8
"""Radius in pixels of the receptive field of encoder (13) and decoder (12), rounded up; and what each
residual block adds to it."""


class Statistics(NamedTuple):
    """Statistics of features over all positions; a mixture of styles mixes each of the three.

    Attributes:
        mean: mean of each channel, `[b 259 1 1]`.
        deviation: standard deviation of each channel but colours, `[b 256 1 1]`.
        root: symmetric square root of the covariance of the colours, `[b 3 3]`.
    """

    mean: Statistic
    deviation: Statistic
    root: Float[Tensor, "_ 3 3"]


class AdaIN(nn.Module):
    """AdaIN network with a fixed encoder, for photographs `[b 3 h w]` normalised as for hed-vgg16.

    The result is in [0, 1], not clipped.

    Args:
        blocks: residual blocks of the decoder, at a quarter of the size; the paper has none. They widen the
            strokes that it can paint.

    Raises:
        UsageError: there are more than 16 blocks.
    """

    kind = "adain"

    def __init__(self, blocks: int = 0) -> None:
        super().__init__()
        if not isinstance(blocks, int) or not 0 <= blocks <= MOST_BLOCKS:
            raise UsageError(f"0 to {MOST_BLOCKS} residual blocks", received=str(blocks))
        self.blocks = blocks
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
            unit(256 + 3, 128, 3),
            *(Residual(128) for _ in range(blocks)),
            UpsampleConv(128, 128),
            unit(128, 64, 3),
            UpsampleConv(64, 64),
            last(64, 3),
        )

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of the constructor, JSON-ready."""
        return {"blocks": self.blocks}

    @property
    def halo(self) -> int:
        """Radius of the receptive field in pixels while the statistics are given, rounded up."""
        return HALO + BLOCK_HALO * self.blocks

    @property
    def numbers_per_pixel(self) -> int:
        """Peak memory for each output pixel, in values, approximately: two sets of 64 maps, and a copy."""
        return 200

    def forward(self, images: Maps, style: Statistics | None = None) -> Maps:
        """Stylize photographs with the statistics of a style.

        Args:
            images: normalised photographs `[b 3 h w]`, of any size.
            style: statistics of a style's features, of one style or one for each photograph; None
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

    def exchange(self, features: Maps, style: Statistics | None, own: Statistics | None = None) -> Maps:
        """Replace the statistics of features by those of a style (adaptive instance normalisation).

        Args:
            features: features `[b 259 h w]`.
            style: statistics of the style; None returns the features unchanged.
            own: statistics to normalise with, as of the whole image when `features` are of a tile; by default
                those of `features`.

        Returns:
            Features of the same shape.
        """
        if style is None:
            return features
        own = own or statistics(features)
        centred = features.float() - own.mean
        matrix = style.root @ torch.linalg.inv(own.root)
        palette = torch.einsum("bij,bjhw->bihw", matrix.expand(len(centred), 3, 3), centred[:, -3:])
        return torch.cat([centred[:, :-3] * (style.deviation / own.deviation), palette], 1) + style.mean

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


def moments(maps: Maps) -> tuple[Statistic, Statistic]:
    """Return the mean and standard deviation of each channel over all positions, in float32.

    Args:
        maps: feature maps `[b c h w]`.

    Returns:
        Means and standard deviations `[b c 1 1]`; `EPSILON` is added to the variance.
    """
    variance, mean = torch.var_mean(maps.float(), (2, 3), correction=0, keepdim=True)
    return mean, (variance + EPSILON).sqrt()


def statistics(features: Maps) -> Statistics:
    """Return the statistics of features over all positions, in float32.

    Args:
        features: features `[b 259 h w]`.

    Returns:
        Means; deviations, and the root of the colours' covariance. `EPSILON` is added to variances, and
        `COLOUR_EPSILON` to those of colours.
    """
    mean, deviation = moments(features)
    centred = (features[:, -3:].float() - mean[:, -3:]).flatten(2)
    return Statistics(mean, deviation[:, :-3], _root(centred @ centred.transpose(1, 2) / centred.shape[2]))


def statistics_of_parts(parts: Iterable[Maps]) -> Statistics:
    """Return the statistics of the features of an image that comes in parts, added up in float64.

    Args:
        parts: features `[1 259 h w]` of each part, none of which has a position of another.

    Returns:
        Those of all positions, as from `statistics`.
    """
    count, total, squares, products = 0, 0.0, 0.0, 0.0
    for features in parts:
        flat = features.double().flatten(2)
        count += flat.shape[2]
        total = total + flat.sum(2, keepdim=True)
        squares = squares + flat[:, :-3].square().sum(2, keepdim=True)
        products = products + flat[:, -3:] @ flat[:, -3:].transpose(1, 2)
    mean = torch.as_tensor(total) / count
    variance = (torch.as_tensor(squares) / count - mean[:, :-3].square()).clamp_min(0)
    covariance = torch.as_tensor(products) / count - mean[:, -3:] @ mean[:, -3:].transpose(1, 2)
    deviation = (variance + EPSILON).sqrt()
    return Statistics(mean[..., None].float(), deviation[..., None].float(), _root(covariance).float())


def mixed(shares: Sequence[tuple[float, Statistics]]) -> Statistics:
    """Return the weighted sum of statistics.

    Args:
        shares: weight and statistics of each style.

    Returns:
        The sum of means, deviations and roots.
    """
    return Statistics(*(sum(share * one[part] for share, one in shares) for part in range(3)))  # pyright: ignore[reportArgumentType]


def _root(covariance: Float[Tensor, "b 3 3"]) -> Float[Tensor, "b 3 3"]:
    """Return the symmetric square root of covariance matrices, `COLOUR_EPSILON` added to each variance."""
    values, vectors = torch.linalg.eigh(covariance)
    return (vectors * (values.clamp_min(0) + COLOUR_EPSILON).sqrt()[:, None]) @ vectors.transpose(1, 2)
