"""Stylize an image in tiles, within a limit of memory, without visible seams.

Each tile is computed with a margin as wide as the network's receptive field reaches (its halo), which is
then cut off. For networks without normalisation the result is that of the whole image. Instance
normalisation depends on the whole image: its statistics are taken from one pass over a reduced copy, and
fixed while the tiles are computed.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from convscope.nets import Net
from convscope.nets.style.adain import (
    RESIDUAL_CHROMA,
    AdaIN,
    Statistics,
    Style,
    mixed,
    statistics,
    statistics_of_parts,
)
from convscope.nets.style.bank import PLAIN, StyleBank
from convscope.nets.style.palette import RADIUS, with_palettes
from convscope.nets.style.parts import STEP, InstanceNormWithFixedStats, Maps, any_size
from convscope.nets.style.style_swap import Part

LEAST = 64
"""Least side of a tile in pixels, without its margin; smaller tiles would be mostly margin."""

Whole = UInt8[Tensor, "3 h w"]


@dataclass(frozen=True)
class PaintedTile:
    """Locate a tile in an image; rows and columns as (first, last + 1), in pixels.

    Attributes:
        outer: rows and columns with the margin.
        inner: rows and columns without it.
    """

    outer: tuple[tuple[int, int], tuple[int, int]]
    inner: tuple[tuple[int, int], tuple[int, int]]

    def cut(self, whole: Tensor) -> Tensor:
        """Crop a tile, with its margin, from an image.

        Args:
            whole: `[... h w]`.

        Returns:
            A view of the tile.
        """
        (top, bottom), (left, right) = self.outer
        return whole[..., top:bottom, left:right]

    def place(self, painted: Tensor, whole: Tensor) -> None:
        """Copy a tile, without its margin, into an image.

        Args:
            painted: result for the tile with its margin, `[... h w]`.
            whole: image to write to, `[... h w]`.
        """
        (top, bottom), (left, right) = self.inner
        up, along = top - self.outer[0][0], left - self.outer[1][0]
        whole[..., top:bottom, left:right] = painted[
            ..., up : up + bottom - top, along : along + right - left
        ]


def parts(height: int, width: int, side: int, margin: int) -> Iterator[PaintedTile]:
    """Divide an image into tiles, with margins where there is a neighbour.

    All tiles begin at a multiple of `STEP`, so that strided layers sample the same pixels as in the whole
    image.

    Args:
        height: of the image, in pixels.
        width: of the image, in pixels.
        side: largest side of a tile in pixels, without its margin, up to rounding to `STEP`.
        margin: width of the margins in pixels.

    Yields:
        The tiles, row by row.
    """
    for rows in _spans(height, side):
        for columns in _spans(width, side):
            outer = (_with_margin(rows, margin, height), _with_margin(columns, margin, width))
            yield PaintedTile(outer, (rows, columns))


def _spans(extent: int, side: int) -> list[tuple[int, int]]:
    """Divide an extent into spans of at most about `side`, multiples of `STEP`; the last may be shorter."""
    count = max(1, -(-extent // side))
    step = -(-extent // (count * STEP)) * STEP
    return [(start, min(start + step, extent)) for start in range(0, extent, step)]


def _with_margin(span: tuple[int, int], margin: int, extent: int) -> tuple[int, int]:
    return max(0, span[0] - margin), min(extent, span[1] + margin)


class TilePainter(Protocol):
    """Stylize one tile."""

    @property
    def extra_margin(self) -> int:
        """Pixels by which it looks further than the network, in each direction."""
        ...

    def surveyed(self, net: Net, whole: Whole, some: Sequence[PaintedTile]) -> "TilePainter":
        """Collect statistics of the whole image before its tiles are stylized, if they are needed.

        Args:
            net: style network.
            whole: the image `[3 h w]`, uint8.
            some: all tiles.

        Returns:
            A painter that has the statistics.
        """
        ...

    def paint(self, net: Net, images: Float[Tensor, "1 3 h w"], whole: Any, part: PaintedTile) -> Tensor:
        """Stylize one tile.

        Args:
            net: style network.
            images: the tile with its margin, `[1 3 h w]` in [0, 1].
            whole: height and width of the whole image.
            part: where the tile is.

        Returns:
            The stylized tile with its margin, `[1 3 h w]`, in [0, 1] but not clipped.
        """
        ...


@dataclass(frozen=True)
class SingleStyle:
    """Apply a network of one style."""

    extra_margin = 0

    def surveyed(self, net: Net, whole: Whole, some: Sequence[PaintedTile]) -> "SingleStyle":
        """Return this painter: it needs no statistics.

        Args:
            net: not used.
            whole: not used.
            some: not used.

        Returns:
            The painter itself.
        """
        return self

    def paint(self, net: Net, images: Float[Tensor, "1 3 h w"], whole: Any, part: PaintedTile) -> Tensor:
        """Stylize one tile with one pass of the network.

        Args:
            net: style network.
            images: the tile with its margin, `[1 3 h w]` in [0, 1].
            whole: not used.
            part: not used.

        Returns:
            The stylized tile with its margin, `[1 3 h w]`.
        """
        return net(images)


@dataclass(frozen=True)
class StyleMix:
    """Apply a mixture of a StyleBank's styles, and other styles in regions of the image.

    Attributes:
        bank: the network's module.
        mixture: weights by style; what is missing from a sum of 1 is the photograph itself.
        regions: masks `[h w]`, 255 where a style applies in full, with the styles; scaled to the image.
            Later ones cover earlier ones, and all of them cover `mixture`.
        colour_maps: from the photograph's colours to each painting's; see `StyleBank.colour_maps`. Of other
            styles the painted colours stay.
    """

    bank: StyleBank
    mixture: dict[str, float]
    regions: Sequence[tuple[UInt8[Tensor, "h w"], str]] = field(default=())
    colour_maps: Mapping[str, Float[Tensor, "3 4"]] = field(default_factory=dict)

    @property
    def extra_margin(self) -> int:
        """Radius of the Gaussian below which colours are the paintings'."""
        return RADIUS if self.colour_maps else 0

    def surveyed(self, net: Net, whole: Whole, some: Sequence[PaintedTile]) -> "StyleMix":
        """Return this painter: it needs no statistics.

        Args:
            net: not used.
            whole: not used.
            some: not used.

        Returns:
            The painter itself.
        """
        return self

    def paint(self, net: Net, images: Float[Tensor, "1 3 h w"], whole: Any, part: PaintedTile) -> Tensor:
        """Stylize one tile with one pass of the network.

        Without regions, the filters of the mixture are fused to a single bank; with regions, every pixel has
        its own weights.

        Args:
            net: style network whose module is `bank`.
            images: the tile with its margin, `[1 3 h w]` in [0, 1].
            whole: height and width of the whole image, to which masks are scaled.
            part: where the tile is.

        Returns:
            The stylized tile with its margin, `[1 3 h w]`.
        """
        ready, weights = net.normalise(images)[0], self.bank.weights(self.mixture)
        corner = part.outer[0][0] // STEP, part.outer[1][0] // STEP
        if not self.regions:
            return self._in_palettes(self.bank(ready, weights, None, corner), images, weights[0].tolist())
        shares = weights.view(1, -1, 1, 1).expand(-1, -1, *images.shape[-2:])
        for mask, name in self.regions:
            here = self._mask(mask, whole, part).to(ready)
            wanted = self.bank.weights({} if name == PLAIN else {name: 1.0}).view(1, -1, 1, 1)
            shares = shares * (1 - here) + wanted * here
        return self._in_palettes(self.bank(ready, None, shares, corner), images, [*shares[0, :, None, None]])

    def _in_palettes(self, painted: Tensor, images: Tensor, weights: Sequence[float | Tensor]) -> Tensor:
        """Give what was painted the paintings' palettes; the weights are of all pixels, or of each."""
        if not self.colour_maps:
            return painted
        named = dict(zip(self.bank.styles, weights, strict=True))
        return with_palettes(painted, images, named, self.colour_maps)

    def _mask(self, mask: Tensor, whole: tuple[int, int], part: PaintedTile) -> Float[Tensor, "1 1 h w"]:
        """Return a tile of a mask in [0, 1], the mask bilinearly scaled to the image's size."""
        if tuple(mask.shape) == whole:
            return part.cut(mask).float()[None, None] / 255
        (top, bottom), (left, right) = part.outer
        rows = (torch.arange(top, bottom) + 0.5) / whole[0] * 2 - 1
        columns = (torch.arange(left, right) + 0.5) / whole[1] * 2 - 1
        grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij")[::-1], -1)[None]
        return functional.grid_sample(
            mask.float()[None, None], grid, padding_mode="border", align_corners=False
        ).div_(255)


@dataclass(frozen=True)
class AdaINStyle:
    """Apply an AdaIN network with a mixture of paintings.

    Attributes:
        module: the network's module.
    """

    extra_margin = 0

    module: AdaIN
    styles: Sequence[tuple[float, Style]]
    """Weight of each, and what is taken from it; what is missing from a sum of 1 is the photograph's own."""
    own: Statistics | None = None
    """Statistics of the whole photograph; each image's own if None."""
    swapped: Statistics | None = None
    """Statistics of the whole photograph after its patches were replaced; each image's own if None."""

    def surveyed(self, net: Net, whole: Whole, some: Sequence[PaintedTile]) -> "AdaINStyle":
        """Compute the statistics of the whole photograph's features, added up over its tiles.

        Args:
            net: AdaIN network.
            whole: the image `[3 h w]`, uint8.
            some: all tiles; their margins are not counted.

        Returns:
            A painter that uses these statistics for every tile.
        """
        encoded = (self._encoded(net, _to_unit_range(part.cut(whole), net)) for part in some)
        own = statistics_of_parts(map(_without_margin, encoded, some))
        encoded = (self._encoded(net, _to_unit_range(part.cut(whole), net)) for part in some)
        size = tuple(whole.shape[-2:])
        swapped = (
            self.module.swap(features.float(), self.styles, own, _in_features(part, size))
            for features, part in zip(encoded, some, strict=True)
        )
        return replace(self, own=own, swapped=statistics_of_parts(map(_without_margin, swapped, some)))

    def paint(self, net: Net, images: Float[Tensor, "1 3 h w"], whole: Any, part: PaintedTile) -> Tensor:
        """Stylize one tile: encode it, replace its patches, exchange the feature statistics, decode.

        Args:
            net: AdaIN network.
            images: the tile with its margin, `[1 3 h w]` in [0, 1].
            whole: height and width of the whole image.
            part: where the tile is.

        Returns:
            The stylized tile with its margin, `[1 3 h w]`.
        """
        place = _in_features(part, whole)

        def painted(ready: Tensor) -> Tensor:
            features = self.module.encode(ready).float()
            own = self.own or statistics(features)
            total = sum(share for share, _ in self.styles)
            wanted = mixed([*((share, style.statistics) for share, style in self.styles), (1.0 - total, own)])
            swapped = self.module.swap(features, self.styles, own, place)
            target = self.module.exchange(swapped, wanted, self.swapped or statistics(swapped))
            chroma = 1.0 - (1.0 - RESIDUAL_CHROMA) * min(1.0, total)
            return self.module.decode(target.to(ready.dtype), chroma)

        return any_size(painted, net.normalise(images)[0])

    def _encoded(self, net: Net, images: Tensor) -> Tensor:
        """Encode an image, padded to multiples of `STEP` by repeating its lower and right edge."""
        height, width = (-(-side // STEP) * STEP for side in images.shape[-2:])
        down, across = height - images.shape[-2], width - images.shape[-1]
        padded = functional.pad(net.normalise(images)[0], (0, across, 0, down), mode="replicate")
        return self.module.encode(padded)


def _in_features(part: PaintedTile, whole: tuple[int, ...]) -> Part:
    """Return where the features of a tile, with its margin, lie in those of the whole image."""
    height, width = (-(-side // STEP) for side in whole)
    return Part((part.outer[0][0] // STEP, part.outer[1][0] // STEP), (height, width))


def _without_margin(features: Maps, part: PaintedTile) -> Maps:
    """Return the features of a tile at the positions that are no other tile's."""
    down, across = (
        slice((inner[0] - outer[0]) // STEP, -(-(inner[1] - outer[0]) // STEP))
        for inner, outer in zip(part.inner, part.outer, strict=True)
    )
    return features[..., down, across]


def stylize_tiled(net: Net, whole: Whole, painter: TilePainter, most_bytes: int) -> Whole:
    """Stylize an image, in as many tiles as the limit of memory requires.

    Args:
        net: style network; its module states its halo and its memory per pixel.
        whole: the image `[3 h w]`, uint8.
        painter: stylizes one tile.
        most_bytes: limit of the memory for activations.

    Returns:
        The stylized image `[3 h w]`, uint8, on the CPU.
    """
    module: Any = net.module
    height, width = whole.shape[-2:]
    pixels = most_bytes / (module.numbers_per_pixel * net.dtype.itemsize)
    margin = module.halo + painter.extra_margin
    side = max(LEAST, int(pixels**0.5) - 2 * margin)
    if height * width <= pixels:
        side = max(height, width)
    painted = torch.empty_like(whole)
    tiles = list(parts(height, width, side, margin))
    if len(tiles) > 1:
        painter = painter.surveyed(net, whole, tiles)
    with _fixed_statistics(net, whole, painter, pixels) if len(tiles) > 1 else nullcontext():
        for part in tiles:
            images = _to_unit_range(part.cut(whole), net)
            result = painter.paint(net, images, (height, width), part).float()
            part.place(result[0].clamp_(0, 1).mul_(255).round_().to(torch.uint8).cpu(), painted)
    return painted


def _to_unit_range(whole: Tensor, net: Net) -> Float[Tensor, "1 3 h w"]:
    """Convert a uint8 image to `[1 3 h w]` in [0, 1], channels-last, on the network's device."""
    images = whole[None].to(net.device, net.dtype) / 255
    return images.contiguous(memory_format=torch.channels_last)


@contextmanager
def _fixed_statistics(net: Net, whole: Whole, painter: TilePainter, pixels: float) -> Iterator[None]:
    """Fix the statistics of instance normalisation while the context lasts.

    They are those of the whole image, reduced to fit into `pixels`. Does nothing for networks without it.
    """
    norms = [part for part in net.module.modules() if isinstance(part, InstanceNormWithFixedStats)]
    if not norms:
        yield
        return
    scale = min(1.0, (pixels / whole.shape[-2] / whole.shape[-1]) ** 0.5)
    size = [max(16, round(side * scale)) for side in whole.shape[-2:]]
    small = functional.interpolate(_to_unit_range(whole, net), size, mode="area")
    handles = [norm.register_forward_pre_hook(_hold) for norm in norms]
    try:
        painter.paint(net, small, tuple(size), PaintedTile(((0, size[0]), (0, size[1])), ((0, 0), (0, 0))))
        yield
    finally:
        for handle in handles:
            handle.remove()
        for norm in norms:
            norm.held = None


def _hold(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Store the statistics of a normalisation layer's first input; a forward pre-hook."""
    if isinstance(norm, InstanceNormWithFixedStats) and norm.held is None:
        variance, mean = torch.var_mean(inputs[0], (2, 3), correction=0, keepdim=True)
        norm.held = mean, variance
