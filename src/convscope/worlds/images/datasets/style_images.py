"""Paintings for style transfer, read from files as images in [0, 1]."""

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from convscope.errors import DataError
from convscope.worlds.images import photos
from convscope.worlds.images.world import as_photo
from convscope.worlds.world import InputLike

SMALLEST = 64
"""Smallest shorter side of a painting in pixels; below this there is too little to take a style from."""


def painting(source: InputLike, size: int) -> Float[Tensor, "1 3 h w"]:
    """Read a painting, reduced to a longer side of at most `size` pixels; smaller ones are not enlarged.

    Args:
        source: a path, an opened image, an array or a tensor in [0, 1].
        size: largest length of the longer side in pixels; the shorter side keeps at least `SMALLEST`.

    Returns:
        float32 `[1 3 h w]` in [0, 1], RGB.

    Raises:
        DataError: the file is missing, not an image, damaged, or smaller than `SMALLEST` pixels on one side.
    """
    photo = as_photo(source)
    if min(photo.size) < SMALLEST:
        where = f" at {source}" if isinstance(source, str) else ""
        raise DataError(
            f"a painting of {SMALLEST} pixels or more each way{where}",
            received=f"{photo.width} x {photo.height}",
            hint="Use a larger picture.",
        )
    scale = size / max(photo.size)
    if scale < 1:
        shape = max(SMALLEST, round(photo.width * scale)), max(SMALLEST, round(photo.height * scale))
        photo = photo.resize(shape, Image.Resampling.LANCZOS)
    return photos.to_uint8(photo)[None].float() / 255
