"""Whatever stands where a file is expected: an error that names it, in bounded time and memory.

Each case runs under an alarm, so that a reader which waits fails instead of blocking. Those marked slow are
every reader x everything; by default a part of them runs. `python -m tests.test_hostile_files` counts.
"""

import os
import shutil
import signal
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from convscope import nets, worlds
from convscope.errors import ConvscopeError, DataError, MissingError
from tests import hostile

SECONDS = 20
PICTURE = Image.radial_gradient("L").resize((64, 64))


@contextmanager
def alarm(seconds: int = SECONDS) -> Iterator[None]:
    """Raises inside what takes longer."""

    def ring(*_: object) -> None:
        raise TimeoutError(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def told(words: list[str]) -> None:
    """Run a command line here; an exit code becomes the error it stands for."""
    import contextlib
    import io

    from convscope.cli.core import app

    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        code = app.run([*words, "--quiet"])
    if code:
        assert said.getvalue().startswith("error: "), said.getvalue()
        raise {2: ConvscopeError, 3: DataError, 4: MissingError}.get(code, AssertionError)(said.getvalue())


def saved(path: Path) -> Path:
    """The folder of a small network."""
    from convscope.graph.chain import chain

    net = nets.wrap(
        nets.build(chain("1x8x8", "conv 2 3x3, flatten, dense 2"), seed=0), nets_spec(), ("a", "b")
    )
    return nets.save(net, path)


def nets_spec():
    from convscope.graph.spec import TensorSpec

    return TensorSpec((1, 8, 8))


def in_model(name: str) -> Callable[[Path, Callable[[Path], None]], None]:
    def read(root: Path, make: Callable[[Path], None]) -> None:
        folder = saved(root / "net")
        (folder / name).unlink()
        make(folder / name)
        nets.load(folder)

    return read


def in_run(name: str) -> Callable[[Path, Callable[[Path], None]], None]:
    def read(root: Path, make: Callable[[Path], None]) -> None:
        (root / "run").mkdir()
        make(root / "run" / name)
        told(["replay", str(root / "run")])

    return read


def by_command(name: str, *words: str) -> Callable[[Path, Callable[[Path], None]], None]:
    def read(root: Path, make: Callable[[Path], None]) -> None:
        PICTURE.save(root / "good.png")
        make(root / name)
        told([str(root / word) if word in (name, "good.png") else word for word in words])

    return read


def in_set(name: str, file: str) -> Callable[[Path, Callable[[Path], None]], None]:
    """One file of a published set; the others are as they should be."""

    def read(root: Path, make: Callable[[Path], None]) -> None:
        if name == "mnist":
            images, labels = (
                struct.pack(">IIII", 2051, 2, 28, 28) + bytes(2 * 784),
                b"\0\0\x08\x01\0\0\0\2\0\1",
            )
            (root / "train-images-idx3-ubyte").write_bytes(images)
            (root / "train-labels-idx1-ubyte").write_bytes(labels)
            (root / file.removesuffix(".gz")).unlink()
        else:
            for other in (f"data_batch_{k}.bin" for k in range(1, 6)):
                if other != file:
                    (root / other).write_bytes(bytes(3073))
        make(root / file)
        worlds.named(name, root, "train")

    return read


def in_folder(root: Path, make: Callable[[Path], None]) -> None:
    """One file of a class beside a good one: it is counted, the rest is used."""
    (root / "set/a").mkdir(parents=True)
    PICTURE.save(root / "set/a/good.png")
    make(root / "set/a/bad.png")
    folder = worlds.ImageFolder(root / "set")
    folder.pixels(list(range(len(folder))))
    report = worlds.check_images(root / "set")
    assert report.total == 1 and len(folder.readable()) == 1
    raise DataError("counted")


def in_photographs(root: Path, make: Callable[[Path], None]) -> None:
    PICTURE.save(root / "good.png")
    make(root / "bad.png")
    assert len(worlds.UnlabelledImages(root)) == 1
    raise DataError("counted")


def in_index(name: str) -> Callable[[Path, Callable[[Path], None]], None]:
    def read(root: Path, make: Callable[[Path], None]) -> None:
        from convscope.see.units.index import storage

        folder = index(root / "index")
        path = next(folder.glob(name))
        path.unlink()
        make(path)
        storage.read(folder)

    return read


def in_part(name: str) -> Callable[[Path, Callable[[Path], None]], None]:
    def read(root: Path, make: Callable[[Path], None]) -> None:
        from convscope.see.units.index.build import iter_index_units

        net, samples = small()
        passing = iter_index_units(net, samples, batch=2, folder=root / "parts")
        next(passing)
        passing.close()
        path = next((root / "parts").glob(name))
        path.unlink()
        make(path)
        list(iter_index_units(net, samples, batch=2, folder=root / "parts"))

    return read


def small():
    import torch

    folder = Path(tempfile.mkdtemp())
    net = nets.load(saved(folder / "net"))
    shutil.rmtree(folder)
    images = torch.randint(
        0, 256, (6, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    labels = torch.tensor([0, 1, 0, 1, 0, 1])
    return net, worlds.ImageTensorDataset(images, labels, ("a", "b"), net.input_spec, "six")


def index(folder: Path) -> Path:
    from convscope.see.units.index.build import iter_index_units

    net, samples = small()
    list(iter_index_units(net, samples, batch=2, folder=folder))
    return folder


def in_cache(root: Path, make: Callable[[Path], None]) -> None:
    """A cache that cannot be read is no cache."""
    from convscope.nets.inference import autotune

    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(root)
    try:
        (root / "convscope").mkdir()
        make(root / "convscope/speed.json")
        assert all(isinstance(answer, dict) for answer in autotune.load_cache().values())
        autotune.store("key", {"precision": "fp32"})
        assert autotune.load_cache().get("key") in (None, {"precision": "fp32"})
    finally:
        os.environ.pop("XDG_CACHE_HOME")
        if before is not None:
            os.environ["XDG_CACHE_HOME"] = before
    raise DataError("not used")


PAINT = ("style", "good.png", "--style", "good.png", "--steps", "1")
Reader = Callable[[Path, Callable[[Path], None]], None]
READERS: dict[str, Reader] = {
    "config": by_command("x.toml", "describe", "--config", "x.toml"),
    "weights": by_command(
        "x.safetensors", "classify", "good.png", "--net", "lecture", "--weights", "x.safetensors"
    ),
    "recipe.toml": in_run("recipe.toml"),
    "recipe.json": in_run("recipe.json"),
    "model.json of a run": in_run("model.json"),
    "model.json": in_model("model.json"),
    "model.safetensors": in_model("model.safetensors"),
    "replay png": by_command("x.png", "replay", "x.png"),
    "replay webp": by_command("x.webp", "replay", "x.webp"),
    "replay json": by_command("x.json", "replay", "x.json"),
    "replay toml": by_command("x.toml", "replay", "x.toml"),
    "picture": by_command("x.png", "classify", "x.png", "--net", "lecture"),
    "digit": by_command("x.png", "look", "x.png", "--net", "lecture"),
    "photograph": by_command("x.png", "dream", "x.png", "--steps", "1"),
    "content": by_command("x.png", "style", "x.png", "--style", "good.png", "--steps", "1"),
    "style": by_command("x.png", "style", "good.png", "--style", "x.png", "--steps", "1"),
    "mask": by_command("x.png", *PAINT, "--mask", "x.png"),
    "guide": by_command("x.png", *PAINT, "--guide", "x.png"),
    "spectrum": by_command(
        "x.png", "visualize", "lecture", "conv1:0", "--canvas", "maco", "--spectrum", "x.png", "--steps", "1"
    ),
    "data": by_command("x", "data", "check", "x"),
    "idx images": in_set("mnist", "train-images-idx3-ubyte"),
    "idx labels": in_set("mnist", "train-labels-idx1-ubyte"),
    "idx images, packed": in_set("mnist", "train-images-idx3-ubyte.gz"),
    "cifar": in_set("cifar10", "data_batch_3.bin"),
    "class folder": in_folder,
    "photographs": in_photographs,
    "index.json": in_index("index.json"),
    "index tensors": in_index("units-*.safetensors"),
    "index part": in_part("part-*.json"),
    "index part tensors": in_part("part-*.safetensors"),
    "cache of measurements": in_cache,
}
"""Everything that is read from a user, by what it is read as."""

EVERYTHING = {**hostile.PLACES, **hostile.CONTENTS}
QUICK = {("config", what) for what in EVERYTHING} | {
    (reader, what)
    for reader in (
        "recipe.json",
        "model.json",
        "model.safetensors",
        "replay png",
        "replay webp",
        "idx images",
        "idx images, packed",
        "cifar",
        "class folder",
        "index.json",
        "index part",
        "cache of measurements",
    )
    for what in ("fifo", "endless", "sparse", "brackets", "not utf-8")
}
MEANT = {("data", "folder"), ("index part", "dangling")}
"""A folder where one is expected, and a state that is not there: no faults."""


def outcome(reader: str, what: str, root: Path) -> str:
    """`held`, or what went wrong."""
    read, make = READERS[reader], EVERYTHING[what]
    try:
        with alarm():
            read(root, make)
    except ConvscopeError as error:
        return (
            "held"
            if error.exit_code in (2, 3, 4) or type(error) is ConvscopeError
            else f"exit {error.exit_code}"
        )
    except BaseException as error:
        return f"{type(error).__name__}: {error}"[:300]
    return "accepted"


@pytest.mark.parametrize(("reader", "what"), sorted(QUICK))
def test_what_is_no_file_is_refused(reader: str, what: str, tmp_path: Path) -> None:
    assert outcome(reader, what, tmp_path) == "held"


REST = sorted({(reader, what) for reader in READERS for what in EVERYTHING} - QUICK - MEANT)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("reader", "what"), REST)
def test_whatever_is_no_file_is_refused(reader: str, what: str, tmp_path: Path) -> None:
    assert outcome(reader, what, tmp_path) == "held"


def main() -> None:
    """Try everything and print the figures."""
    tried, failed = 0, []
    for reader in READERS:
        for what in EVERYTHING:
            if (reader, what) in MEANT:
                continue
            root = Path(tempfile.mkdtemp())
            found = outcome(reader, what, root)
            shutil.rmtree(root, ignore_errors=True)
            tried += 1
            if found != "held":
                failed.append(f"{reader} x {what}: {found}")
    held = f"tried {tried}, held {tried - len(failed)}"
    print("\n".join([*failed, f"{len(READERS)} readers, {len(EVERYTHING)} things: {held}"]))
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
