"""Pictures in arrays and tensors: where their channels are, and what their values mean.

Bytes (uint8) are a picture, as a file is: its world resizes and crops it. Floating point values are an input
as the network takes it, in the value range of its spec, and keep their size; of another size than the spec's
they come with a warning, or are refused where they are evidently a photograph. Channels come first or last.
Nothing is guessed: what can be read in two ways, or lies outside of the value range, is refused with the next
step.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from convscope.errors import DataError
from convscope.graph.spec import TensorSpec
from convscope.worlds.images.bit_depth import PictureWarning

OVERSHOOT = 0.1
"""Share of the value range by which values may leave it, as bicubic resizing makes them do."""
PICTURE_CHANNELS = {1: "L", 3: "RGB", 4: "RGBA"}
"""Numbers of channels of a picture of bytes, with Pillow's mode."""
INT16_SCALE = "Scale 16 bits to 8 first: (x / 257).round().astype('uint8')."


@dataclass(frozen=True)
class Layout:
    """The axes of an array of pictures.

    Attributes:
        batched: whether the first axis counts pictures.
        channels: position of the channel axis, counted from the end: -3 or -1; None where there is none.
    """

    batched: bool
    channels: int | None


def as_images(values: np.ndarray | Tensor, spec: TensorSpec) -> list[Image.Image] | None:
    """Return pictures of bytes as opened images.

    Args:
        values: `[h w]`, `[h w c]` of 1, 3 or 4 channels, `[c h w]` of 1 or 3, or several of them along a
            first axis.
        spec: the network's input, to tell a batch of grey pictures from one picture.

    Returns:
        One image for each picture; None where the values are not bytes.

    Raises:
        DataError: the axes can be read in two ways, or in none.
    """
    if str(values.dtype).removeprefix("torch.") != "uint8":
        return None
    pixels = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
    layout = _byte_layout(pixels.shape, spec, isinstance(values, Tensor))
    batch = pixels if layout.batched else pixels[None]
    if layout.channels == -3:
        batch = np.moveaxis(batch, -3, -1)
    if layout.channels is not None and batch.shape[-1] == 1:
        batch = batch[..., 0]
    return [Image.fromarray(np.ascontiguousarray(picture)) for picture in batch]


def as_inputs(values: np.ndarray | Tensor, spec: TensorSpec) -> Float[Tensor, "b c h w"]:
    """Return floating point values as a batch of inputs.

    Args:
        values: `[c h w]` or `[h w c]` with the spec's channels (for one channel also `[h w]`), or several
            along a first axis; in the spec's value range.
        spec: the network's input.

    Returns:
        The inputs, of their own size: float32, or a tensor's own floating point type.

    Raises:
        DataError: the values are not floating point or not in the value range, or the axes do not fit.
    """
    tensor = values.detach() if isinstance(values, Tensor) else _from_numpy(values, spec)
    if not tensor.is_floating_point():
        raise _wrong_type(values, spec)
    layout = _float_layout(tuple(tensor.shape), spec, isinstance(values, Tensor))
    batch = tensor if layout.batched else tensor[None]
    if layout.channels is None:
        batch = batch[:, None]
    elif layout.channels == -1:
        batch = batch.movedim(-1, 1)
    require_range(batch, spec, values)
    return batch.contiguous()


def require_size(batch: Tensor, spec: TensorSpec, given: np.ndarray | Tensor) -> None:
    """Warn of inputs of another size than the network was made for, and refuse a photograph of floats.

    Args:
        batch: `[b *shape]` in floating point, as read from `given`.
        spec: its `size` is what the network was made for.
        given: what the user gave. A NumPy array without batch axis is evidently a photograph, read with
            Pillow or OpenCV and divided by 255; a tensor, or several along a first axis, is evidently an
            input that somebody prepared.

    Raises:
        DataError: a NumPy array without batch axis has another size.

    Warns:
        PictureWarning: a tensor or a batch has another size.
    """
    size = tuple(batch.shape[-len(spec.size) :])
    if size == spec.size:
        return
    made, shown = (" x ".join(map(str, extents)) for extents in (spec.size, size))
    if isinstance(given, np.ndarray) and given.ndim <= len(spec.shape) and len(batch) == 1:
        raise DataError(
            f"floating point values of the network's own size, {made}",
            received=f"{shown}, shape {given.shape}",
            hint="Give bytes, (255 * x).round().astype('uint8'), or a PIL image: these are resized. "
            "torch.from_numpy(x) is shown at its own size.",
        )
    warnings.warn(
        f"The network was made for {made}; this input in floating point is shown to it at {shown}. "
        "Bytes (uint8) and PIL images are resized.",
        PictureWarning,
        stacklevel=2,
    )


def require_range(batch: Tensor, spec: TensorSpec, given: object) -> None:
    """Refuse values that are not numbers in the value range of a spec.

    Args:
        batch: floating point values.
        spec: its `value_range` is the range.
        given: what the user gave, for the message.

    Raises:
        DataError: there are no values, or one is NaN, infinite, or outside by more than `OVERSHOOT` of the
            range.
    """
    low, high = spec.value_range
    expected = f"values from {low:g} to {high:g} in this {type(given).__name__}"
    if not batch.numel():
        raise DataError(
            expected,
            received=f"none, shape {tuple(batch.shape)}",
            hint="Every axis needs an extent of at least 1.",
        )
    least, most = (float(value) for value in torch.aminmax(batch))
    if not np.isfinite(least + most):
        raise DataError(
            expected,
            received="NaN or infinity",
            hint="torch.isfinite shows where; replace or leave these out.",
        )
    spare = OVERSHOOT * (high - low)
    if low - spare <= least and most <= high + spare:
        return
    hint = f"Scale them to {low:g} to {high:g}."
    if least >= 0 and most <= 255 and high < 255:
        hint = f"{'Divide by 255' if (low, high) == (0, 1) else hint[:-1]}, or give bytes: x.astype('uint8')."
        hint = hint.replace("astype('uint8')", "to(torch.uint8)") if isinstance(given, Tensor) else hint
    elif least < low and spec.mean != (0.0,):
        hint = "Leave out mean and std: the network normalises its input itself."
    raise DataError(expected, received=f"values from {least:g} to {most:g}", hint=hint)


def _from_numpy(values: np.ndarray, spec: TensorSpec) -> Tensor:
    """Return a NumPy array as a float32 tensor."""
    if values.dtype.kind != "f":
        raise _wrong_type(values, spec)
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


def _byte_layout(shape: tuple[int, ...], spec: TensorSpec, is_tensor: bool) -> Layout:
    """Return the axes of pictures of bytes."""
    if len(shape) == 2:
        return Layout(batched=False, channels=None)
    if len(shape) not in (3, 4) or 0 in shape:
        raise _no_picture(shape, "[h w], [h w c] or [c h w]")
    batched = len(shape) == 4
    first, last = shape[-3] in (1, 3), shape[-1] in PICTURE_CHANNELS
    if first and last and not is_tensor and shape[-3] != shape[-1] == 1:
        last = False  # [3 h 1] is one pixel wide: as rare as [h 1 1]
    if first and (is_tensor or not last):
        if shape[-3] == 3 and not batched and spec.channels == 1 and shape[1:] == spec.size:
            raise _two_ways(shape, "one picture in colour, or three grey ones", "x[:, None] or x[None]")
        return Layout(batched, -3)
    if first and last:
        raise _two_ways(shape, "channels first, or channels last", "torch.from_numpy(x) for channels first")
    if last:
        return Layout(batched, -1)
    if not batched:
        return Layout(batched=True, channels=None)
    raise _no_picture(shape, "1 or 3 channels, or 4 with alpha, first or last")


def _float_layout(shape: tuple[int, ...], spec: TensorSpec, is_tensor: bool) -> Layout:
    """Return the axes of inputs in floating point."""
    wanted = spec.channels
    if wanted == 1 and len(shape) == 2:
        return Layout(batched=False, channels=None)
    if len(shape) == 3 and wanted == 1 and 1 not in (shape[0], shape[-1]):
        if 3 in (shape[0], shape[-1]):
            raise _two_ways(
                shape, "one picture in colour, or grey ones", "bytes for colour, x[:, None] for grey"
            )
        return Layout(batched=True, channels=None)
    if len(shape) in (3, 4):
        batched, first, last = len(shape) == 4, shape[-3] == wanted, shape[-1] == wanted
        if first and last and not is_tensor and tuple(shape[-3:]) != spec.shape:
            raise _two_ways(
                shape, "channels first, or channels last", "torch.from_numpy(x) for channels first"
            )
        if first or last:
            return Layout(batched, -3 if first else -1)
    raise DataError(
        f"an input of {wanted} channel(s): [c h w] like {spec.shape}, [h w c], or several of them",
        received=f"shape {shape}",
        hint="Give bytes (uint8) to have grey made of colour, or colour of grey." if len(shape) < 5 else "",
    )


def _two_ways(shape: tuple[int, ...], ways: str, hint: str) -> DataError:
    return DataError(
        "an array whose axes can be read in one way", received=f"shape {shape}: {ways}", hint=f"Give {hint}."
    )


def _no_picture(shape: tuple[int, ...], wanted: str) -> DataError:
    return DataError(
        f"a picture of bytes: {wanted}",
        received=f"shape {shape}",
        hint="Move the channels first or last, and take one picture or several along a first axis.",
    )


def _wrong_type(values: np.ndarray | Tensor, spec: TensorSpec) -> DataError:
    low, high = spec.value_range
    kind = str(values.dtype).removeprefix("torch.")
    hint = "Convert: x.float()." if isinstance(values, Tensor) else "Convert: x.astype('float32')."
    if kind == "uint16":
        hint = INT16_SCALE
    elif "int" in kind:
        how = "x.to(torch.uint8)" if isinstance(values, Tensor) else "x.astype('uint8')"
        hint = f"Pixels from 0 to 255 are bytes: {how}."
    return DataError(
        f"bytes (uint8), or floating point values from {low:g} to {high:g}",
        received=f"{kind} values",
        hint=hint,
    )
