"""Convert images to what a network expects: channels, size and value range."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from convscope.errors import UsageError
from convscope.graph.spec import TensorSpec

FRAME = 1 / 8
"""Largest share of a side that is padded instead of enlarging: LeNet-5 pads 28 pixels to 32."""
LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green, blue. Source: ITU-R BT.601."""


def to_spec(pictures: Tensor, spec: TensorSpec) -> Tensor:
    """Convert uint8 images to the channels, size and value range of an input spec.

    Grey is repeated for three channels, colour becomes luminance for one. Images that are smaller by at most
    `FRAME` of the spec's size are padded with the low end of the range; all others are resized (bilinear,
    antialiased).

    Args:
        pictures: `[b c h w]`, uint8; 0 and 255 stand for the ends of the spec's value range.
        spec: spec of the network's input. For a plain vector, images of as many values are flattened.

    Returns:
        `[b c h w]`, or `[b c]` for a plain vector, in the spec's value range.

    Raises:
        UsageError: the images cannot be converted to that input.
    """
    return fitted(scaled(pictures, spec), spec)


def scaled(pictures: UInt8[Tensor, "*b c h w"], spec: TensorSpec) -> Float[Tensor, "*b c h w"]:
    """Convert bytes to floats in the spec's value range: 0 becomes its low end, 255 its high end.

    Args:
        pictures: uint8 images, `[c h w]` or `[b c h w]`.
        spec: the input spec; only its value range is used.

    Returns:
        float32 images of the same shape.
    """
    low, high = spec.value_range
    unit = pictures.to(torch.float32).div_(255)
    return unit if (low, high) == (0.0, 1.0) else unit.mul_(high - low).add_(low)


def fitted(pictures: Tensor, spec: TensorSpec) -> Tensor:
    """Convert images in the spec's value range to its channels and size, as `to_spec` does for bytes.

    Args:
        pictures: `[b c h w]` in the spec's value range.
        spec: spec of the network's input.

    Returns:
        `[b c h w]`, or `[b c]` for a plain vector, in the spec's value range.

    Raises:
        UsageError: the images cannot be converted to that input.
    """
    size = spec.size
    if len(size) != 2:
        return _flattened(pictures, spec)
    ready = _channels(pictures, spec)
    if tuple(ready.shape[2:]) == size:
        return ready
    gaps = [wanted - had for wanted, had in zip(size, ready.shape[2:], strict=True)]
    if all(0 <= gap <= FRAME * wanted for gap, wanted in zip(gaps, size, strict=True)):
        sides = [side for gap in reversed(gaps) for side in (gap // 2, gap - gap // 2)]
        return functional.pad(ready, sides, value=spec.value_range[0])
    low, high = spec.value_range
    return functional.interpolate(ready, size, mode="bilinear", antialias=True).clamp_(low, high)


def with_longest(picture: Tensor, spec: TensorSpec, longest: int | None) -> Tensor:
    """Resize an image in the spec's value range so that its longer side has a number of pixels.

    Args:
        picture: `[c h w]` in the spec's value range.
        spec: its value range clips what bicubic interpolation overshoots.
        longest: longer side in pixels; None for the image's own.

    Returns:
        `[c y x]` with the same proportions (bicubic, antialiased); the same tensor where nothing changes.
    """
    if longest is None or longest == max(picture.shape[-2:]):
        return picture
    size = [max(1, round(side * longest / max(picture.shape[-2:]))) for side in picture.shape[-2:]]
    low, high = spec.value_range
    return functional.interpolate(picture[None], size, mode="bicubic", antialias=True)[0].clamp(low, high)


def _flattened(pictures: Tensor, spec: TensorSpec) -> Tensor:
    if not spec.size and pictures[0].numel() == spec.channels:
        return pictures.flatten(1)
    wanted = "x".join(map(str, spec.shape))
    got = "x".join(map(str, pictures.shape[1:]))
    raise UsageError(
        f"data for an input of {wanted}",
        received=f"pictures of {got}",
        hint="Choose data of the network's kind, or a network of pictures: convscope nets lists them.",
    )


def _channels(pictures: Tensor, spec: TensorSpec) -> Tensor:
    had, wanted = pictures.shape[1], spec.channels
    if had == wanted:
        return pictures
    if had == 1:
        return pictures.expand(-1, wanted, *pictures.shape[2:])
    if (had, wanted) == (3, 1):
        weights = torch.tensor(LUMINANCE, device=pictures.device).view(1, 3, 1, 1)
        return (pictures * weights).sum(1, keepdim=True)
    raise UsageError(
        f"pictures of {wanted} channel(s)",
        received=f"{had} channels",
        hint="Choose pictures with that many channels, or another network.",
    )
