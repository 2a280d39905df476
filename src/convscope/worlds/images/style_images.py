"""Paintings whose style is taken: a file -> an image in [0, 1] that is large enough to have one."""

from pathlib import Path

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from convscope.errors import DataError
from convscope.worlds.images import photos

SMALLEST = 64
"""Pixels of a painting's shorter side below which it has no style to learn."""


def painting(path: str | Path, size: int) -> Float[Tensor, "1 3 h w"]:
    """A painting in [0, 1], its longer side at most `size` pixels: what is small in it stays small.

    Raises:
        DataError: the file is missing, no picture, damaged, or too small to have a style.
    """
    photo = photos.open_photo(path)
    if min(photo.size) < SMALLEST:
        raise DataError(
            f"a painting of {SMALLEST} pixels or more each way at {path}",
            received=f"{photo.width} x {photo.height}",
        )
    scale = size / max(photo.size)
    if scale < 1:
        shape = max(SMALLEST, round(photo.width * scale)), max(SMALLEST, round(photo.height * scale))
        photo = photo.resize(shape, Image.Resampling.LANCZOS)
    return photos.to_uint8(photo)[None].float() / 255
