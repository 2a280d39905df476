"""Images on disk are those that the files decode to, and are decoded once."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from convscope.graph.spec import ImageTransform, TensorSpec
from convscope.system.user_cache import cache_root, prune
from convscope.worlds import ImageFolder
from convscope.worlds.caching import pixel_cache
from convscope.worlds.caching.pixel_cache import CHECKSUMS, FILES, PIXELS
from convscope.worlds.images.datasets import folder

SPEC = TensorSpec((3, 12, 16))


@pytest.fixture
def decoded(monkeypatch, tmp_path) -> list[str]:
    """Names of the files in the order in which they are decoded, with a cache of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found: list[str] = []
    decode = folder.decode
    monkeypatch.setattr(
        folder, "decode", lambda data, where: found.append(Path(where).name) or decode(data, where)
    )
    return found


@pytest.fixture
def root(tmp_path) -> Path:
    values = np.random.default_rng(0)
    for name in ("a/1.png", "a/2.png", "b/3.png", "b/4.png", "b/5.png"):
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(path)
    return tmp_path / "set"


def opened(root: Path, spec: TensorSpec = SPEC) -> ImageFolder:
    return ImageFolder(root, spec=spec, cache_bytes=0)


def plain(root: Path, spec: TensorSpec = SPEC) -> Tensor:
    return ImageFolder(root, spec=spec, cache_bytes=0, on_disk=False).pixels(range(5))


def drawn(data: ImageFolder) -> Tensor:
    """All images in another order, by batches of two, put back into theirs."""
    order = torch.tensor([3, 0, 4, 2, 1])
    found = torch.cat([pixels for pixels, _ in data.pixel_batches(order, 2)])
    assert torch.equal(torch.cat([labels for _, labels in data.pixel_batches(order, 2)]), data.labels[order])
    return found[order.argsort()]


def files(root: Path) -> tuple[Path, Path]:
    (found,) = cache_root("pixels").iterdir()
    assert found.name.startswith("set-")
    return found / PIXELS, found / CHECKSUMS


def test_files_are_decoded_once_in_all_runs(decoded, root) -> None:
    wanted = plain(root)
    decoded.clear()
    assert torch.equal(drawn(opened(root)), wanted) and sorted(decoded) == [f"{k}.png" for k in range(1, 6)]
    again = opened(root)
    assert torch.equal(again.pixels(range(5)), wanted) and torch.equal(drawn(again), wanted)
    assert torch.equal(again.take([4, 1]).pixels([0, 1, 0]), wanted[[4, 1, 4]])
    assert len(decoded) == 5
    pixels, checksums = files(root)
    assert pixels.read_bytes() == wanted.numpy().tobytes() and checksums.stat().st_size == 20


def test_what_is_in_memory_is_not_on_disk_and_nothing_is_where_that_is_not_wanted(decoded, root) -> None:
    data = ImageFolder(root, spec=SPEC)
    assert torch.equal(drawn(data), plain(root)) and not cache_root("pixels").exists()


def test_a_copy_is_returned_which_may_be_changed(decoded, root) -> None:
    data, wanted = opened(root), plain(root)
    data.pixels(range(5))
    data.pixels(range(5)).zero_()
    assert torch.equal(data.pixels(range(5)), wanted)


@pytest.mark.parametrize("damage", ["pixel", "checksum", "shorter", "longer", "empty", "gone", "link"])
def test_a_damaged_file_is_decoded_again_and_not_believed(decoded, root, tmp_path, damage) -> None:
    wanted = plain(root)
    opened(root).pixels(range(5))
    pixels, checksums = files(root)
    content = bytearray((checksums if damage == "checksum" else pixels).read_bytes())
    if damage in ("pixel", "checksum"):
        content[5] ^= 1
        (pixels if damage == "pixel" else checksums).write_bytes(content)
    elif damage in ("gone", "link"):
        pixels.unlink()
        if damage == "link":
            (tmp_path / "other").write_bytes(content)
            pixels.symlink_to(tmp_path / "other")
    else:
        pixels.write_bytes({"shorter": content[:-1], "longer": content + b"x", "empty": b""}[damage])
    decoded.clear()
    assert torch.equal(drawn(opened(root)), wanted)
    assert len(decoded) == (1 if damage in ("pixel", "checksum") else 5)
    if damage == "link":
        assert (tmp_path / "other").read_bytes() == bytes(content)


def test_other_files_and_another_geometry_are_decoded_anew(decoded, root) -> None:
    opened(root).pixels(range(5))
    larger = TensorSpec((3, 12, 16), transform=ImageTransform(crop=0.5))
    assert torch.equal(opened(root, larger).pixels(range(5)), plain(root, larger))
    Image.new("RGB", (30, 20), (7, 7, 7)).save(root / "a" / "1.png")
    os.utime(root / "a" / "1.png", ns=(1, 1))
    assert torch.equal(opened(root).pixels(range(5)), plain(root))
    assert int(opened(root).pixels([0]).float().mean()) == 7
    assert len(list(cache_root("pixels").iterdir())) == 3


def test_a_file_that_cannot_be_read_is_no_image_on_disk(decoded, root) -> None:
    (root / "a" / "2.png").write_bytes((root / "a" / "2.png").read_bytes()[:500])
    for _ in range(2):
        data = opened(root)
        assert torch.equal(data.pixels(range(5)), plain(root))
        assert [Path(problem.path).name for problem in data.problems] == ["2.png"]


def test_a_full_disk_only_means_that_files_are_decoded_again(decoded, root, monkeypatch) -> None:
    wanted = plain(root)

    def full(*_given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pixel_cache, "_write_at", full)
    data = opened(root)
    decoded.clear()
    assert torch.equal(drawn(data), wanted) and torch.equal(drawn(data), wanted)
    assert len(decoded) == 20
    monkeypatch.setattr(pixel_cache, "SPARE", 10**18)
    monkeypatch.setenv("XDG_CACHE_HOME", str(root.parent / "other"))
    assert torch.equal(drawn(opened(root)), wanted)
    assert not list(cache_root("pixels").iterdir())


def test_too_many_images_are_not_kept(decoded, root, monkeypatch) -> None:
    monkeypatch.setattr(pixel_cache, "LARGEST", 5 * 3 * 12 * 16 - 1)
    assert torch.equal(drawn(opened(root)), plain(root)) and not cache_root("pixels").exists()


def test_the_oldest_make_room_and_files_of_others_stay(decoded, root, monkeypatch) -> None:
    above = cache_root("pixels")
    for age, name in enumerate(("older", "newer", "others")):
        (above / name).mkdir(parents=True)
        (above / name / ("notes.txt" if name == "others" else PIXELS)).write_bytes(b"x" * 3000)
        os.utime(above / name, (age, age))
    monkeypatch.setattr(pixel_cache, "LARGEST", 2880 + 3000 + 100)
    assert torch.equal(drawn(opened(root)), plain(root))
    left = {path.name.partition("-")[0] for path in above.iterdir()}
    assert left == {"newer", "others", "set"}
    prune(above / "newer", FILES, 0)
    assert {path.name for path in above.iterdir()} == {"newer", "others"}
    assert (above / "others" / "notes.txt").exists()
