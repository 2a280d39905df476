import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision import datasets, transforms

from convscope.errors import DataError, UsageError
from convscope.graph.spec import ImageTransform, TensorSpec
from convscope.worlds import ImageFolder
from convscope.worlds.images import listing

SMALL = TensorSpec((3, 8, 8))
BROKEN = "2/b.png"


def plain(level: int, side: int = 8) -> Image.Image:
    return Image.new("RGB", (side, side), (level, level, level))


def truncated() -> bytes:
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, "PNG")
    return stream.getvalue()[:6000]


def tree(root: Path, files: dict[str, object]) -> Path:
    """Files by relative path: a number is a plain picture, bytes are written as they are."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, int):
            plain(content).save(path)
        else:
            path.write_bytes(content)  # pyright: ignore[reportArgumentType]
    return root


@pytest.fixture
def root(tmp_path):
    return tree(
        tmp_path / "set",
        {
            "10/a.png": 10,
            "10/img10.png": 12,
            "10/img2.png": 11,
            "2/a.png": 20,
            BROKEN: truncated(),
            "2/c.png": 22,
            "2/deeper/d.png": 23,
            "2/notes.txt": b"no picture",
            "2/empty.png": b"",
            "2/.DS_Store": b"x",
            ".ipynb_checkpoints/a.png": 1,
            "__MACOSX/2/a.png": 1,
            "readme.md": b"outside every class",
        },
    )


def levels(batch: torch.Tensor) -> list[int]:
    assert batch.dtype == torch.uint8
    assert (batch.flatten(1) == batch[:, :1, 0, 0]).all()
    return batch[:, 0, 0, 0].tolist()


@pytest.mark.parametrize("cache_bytes", [0, 2**20])
def test_a_folder_with_everything_wrong(root, cache_bytes):
    folder = ImageFolder(root, spec=SMALL, cache_bytes=cache_bytes)
    assert folder.classes == ("2", "10")
    assert folder.shape == (3, 8, 8) and folder.name == "set"
    assert [p.relative_to(root).as_posix() for p in folder.paths] == [
        *("2/a.png", BROKEN, "2/c.png", "2/deeper/d.png"),
        *("10/a.png", "10/img2.png", "10/img10.png"),
    ]
    assert folder.labels.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert [(Path(p.path).name, p.kind) for p in folder.problems] == [
        ("empty.png", "empty"),
        ("notes.txt", "not an image"),
    ]
    for _ in range(2):
        assert levels(folder.pixels([6, 1, 0, 1])) == [12, 22, 20, 22]
    assert [p.kind for p in folder.problems] == ["truncated", "empty", "not an image"]
    assert len(folder.readable()) == 6
    assert levels(folder.readable().pixels(range(6))) == [20, 22, 23, 10, 11, 12]


def test_batches_keep_the_order_and_stay_whole(root):
    folder = ImageFolder(root, spec=SMALL, cache_bytes=0, workers=3)
    order = [3, 1, 6, 0, 5]
    seen = [(levels(images), labels.tolist()) for images, labels in folder.pixel_batches(order, 2)]
    assert seen == [([23, 22], [0, 0]), ([12, 20], [1, 0]), ([11], [1])]


def test_batches_can_be_left_early(root):
    batches = ImageFolder(root, spec=SMALL).pixel_batches(range(7), 1)
    next(batches)
    batches.close()


def test_a_part_shares_pictures_and_problems(root):
    folder = ImageFolder(root, spec=SMALL)
    part = folder.take([6, 1, 2])
    assert levels(part.pixels([1, 0])) == [22, 12]
    assert part.labels.tolist() == [1, 0, 0] and part.classes == folder.classes
    assert folder.problems == part.problems and len(part.problems) == 3
    assert len(folder.pixels([])) == 0


def test_a_damaged_picture_is_replaced_within_its_part_only(tmp_path):
    """Else a test picture would be learned from, or a picture of the training counted in the test."""
    tree(tmp_path, {"a/0.png": truncated(), "a/1.png": 5, "a/2.png": 6, "b/3.png": 7})
    folder = ImageFolder(tmp_path, spec=SMALL)
    train, test = folder.take([0, 2, 3]), folder.take([1])
    assert levels(train.pixels([0])) == [6] and levels(test.pixels([0])) == [5]
    assert levels(torch.cat([pixels for pixels, _ in folder.take([0, 3]).pixel_batches([0, 1], 1)])) == [
        255,
        7,
    ]


def test_classes_without_a_readable_picture(tmp_path):
    tree(tmp_path, {"a/0.png": truncated(), "a/1.png": 5, "b/2.png": truncated(), "b/3.png": truncated()})
    folder = ImageFolder(tmp_path, spec=SMALL)
    assert folder.unreadable_classes() == {"b": 2}
    assert folder.take([0, 2]).unreadable_classes() == {"a": 1, "b": 1}
    assert folder.take([1]).unreadable_classes() == {}


@pytest.mark.parametrize("indices", [[7], [-1], [0, 100]])
def test_indices_outside(root, indices):
    with pytest.raises(UsageError, match="from 0 to 6"):
        ImageFolder(root, spec=SMALL).pixels(indices)


def test_a_class_without_a_readable_picture_does_not_stop_a_run(tmp_path):
    tree(tmp_path, {"a/x.png": truncated(), "b/y.png": 7})
    folder = ImageFolder(tmp_path, spec=SMALL)
    assert levels(folder.pixels([0, 1])) == [255, 7]
    assert len(folder.problems) == 1


def test_all_truncated(tmp_path):
    tree(tmp_path, {"a/x.png": truncated(), "b/y.png": truncated()})
    folder = ImageFolder(tmp_path, spec=SMALL)
    with pytest.raises(DataError, match=r"2 files \(truncated\)"):
        folder.pixels([0])
    with pytest.raises(DataError, match=r"2 files \(truncated\)"):
        folder.readable()


@pytest.mark.parametrize("files", [{}, {"a/x.txt": b"text"}, {"a/x.png": b""}, {"x.png": 3}])
def test_no_picture_at_all(tmp_path, files):
    with pytest.raises(DataError, match="layout"):
        ImageFolder(tree(tmp_path, files))


def test_pictures_in_no_class_are_counted_and_where_they_go_is_said(tmp_path):
    with pytest.raises(DataError, match="2 files outside of class folders") as caught:
        ImageFolder(tree(tmp_path, {"x.png": 3, "y.png": 3}))
    assert "FOLDER/all/<pictures>" in str(caught.value.hint)
    (tmp_path / "all").mkdir()
    (tmp_path / "x.png").rename(tmp_path / "all/x.png")
    assert len(ImageFolder(tmp_path)) == 1


def test_no_folder(tmp_path):
    with pytest.raises(DataError, match="there is nothing"):
        ImageFolder(tmp_path / "nowhere")
    with pytest.raises(DataError, match="a file"):
        ImageFolder(tree(tmp_path, {"f.png": 1}) / "f.png")


def test_splits(tmp_path):
    tree(tmp_path, {"train/a/1.png": 1, "train/b/1.png": 2, "test/b/1.png": 3, "test/c/1.png": 4})
    assert ImageFolder(tmp_path, spec=SMALL).name.endswith("/train")
    test = ImageFolder(tmp_path, "test", SMALL)
    assert test.classes == ("a", "b", "c") and test.labels.tolist() == [1, 2]
    with pytest.raises(UsageError, match="Did you mean train"):
        ImageFolder(tmp_path, "trian")


def test_a_split_of_what_has_none(root):
    with pytest.raises(UsageError, match="folders are classes"):
        ImageFolder(root, "test")


def test_classes_may_be_called_train(tmp_path):
    tree(tmp_path, {"train/1.png": 1, "bus/1.png": 2})
    assert ImageFolder(tmp_path, spec=SMALL).classes == ("bus", "train")
    tree(tmp_path / "only", {"train/1.png": 1, "test/1.png": 2})
    assert ImageFolder(tmp_path / "only", spec=SMALL).classes == ("test", "train")


def test_pipes_and_loops_are_survived(tmp_path):
    tree(tmp_path, {"a/1.png": 1})
    os.mkfifo(tmp_path / "a/pipe.png")
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "a/gone.png").symlink_to(tmp_path / "nowhere")
    folder = ImageFolder(tmp_path, spec=SMALL)
    assert len(folder) == 1
    assert sorted(p.kind for p in folder.problems) == ["missing", "not a file"]


def test_a_file_that_vanishes_after_opening(root):
    folder = ImageFolder(root, spec=SMALL)
    (root / "2/a.png").unlink()
    assert levels(folder.pixels([0])) == [22]


def test_nothing_is_written(root):
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    folder = ImageFolder(root, spec=SMALL)
    list(folder.pixel_batches(range(len(folder)), 3))
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_the_cache_spares_the_files(root):
    folder = ImageFolder(root, spec=SMALL)
    first = folder.pixels(range(7))
    for path in root.rglob("*.png"):
        path.unlink()
    assert torch.equal(folder.pixels(range(7)), first)


def test_equal_to_torchvisions_folder(shared_data):
    root = shared_data / "flowers"
    spec = TensorSpec((3, 64, 64), transform=ImageTransform(crop=0.875))
    chain = transforms.Compose([transforms.Resize(73), transforms.CenterCrop(64), transforms.PILToTensor()])
    for split in ("train", "val"):
        theirs = datasets.ImageFolder(str(root / split), chain)
        ours = ImageFolder(root, split, spec)
        assert list(ours.classes) == theirs.classes and len(ours) == len(theirs)
        assert sorted(map(str, ours.paths)) == sorted(path for path, _ in theirs.samples)
        number = {path: k for k, (path, _) in enumerate(theirs.samples)}
        chosen = list(range(0, len(ours), 50))
        for k, picture in zip(chosen, ours.pixels(chosen), strict=True):
            expected, label = theirs[number[str(ours.paths[k])]]
            assert torch.equal(picture, expected) and label == ours.labels[k]
        assert ours.problems == ()


@given(st.lists(st.text("ab01_9", min_size=1, max_size=6), unique=True))
def test_natural_order_is_total_and_numeric(names):
    ordered = sorted(names, key=listing.natural)
    assert ordered == sorted(sorted(names), key=listing.natural)
    numbers = [name for name in ordered if name.isdigit()]
    assert [int(name) for name in numbers] == sorted(int(name) for name in numbers)


def test_natural_order_of_anything():
    names = ["", "10", "2", "a", "A10", "a2", "é", "Ⅷ", "٣", "9" * 250]
    assert sorted(names, key=listing.natural)[:3] == ["", "2", "10"]
