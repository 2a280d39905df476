import gzip
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from convscope.worlds.datasets import digits

ROOT = Path(__file__).resolve().parents[3]


def official(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    images = gzip.decompress((folder / f"mnist/{name}-images-idx3-ubyte.gz").read_bytes())[16:]
    labels = gzip.decompress((folder / f"mnist/{name}-labels-idx1-ubyte.gz").read_bytes())[8:]
    return np.frombuffer(images, np.uint8).reshape(-1, 28, 28), np.frombuffer(labels, np.uint8)


def keys(images: torch.Tensor | np.ndarray) -> list[bytes]:
    return [bytes(np.ascontiguousarray(image)) for image in np.asarray(images)]


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("make_digits", ROOT / "scripts/make_digits.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_extent_classes_and_balance():
    train, test = digits.train(), digits.test()
    assert (len(train), len(test)) == (8000, 2000)
    assert train.images.shape == (8000, 1, 28, 28) and train.images.dtype == torch.uint8
    assert train.shape == train.spec.shape == (1, 28, 28)
    assert train.spec.value_range == (0.0, 1.0)
    assert train.classes == test.classes == tuple("0123456789")
    assert test.labels.bincount().tolist() == [200] * 10
    assert train.labels.bincount().tolist() == [801, 927, 791, 832, 780, 663, 814, 870, 744, 778]


def test_no_picture_is_there_twice():
    assert len(set(keys(digits.train().images) + keys(digits.test().images))) == 10_000


def test_a_prefix_is_a_fair_sample():
    for samples in (digits.train(), digits.test()):
        share = samples.labels.bincount() / len(samples)
        for part in (samples.labels[:500], samples.labels[-500:]):
            assert (part.bincount(minlength=10) / 500 - share).abs().max() < 0.06


def test_overlap_with_the_official_sets_is_as_documented(shared_data):
    train, test = set(keys(digits.train().images)), set(keys(digits.test().images))
    official_train, official_test = official(shared_data, "train")[0], official(shared_data, "t10k")[0]
    assert train | test == set(keys(official_train[:10_000]))
    assert not (train | test) & set(keys(official_train[10_000:]))
    assert not (train | test) & set(keys(official_test))


def test_the_official_bytes_give_the_same_split(shared_data, maker):
    images, labels = (part[:10_000] for part in official(shared_data, "train"))
    for name, indices in maker.split(images, labels).items():
        samples = getattr(digits, name)()
        np.testing.assert_array_equal(samples.images[:, 0], images[indices])
        np.testing.assert_array_equal(samples.labels, labels[indices])


def test_the_split_does_not_depend_on_the_order(maker):
    images = np.concatenate([digits.train().images[:, 0], digits.test().images[:, 0]])
    labels = np.concatenate([digits.train().labels, digits.test().labels])
    shuffle = np.random.default_rng(0).permutation(len(images))
    parts = maker.split(images[shuffle], labels[shuffle])
    np.testing.assert_array_equal(images[shuffle][parts["test"]], digits.test().images[:, 0])


def test_size_provenance_and_licence():
    assert (ROOT / "src/convscope/worlds/data/digits.npz").stat().st_size < 2_000_000
    assert "CC BY-SA 3.0" in digits.provenance()["licence"]
    assert "MIT" in digits.provenance()["through"]
