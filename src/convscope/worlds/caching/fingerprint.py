"""Identify the content of a data set, for what is computed from it and kept."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from convscope.worlds.dataset import LabelledDataset


def dataset_fingerprint(samples: LabelledDataset) -> str:
    """Hash a data set: samples in memory by their bytes, files by their paths, sizes and modification times.

    Args:
        samples: labelled samples; their classes, labels and spec are hashed too.

    Returns:
        16 hexadecimal digits.
    """
    found = hashlib.sha256(repr((samples.classes, samples.spec)).encode())
    found.update(samples.labels.numpy().tobytes())
    if samples.content is not None:
        found.update(samples.content.contiguous().numpy().data)
    found.update(files_fingerprint(getattr(samples, "paths", ())).encode())
    return found.hexdigest()[:16]


def files_fingerprint(paths: Iterable[Path], *facts: object) -> str:
    """Hash files by their paths, sizes and modification times.

    Args:
        paths: the files, in order.
        *facts: what else decides what is computed from them.

    Returns:
        16 hexadecimal digits.
    """
    found = hashlib.sha256(repr(facts).encode())
    for path in paths:
        try:
            state = path.stat()
            found.update(f"{path.resolve()} {state.st_size} {state.st_mtime_ns}\n".encode("utf-8", "replace"))
        except OSError:
            found.update(f"{path} gone\n".encode("utf-8", "replace"))
    return found.hexdigest()[:16]
