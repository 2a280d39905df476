import contextlib
import gzip
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.worlds.images.test_folder import tree
from torchvision.datasets import MNIST

from convscope import worlds
from convscope.errors import DataError, MissingError, UsageError
from convscope.worlds.datasets import digits, idx


def idx_bytes(array: np.ndarray) -> bytes:
    return (
        bytes([0, 0, 8, array.ndim])
        + np.array(array.shape, ">u4").tobytes()
        + array.astype(np.uint8).tobytes()
    )


def little_mnist(folder: Path, *, gz: bool, count: int = 12) -> tuple[np.ndarray, np.ndarray]:
    folder.mkdir(parents=True, exist_ok=True)
    images = np.random.default_rng(0).integers(0, 256, (count, 28, 28), dtype=np.uint8)
    labels = (np.arange(count) % 10).astype(np.uint8)
    for split in ("train", "t10k"):
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            content = idx_bytes(array)
            path = folder / f"{split}-{name}-ubyte{'.gz' if gz else ''}"
            path.write_bytes(gzip.compress(content) if gz else content)
    return images, labels


@pytest.mark.parametrize("gz", [True, False])
@pytest.mark.parametrize("under", ["", "raw", "MNIST/raw"])
def test_every_layout_of_mnist(tmp_path, gz, under):
    images, labels = little_mnist(tmp_path / under, gz=gz)
    before = sorted(tmp_path.rglob("*"))
    samples = worlds.open("mnist", "test", root=tmp_path)
    assert torch.equal(samples.pixels(range(12))[:, 0], torch.from_numpy(images))
    assert samples.labels.tolist() == labels.tolist()
    assert samples.classes == digits.CLASSES and samples.shape == (1, 28, 28) and samples.name == "mnist/test"
    assert sorted(tmp_path.rglob("*")) == before


def test_as_torchvision_reads_it(shared_data, tmp_path):
    raw = tmp_path / "MNIST/raw"
    raw.mkdir(parents=True)
    for path in (shared_data / "mnist").glob("t10k-*.gz"):
        (raw / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    for path in (shared_data / "mnist").glob("train-*.gz"):
        (raw / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    for split in ("train", "test"):
        theirs = MNIST(str(tmp_path), train=split == "train")
        ours = worlds.named("mnist", shared_data / "mnist", split)
        assert isinstance(ours, worlds.ImageTensorDataset)
        assert torch.equal(ours.images[:, 0], theirs.data) and torch.equal(ours.labels, theirs.targets)


def test_fashion(tmp_path):
    little_mnist(tmp_path / "FashionMNIST/raw", gz=True)
    samples = worlds.open("fashion-mnist", root=tmp_path)
    assert samples.classes[9] == "Ankle boot" and len(samples) == 12


def cifar_rows(shared_data: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    tiles = []
    for path in sorted((shared_data / "cifar10").glob(f"{split}_*.webp")):
        sheet = np.asarray(Image.open(path).convert("RGB"))
        tiles.append(sheet.reshape(25, 32, 40, 32, 3).transpose(0, 2, 4, 1, 3).reshape(-1, 3, 32, 32))
    labels = json.loads((shared_data / f"cifar10/{split}_labels.json").read_text())
    return np.concatenate(tiles), np.array(labels, np.uint8)


def test_cifar10_binary(shared_data, tmp_path):
    images, labels = cifar_rows(shared_data, "test")
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    rows = np.concatenate([labels[:, None], images.reshape(len(images), -1)], 1)
    (folder / "test_batch.bin").write_bytes(rows.tobytes())
    for root in (tmp_path, folder):
        samples = worlds.named("cifar10", root, "test")
        assert torch.equal(samples.pixels(range(10_000)), torch.from_numpy(images))
        assert samples.labels.tolist() == labels.tolist() and samples.shape == (3, 32, 32)
    (folder / "test_batch.bin").write_bytes(rows.tobytes()[:-1])
    with pytest.raises(DataError, match="3073"):
        worlds.named("cifar10", tmp_path, "test")


class Payload:
    def __reduce__(self):
        return os.mkdir, ("executed",)


def test_a_forged_pickle_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [f"data_batch_{k}" for k in range(1, 6)] + ["test_batch", "batches.meta"]
    tree(tmp_path, {f"cifar-10-batches-py/{name}": pickle.dumps(Payload()) for name in names})
    for split in ("train", "test"):
        with pytest.raises(DataError, match="byte for byte"):
            worlds.named("cifar10", tmp_path, split)
    assert not Path("executed").exists()


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10"])
def test_missing_names_the_layout_and_the_flag(tmp_path, name):
    for root in (tmp_path, tmp_path / "nowhere", None):
        with pytest.raises(MissingError, match=r"(?s)layout.*--download"):
            worlds.named(name, root)
    assert not any(tmp_path.iterdir())


def test_a_download_that_fails(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(MissingError, match="connection"):
        worlds.named("mnist", tmp_path, download=True)


def test_a_download_is_used(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "torchvision.datasets.FashionMNIST",
        lambda root, download: little_mnist(Path(root) / "FashionMNIST/raw", gz=False),
    )
    assert len(worlds.open("fashion-mnist", root=tmp_path / "new", download=True)) == 12


def test_digits_by_name():
    assert len(worlds.open("digits")) == 8000 and len(worlds.open("digits", "test")) == 2000
    with pytest.raises(UsageError, match="Did you mean test"):
        worlds.open("digits", "tset")


def test_unknown_words(tmp_path):
    with pytest.raises(UsageError, match="Did you mean mnist"):
        worlds.open("mnst")
    with pytest.raises(UsageError, match="a split of mnist"):
        worlds.open("mnist", "val", root=tmp_path)
    with pytest.raises(UsageError):
        worlds.named("imagenet", tmp_path)
    with pytest.raises(DataError, match="there is nothing"):
        worlds.open("./pictures")


def test_a_folder_by_path(tmp_path, monkeypatch):
    tree(tmp_path, {"mnist/a/1.png": 1, "pictures/a/1.png": 1})
    monkeypatch.chdir(tmp_path)
    assert isinstance(worlds.open("pictures"), worlds.ImageFolder)
    assert isinstance(worlds.open("./mnist"), worlds.ImageFolder)
    with pytest.raises(MissingError):
        worlds.open("mnist")


def test_damaged_idx(tmp_path):
    little_mnist(tmp_path, gz=True)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    wrong = [
        whole[:-100],
        whole[:5],
        b"",
        b"not gzip",
        gzip.compress(b"\0\0\x08\x03"),
        gzip.compress(b"\0\0\x0d\x03" + bytes(100)),
        gzip.compress(bytes([0, 0, 8, 3]) + b"\xff" * 12),
        gzip.compress(idx_bytes(np.zeros((12, 28, 28))) + b"!"),
        gzip.compress(idx_bytes(np.zeros((12, 28)))),
        gzip.compress(idx_bytes(np.zeros((12, 20, 20)))),
        gzip.compress(idx_bytes(np.zeros((11, 28, 28)))),
        gzip.compress(bytes(1000)),
    ]
    for content in wrong:
        path.write_bytes(content)
        with pytest.raises(DataError):
            worlds.named("mnist", tmp_path)
    path.write_bytes(whole)
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(np.full(12, 77))))
    with pytest.raises(DataError, match="labels from 0 to 9"):
        worlds.named("mnist", tmp_path)


@given(st.binary(max_size=80))
def test_any_bytes_as_idx(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("idx") / "x"
    path.write_bytes(b"\0\0\x08" + content)
    with contextlib.suppress(DataError):
        assert idx.read_idx(path).dtype == np.uint8


def test_a_zip_bomb_is_not_unpacked(tmp_path):
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb") as file:
        file.write(idx_bytes(np.zeros((1, 2, 2))))
        for _ in range(64):
            file.write(bytes(2**20))
    path = tmp_path / "x.gz"
    path.write_bytes(stream.getvalue())
    with pytest.raises(DataError, match="more"):
        idx.read_idx(path)


def test_the_schema_needs_no_torch():
    code = (
        "import sys, convscope.worlds, convscope.worlds.images.checking.recipe as r;"
        "assert r.DataCheckRecipe(folder='x').command() == 'convscope data check x';"
        "assert not {'torch', 'numpy', 'PIL'} & set(sys.modules), 'heavy'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_schema_states_the_limit_of_the_code():
    from convscope.worlds.images import photos
    from convscope.worlds.images.checking.recipe import DataCheckRecipe

    assert DataCheckRecipe(folder="x").most_pixels == photos.MOST_PIXELS


def test_the_copy_of_a_set_is_not_needed(shared_data, tmp_path):
    """A folder that may only be read is enough."""
    folder = tmp_path / "locked"
    shutil.copytree(shared_data / "mnist", folder)
    folder.chmod(0o500)
    assert len(worlds.open("mnist", "test", root=folder)) == 10_000
    folder.chmod(0o700)
