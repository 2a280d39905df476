"""The file format of MNIST and its relatives, plain or gzipped.

Source: LeCun, Cortes, Burges, the data set's page.
"""

import gzip
import zlib
from math import prod
from pathlib import Path

import numpy as np

from convscope.errors import DataError

MOST_VALUES = 2**28
"""Largest array that is read, in bytes."""


def read_idx(path: Path) -> np.ndarray:
    """The uint8 array in an IDX file.

    Raises:
        DataError: the file is unreadable, is not IDX, holds no bytes, or does not have the length it states.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            head = file.read(4)
            if len(head) < 4 or head[:3] != b"\0\0\x08" or not 1 <= head[3] <= 4:
                raise DataError(
                    f"an IDX file of bytes at {path}", received=f"a file that starts with {head!r}"
                )
            shape = tuple(np.frombuffer(file.read(4 * head[3]), ">u4").tolist())
            if len(shape) != head[3] or not prod(shape) <= MOST_VALUES:
                raise DataError(
                    f"an IDX file of at most {MOST_VALUES:,} values at {path}", received=f"{shape}"
                )
            values = file.read(prod(shape) + 1)
    except (OSError, EOFError, zlib.error, ValueError) as error:
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
