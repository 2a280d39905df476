"""Painting a picture part by part, within a limit of memory, so that the parts fit together.

A part is painted with a margin as wide as a pixel sees, and the margin is thrown away. Networks without
normalisation see nothing else. Instance normalisation sees the whole picture: its statistics are taken from
one pass over the picture made smaller, and held while the parts are painted.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from convscope.nets import Net
from convscope.nets.style.adain import EPSILON, AdaIN, statistics
from convscope.nets.style.bank import PLAIN, StyleBank
from convscope.nets.style.parts import STEP, InstanceNormWithFixedStats, any_size

LEAST = 64
"""Pixels of a part's side, margin left out; smaller parts would be mostly margin."""

Whole = UInt8[Tensor, "3 h w"]


@dataclass(frozen=True)
class Part:
    """Where a part lies, with its margin and without it; rows and columns as (first, last + 1)."""

    outer: tuple[tuple[int, int], tuple[int, int]]
    inner: tuple[tuple[int, int], tuple[int, int]]

    def cut(self, whole: Tensor) -> Tensor:
        """The part with its margin."""
        (top, bottom), (left, right) = self.outer
        return whole[..., top:bottom, left:right]

    def place(self, painted: Tensor, whole: Tensor) -> None:
        """Put the part without its margin where it belongs."""
        (top, bottom), (left, right) = self.inner
        up, along = top - self.outer[0][0], left - self.outer[1][0]
        whole[..., top:bottom, left:right] = painted[
            ..., up : up + bottom - top, along : along + right - left
        ]


def parts(height: int, width: int, side: int, margin: int) -> Iterator[Part]:
    """A picture in parts of about `side` pixels each way, margins of `margin` where there is a neighbour.

    Everything begins at a multiple of `STEP`, so that halving falls on the same pixels as in the whole.
    """
    for rows in _spans(height, side):
        for columns in _spans(width, side):
            outer = (_wider(rows, margin, height), _wider(columns, margin, width))
            yield Part(outer, (rows, columns))


def _spans(extent: int, side: int) -> list[tuple[int, int]]:
    count = max(1, -(-extent // side))
    step = -(-extent // (count * STEP)) * STEP
    return [(start, min(start + step, extent)) for start in range(0, extent, step)]


def _wider(span: tuple[int, int], margin: int, extent: int) -> tuple[int, int]:
    return max(0, span[0] - margin), min(extent, span[1] + margin)


class TilePainter(Protocol):
    """What paints one part."""

    def surveyed(self, net: Net, whole: Whole, some: Sequence[Part]) -> "TilePainter":
        """The same, having seen the whole picture part by part, if it needs to."""
        ...

    def paint(self, net: Net, images: Float[Tensor, "1 3 h w"], whole: Any, part: Part) -> Tensor:
        """The part, painted, margin included."""
        ...


@dataclass(frozen=True)
class SingleStyle:
    """A network that has one style."""

    def surveyed(self, net: Net, whole: Whole, some: Sequence[Part]) -> "SingleStyle":
        """Needs to see nothing."""
        return self

    def paint(self, net: Net, images: Float[Tensor, "1 3 h w"], whole: Any, part: Part) -> Tensor:
        """One pass."""
        return net(images)


@dataclass(frozen=True)
class StyleMix:
    """A StyleBank: a mixture, and regions above it, the later the higher.

    `regions` are masks `[h w]`, 255 where the style reigns, scaled to the picture when it is painted.
    """

    bank: StyleBank
    mixture: dict[str, float]
    regions: Sequence[tuple[UInt8[Tensor, "h w"], str]] = field(default=())

    def surveyed(self, net: Net, whole: Whole, some: Sequence[Part]) -> "StyleMix":
        """Needs to see nothing."""
        return self

    def paint(self, net: Net, images: Float[Tensor, "1 3 h w"], whole: Any, part: Part) -> Tensor:
        """One pass with fused filters, or with each pixel's own mixture."""
        ready, weights = net.normalise(images)[0], self.bank.weights(self.mixture)
        corner = part.outer[0][0] // STEP, part.outer[1][0] // STEP
        if not self.regions:
            return self.bank(ready, weights, None, corner)
        shares = weights.view(1, -1, 1, 1).expand(-1, -1, *images.shape[-2:])
        for mask, name in self.regions:
            here = self._mask(mask, whole, part).to(ready)
            wanted = self.bank.weights({} if name == PLAIN else {name: 1.0}).view(1, -1, 1, 1)
            shares = shares * (1 - here) + wanted * here
        return self.bank(ready, None, shares, corner)

    def _mask(self, mask: Tensor, whole: tuple[int, int], part: Part) -> Float[Tensor, "1 1 h w"]:
        """A part of a mask, as if the mask had the picture's size."""
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
    """An AdaIN network: statistics of styles, mixed; what is missing from 1 are the photograph's own."""

    module: AdaIN
    styles: Sequence[tuple[float, tuple[Tensor, Tensor]]]
    """Share, means and deviations `[1 c 1 1]` of each."""
    own: tuple[Tensor, Tensor] | None = None
    """Of the whole photograph."""

    def surveyed(self, net: Net, whole: Whole, some: Sequence[Part]) -> "AdaINStyle":
        """Means and deviations of the whole photograph's features, added up part by part in float64."""
        count, total, squares = 0, 0.0, 0.0
        for part in some:
            features = self._encoded(net, _unit(part.cut(whole), net))
            down, across = (
                slice((inner[0] - outer[0]) // STEP, -(-(inner[1] - outer[0]) // STEP))
                for inner, outer in zip(part.inner, part.outer, strict=True)
            )
            seen = features[..., down, across].double()
            count += seen.shape[-2] * seen.shape[-1]
            total = total + seen.sum((2, 3), keepdim=True)
            squares = squares + seen.square().sum((2, 3), keepdim=True)
        mean = torch.as_tensor(total) / count
        variance = (torch.as_tensor(squares) / count - mean.square()).clamp_min(0)
        return replace(self, own=(mean.float(), (variance + EPSILON).sqrt().float()))

    def paint(self, net: Net, images: Float[Tensor, "1 3 h w"], whole: Any, part: Part) -> Tensor:
        """Encode, exchange, decode."""

        def painted(ready: Tensor) -> Tensor:
            features = self.module.encode(ready).float()
            own = self.own or statistics(features)
            rest = 1 - sum(share for share, _ in self.styles)
            mixed = [
                sum((share * style[index] for share, style in self.styles), rest * own[index])
                for index in (0, 1)
            ]
            target = (features - own[0]) / own[1] * mixed[1] + mixed[0]
            return self.module.decode(target.to(ready.dtype))

        return any_size(painted, net.normalise(images)[0])

    def _encoded(self, net: Net, images: Tensor) -> Tensor:
        height, width = (-(-side // STEP) * STEP for side in images.shape[-2:])
        down, across = height - images.shape[-2], width - images.shape[-1]
        wider = functional.pad(net.normalise(images)[0], (0, across, 0, down), mode="replicate")
        return self.module.encode(wider)


def stylize_tiled(net: Net, whole: Whole, brush: TilePainter, most_bytes: int) -> Whole:
    """The picture painted, in as many parts as the limit asks for; bytes in, bytes out."""
    module: Any = net.module
    height, width = whole.shape[-2:]
    pixels = most_bytes / (module.numbers_per_pixel * net.dtype.itemsize)
    side, margin = max(LEAST, int(pixels**0.5) - 2 * module.halo), module.halo
    if height * width <= pixels:
        side = max(height, width)
    painted = torch.empty_like(whole)
    some = list(parts(height, width, side, margin))
    if len(some) > 1:
        brush = brush.surveyed(net, whole, some)
    with _held(net, whole, brush, pixels) if len(some) > 1 else _nothing():
        for part in some:
            images = _unit(part.cut(whole), net)
            fresh = brush.paint(net, images, (height, width), part).float()
            part.place(fresh[0].clamp_(0, 1).mul_(255).round_().to(torch.uint8).cpu(), painted)
    return painted


def _unit(whole: Tensor, net: Net) -> Float[Tensor, "1 3 h w"]:
    images = whole[None].to(net.device, net.dtype) / 255
    return images.contiguous(memory_format=torch.channels_last)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _held(net: Net, whole: Whole, brush: TilePainter, pixels: float) -> Iterator[None]:
    """Instance statistics of the whole, made smaller, stand for those of every part."""
    norms = [part for part in net.module.modules() if isinstance(part, InstanceNormWithFixedStats)]
    if not norms:
        yield
        return
    scale = min(1.0, (pixels / whole.shape[-2] / whole.shape[-1]) ** 0.5)
    size = [max(16, round(side * scale)) for side in whole.shape[-2:]]
    small = functional.interpolate(_unit(whole, net), size, mode="area")
    handles = [norm.register_forward_pre_hook(_hold) for norm in norms]
    try:
        brush.paint(net, small, tuple(size), Part(((0, size[0]), (0, size[1])), ((0, 0), (0, 0))))
        yield
    finally:
        for handle in handles:
            handle.remove()
        for norm in norms:
            norm.held = None


def _hold(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Keep the statistics of the first input that comes by."""
    if isinstance(norm, InstanceNormWithFixedStats) and norm.held is None:
        variance, mean = torch.var_mean(inputs[0], (2, 3), correction=0, keepdim=True)
        norm.held = mean, variance
