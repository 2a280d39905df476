import io
import json

import numpy as np
import pytest
from PIL import Image
from tests.worlds.test_folders import plain, tree, truncated
from tests.worlds.test_photos import gigantic

from convscope.errors import DataError
from convscope.worlds import check


def corrupt() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(
        stream, "PNG"
    )
    content = bytearray(stream.getvalue())
    content[200:3000] = bytes(2800)
    return bytes(content)


def test_every_kind_of_trouble_is_counted(tmp_path):
    webp = io.BytesIO()
    plain(3).save(webp, "WEBP", lossless=True)
    tree(
        tmp_path,
        {
            "train/cat/1.png": 1,
            "train/cat/2.png": 2,
            "train/cat/bomb.png": gigantic("PNG"),
            "train/cat/cut.png": truncated(),
            "train/cat/.hidden.png": 9,
            "train/dog/3.png": 3,
            "train/dog/3.webp": webp.getvalue(),
            "train/dog/1 again.png": 1,
            "train/dog/bad.png": corrupt(),
            "train/dog/zero.jpg": b"",
            "train/bird/notes.txt": b"text",
            "test/cat/2.png": 2,
            "test/dog/4.bmp": 4,
            "test/stray.png": 5,
            "train/__MACOSX/x": b"",
            ".git/config": b"",
        },
    )
    report = check(tmp_path)
    assert report.pictures == {"test": {"cat": 1, "dog": 1}, "train": {"bird": 0, "cat": 2, "dog": 3}}
    assert report.total == 7 and not report.ok
    kinds = {"empty": 1, "not an image": 1, "corrupt": 1, "truncated": 1, "too large": 1}
    assert report.kinds == kinds
    assert report.hidden == 3 and report.stray == ("test/stray.png",)
    assert report.empty_classes == ("test/bird", "train/bird")
    found = {d.paths: (d.across_splits, d.across_classes) for d in report.duplicates}
    assert found == {
        ("test/cat/2.png", "train/cat/2.png"): (True, False),
        ("train/cat/1.png", "train/dog/1 again.png"): (False, True),
        ("train/dog/3.png", "train/dog/3.webp"): (False, False),
    }
    assert report.sizes == {"8x8": 7} and report.modes == {"RGB": 7}
    assert report.formats == {"PNG": 5, "WEBP": 1, "BMP": 1}
    back = json.loads(json.dumps(report.to_json()))
    assert back["total"] == 7 and back["kinds"] == kinds and len(back["problems"]) == 5
    assert "across splits" in str(report) and "bomb.png" in str(report)


def test_a_good_folder(tmp_path):
    report = check(tree(tmp_path, {"a/1.png": 1, "b/1.png": 2}))
    assert report.ok and report.kinds == {} and report.duplicates == ()


def test_only_bad_files_is_a_report_not_an_error(tmp_path):
    report = check(tree(tmp_path, {"a/1.png": b"", "b/1.png": b"?"}))
    assert report.total == 0 and not report.ok and len(report.problems) == 2


def test_an_empty_folder(tmp_path):
    assert not check(tmp_path).ok


def test_names_that_are_no_utf8(tmp_path):
    tree(tmp_path, {"a/1.png": 1})
    try:
        (tmp_path / "a" / b"\xff\xfe.png".decode("utf-8", "surrogateescape")).write_bytes(b"text")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    json.dumps(check(tmp_path).to_json()).encode()
    str(check(tmp_path)).encode()


def test_duplicates_can_be_left_out(tmp_path):
    assert check(tree(tmp_path, {"a/1.png": 1, "a/2.png": 1}), duplicates=False).ok


def test_the_limit_can_be_lowered(tmp_path):
    assert check(tree(tmp_path, {"a/1.png": 1}), most_pixels=63).kinds == {"too large": 1}


def test_no_folder(tmp_path):
    with pytest.raises(DataError):
        check(tmp_path / "nowhere")


def test_real_photographs(shared_data):
    report = check(shared_data / "flowers")
    assert {split: sum(counts.values()) for split, counts in report.pictures.items()} == {
        "train": 500,
        "val": 200,
    }
    assert report.problems == () and report.empty_classes == ()
