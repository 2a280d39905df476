"""AdaIN: style transfer to any style at inference, by exchanging the statistics of features.

Source: Huang and Belongie 2017, "Arbitrary Style Transfer in Real-time with Adaptive Instance
Normalization", arXiv:1703.06868. Differences from the paper:

- the encoder is a part of `hed-vgg16`, up to relu3_1 where the paper has relu4_1: less arithmetic, smaller
  strokes. Its filters were fine-tuned to detect edges and have lost much of the colours (linear regression
  of a photograph from its features reaches 14 dB), so the mean colours of blocks of 4 pixels are added as
  three channels. The decoder, which mirrors the encoder but for its residual blocks, predicts a residual to
  these colours, upsampled;
- whole covariances are exchanged, of the features and of the colours, not only variances: the whitening and
  colouring transform of Li et al. 2017, arXiv:1705.08086, "Universal Style Transfer via Feature Transforms".
  So strokes are in it, which variances hardly hold, and the palette is the painting's;
- before, each patch of features is replaced by the painting's most similar one (`swap`): statistics do not
  say how strokes go on. Where a photograph has most to say, a part of its own features stays. Not while the
  decoder is trained;
- when it paints, half of the chroma of the decoder's residual is left out (`RESIDUAL_CHROMA`);
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
from convscope.nets.style.parts import LUMA, Maps, Residual, UpsampleConv, any_size, convolution, last, unit
from convscope.nets.style.style_swap import Part, StylePatches, content_share, style_patches, swap

Statistic = Float[Tensor, "_ c 1 1"]
LAYERS = ("relu1_1", "relu2_1", "relu3_1")
"""Layers whose statistics define style; they are exchanged at the last. Names are those of hed-vgg16."""
BLOCK = 4
"""Side of the blocks whose mean colours are features, in pixels: two poolings by 2."""
COLOUR, MIDDLE = 64.0, 0.45
"""Scale and offset of colour features: units of 1/255 that make 1, and the grey in [0, 1] that is about 0."""
RESIDUAL_CHROMA = 0.5
"""How much of the chroma of its residual the decoder adds when it paints in full: the encoder's filters hold
few colours, and to replaced patches, which training has not, it adds purple and green fringes. By eye:
most go, and the palette, which is in the colour features, stays. Reconstructions have all of it."""
GROUPS = (slice(None, -3), slice(-3, None))
"""The channels whose covariances are exchanged: features, and colours."""
EPSILON, FEATURE_EPSILON, COLOUR_EPSILON = 1e-5, 0.01, 0.02
"""Added to variances: of single channels, and of features and colours before roots are taken: the noise of a
flat photograph should not become strokes, nor that of a grey one colours."""
MOST_BLOCKS = 16
HALO, BLOCK_HALO = 36, 8
"""Radius in pixels of the receptive field of encoder (13), patches (8) and decoder (12), rounded up; and what
each residual block adds to it."""


class Statistics(NamedTuple):
    """Statistics of features over all positions; a mixture of styles mixes each of the three.

    Attributes:
        mean: mean of each channel, `[b 259 1 1]`.
        root: symmetric square root of the covariance of the channels but colours, `[b 256 256]`, float64.
        colour_root: symmetric square root of the covariance of the colours, `[b 3 3]`, float64.
    """

    mean: Statistic
    root: Float[Tensor, "_ 256 256"]
    colour_root: Float[Tensor, "_ 3 3"]


class Style(NamedTuple):
    """What is taken from a painting.

    Attributes:
        statistics: of its features.
        patches: of its whitened features, without colours.
    """

    statistics: Statistics
    patches: StylePatches


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
            raise UsageError(
                f"0 to {MOST_BLOCKS} residual blocks",
                received=str(blocks),
                hint="The network that ships has 2; the paper's has none.",
            )
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
        """Replace means and covariances of features by those of a style (whitening and colouring).

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
        texture = _with_covariance(centred[:, :-3], own.root, style.root)
        colour = _with_covariance(centred[:, -3:], own.colour_root, style.colour_root)
        return torch.cat([texture, colour], 1) + style.mean

    def swap(
        self,
        features: Maps,
        styles: Sequence[tuple[float, Style]],
        own: Statistics,
        part: Part | None = None,
    ) -> Maps:
        """Replace every patch of a photograph's features by the styles' most similar ones.

        Colours stay, and so do `content_share` of the photograph's features, and what is missing from
        weights of 1. The result has other statistics than `own`.

        Args:
            features: features of one photograph `[1 259 h w]`.
            styles: weight of each style, and the style.
            own: statistics to whiten with, as of the whole image when `features` are of a tile.
            part: where a tile's features lie in those of the whole image; None for the whole.

        Returns:
            Features of the same shape, whitened but for the colours.
        """
        white = _whitened(features, own)
        texture, replaced = white.clone(), 1.0 - content_share(white)
        for share, style in styles:
            texture += share * replaced * (swap(white, style.patches, part) - white)
        return torch.cat([texture, features[:, -3:].float()], 1)

    def decode(self, features: Maps, chroma: float = 1.0) -> Maps:
        """Decode features to images.

        Args:
            features: features `[b 259 h w]`.
            chroma: how much of the chroma of the residual is added, from 0 to 1; of its luminance all is.

        Returns:
            Images `[b 3 4h 4w]` in [0, 1], not clipped.
        """
        blurred = functional.interpolate(features[:, -3:], scale_factor=BLOCK, mode="bilinear")
        residual = self.decoder(features) * 0.25
        luminance = (residual * residual.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
        return blurred * (COLOUR / 255) + MIDDLE + torch.lerp(luminance, residual, chroma)


def colours(images: Maps) -> Maps:
    """Return the mean colours of blocks of 4x4 pixels, as features.

    Args:
        images: normalised photographs `[b 3 h w]`.

    Returns:
        Mean colours `[b 3 h/4 w/4]`, scaled by `1 / COLOUR`.
    """
    return functional.avg_pool2d(images, BLOCK) / COLOUR


def mean_and_deviation(maps: Maps) -> tuple[Statistic, Statistic]:
    """Return the mean and standard deviation of each channel over all positions, in float32.

    Args:
        maps: feature maps `[b c h w]`.

    Returns:
        Means and standard deviations `[b c 1 1]`; `EPSILON` is added to the variance.
    """
    variance, mean = torch.var_mean(maps.float(), (2, 3), correction=0, keepdim=True)
    return mean, (variance + EPSILON).sqrt()


def style_of(features: Float[Tensor, "1 259 h w"]) -> Style:
    """Return what is taken from a painting.

    Args:
        features: the painting's features; both sides at least 2.

    Returns:
        Its statistics and patches.
    """
    found = statistics(features)
    return Style(found, style_patches(_whitened(features, found)))


def statistics(features: Maps) -> Statistics:
    """Return the statistics of features over all positions; roots are computed in float64.

    Args:
        features: features `[b 259 h w]`.

    Returns:
        Means, and roots of the covariances of features and colours. `FEATURE_EPSILON` and `COLOUR_EPSILON`
        are added to variances.
    """
    flat = features.float().flatten(2)
    mean = flat.mean(2, keepdim=True)
    centred = flat - mean
    return _statistics(mean, (_products(centred[:, part]).double() / flat.shape[2] for part in GROUPS))


def statistics_of_parts(parts: Iterable[Maps]) -> Statistics:
    """Return the statistics of the features of an image that comes in parts, added up in float64.

    Args:
        parts: features `[1 259 h w]` of each part, none of which has a position of another.

    Returns:
        Those of all positions, as from `statistics`.
    """
    count, total, products = 0, 0.0, [0.0, 0.0]
    for features in parts:
        flat = features.double().flatten(2)
        count += flat.shape[2]
        total = total + flat.sum(2, keepdim=True)
        products = [one + _products(flat[:, part]) for one, part in zip(products, GROUPS, strict=True)]
    mean = torch.as_tensor(total) / count
    pairs = zip(products, GROUPS, strict=True)
    return _statistics(mean, (torch.as_tensor(one) / count - _products(mean[:, part]) for one, part in pairs))


def mixed(shares: Sequence[tuple[float, Statistics]]) -> Statistics:
    """Return the weighted sum of statistics.

    Args:
        shares: weight and statistics of each style.

    Returns:
        The sum of means and roots.
    """
    return Statistics(*(sum(share * one[part] for share, one in shares) for part in range(3)))  # pyright: ignore[reportArgumentType]


def _products(flat: Float[Tensor, "b c n"]) -> Float[Tensor, "b c c"]:
    """Return the sums over positions of the products of each two channels."""
    return flat @ flat.transpose(1, 2)


def _statistics(mean: Float[Tensor, "b 259 1"], covariances: Iterable[Float[Tensor, "b c c"]]) -> Statistics:
    """Return the statistics with these means, and with the roots of the covariances of both `GROUPS`."""
    features, colours = covariances
    roots = _root(features, FEATURE_EPSILON), _root(colours, COLOUR_EPSILON)
    return Statistics(mean[..., None].float(), *roots)


def _root(covariance: Float[Tensor, "b c c"], epsilon: float) -> Float[Tensor, "b c c"]:
    """Return the symmetric square root of covariance matrices, `epsilon` added to each variance."""
    values, vectors = torch.linalg.eigh(covariance)
    return (vectors * (values.clamp_min(0) + epsilon).sqrt()[:, None]) @ vectors.transpose(1, 2)


def _whitened(features: Maps, own: Statistics) -> Float[Tensor, "b 256 h w"]:
    """Return the features without colours, of mean 0, uncorrelated and of variance 1."""
    identity = torch.eye(own.root.shape[-1], dtype=own.root.dtype, device=own.root.device)[None]
    return _with_covariance(features[:, :-3].float() - own.mean[:, :-3], own.root, identity)


def _with_covariance(centred: Maps, own: Float[Tensor, "b c c"], wanted: Float[Tensor, "b c c"]) -> Maps:
    """Return features of mean 0 with another covariance, given the roots of their own and of the other."""
    matrix = (wanted @ torch.linalg.inv(own)).to(centred.dtype)
    return (matrix @ centred.flatten(2)).unflatten(2, centred.shape[2:])
