"""Photographs: read a file as an image, convert it to a tensor in a network's range, and back to an image."""

from os import PathLike

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from convscope.errors import DataError, UsageError
from convscope.graph.spec import ImageTransform, TensorSpec
from convscope.worlds.images.adapt import scaled
from convscope.worlds.images.decode import KINDS as KINDS
from convscope.worlds.images.decode import MOST_BYTES as MOST_BYTES
from convscope.worlds.images.decode import MOST_PIXELS as MOST_PIXELS
from convscope.worlds.images.decode import PhotoError as PhotoError
from convscope.worlds.images.decode import as_rgb, decode, read_bytes, upright

SPEC = TensorSpec((3, 224, 224), transform=ImageTransform(crop=0.875))
"""The spec of photographs where no network states another: RGB in [0, 1], 224x224."""

_RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}

ASPECT_TOLERANCE = 0.02
"""Largest relative difference of the aspect ratios of an image and of what belongs to it, as a mask."""


def require_same_aspect(
    size: tuple[int, int], image: tuple[int, int], thing: str, whose: str = "picture"
) -> None:
    """Refuse a mask or guide that would be stretched over its image, as one that is turned by 90 degrees.

    Sizes that differ by rounding, a pixel at the image's size, are the same.

    Args:
        size: height and width of the mask or guide.
        image: height and width of the image that it belongs to.
        thing: what it is, with an article, for the message.
        whose: what it belongs to.

    Raises:
        DataError: the aspect ratios differ by more than `ASPECT_TOLERANCE`.
    """
    height, width = image
    across = size[1] * height / size[0]
    if abs(across / width - 1) <= ASPECT_TOLERANCE or abs(across - width) <= 1:
        return
    turned = abs(size[0] / size[1] * height / width - 1) <= ASPECT_TOLERANCE
    hint = f"Scale or crop it to {width}x{height} pixels, or a multiple."
    raise DataError(
        f"{thing} of the {whose}'s proportions, {width} by {height}",
        received=f"{size[1]} by {size[0]}",
        hint="Turn it by 90 degrees." if turned else hint,
    )


def open_photo(source: str | PathLike[str] | bytes, *, most_pixels: int = MOST_PIXELS) -> Image.Image:
    """Read a photograph from a file (or its bytes) as 8-bit RGB.

    EXIF orientation is applied; transparency is composed on white; CMYK (Adobe's inverted one too), 16 bits,
    palettes, grey and black-and-white are converted; of an animation or a file of several images the first
    frame is taken. Colour profiles are not applied. Nothing is decoded before the header's size has been
    found to be at most `most_pixels`.

    Args:
        source: path of the file, or its content.
        most_pixels: largest number of pixels that is decoded.

    Returns:
        The image in mode RGB.

    Raises:
        PhotoError: (a DataError) the file is missing, not a file, unreadable, empty, not an image, corrupt,
            truncated or too large; `error.kind` is the reason.
    """
    if isinstance(source, bytes):
        if not source:
            raise PhotoError("empty", "these bytes", "no bytes at all")
        return decode(source, "these bytes", most_pixels)
    return decode(read_bytes(source), str(source), most_pixels)


def upright_rgb(image: Image.Image) -> Image.Image:
    """Convert an opened image to what `open_photo` makes of its file.

    Args:
        image: of any mode, as Pillow opens it.

    Returns:
        The image in mode RGB: turned upright by its EXIF orientation, transparency composed on white.

    Raises:
        PhotoError: (a DataError) the colour mode cannot be converted, or its file is damaged.
    """
    try:
        return as_rgb(upright(image))
    except PhotoError:
        raise
    except OSError as error:  # Pillow decodes a file when its pixels are first needed
        raise PhotoError("corrupt", "this picture", str(error)) from None


def to_tensor(photo: Image.Image, spec: TensorSpec = SPEC) -> Float[Tensor, "c h w"]:
    """Convert a photograph to a tensor of the spec's size and value range, without normalisation.

    The shorter side becomes `round(size / crop)` (antialiased), then the centre is cropped; where the
    spec is not square the resized image covers it. A spec of one channel gets the luminance
    (ITU-R 601-2). Equal, bit for bit, to torchvision's Resize, CenterCrop, ToTensor.

    Args:
        photo: the image, of any mode.
        spec: shape, value range, crop and interpolation; `mean` and `std` are not applied, since the
            network normalises.

    Returns:
        float32 `[c h w]` in the spec's value range.

    Raises:
        UsageError: the spec is not for images: no height, or neither 1 nor 3 channels.
    """
    return scaled(to_bytes(photo, spec), spec)


def to_bytes(photo: Image.Image, spec: TensorSpec = SPEC) -> UInt8[Tensor, "c h w"]:
    """Convert a photograph as `to_tensor` does, without scaling to the value range.

    Args:
        photo: the image, of any mode.
        spec: shape, crop and interpolation.

    Returns:
        uint8 `[c h w]`; 0 and 255 stand for the ends of the spec's value range.

    Raises:
        UsageError: the spec is not for images.
    """
    height, width = picture_size(spec)
    photo = as_rgb(photo)
    if spec.channels == 1:
        photo = photo.convert("L")
    pixels = np.array(_fit(photo, height, width, spec.transform.crop, _resampling(spec)))
    return torch.from_numpy(pixels).reshape(height, width, -1).permute(2, 0, 1).contiguous()


def to_tensor_uncropped(
    picture: Image.Image, spec: TensorSpec = SPEC, *, longest: int | None = None
) -> Float[Tensor, "c h w"]:
    """Convert an image to a tensor in the spec's value range at its own size, without cropping.

    Args:
        picture: the image, as `open_photo` returns it.
        spec: channels and value range; a spec of one channel gets the luminance.
        longest: resize so that the longer side has this many pixels, with the same proportions; no resizing
            if None.

    Returns:
        float32 `[c h w]` in the spec's value range.

    Raises:
        UsageError: the spec is not for images: no height, or neither 1 nor 3 channels.
    """
    picture_size(spec)
    picture = as_rgb(picture)
    picture = picture.convert("L") if spec.channels == 1 else picture
    if longest and longest != max(picture.size):
        across, down = (max(1, round(side * longest / max(picture.size))) for side in picture.size)
        picture = picture.resize((across, down), _resampling(spec))
    pixels = np.array(picture).reshape(picture.height, picture.width, -1)
    return scaled(torch.from_numpy(pixels).permute(2, 0, 1).contiguous(), spec)


def resized_to(photo: Image.Image, longest: int | None) -> Image.Image:
    """Resize a photograph so that its longer side has a number of pixels (Lanczos).

    Args:
        photo: the image.
        longest: longer side in pixels; None for the photograph's own.

    Returns:
        The image with the same proportions; the same object where nothing changes.
    """
    if longest is None or longest == max(photo.size):
        return photo
    across, down = (max(1, round(side * longest / max(photo.size))) for side in photo.size)
    return photo.resize((across, down), Image.Resampling.LANCZOS)


def to_uint8(photo: Image.Image) -> UInt8[Tensor, "3 h w"]:
    """Convert an image to a uint8 tensor, without scaling or cropping.

    Args:
        photo: the image, of any mode.

    Returns:
        uint8 `[3 h w]`, RGB.
    """
    return torch.from_numpy(np.array(as_rgb(photo))).permute(2, 0, 1).contiguous()


def to_pil(tensor: Float[Tensor, "c h w"], spec: TensorSpec = SPEC) -> Image.Image:
    """Convert a tensor in the spec's value range to an image.

    Values outside are clipped, NaN becomes black.

    Args:
        tensor: `[1 h w]` or `[3 h w]`.
        spec: only its value range is used.

    Returns:
        An 8-bit image in mode L or RGB.

    Raises:
        UsageError: the tensor is not [1 h w] or [3 h w].
    """
    if tensor.ndim != 3 or tensor.shape[0] not in (1, 3) or 0 in tensor.shape:
        raise UsageError("a picture [1 h w] or [3 h w]", received=f"{list(tensor.shape)}")
    low, high = spec.value_range
    unit = (tensor.detach().to("cpu", torch.float64) - low) / (high - low)
    pixels = unit.nan_to_num(0, 1, 0).clamp(0, 1).mul(255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def picture_size(spec: TensorSpec) -> tuple[int, int]:
    """Return height and width of a spec, and check that it is for images.

    Args:
        spec: the input spec.

    Returns:
        Height and width in pixels.

    Raises:
        UsageError: it has no height, or neither 1 nor 3 channels.
    """
    if len(spec.size) != 2:
        raise UsageError(
            "a network that looks at pictures: channels, height and width",
            received=f"an input of axes '{spec.axes}', {spec.shape}",
            hint="A photograph has no one-dimensional form; give this network a signal.",
        )
    if spec.channels not in (1, 3):
        raise UsageError(
            "a network that looks at grey (1 channel) or colour (3 channels)",
            received=f"an input of {spec.channels} channels",
            hint=f"A photograph cannot fill them; build the [{spec.channels} h w] tensor yourself.",
        )
    height, width = spec.size
    return height, width


def _resampling(spec: TensorSpec) -> Image.Resampling:
    name = spec.transform.interpolation
    if name not in _RESAMPLING:
        raise UsageError(f"an interpolation among {', '.join(_RESAMPLING)}", received=name)
    return _RESAMPLING[name]


def resized_and_cropped(size: tuple[int, int], spec: TensorSpec) -> tuple[tuple[int, int], int, int]:
    """Return how `to_tensor` resizes an image, and which part of it is kept.

    Args:
        size: width and height of the image, in pixels.
        spec: shape and crop of the input.

    Returns:
        Width and height after resizing, and left and top of what is kept, in pixels of the resized image.

    Raises:
        UsageError: the spec is not for images.
    """
    return _fit_box(size, *picture_size(spec), spec.transform.crop)


def _fit_box(size: tuple[int, int], height: int, width: int, crop: float) -> tuple[tuple[int, int], int, int]:
    across, down = size
    wanted_down, wanted_across = max(height, round(height / crop)), max(width, round(width / crop))
    if wanted_across * down >= wanted_down * across:
        resized = wanted_across, max(int(wanted_across * down / across), wanted_down)
    else:
        resized = max(int(wanted_down * across / down), wanted_across), wanted_down
    return resized, round((resized[0] - width) / 2), round((resized[1] - height) / 2)


def _fit(
    photo: Image.Image, height: int, width: int, crop: float, resampling: Image.Resampling
) -> Image.Image:
    """Resize to cover height / crop x width / crop, then crop the centre, with torchvision's rounding."""
    across, down = photo.size
    size, left, top = _fit_box(photo.size, height, width, crop)
    if size[0] * size[1] > MOST_PIXELS:  # a thread of pixels: never make the long side that is cropped away
        x, y = across / size[0], down / size[1]
        box = (left * x, top * y, (left + width) * x, (top + height) * y)
        return photo.resize((width, height), resampling, box=box)
    if size != photo.size:
        photo = photo.resize(size, resampling)
    return photo.crop((left, top, left + width, top + height))
