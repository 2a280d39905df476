"""Word vectors from files: the text formats of GloVe and word2vec, and arrays of NumPy."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from convscope.errors import DataError
from convscope.system.files import read_bytes
from convscope.worlds.text.sentences import read_text_file

LARGEST = 2**31
"""Bytes of the largest file that is read."""
MOST = 100_000
"""Most words that are taken, from the beginning: files have the most frequent first."""
HINT = (
    "Take a text file of GloVe (a word and its numbers in a line) or word2vec (the same after a line with "
    "two counts), or an .npz with arrays vectors and words."
)


@dataclass(frozen=True)
class WordVectors:
    """Vectors of words.

    Attributes:
        words: the words, each once.
        vectors: one row for each.
    """

    words: tuple[str, ...]
    vectors: Float[NDArray[np.float32], "n d"]


def read_vectors(path: str | Path) -> WordVectors:
    """Read word vectors; of more than `MOST` words the first ones are taken.

    Args:
        path: `.npz` with `vectors` `[n d]` and `words` (UTF-8 with a line for each, as bytes, or texts);
            anything else is a text file, also with `.gz`.

    Returns:
        The vectors; of a word that occurs twice the first one.

    Raises:
        DataError: it is none of these, or a number is not finite.
    """
    words, vectors = _arrays(path) if str(path).lower().endswith(".npz") else _lines(path)
    if not words or vectors.ndim != 2 or len(words) != len(vectors) or not vectors.shape[1]:
        raise DataError(
            f"a vector for each word in {path}",
            received=f"{len(words):,} words, vectors {vectors.shape}",
            hint=HINT,
        )
    if not np.isfinite(vectors).all():
        raise DataError(f"finite numbers in {path}", received="NaN or infinity", hint=HINT)
    first = {word: row for row, word in reversed(list(enumerate(words)))}
    rows = sorted(first.values())
    return WordVectors(tuple(words[row] for row in rows), vectors[rows])


def _arrays(path: str | Path) -> tuple[Sequence[str], np.ndarray]:
    """Read an `.npz`; nothing is unpickled."""
    try:
        with np.load(io.BytesIO(read_bytes(path, LARGEST)), allow_pickle=False) as held:
            found, vectors = held["words"], held["vectors"]
        words = bytes(found).decode().split("\n") if found.dtype == np.uint8 else list(map(str, found))
        words = words[:-1] if len(words) == len(vectors) + 1 and not words[-1] else words
        return words[:MOST], vectors[:MOST].astype(np.float32)
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise DataError(f"word vectors in {path}", received=str(error), hint=HINT) from None


def _lines(path: str | Path) -> tuple[Sequence[str], np.ndarray]:
    """Read a text file: a word and its numbers in a line, after two counts in word2vec's format."""
    lines = read_text_file(path).split("\n")
    head = lines[0].split()
    if len(head) == 2 and all(map(str.isdecimal, head)):
        lines, size = lines[1:], int(head[1])
    else:
        size = len(lines[0].rstrip().split(" ")) - 1
    words, rows = [], []
    for number, line in enumerate(lines[:MOST], 1):
        if not line.strip():
            continue
        word, *values = line.rstrip().rsplit(" ", size)
        try:
            rows.append(np.array(values, dtype=np.float32))
        except ValueError:
            values = []
        if len(values) != size or not size:
            raise DataError(
                f"a word and {size} numbers in every line of {path}",
                received=f"{line[:60]!r} in line {number}",
                hint=HINT,
            )
        words.append(word)
    return words, np.stack(rows) if rows else np.empty((0, 0), np.float32)
