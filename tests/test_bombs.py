"""Small files that claim to be enormous: each command ends soon, with little memory and the right exit code.

Every case runs in a process of its own. `python -m tests.test_bombs` prints time and memory of each.
"""

import gzip
import json
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hostile import command

SECONDS = 30
"""Of processor time; importing torch takes a part of it."""
MEGABYTES = 1600
"""Peak memory: torch takes 300 of it, a picture of the largest size that is decoded 500 to 900."""
RECIPE = {"verb": "visualize", "net": "lecture", "places": ["conv1:0"], "steps": 1}


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, pixels: bytes = b"", *, recipe: bool = True) -> bytes:
    text = b"convscope.recipe\0\0\0\0\0" + json.dumps(RECIPE).encode()
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + (chunk(b"iTXt", text) if recipe else b"")
        + chunk(b"IDAT", zlib.compress(pixels, 9))
        + chunk(b"IEND", b"")
    )


def zeros_behind_a_signature(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        file.truncate(1_500_000_000)


def million_chunks(path: Path) -> None:
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 2, 0, 0, 0))
    path.write_bytes(start + chunk(b"tIME", b"") * 5_000_000)


def claimed(path: Path) -> None:
    path.write_bytes(png(60_000, 60_000))


def huge_rows(path: Path) -> None:
    """A picture just above what is decoded whose rows are all there, 1000 times smaller in the file."""
    packer = zlib.compressobj(9)
    row = bytes(1 + 3 * 12_000)
    packed = b"".join(packer.compress(row) for _ in range(12_000)) + packer.flush()
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 12_000, 12_000, 8, 2, 0, 0, 0))
        + chunk(b"iTXt", b"convscope.recipe\0\0\0\0\0" + json.dumps(RECIPE).encode())
        + chunk(b"IDAT", packed)
        + chunk(b"IEND", b"")
    )


def packed_text(path: Path) -> None:
    text = b"convscope.recipe\0\1\0\0\0" + zlib.compress(b" " * 200_000_000, 9)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"iTXt", text) + chunk(b"IEND", b""))


def webp(path: Path) -> None:
    """16,383 x 16,383 pixels, animated, and nothing in it."""
    side = (16_382).to_bytes(3, "little")
    body = b"WEBP" + b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + side + side
    body += b"ANIM" + struct.pack("<I", 6) + bytes(6)
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)


def json_of_zeros(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"{")
        file.truncate(3 << 30)


def many_lists(path: Path) -> None:
    path.write_bytes(b"[" + b"[]," * 5_000_000 + b"[]]")


def long_toml(path: Path) -> None:
    path.write_bytes(b"a" + b".a" * 500_000 + b"=1")


def packed_idx(path: Path) -> None:
    path.mkdir()
    head = struct.pack(">IIII", 2051, 300_000, 28, 28)
    (path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + bytes(28 * 28 * 300_000), 9))
    (path / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\1\0")


def endless_idx(path: Path) -> None:
    """Headers of a hundred thousand pictures, and ten times as much behind them."""
    path.mkdir()
    head = struct.pack(">IIII", 2051, 100_000, 28, 28)
    packer = zlib.compressobj(9, wbits=31)
    body = b"".join(packer.compress(bytes(10**7)) for _ in range(100))
    (path / "train-images-idx3-ubyte.gz").write_bytes(packer.compress(head) + body + packer.flush())
    (path / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\1\0")


def long_name_in_gzip(path: Path) -> None:
    path.mkdir()
    with (path / "train-images-idx3-ubyte.gz").open("wb") as file:
        file.write(b"\x1f\x8b\x08\x08\0\0\0\0\0\3" + b"n" * 200_000_000)
    (path / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\1\0")


def safetensors_of_zeros(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(8 << 30)


def safetensors_header(path: Path) -> None:
    head = json.dumps({"x": {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4 * 10**9]}}).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        file.truncate(8 + len(head) + 4 * 10**9)


def many_tensors(path: Path) -> None:
    entries = ",".join(f'"t{k}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}' for k in range(500_000))
    head = f"{{{entries}}}".encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head)


def wide_model(path: Path) -> None:
    """A graph of 40 billion weights, and a sparse file that has as many."""
    from convscope import nets
    from tests.nets.test_damaged_descriptions import graph_network

    nets.save(graph_network(), path)
    document = json.loads((path / "model.json").read_text())
    for layer in document["graph"]["layers"]:
        if layer["kind"] == "dense":
            layer["options"]["out_features"] = 10**9
    (path / "model.json").write_text(json.dumps(document))


def nothing(path: Path) -> None:
    pass


LONG = "relu, " * 20_000
WIDE = "3x100000x100000"
CASES: dict[str, tuple[Callable[[Path], None], list[str], set[int]]] = {
    "replay: PNG of zeros": (zeros_behind_a_signature, ["replay", "x.png"], {3}),
    "replay: five million chunks": (million_chunks, ["replay", "x.png"], {3}),
    "replay: a PNG that claims 60,000 pixels square": (claimed, ["replay", "x.png"], {3}),
    "replay: a PNG of 12,000 pixels square": (huge_rows, ["replay", "x.png"], {3}),
    "replay: 200 MB of text in 200 kB": (packed_text, ["replay", "x.png"], {3}),
    "replay: a WebP of 16,383 pixels square": (webp, ["replay", "x.webp"], {3}),
    "replay: JSON of 3 GB": (json_of_zeros, ["replay", "x.json"], {3}),
    "replay: JSON of five million lists": (many_lists, ["replay", "x.json"], {3}),
    "replay: TOML of 3 GB": (json_of_zeros, ["replay", "x.toml"], {3}),
    "replay: a key of 500,000 parts": (long_toml, ["replay", "x.toml"], {3}),
    "config of 3 GB": (json_of_zeros, ["nets", "--config", "x.toml"], {3}),
    "classify: PNG of zeros": (zeros_behind_a_signature, ["classify", "x.png", "--net", "lecture"], {3}),
    "classify: a PNG that claims 60,000 pixels square": (
        claimed,
        ["classify", "x.png", "--net", "lecture"],
        {3},
    ),
    "classify: a WebP of 16,383 pixels square": (webp, ["classify", "x.webp", "--net", "lecture"], {3}),
    "train: IDX that unpacks to 235 MB": (packed_idx, ["train", "mlp", "mnist", "--root", "x"], {3}),
    "train: IDX that goes on for 1 GB": (endless_idx, ["train", "mlp", "mnist", "--root", "x"], {3}),
    "train: a gzip name of 200 MB": (long_name_in_gzip, ["train", "mlp", "mnist", "--root", "x"], {3}),
    "weights: 8 GB of zeros": (
        safetensors_of_zeros,
        ["classify", "p.png", "--net", "lecture", "--weights", "x.safetensors"],
        {3},
    ),
    "weights: a tensor of a billion numbers": (
        safetensors_header,
        ["classify", "p.png", "--net", "lecture", "--weights", "x.safetensors"],
        {3},
    ),
    "weights: half a million tensors": (
        many_tensors,
        ["classify", "p.png", "--net", "lecture", "--weights", "x.safetensors"],
        {3},
    ),
    "a saved network of 8 billion weights": (wide_model, ["describe", "x"], {3}),
    "describe: an input of 30 billion numbers": (nothing, ["describe", "lecture", "--input", WIDE], {2}),
    "describe: the same of a network that is run": (
        nothing,
        ["describe", "torchvision/resnet18", "--input", WIDE],
        {2},
    ),
    "describe: an input that makes a wide layer": (
        nothing,
        ["describe", "lecture", "--input", "1x8000x8000"],
        {0, 2},
    ),
    "train: a billion filters": (nothing, ["train", "conv 1000000000 3x3, flatten, dense 10", "digits"], {2}),
    "train: a kernel of a billion": (
        nothing,
        ["train", "conv 8 1000000000x1 padding=same, flatten, dense 10", "digits"],
        {2},
    ),
    "train: a dense layer of 10^18": (nothing, ["train", "flatten, dense 999999999999999999", "digits"], {2}),
    "train: padding of 10^15": (
        nothing,
        ["train", "conv 8 3x3 padding=999999999999999, flatten, dense 10", "digits"],
        {2},
    ),
    "train: 20,000 layers": (nothing, ["train", LONG + "flatten, dense 10", "digits"], {2}),
    "visualize: a picture of 10^12 pixels": (
        nothing,
        ["visualize", "lecture", "conv1:0", "--size", "1000000"],
        {2},
    ),
}
FILES = {"x.png", "x.webp", "x.json", "x.toml", "x.safetensors", "x"}
QUICK = (
    "replay: PNG of zeros",
    "replay: a PNG that claims 60,000 pixels square",
    "describe: an input of 30 billion numbers",
)


def tried(name: str, root: Path) -> tuple[str, float, int]:
    """`held` or what went wrong, seconds, megabytes."""
    make, words, codes = CASES[name]
    file = next((word for word in words if word in FILES), None)
    if file is not None:
        make(root / file)
    from PIL import Image

    Image.radial_gradient("L").save(root / "p.png")
    done = command([*words, "--quiet"], root, seconds=SECONDS)
    held = (
        done.code in codes
        and done.megabytes <= MEGABYTES
        and (done.code == 0 or done.said.startswith("error: "))
    )
    verdict = "held" if held else f"exit {done.code}, {done.megabytes} MB: {done.said[:300]}"
    return verdict, done.seconds, done.megabytes


@pytest.mark.parametrize("name", QUICK)
def test_a_bomb_is_refused_in_little_time_and_memory(name: str, tmp_path: Path) -> None:
    assert tried(name, tmp_path)[0] == "held"


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", sorted(set(CASES) - set(QUICK)))
def test_every_bomb_is_refused_in_little_time_and_memory(name: str, tmp_path: Path) -> None:
    assert tried(name, tmp_path)[0] == "held"


def main() -> None:
    failed = 0
    for name in CASES:
        with tempfile.TemporaryDirectory() as root:
            verdict, seconds, megabytes = tried(name, Path(root))
        failed += verdict != "held"
        print(f"{name}: {verdict}, {seconds:.1f} s of processor time, {megabytes} MB", flush=True)
    print(f"tried {len(CASES)}, held {len(CASES) - failed}")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
