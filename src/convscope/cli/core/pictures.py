"""Saving pictures that remember their recipe, under names that any file system takes."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

UNMOVED = "no gradient: it was exactly 0 in every step, so the picture is the start it began with"
"""What verbs say beside a picture that nothing has moved."""


def file_name(place: str, taken: Sequence[str] = (), ending: str = "") -> str:
    """A file name for a place: `conv2:17@5,5` becomes `conv2-17-5-5.png`."""
    plain = re.sub(r"[^\w.]+", "-", place).strip("-.")[:100] or "place"
    name, number = f"{plain}{ending}.png", 1
    while name in taken:
        number += 1
        name = f"{plain}{ending}-{number}.png"
    return name


def save(image: "Image", path: Path, recipe: dict[str, Any]) -> str:
    """Write one picture with its recipe inside; returns its file name."""
    from convscope.show.images import png

    png.save(image, path, recipe)
    return path.name


def maps_sheet(maps: "Tensor", units: Sequence[int]) -> "Image":
    """Feature maps `[c h w]` of some units, ink where they are positive only, orange and blue where not."""
    from convscope.show.images import draw

    chosen = maps[list(units)].float()
    top = float(chosen.abs().max()) or 1.0
    if bool((chosen < 0).any()):
        images = [draw.diverging(unit, top) for unit in chosen]
    else:
        images = [draw.grayscale_alpha(unit / top) for unit in chosen]
    return draw.grid(images, [str(unit) for unit in units])
