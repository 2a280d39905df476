"""Conversion of images of more than 8 bits to 8 bits, where it is known which value is white.

Files of 16 bits often hold the 10, 12 or 14 bits of a camera in their low bits, and most do not state it: as
they are, they come out nearly black; brightened by guess, what is meant to be dark comes out wrong. So white
is what the file states, or what follows from its values; where neither decides and nothing would be visible,
the image is refused with the next step.
"""

import io
import struct
import warnings

import numpy as np
from jaxtyping import UInt8
from PIL import Image

WHITE = 65535
"""White of 16 bits, as a value."""
NOTHING_SEEN = 1 << 12
"""Largest values below this are levels 0 to 15 of 255: nothing is visible."""
DARK = 1 << 14
"""Largest values below this are levels 0 to 63 of 255: dark, of which a warning is given."""
DISTINCT = 16
"""Number of distinct values from which on a common factor is no accident."""
BITS_PER_SAMPLE = 258
"""Tag of TIFF 6.0, section 8."""
_OTHER_BYTE = {";16B": ";16L", ";16L": ";16B", ";16N": ";16B" if np.little_endian else ";16L"}


class PictureWarning(UserWarning):
    """Warns of an image that is decoded as it is stored, which may not be what is meant."""


class UnclearRangeError(ValueError):
    """Raised where nothing states which value of an image is white."""


def is_deep(image: Image.Image) -> bool:
    """Return whether an image is grey of 16 or 32 bits or of floating point.

    Args:
        image: an image of any mode.

    Returns:
        True for Pillow's modes `I`, `F` and those that begin with `I;16`.
    """
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def narrow(image: Image.Image, white: int | None = None) -> UInt8[np.ndarray, "h w"]:
    """Convert grey of 16 bits, 32 bits or floating point to 8 bits.

    Integers range from 0 to 65535 whatever their width; floating point is [0, 1], or [0, 255] where values
    reach 16.

    Args:
        image: an image for which `is_deep` holds.
        white: the value that the file states for white; 65535 if None.

    Returns:
        Levels from 0 to 255; a transparent level of integer grey becomes white.

    Raises:
        UnclearRangeError: values lie outside of these ranges, or are so low that nothing would be visible and
            nothing suggests that this is meant.
    """
    stored = np.asarray(image)
    if image.mode == "F":
        return _from_floating(stored)
    low, high = (int(end) for end in (stored.min(initial=0), stored.max(initial=0)))
    if low < 0 or high > WHITE:
        raise UnclearRangeError(f"whole numbers from {low:,} to {high:,}, where white is at most {WHITE:,}")
    values = stored.astype(np.uint16, copy=False)
    if white is None or high > white:
        white = WHITE
        require_seen(values)
    levels = np.clip(np.rint(np.arange(WHITE + 1) * (255 / white)), 0, 255).astype(np.uint8)
    grey = levels[values]
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey[values == clear] = 255
    return grey


def _from_floating(values: np.ndarray) -> UInt8[np.ndarray, "h w"]:
    low, high = (float(end) for end in (values.min(initial=0), values.max(initial=0)))
    if not (np.isfinite(low) and np.isfinite(high)):
        raise UnclearRangeError("floating point with NaN or infinity")
    unit = low >= -1 / 510 and high <= 1 + 1 / 510
    levels = low > -0.5 and 16 <= high < 255.5
    if not unit and not levels:
        raise UnclearRangeError(f"floating point from {low:g} to {high:g}, neither [0, 1] nor [0, 255]")
    scaled = np.rint(values * np.float32(255)) if unit else np.rint(values)
    return np.clip(scaled, 0, 255).astype(np.uint8)


def require_seen(values: np.ndarray) -> None:
    """Refuse 16-bit values of which nothing would be visible, unless they are evidently scaled.

    Args:
        values: uint16, of any shape.

    Raises:
        UnclearRangeError: all are below `NOTHING_SEEN`, one is not 0, and they have no common factor that
            scaling from fewer bits leaves (16 by a shift from 12 bits, 257 by repeating 8).

    Warns:
        PictureWarning: the image is dark, and it is as likely that fewer bits are stored in it.
    """
    high = int(values.max(initial=0))
    if not 0 < high < DARK or _is_scaled(values):
        return
    bits = high.bit_length()
    if high < NOTHING_SEEN:
        raise UnclearRangeError(
            f"16 bits of which only the lower {bits} are used (values up to {high:,} of {WHITE:,})"
        )
    warnings.warn(
        f"A picture of 16 bits uses only the lower {bits}. It is taken as it is stored, dark. If it holds "
        f"{bits} bits, scale its values to the whole range first.",
        PictureWarning,
        stacklevel=2,
    )


def _is_scaled(values: np.ndarray) -> bool:
    """Return whether the values have a common factor that scaling from fewer bits leaves."""
    there = np.bincount(values.ravel(), minlength=1)
    distinct = there.nonzero()[0]
    factor = int(np.gcd.reduce(distinct))
    return len(distinct) >= DISTINCT and (factor % 16 == 0 or factor % 257 == 0)


def stated_white(image: Image.Image, content: bytes) -> int | None:
    """Return the value that is white according to the metadata of a grey image file.

    TIFF's BitsPerSample of 12 is unpacked into the low bits. A PNG's sBIT names the bits that were there
    before scaling to 16; where the values are not scaled, it names the bits they have.

    Args:
        image: the decoded image, as it is stored.
        content: the bytes of its file.

    Returns:
        The value of white, at most 65535; None where the file states nothing, or something that its values
        contradict.

    Source: TIFF 6.0, section 8; PNG specification, 11.3.2.7 (sBIT) and 12.4 (sample depth scaling).
    """
    if image.format == "TIFF":
        bits = _first(getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE))
        return (1 << bits) - 1 if 8 < bits < 16 else None
    if image.format != "PNG" or not is_deep(image):
        return None
    bits = _significant_bits(content)
    if not 8 < bits <= 16:
        return None
    values = np.asarray(image)
    if (values % (1 << (16 - bits)) <= 1).all():  # scaled, as the specification wants it
        return WHITE
    return None if values.max(initial=0) >= 1 << bits else (1 << bits) - 1


def _first(value: object) -> int:
    """Return the first number of a TIFF tag, 0 where it has none."""
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int) else 0


def _significant_bits(content: bytes) -> int:
    """Return the first number of a PNG's sBIT chunk, which precedes the pixels; 0 where there is none."""
    at = 8
    while at + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        if kind == b"sBIT" and length:
            return content[at + 8]
        if kind in (b"PLTE", b"IDAT", b"IEND"):
            return 0
        at += length + 12
    return 0


def require_colour_seen(image: Image.Image, content: bytes) -> None:
    """Refuse colour of 16 bits of which nothing is visible: Pillow keeps only the upper byte of each value.

    Args:
        image: the decoded image, as it is stored.
        content: the bytes of its file.

    Raises:
        UnclearRangeError: as `require_seen`.

    Warns:
        PictureWarning: as `require_seen`.
    """
    if image.mode not in ("RGB", "RGBA", "LA") or not _has_16_bits(image, content):
        return
    upper = _colours(image)
    if upper.max(initial=0) >= DARK >> 8:
        return
    lower = _lower_bytes(content, image)
    whole = upper.astype(np.uint16) << 8
    require_seen(whole if lower is None else whole | lower)


def _has_16_bits(image: Image.Image, content: bytes) -> bool:
    if image.format == "PNG":
        return content[24:25] == b"\x10"
    return image.format == "TIFF" and _first(getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE)) == 16


def _colours(image: Image.Image) -> np.ndarray:
    """Return the pixels without the alpha channel."""
    pixels = np.asarray(image)
    return pixels if image.mode == "RGB" else pixels[..., :-1]


def _lower_bytes(content: bytes, image: Image.Image) -> np.ndarray | None:
    """Return the lower byte of each value, by decoding the file again with the other byte order."""
    again = Image.open(io.BytesIO(content), formats=[str(image.format)])
    tiles = []
    for tile in again.tile:
        form, *rest = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        other = next((str(form).replace(*pair) for pair in _OTHER_BYTE.items() if pair[0] in str(form)), None)
        if other is None:
            return None
        tiles.append(tile._replace(args=(other, *rest) if isinstance(tile.args, tuple) else other))
    again.tile = tiles
    try:
        again.load()
    except (OSError, ValueError):  # no such unpacking
        return None
    return _colours(again)
