"""Record how a result was made, and read that record back from any file that holds it."""

import os
import re
from html import unescape
from pathlib import Path
from typing import Any

from convscope.errors import DataError
from convscope.recipe import Recipe
from convscope.system import files
from convscope.system.files import read_json, require_regular

WRONG = "a result with its recipe: a picture, recipe.toml, an answer as JSON, or a folder of these"
RESULTS = "Name a file that convscope wrote, or the folder of a result."
MAX_PAGE_BYTES = 64 << 20
"""Largest page or SVG that is searched for its recipe."""


def read(path: Path) -> dict[str, Any]:
    """Read the record inside a result; `versions` may be missing.

    Args:
        path: a PNG, WebP, HTML, SVG, TOML or JSON file, or a folder, of which the first of `recipe.toml`,
            `recipe.json`, `model.json` and any PNG (in alphabetical order) is read.

    Returns:
        `verb` and the settings by field, not validated.

    Raises:
        DataError: the path is missing, not a regular file, damaged, or holds no recipe.
    """
    if path.is_dir():
        names = ("recipe.toml", "recipe.json", "model.json")
        found = [path / name for name in names if os.path.lexists(path / name)] or sorted(path.glob("*.png"))
        if not found:
            raise DataError(WRONG, received=f"{path}, without {' or '.join(names)}", hint=RESULTS)
        path = found[0]
    try:
        require_regular(path)
    except FileNotFoundError:
        raise DataError(WRONG, received=f"{path}, which does not exist", hint="Check the path.") from None
    except (OSError, ValueError) as error:
        raise DataError(WRONG, received=str(error), hint="Check the path.") from None
    values = _values(path)
    if not isinstance(values, dict) or not isinstance(values.get("verb"), str):
        raise DataError(WRONG, received=f"{path} names no verb", hint=RESULTS)
    return values


def _values(path: Path) -> Any:
    """Read the record in a file by its extension; what it holds is not checked."""
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
            raise DataError(WRONG, received=f"{path}, a {other or 'nameless'} file", hint=RESULTS)


def _from_webp(path: Path) -> Any:
    """Read the record in the metadata of a WebP contact sheet."""
    from convscope.show.images import animation

    try:
        return animation.recipe_in(path)
    except DataError:
        raise
    except Exception as error:  # Pillow's parser of hostile EXIF data raises anything
        raise DataError(WRONG, received=f"{path}: {type(error).__name__}: {error}", hint=RESULTS) from None


def _from_page(path: Path) -> Any:
    """Read the record in an element of an HTML page or SVG that holds nothing else."""
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
        raise DataError(WRONG, received=f"{path}: {error}", hint=RESULTS) from None


def _from_json(path: Path) -> Any:
    """Read the record in a JSON file.

    Args:
        path: a result `{"verb": ..., "recipe": {...}}`, a document with a record under `recipe`, or a record.

    Returns:
        The record, or whatever else the document is.

    Raises:
        DataError: the file is not readable JSON.
    """
    try:
        document = read_json(path)
    except (OSError, ValueError) as error:
        raise DataError(WRONG, received=f"{path}: {error}", hint=RESULTS) from None
    inner = document.get("recipe") if isinstance(document, dict) else None
    if isinstance(inner, dict):
        return {"verb": document.get("verb"), **inner}
    return document
