"""Reader of IDX, the file format of MNIST and its relatives, plain or gzipped.

Source: LeCun, Cortes, Burges, the data set's page.
"""

import zlib
from collections.abc import Callable
from math import prod
from pathlib import Path

import numpy as np

from convscope.errors import DataError
from convscope.system.files import read_bytes

MOST_VALUES = 2**28
"""Largest array that is read, in bytes; no more is ever unpacked, however small the file."""
_HEADER = 4 + 4 * 4
"""Bytes of the longest header: the magic number and four extents."""
_GZIP = 31
"""zlib's `wbits` for a gzip stream, whose checksum it verifies."""


def read_idx(path: Path) -> np.ndarray:
    """Read the uint8 array in an IDX file.

    Args:
        path: a regular file of at most `MOST_VALUES` bytes and a header; unpacked where it ends in `.gz`.

    Returns:
        The array, of 1 to 4 axes as the header states: `[n h w]` for images, `[n]` for labels.

    Raises:
        DataError: the file is unreadable or not regular, is not IDX, holds no bytes, or does not have the
            length it states.
    """
    try:
        take = _source(read_bytes(path, MOST_VALUES + _HEADER), packed=path.suffix == ".gz")
        head = take(4)
        if len(head) < 4 or head[:3] != b"\0\0\x08" or not 1 <= head[3] <= 4:
            raise DataError(
                f"an IDX file of bytes at {path}",
                received=f"a file that starts with {head!r}",
                hint="Take the four files of the set as published; they may be compressed by gzip.",
            )
        shape = tuple(np.frombuffer(take(4 * head[3]), ">u4").tolist())
        if len(shape) != head[3] or not 0 < prod(shape) <= MOST_VALUES:
            raise DataError(
                f"an IDX file of 1 to {MOST_VALUES:,} values at {path}",
                received=f"{shape}",
                hint="Take the four files of the set as published.",
            )
        values = take(prod(shape) + 1)
    except (OSError, zlib.error, ValueError) as error:
        raise DataError(
            f"a readable IDX file at {path}", received=str(error), hint="Copy it again."
        ) from None
    if len(values) != prod(shape):
        raise DataError(
            f"{prod(shape):,} values of shape {shape} in {path}",
            received=f"{len(values):,}" if len(values) < prod(shape) else "more",
            hint="The file is damaged: copy or download it again.",
        )
    return np.frombuffer(values, np.uint8).reshape(shape).copy()


def _source(content: bytes, *, packed: bool) -> Callable[[int], bytes]:
    """Return a reader of the next `count` bytes, fewer at the end, which unpacks no more than that."""
    rest = content
    stream = zlib.decompressobj(_GZIP)

    def plain(count: int) -> bytes:
        nonlocal rest
        taken, rest = rest[:count], rest[count:]
        return taken

    def unpacked(count: int) -> bytes:
        nonlocal rest
        taken = stream.decompress(rest, count)
        rest = stream.unconsumed_tail
        if len(taken) < count and not stream.eof:
            raise ValueError("the end of the file is missing")
        return taken

    return unpacked if packed else plain
