"""The data that benchmarks read: in the folder that CONVSCOPE_TEST_DATA names, else beside the checkout."""

import json
import os
from pathlib import Path
from typing import Any

from convscope.errors import MissingError

DATA = Path(os.environ.get("CONVSCOPE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
MNIST = Path(os.environ.get("CONVSCOPE_MNIST", DATA / "mnist"))


def missing(names: tuple[str, ...]) -> list[Path]:
    """Return what is not there of some files and folders below `DATA`."""
    places = [MNIST if name == "mnist" else DATA / name for name in names]
    return [place for place in places if not place.exists()]


def require(benchmark: str, names: tuple[str, ...]) -> None:
    """Refuse a benchmark whose data is not there.

    Raises:
        MissingError: a file or folder is missing; exit code 4.
    """
    places = missing(names)
    if places:
        raise MissingError(
            f"the data of the benchmark {benchmark}",
            received=", ".join(f"nothing at {place}" for place in places),
            hint="Set CONVSCOPE_TEST_DATA to the folder that holds it (CONVSCOPE_MNIST to that of MNIST).",
        )


def cifar10(part: str) -> tuple[Any, Any]:
    """Return the 10,000 uint8 images `[n 3 32 32]` of a part of CIFAR-10 that lie there, and their labels."""
    import numpy as np
    from PIL import Image

    tiles = []
    for path in sorted((DATA / "cifar10").glob(f"{part}_*.webp")):
        with Image.open(path) as sheet:
            rows = np.asarray(sheet.convert("RGB")).reshape(25, 32, 40, 32, 3)
        tiles.append(rows.transpose(0, 2, 4, 1, 3).reshape(-1, 3, 32, 32))
    labels = json.loads((DATA / "cifar10" / f"{part}_labels.json").read_text(encoding="utf-8"))
    return np.concatenate(tiles), np.array(labels, np.int64)
