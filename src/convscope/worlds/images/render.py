"""Draw arrays as images: black ink with alpha, or colours."""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from torch import Tensor

from convscope.graph.spec import TensorSpec


def grayscale_alpha(values: ArrayLike) -> Image.Image:
    """Convert values in [0, 1] to an image of black pixels with alpha.

    The background shows through where the value is 0, so that a page can invert the image in dark mode.

    Args:
        values: an array or a tensor on any device: `[h w]`, `[1 h w]` or `[c h w]` (drawn as the mean of its
            channels). Clipped to [0, 1]; NaN counts as 0.

    Returns:
        An image of mode LA, alpha 255 for the value 1.
    """
    array = np.clip(np.nan_to_num(flat(numbers(values))), 0, 1)
    alpha = (array * 255).round().astype(np.uint8)
    return Image.fromarray(np.stack([np.zeros_like(alpha), alpha], axis=-1), mode=None)


def grayscale(values: ArrayLike) -> Image.Image:
    """Convert values in [0, 1] to a grey image, 1 as white.

    Args:
        values: an array or a tensor on any device: `[h w]`, `[1 h w]` or `[c h w]` (drawn as the mean of its
            channels). Clipped to [0, 1]; NaN counts as 0.

    Returns:
        An image of mode L.
    """
    array = np.clip(np.nan_to_num(flat(numbers(values))), 0, 1)
    return Image.fromarray((array * 255).round().astype(np.uint8))


def rgb(values: ArrayLike) -> Image.Image:
    """Convert colours in [0, 1] to an image.

    Args:
        values: an array or a tensor on any device, `[3 h w]`. Clipped to [0, 1]; NaN counts as 0.

    Returns:
        An image of mode RGB.
    """
    array = np.clip(np.nan_to_num(numbers(values)), 0, 1)
    return Image.fromarray((array.transpose(1, 2, 0) * 255).round().astype(np.uint8))


def numbers(values: ArrayLike) -> NDArray[np.float32]:
    """Convert an array, or a tensor on any device, to a float32 array.

    Args:
        values: of any shape.

    Returns:
        The array, of the same shape.
    """
    detach = getattr(values, "detach", None)
    return np.asarray(detach().cpu().float() if detach else values, dtype=np.float32)


def flat(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Reduce an array to two axes.

    Args:
        array: `[h w]`, `[1 h w]` or `[c h w]`.

    Returns:
        `[h w]`: the mean of the channels; an array of fewer axes as one row.
    """
    return array.mean(axis=0) if array.ndim == 3 else np.atleast_2d(array)


def in_unit_range(tensor: Float[Tensor, "*shape"], spec: TensorSpec) -> Float[Tensor, "*shape"]:
    """Scale an input from its spec's value range to [0, 1].

    Args:
        tensor: of any shape, on any device.
        spec: only its value range is used.

    Returns:
        Float32 values on the CPU; not clipped.
    """
    low, high = spec.value_range
    return (tensor.detach().float().cpu() - low) / (high - low)
