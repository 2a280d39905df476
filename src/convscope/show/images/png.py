"""PNG files that contain the recipe that made them.

The recipe travels as the text chunk `convscope.recipe`, so that `convscope replay picture.png` can make the
image again. What is read back is data, never code: at most 1 MB of JSON.
"""

import json
import os
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from convscope.errors import DataError
from convscope.system import files
from convscope.system.files import open_regular, parse_json

KEY = "convscope.recipe"
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MOST = 1 << 20
MOST_CHUNKS = 100_000
"""Somewhat more than a file of 512 MiB has that is written in chunks of 8 KiB."""
_WRONG = "a PNG that carries a convscope recipe"
_LOST = "Take the file as it was saved: editors and messengers may remove the recipe."


def save(image: Image.Image, path: Path, recipe: dict[str, Any] | None = None) -> Path:
    """Write a PNG with its recipe, atomically: other programs see the old file or the whole new one.

    Args:
        image: of any mode that PNG knows.
        path: the file to write or replace; missing folders are made.
        recipe: stored as JSON in the text chunk `convscope.recipe`; none if left out.

    Returns:
        `path`.

    Raises:
        DataError: the folder cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.replace_file(path) as part:
            image.save(part, format="PNG", pnginfo=information(recipe))
    except OSError as error:
        raise DataError(
            f"a place to write {path}", received=str(error), hint="Choose another place, or free some space."
        ) from None
    return path


def information(recipe: dict[str, Any] | None) -> PngInfo:
    """Return the text chunk of a recipe, for Pillow's `pnginfo`.

    Args:
        recipe: JSON-ready; None for no chunk.

    Returns:
        The chunk.
    """
    found = PngInfo()
    if recipe is not None:
        found.add_itxt(KEY, json.dumps(recipe, ensure_ascii=False))
    return found


def recipe_in(path: Path) -> dict[str, Any]:
    """Read the recipe inside a PNG without decoding its pixels.

    Args:
        path: a regular file; at most `MOST_CHUNKS` of its chunks are read.

    Returns:
        The recipe as a dictionary.

    Raises:
        DataError: the file is missing, is no PNG, is damaged, or carries no recipe.
    """
    try:
        with open_regular(path) as file:
            if file.read(8) != _SIGNATURE:
                raise DataError(_WRONG, received=f"{path} is not a PNG", hint=_LOST)
            text = _find(file, path)
    except (OSError, ValueError) as error:
        raise DataError(_WRONG, received=str(error), hint=_LOST) from None
    try:
        recipe = parse_json(text)
    except ValueError as error:
        raise DataError(_WRONG, received=f"{path}: {error}", hint=_LOST) from None
    if not isinstance(recipe, dict):
        raise DataError(_WRONG, received=f"{path}: a {type(recipe).__name__} instead of a table", hint=_LOST)
    return recipe


def _find(file: BinaryIO, path: Path) -> str:
    """Return the text of the chunk with our key.

    Source: PNG specification, 5.3 (chunk layout).
    """
    for _number in range(MOST_CHUNKS):
        header = file.read(8)
        if len(header) < 8:
            break
        length, kind = struct.unpack(">I4s", header)
        if not (kind.isalpha() and kind.isascii()) or length >= 2**31:
            raise DataError(
                _WRONG, received=f"{path}: a chunk of no PNG, {kind!r} of {length:,} bytes", hint=_LOST
            )
        if kind == b"IEND":
            break
        if kind not in (b"iTXt", b"tEXt"):
            file.seek(length + 4, os.SEEK_CUR)
            continue
        if length > _MOST:
            raise DataError(_WRONG, received=f"{path}: a text of {length:,} bytes", hint=_LOST)
        body = file.read(length)
        if file.read(4) != struct.pack(">I", zlib.crc32(kind + body)):
            raise DataError(_WRONG, received=f"{path}: damaged text", hint=_LOST)
        key, _, rest = body.partition(b"\0")
        if key == KEY.encode():
            return _text(rest, international=kind == b"iTXt", path=path)
    raise DataError(
        _WRONG, received=f"{path} carries none", hint="Only pictures saved by convscope can be replayed."
    )


def _text(rest: bytes, *, international: bool, path: Path) -> str:
    """Decode the text behind the key of a tEXt or iTXt chunk.

    Source: PNG specification, 11.3.4.
    """
    data = rest
    if international:
        if len(rest) < 2:
            raise DataError(_WRONG, received=f"{path}: damaged text", hint=_LOST)
        packed, data = rest[0] == 1, rest[2:].split(b"\0", 2)[-1]
        if packed:
            try:
                unpacker = zlib.decompressobj()
                data = unpacker.decompress(data, _MOST)
            except zlib.error as error:
                raise DataError(_WRONG, received=f"{path}: {error}", hint=_LOST) from None
            if unpacker.unconsumed_tail:
                raise DataError(_WRONG, received=f"{path}: a text of more than {_MOST:,} bytes", hint=_LOST)
    try:
        return data.decode("utf-8" if international else "latin-1")
    except UnicodeDecodeError as error:
        raise DataError(_WRONG, received=f"{path}: {error}", hint=_LOST) from None
