"""Unpack the paintings of GCompris, a collection of games for children, into a folder of pictures.

    apt-get download gcompris-qt-data && dpkg-deb -x gcompris-qt-data_*.deb gcompris
    python scripts/unpack_paintings.py gcompris/usr/share/gcompris-qt/rcc/paintings.rcc paintings

The paintings (22, one of them a sculpture) are in the public domain; the package (3.1-2 of Debian 12) says
that their reproductions come from the WebMuseum. They lie there as pieces of jigsaws, in Qt's format for
resources; a board says where the centre of each piece belongs. Pieces are put together, and a border of 2 %
is cut off.
"""

import io
import json
import re
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

DIRECTORY, COMPRESSED = 2, 1
"""Flags of an entry in Qt's resource format."""
BORDER = 0.02
"""Share of each side that is cut off: pieces at the border are not straight."""


def main(archive: Path, folder: Path) -> None:
    files = dict(entries(archive.read_bytes()))
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if name.endswith(".qml") and b'"x"' in content:
            title, picture = assembled(content.decode(), files)
            picture.save(folder / f"{title}.png")
            print(title, *picture.size)


def entries(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file of an archive in Qt's resource format."""
    magic, version, tree, contents, names = struct.unpack(">4sIIII", data[:20])
    if magic != b"qres":
        raise SystemExit("expected: an .rcc file of Qt")
    size = 14 if version == 1 else 22

    def walk(number: int) -> Iterator[tuple[str, bytes]]:
        name, flags, *rest = struct.unpack(">IHII", data[tree + number * size : tree + number * size + 14])
        if flags & DIRECTORY:
            count, first = rest
            for child in range(first, first + count):
                yield from walk(child)
            return
        start = contents + rest[1]
        (length,) = struct.unpack(">I", data[start : start + 4])
        content = data[start + 4 : start + 4 + length]
        (letters,) = struct.unpack(">H", data[names + name : names + name + 2])
        word = data[names + name + 6 : names + name + 6 + 2 * letters].decode("utf-16-be")
        yield word, zlib.decompress(content[4:]) if flags & COMPRESSED else content

    return walk(0)


def assembled(board: str, files: dict[str, bytes]) -> tuple[str, Image.Image]:
    """The painting of a board, and a name for its file."""
    title = re.search(r'qsTr\("([^"]+)"\)', board)
    pieces = [json.loads(found) for found in re.findall(r"\{[^{}]+\}", board)]
    width, height = next((piece["width"], piece["height"]) for piece in pieces if "width" in piece)
    canvas, left, top, right, bottom = Image.new("RGB", (width, height)), width, height, 0, 0
    for piece in pieces:
        if "x" not in piece:
            continue
        picture = Image.open(io.BytesIO(files[Path(piece["pixmapfile"]).name])).convert("RGBA")
        x = round(float(piece["x"]) * width - picture.width / 2)
        y = round(float(piece["y"]) * height - picture.height / 2)
        canvas.paste(picture, (x, y), picture)
        left, top = min(left, x), min(top, y)
        right, bottom = max(right, x + picture.width), max(bottom, y + picture.height)
    across, down = round((right - left) * BORDER), round((bottom - top) * BORDER)
    box = left + across, top + down, right - across, bottom - down
    word = re.sub(r"[^a-z0-9]+", "-", (title[1] if title else "painting").lower()).strip("-")
    return word, canvas.crop(box)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
