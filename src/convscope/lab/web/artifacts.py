"""Files of jobs as a browser gets them: pictures encoded anew, pages that can reach nothing."""

import io
import warnings
from pathlib import Path
from typing import Any

from fastapi.responses import Response
from PIL import Image, ImageSequence

from convscope.errors import DataError
from convscope.show.images import png

SANDBOX = (
    "sandbox allow-scripts; default-src 'none'; img-src data:; media-src data:; font-src data:; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'; frame-ancestors 'self'"
)
"""Policy of pages of results: their scripts run, in an origin of their own, and reach no address."""
NO_CACHE = {"Cache-Control": "no-cache"}
MAX_PIXELS = 100_000_000
"""Largest picture that is decoded."""


def image_response(path: Path, size: int | None = None) -> Response:
    """Return a picture, decoded and encoded anew; the recipe in it is kept unless it is made smaller.

    Args:
        path: PNG, WebP or JPEG.
        size: longest side in pixels, for a smaller one.

    Returns:
        PNG, or WebP for an animation.

    Raises:
        DataError: it is no such picture, damaged or too large.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=["PNG", "WEBP", "JPEG"]) as opened:
                _check(opened)
                animated = getattr(opened, "n_frames", 1) > 1 and size is None
                return _animation(opened) if animated else _still(opened, size, path)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        hint = "Begin the job again."
        raise DataError("a picture that can be decoded", received=path.name, hint=hint) from None


def _check(opened: Image.Image) -> None:
    if opened.width * opened.height * getattr(opened, "n_frames", 1) > MAX_PIXELS:
        raise ValueError("too large")


def _animation(opened: Image.Image) -> Response:
    """Encode an animation anew, with the recipe in its metadata."""
    frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(opened)]
    times = [_duration(opened, number) for number in range(len(frames))]
    made = io.BytesIO()
    exif = opened.getexif().tobytes()
    options = {"save_all": True, "append_images": frames[1:], "quality": 86, "exif": exif, "loop": 0}
    frames[0].save(made, "WEBP", duration=times, **options)
    return Response(made.getvalue(), media_type="image/webp", headers=NO_CACHE)


def _duration(opened: Image.Image, number: int) -> int:
    opened.seek(number)
    return int(opened.info.get("duration", 100))


def _still(opened: Image.Image, size: int | None, path: Path) -> Response:
    """Encode a picture anew; its recipe is kept where the size is."""
    shown = opened.convert("RGBA" if opened.mode in ("RGBA", "LA", "PA") else "RGB")
    facts = None
    if size is not None:
        shown.thumbnail((size, size))
    elif opened.format == "PNG":
        facts = png.information(_without_absolute_paths(_recipe(path)))
    made = io.BytesIO()
    shown.save(made, "PNG", pnginfo=facts, compress_level=1)
    return Response(made.getvalue(), media_type="image/png", headers=NO_CACHE)


def _without_absolute_paths(value: Any) -> Any:
    """Return a recipe whose absolute paths are shortened to names, as a picture is passed on."""
    if isinstance(value, dict):
        return {name: _without_absolute_paths(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_without_absolute_paths(entry) for entry in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def _recipe(path: Path) -> dict[str, Any] | None:
    try:
        return png.recipe_in(path)
    except DataError:
        return None
