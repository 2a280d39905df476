"""Animated WebP files that contain the recipe that made them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from convscope.show.images.draw import flatten_alpha
from convscope.system.files import parse_json
from convscope.worlds.images import decode

DESCRIPTION = 0x010E
"""The EXIF tag ImageDescription, in which an animation stores its recipe."""


def save(
    pictures: Sequence[Image.Image], path: Path, recipe: dict[str, Any], *, seconds: float = 3.0
) -> Path:
    """Write images as an animated WebP that loops for ever and holds its last frame for 1.2 seconds.

    Args:
        pictures: the frames, at least one, all of the same size; transparency is put on white.
        path: the file to write.
        recipe: stored as JSON in the EXIF tag ImageDescription, for `convscope replay`.
        seconds: divided by the number of frames, the duration of every frame but the last (at least 20 ms).

    Returns:
        `path`.
    """
    frames = [flatten_alpha(picture) for picture in pictures]
    each = max(20, round(1000 * seconds / max(len(frames), 1)))
    exif = Image.Exif()
    exif[DESCRIPTION] = json.dumps(recipe, ensure_ascii=True)
    frames[0].save(
        path,
        format="WEBP",
        save_all=True,
        append_images=frames[1:],
        exif=exif.tobytes(),
        quality=86,
        method=4,
        duration=[each] * (len(frames) - 1) + [1200],
        loop=0,
    )
    return path


def recipe_in(path: Path) -> Any:
    """Read the recipe inside an animated WebP that `animation` wrote.

    Args:
        path: an image file.

    Returns:
        The parsed JSON; None where the file carries none.

    Raises:
        PhotoError: (a DataError) the file is missing, not a regular file, too large, or no image.
        ValueError: what it carries is no JSON.
    """
    text = decode.read_header(decode.read_bytes(path), str(path)).getexif().get(DESCRIPTION)
    return parse_json(text) if isinstance(text, str) else None
