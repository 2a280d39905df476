"""Decoding of image files, safely: pixels, or one clear error."""

import codecs
import functools
import io
import itertools
import os
import re
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from PIL import Image, UnidentifiedImageError
from typing_extensions import override

from convscope.errors import DataError, similar
from convscope.system.files import kind_of, open_regular
from convscope.worlds.images import bit_depth

MOST_PIXELS = 120_000_000
"""Pixels of the largest image that is decoded (a 108-megapixel camera fits). It takes 0.5 GB."""
MOST_BYTES = 2**29
"""Bytes of the largest file that is read: 512 MiB."""

MOST_NAMES = 2000
"""Files of a folder among which one is looked for whose name is similar to a missing one's."""

HINTS = {
    "missing": "Check the path.",
    "not a file": "Name a picture file; a folder of pictures opens with convscope.worlds.open.",
    "unreadable": "Check the file's permissions.",
    "empty": "The file has no content: copy it again.",
    "not an image": f"Use a picture: {', '.join(('JPEG', 'PNG', 'WebP', 'GIF', 'TIFF', 'BMP'))}.",
    "unsupported": "Convert it to JPEG or PNG.",
    "corrupt": "The file is damaged: copy or export it again.",
    "truncated": "The end of the file is missing: copy or download it again.",
    "unclear range": "Scale its values to the whole range (12 bits in 16: times 16), or save it with 8 bits.",
    "too large": "Make the picture smaller first.",
}
"""Every kind of bad file, and what the user can do about it."""

KINDS = tuple(HINTS)
_BEGINNINGS = {
    "not a file": "no file: ",
    "unreadable": "an unreadable file: ",
    "not an image": "no picture: ",
    "unsupported": "an unsupported file: ",
    "corrupt": "a damaged file: ",
    "truncated": "a file cut off after ",
    "too large": "a file too large: ",
}
"""How the sentence begins that says what is wrong with a file; the others are their details."""
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")
"""Formats that are opened. Those that run other programs (EPS, WMF) or have no signature (TGA) are not."""

_SIGNATURES = {
    "JPEG": (0, (b"\xff\xd8\xff",)),
    "PNG": (0, (b"\x89PNG\r\n\x1a\n",)),
    "GIF": (0, (b"GIF87a", b"GIF89a")),
    "WEBP": (8, (b"WEBP",)),
    "BMP": (0, (b"BM",)),
    "TIFF": (0, (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"II\0*", b"MM*\0")),
    "PPM": (0, tuple(b"P" + kind for kind in (b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"f", b"F"))),
    "JPEG2000": (0, (b"\0\0\0\x0cjP", b"\xff\x4f\xff\x51")),
    "AVIF": (4, (b"ftypavif", b"ftypavis", b"ftypmif1", b"ftypmsf1")),
}
_REFUSED = {
    "HEIC": (4, (b"ftypheic", b"ftypheix", b"ftyphevc")),
    "PostScript": (0, (b"%!PS", b"\xc5\xd0\xd3\xc6")),
    "PDF": (0, (b"%PDF",)),
    "Photoshop": (0, (b"8BPS",)),
    "SVG": (0, (b"<svg", b"<?xml")),
}
_OTHERS = {
    "a web page": (b"<!doctype", b"<html", b"<head", b"<body"),
    "a ZIP archive": (b"pk\3\4", b"pk\5\6"),
    "a compressed file": (b"\x1f\x8b", b"bzh", b"\xfd7zxz", b"7z\xbc\xaf", b"rar!", b"\x28\xb5\x2f\xfd"),
    "an array of NumPy": (b"\x93numpy",),
    "a program": (b"\x7felf", b"mz", b"#!"),
    "text": (b"\xff\xfe", b"\xfe\xff"),
}
"""What files are that are no pictures -> how they begin, in lower case; of text UTF-16, by its mark."""
_ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND", "GIF": b"\x3b"}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> what turns the image upright (EXIF 2.3, tag 0x0112)."""
_QUIET = threading.Lock()
"""Held while warnings are silenced, which is a state of the whole process."""


NO_FILE = "no such file"
SOUND_FILE = "a sound file"
SOUND_HINT = "Choose a network of sounds, such as --net spoken-digits: convscope nets sound lists them."


class PhotoError(DataError):
    """A file that is not a usable image.

    Attributes:
        kind: one of `KINDS`.
        where: the file, or what else was read.
        detail: more about the kind, such as the size of a file that is too large.
        reason: what is wrong, in one short sentence that every table, page and document repeats.
    """

    def __init__(self, kind: str, where: str, detail: str) -> None:
        self.kind, self.where, self.detail = kind, where, detail
        self.reason = f"{_BEGINNINGS.get(kind, '')}{detail}"
        hint = SOUND_HINT if detail == SOUND_FILE else HINTS[kind]
        hint = (detail == NO_FILE and _similar_file(where)) or hint
        super().__init__(f"a readable picture at {where}", received=self.reason, hint=hint)

    @property
    @override
    def brief(self) -> str:
        """What is wrong in one short sentence."""
        return self.reason


def read_bytes(path: str | PathLike[str]) -> bytes:
    """Read a regular file of at most `MOST_BYTES` bytes.

    Pipes, devices and folders are refused without being opened.

    Args:
        path: the file; links are followed.

    Returns:
        The content.

    Raises:
        PhotoError: it is missing, not a file, unreadable, empty or too large.
    """
    return _read(path, MOST_BYTES)


def read_start(path: str | Path) -> bytes:
    """Read the first bytes of an image file, and check its signature: a quick test of many files.

    Args:
        path: the file; links are followed.

    Returns:
        The first 32 bytes, or fewer if the file is shorter.

    Raises:
        PhotoError: as `read_bytes`, or the bytes do not begin an image of a known format.
    """
    content = _read(path, 32)
    if _format_of(content, _SIGNATURES) is None:
        raise _unidentified(content, str(path))
    return content


def _read(path: str | PathLike[str], count: int) -> bytes:
    where = str(path)
    try:
        status = os.stat(path)  # noqa: PTH116  # also takes names that Path refuses
        if not stat.S_ISREG(status.st_mode):
            raise PhotoError("not a file", where, kind_of(status.st_mode))
        if status.st_size == 0:
            raise PhotoError("empty", where, "an empty file")
        if status.st_size > MOST_BYTES:
            raise PhotoError("too large", where, f"{status.st_size:,} bytes; the limit is {MOST_BYTES:,}")
        with open_regular(path) as file:
            return file.read(min(count, MOST_BYTES))
    except FileNotFoundError:
        broken = os.path.lexists(path)
        what = "a link to a file that is not there" if broken else NO_FILE
        raise PhotoError("missing", where, what) from None
    except (OSError, ValueError) as error:
        raise PhotoError("unreadable", where, _message(error)) from None


def read_header(content: bytes, where: str, most_pixels: int = MOST_PIXELS) -> Image.Image:
    """Read the header of an image: size and mode are known afterwards, and no pixel is decoded.

    Args:
        content: the bytes of the file.
        where: the file, for errors.
        most_pixels: largest number of pixels.

    Returns:
        The image, not yet loaded.

    Raises:
        PhotoError: it is not an image, its header is damaged, or it claims more than `most_pixels` pixels.
    """
    try:
        with _QUIET, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(content), formats=_formats())
    except Image.DecompressionBombError as error:
        pixels = next(iter(re.findall(r"[0-9]+", str(error))), "")
        claimed = f"{int(pixels):,} pixels; the limit is {most_pixels:,}" if pixels else _message(error)
        raise PhotoError("too large", where, claimed) from None
    except UnidentifiedImageError:
        raise _unidentified(content, where) from None
    except Exception as error:  # parsers of hostile headers raise anything
        raise _damage(content, where, error) from None
    width, height = image.size
    if width * height > most_pixels:
        raise PhotoError(
            "too large", where, f"{width:,} x {height:,} pixels; the limit is {most_pixels:,} in all"
        )
    return image


def stored_size(path: str | Path) -> tuple[int, int]:
    """Read the size of an image from its header, turned upright by its EXIF orientation.

    Args:
        path: the file.

    Returns:
        Height and width in pixels.

    Raises:
        PhotoError: see `KINDS`.
    """
    image = read_header(read_bytes(path), str(path))
    try:
        with _QUIET, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            lies = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    except Exception:  # damaged EXIF data does not concern the pixels
        lies = False
    width, height = image.size
    return (width, height) if lies else (height, width)


def open_stored(content: bytes, where: str, most_pixels: int = MOST_PIXELS) -> Image.Image:
    """Decode the first frame of an image in its own colour mode, as it is stored.

    Args:
        content: the bytes of the file.
        where: the file, for errors.
        most_pixels: largest number of pixels that is decoded.

    Returns:
        The loaded image, neither turned upright nor converted.

    Raises:
        PhotoError: see `KINDS`.
    """
    image = read_header(content, where, most_pixels)
    with _as_photo_error(content, where, image.size):
        image.load()
    return image


def decode(content: bytes, where: str, most_pixels: int = MOST_PIXELS) -> Image.Image:
    """Decode the first frame of an image as RGB, turned upright, transparency composed on white.

    Args:
        content: the bytes of the file.
        where: the file, for errors.
        most_pixels: largest number of pixels that is decoded.

    Returns:
        The image in mode RGB, 8 bits.

    Raises:
        PhotoError: see `KINDS`.
    """
    image = open_stored(content, where, most_pixels)
    with _as_photo_error(content, where, image.size):
        bit_depth.require_colour_seen(image, content)
        return as_rgb(upright(image), bit_depth.stated_white(image, content))


@contextmanager
def _as_photo_error(content: bytes, where: str, size: tuple[int, int]) -> Iterator[None]:
    """Convert the exceptions of decoders, which hostile files make raise anything, to `PhotoError`."""
    try:
        yield
    except PhotoError as error:
        raise PhotoError(error.kind, where, error.detail) from None
    except MemoryError:
        raise PhotoError("too large", where, f"{size} pixels do not fit into memory") from None
    except bit_depth.UnclearRangeError as error:
        raise PhotoError("unclear range", where, str(error)) from None
    except bit_depth.PictureWarning:  # where the caller makes errors of warnings
        raise
    except Exception as error:
        raise _damage(content, where, error) from None


def as_rgb(image: Image.Image, white: int | None = None) -> Image.Image:
    """Convert an image of any mode to 8-bit RGB.

    16 bits are scaled down, transparency is composed on white, CMYK is converted. Colour profiles are not
    applied. Floating point is [0, 1] where it stays there, else [0, 255].

    Args:
        image: the image.
        white: the value of 16-bit grey that is white, where the file states one; see
            `worlds.images.bit_depth`.

    Returns:
        The image in mode RGB; the same object if it is already.

    Raises:
        PhotoError: the colour mode cannot be converted (LAB), or nothing states which value is white.
    """
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if bit_depth.is_deep(image):
        try:
            return Image.fromarray(bit_depth.narrow(image, white)).convert("RGB")
        except bit_depth.UnclearRangeError as error:
            raise PhotoError("unclear range", "this picture", str(error)) from None
    if image.mode == "CMYK" and image.format in ("JPEG", "MPO") and "adobe" not in image.info:
        # Pillow takes every CMYK JPEG for inverted. Only those with Adobe's marker are.
        image = image.point(lambda level: 255 - level)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    try:
        return image.convert("RGB")
    except ValueError as error:
        raise PhotoError("unsupported", "this picture", f"colour mode {image.mode}: {error}") from None


def upright(image: Image.Image) -> Image.Image:
    """Turn an image upright by its EXIF orientation.

    Args:
        image: as it is stored.

    Returns:
        The turned image; the same one where it is upright, or its EXIF data are damaged.
    """
    try:
        with _QUIET, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            turn = _TURNS.get(image.getexif().get(0x0112, 1))
    except Exception:  # damaged EXIF data does not concern the pixels
        return image
    if turn is None:
        return image
    upright = image.transpose(turn)
    upright.info, upright.format = image.info, image.format
    return upright


@functools.cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _format_of(content: bytes, families: dict[str, tuple[int, tuple[bytes, ...]]]) -> str | None:
    """Return the file format whose signature the content has."""
    for name, (start, marks) in families.items():
        if content.startswith(marks, start):
            return name
    return None


def _unidentified(content: bytes, where: str) -> "PhotoError":
    """Return the error for a file that Pillow does not recognise."""
    if image_format := _format_of(content, _SIGNATURES):
        return _damage(content, where, ValueError(f"a {image_format} file whose header makes no sense"))
    if refused := _format_of(content, _REFUSED):
        return PhotoError("unsupported", where, f"a {refused} file")
    return PhotoError("not an image", where, _named(content))


def _named(content: bytes) -> str:
    """Return what a file is that is no picture, by its first bytes."""
    if content.startswith((b"fLaC", b"OggS")) or (content[:4] == b"RIFF" and content[8:12] == b"WAVE"):
        return SOUND_FILE
    if content[4:8] == b"ftyp":
        return "a video"
    start = content[:32].lstrip().lower()
    for name, marks in _OTHERS.items():
        if start.startswith(marks):
            return name
    if not any(content[:32]):
        return "nothing but zeros"
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(content[:32])
    except UnicodeDecodeError:
        return "data of an unknown kind"
    return (
        "text"
        if all(letter.isprintable() or letter.isspace() for letter in text)
        else "data of an unknown kind"
    )


def _similar_file(where: str) -> str:
    """Return a hint with the names of pictures in the same folder that a missing file may stand for."""
    try:
        folder, name = os.path.split(where)
        with os.scandir(folder or ".") as entries:
            names = [entry.name for entry in itertools.islice(entries, MOST_NAMES)]
    except (OSError, ValueError):
        return ""
    alike = sorted(found for found in names if Path(found).stem == Path(name).stem)
    alike = list(dict.fromkeys([*alike, *similar(name, names, cutoff=0.8)]))[:3]
    close = [os.path.join(folder, found) for found in alike]  # noqa: PTH118
    return f"Did you mean {' or '.join(close)}?" if close else ""


def _damage(content: bytes, where: str, error: Exception) -> "PhotoError":
    """Return the error for a picture that cannot be decoded: is its end missing, or is it damaged."""
    image_format = _format_of(content, _SIGNATURES)
    whole = _stated_length(content, image_format)
    end = _ENDS.get(image_format or "")
    cut = isinstance(error, EOFError) or "truncat" in str(error).lower()
    if whole is not None and whole <= len(content):
        cut = image_format != "WEBP" and cut
    elif whole is not None or (end and end not in content[-64:]):
        cut = True
    if cut:
        return PhotoError("truncated", where, _extent(len(content), whole))
    return PhotoError("corrupt", where, _message(error))


def _stated_length(content: bytes, image_format: str | None) -> int | None:
    """Return the length that a file's header states, in bytes; None where it states none."""
    if image_format == "WEBP" and len(content) >= 8:
        return int.from_bytes(content[4:8], "little") + 8
    if image_format == "BMP" and len(content) >= 6:
        return int.from_bytes(content[2:6], "little") or None
    return None


def _extent(there: int, whole: int | None) -> str:
    """Write how much of a file there is: `3 of 40 kB`, or `3 kB` where nothing states its length."""
    most = max(there, whole or 0)
    unit, name = next(((u, n) for u, n in ((10**6, "MB"), (10**3, "kB")) if most >= u), (1, "bytes"))
    parts = [f"{round(part / unit, 1):,g}" for part in (there, whole) if part is not None and part >= there]
    return f"{' of '.join(dict.fromkeys(parts))} {name}"


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())[:200] or type(error).__name__
