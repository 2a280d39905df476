"""What a result remembers of its making, and reading it back from any of the places where it is kept."""

import json
import os
import platform
import re
from html import unescape
from importlib.metadata import version
from pathlib import Path
from typing import Any

from convscope import files
from convscope.errors import DataError
from convscope.files import read_json, require_regular
from convscope.recipe import Recipe

MADE_BY = ("convscope", "torch", "torchvision", "numpy", "pillow")
"""Packages whose version can change the last bits of a result."""
WRONG = "a result that remembers its recipe: a picture, recipe.toml, an answer as JSON, or a folder of these"
MAX_PAGE_BYTES = 64 << 20
"""Largest page or SVG that is searched for its recipe."""


def stamp(recipe: Recipe) -> dict[str, Any]:
    """Verb, settings and versions, as they travel inside results."""
    return {**json.loads(recipe.json()), "versions": versions()}


def versions() -> dict[str, str]:
    """What this result depends on beside its recipe."""
    packages = {name: version(name) for name in MADE_BY}
    return {"python": platform.python_version(), "machine": platform.machine(), **packages}


def read(path: Path) -> dict[str, Any]:
    """The stamp inside a result; `versions` may be missing.

    Raises:
        DataError: the path is missing, or remembers no recipe.
    """
    if path.is_dir():
        names = ("recipe.toml", "recipe.json", "model.json")
        found = [path / name for name in names if os.path.lexists(path / name)] or sorted(path.glob("*.png"))
        if not found:
            raise DataError(WRONG, received=f"{path}, without {' or '.join(names)}")
        path = found[0]
    try:
        require_regular(path)
    except FileNotFoundError:
        raise DataError(WRONG, received=f"{path} does not exist", hint="Check the path.") from None
    except (OSError, ValueError) as error:
        raise DataError(WRONG, received=str(error), hint="Check the path.") from None
    values = _values(path)
    if not isinstance(values, dict) or not isinstance(values.get("verb"), str):
        raise DataError(WRONG, received=f"{path} names no verb")
    return values


def _values(path: Path) -> Any:
    match path.suffix.lower():
        case ".png":
            from convscope.show.images import png

            return png.recipe_in(path)
        case ".webp":
            return _from_webp(path)
        case ".html" | ".svg":
            return _from_page(path)
        case ".toml":
            return Recipe.read(path)
        case ".json":
            return _from_json(path)
        case other:
            raise DataError(WRONG, received=f"{path}, a {other or 'nameless'} file")


def _from_webp(path: Path) -> Any:
    from convscope.show.images import contact_sheet

    try:
        return contact_sheet.recipe_in(path)
    except DataError:
        raise
    except Exception as error:  # Pillow's parser of hostile EXIF data raises anything
        raise DataError(WRONG, received=f"{path}: {type(error).__name__}: {error}") from None


def _from_page(path: Path) -> Any:
    """The recipe in a page, or in an SVG, that carries one in an element of its own."""
    try:
        found = re.search(
            r'<(?:script type="application/json"|metadata) id="convscope-recipe">(.*?)</(?:script|metadata)>',
            files.read_text(path, limit=MAX_PAGE_BYTES),
            re.DOTALL,
        )
        if found is None:
            raise ValueError("no recipe in it")
        text = found[1]
        return files.parse_json(unescape(text) if path.suffix.lower() == ".svg" else text)
    except (OSError, ValueError) as error:
        raise DataError(WRONG, received=f"{path}: {error}") from None


def _from_json(path: Path) -> Any:
    """An answer `{"verb": ..., "recipe": {...}}`, a document with a stamp under `recipe`, or a stamp."""
    try:
        document = read_json(path)
    except (OSError, ValueError) as error:
        raise DataError(WRONG, received=f"{path}: {error}") from None
    inner = document.get("recipe") if isinstance(document, dict) else None
    if isinstance(inner, dict):
        return {"verb": document.get("verb"), **inner}
    return document
