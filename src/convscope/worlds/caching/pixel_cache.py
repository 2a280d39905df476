"""Decoded images of a data set in a file that is mapped into memory, in the user's cache folder.

~/.cache/convscope/pixels/<name>-<fingerprint>/
    pixels.u8        all images, one after the other; a hole where one has not been decoded yet
    checksums.u32    the CRC-32 of each image, 0 where there is none

An image is written when it is first decoded, then its checksum. One whose bytes have another checksum,
because a process was killed or a disk failed, counts as not there; whoever reads it verifies it first.
"""

import os
import re
import shutil
import stat
import zlib
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from convscope.system.user_cache import cache_root, prune

PIXELS, CHECKSUMS = "pixels.u8", "checksums.u32"
FILES = re.compile(rf"{re.escape(PIXELS)}|{re.escape(CHECKSUMS)}")
LARGEST = 16 * 2**30
"""Bytes that all decoded images may take: 114,000 of 3x224x224; those used longest ago are removed first."""
SPARE = 2**30
"""Bytes of the disk that are left free."""


class PixelCache:
    """Keep the decoded images of a data set; thread-safe, and shared by processes.

    Args:
        folder: the cache's folder, which exists.
        count: number of images.
        shape: of each.

    Attributes:
        pixels: all images `[n c h w]`, mapped; what `read` has returned or `write` has kept is right.

    Raises:
        OSError: the files cannot be made or opened.
    """

    pixels: UInt8[Tensor, "n c h w"]

    def __init__(self, folder: Path, count: int, shape: tuple[int, ...]) -> None:
        self.folder, self.size = folder, int(np.prod(shape))
        self._writable = True
        extent = (count, *shape)
        for name, size in ((PIXELS, count * self.size), (CHECKSUMS, 4 * count)):
            _make(folder / name, size)
        self.pixels = torch.from_numpy(np.memmap(folder / PIXELS, np.uint8, "r+", shape=extent))
        self._checksums = np.memmap(folder / CHECKSUMS, np.uint32, "r+", shape=(count,))

    @classmethod
    def open(cls, name: str, fingerprint: str, count: int, shape: tuple[int, ...]) -> "PixelCache | None":
        """Open the cache of a data set; what was used longest ago makes room for it.

        Args:
            name: of the data set, for people.
            fingerprint: of its files, and of all that decides how they are decoded.
            count: number of images.
            shape: of each.

        Returns:
            The cache; None where the images are too many, or the disk has no room or cannot be written to.
        """
        size = count * int(np.prod(shape))
        plain = "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in name)[:60]
        folder = cache_root("pixels") / f"{plain}-{fingerprint}"
        if not 0 < size <= LARGEST:
            return None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            there = (folder / PIXELS).exists()
            prune(folder, FILES, LARGEST if there else LARGEST - size)
            if not there and shutil.disk_usage(folder).free < size + SPARE:
                folder.rmdir()
                return None
            return cls(folder, count, shape)
        except (OSError, ValueError):
            return None

    def read(self, row: int) -> UInt8[Tensor, "c h w"] | None:
        """Return an image.

        Args:
            row: which one.

        Returns:
            The image, mapped; None where it is not there, or damaged.
        """
        wanted = int(self._checksums[row])
        if not wanted or _checksum(self.pixels[row]) != wanted:
            return None
        return self.pixels[row]

    def write(self, row: int, image: UInt8[Tensor, "c h w"]) -> bool:
        """Keep an image.

        Args:
            row: which one.
            image: its pixels.

        Returns:
            Whether it is kept; after a disk was full, nothing is.
        """
        if not self._writable:
            return False
        try:
            _write_at(self.folder / PIXELS, row * self.size, image.contiguous().numpy().tobytes())
            _write_at(self.folder / CHECKSUMS, row * 4, np.uint32(_checksum(image)).tobytes())
        except OSError:
            self._writable = False
        return self._writable


def _checksum(image: Tensor) -> int:
    """Return the CRC-32 of an image; 1 in place of 0, which stands for none."""
    return zlib.crc32(image.contiguous().numpy().data) or 1


def _make(path: Path, size: int) -> None:
    """Make sure that a file of this size is there, empty where it was missing or of another size."""
    if path.is_symlink() or (path.exists() and path.stat().st_size not in (0, size)):
        path.unlink()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            raise OSError(f"{path} is no regular file")
        if state.st_size != size:
            os.ftruncate(descriptor, size)
    finally:
        os.close(descriptor)


def _write_at(path: Path, offset: int, content: bytes) -> None:
    """Write into a file; not through its mapping, where a full disk would end the process."""
    with path.open("r+b", buffering=0) as file:
        file.seek(offset)
        if file.write(content) != len(content):
            raise OSError("no room")
