import io
import json

import numpy as np
import pytest
from PIL import Image
from tests.worlds.images.test_folder import plain, tree, truncated
from tests.worlds.images.test_photos import gigantic

from convscope.errors import DataError
from convscope.worlds import check_images


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
    report = check_images(tmp_path)
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
    report = check_images(tree(tmp_path, {"a/1.png": 1, "b/1.png": 2}))
    assert report.ok and report.kinds == {} and report.duplicates == ()


def test_only_bad_files_is_a_report_not_an_error(tmp_path):
    report = check_images(tree(tmp_path, {"a/1.png": b"", "b/1.png": b"?"}))
    assert report.total == 0 and not report.ok and len(report.problems) == 2


def test_an_empty_folder(tmp_path):
    assert not check_images(tmp_path).ok


def test_names_that_are_no_utf8(tmp_path):
    tree(tmp_path, {"a/1.png": 1})
    try:
        (tmp_path / "a" / b"\xff\xfe.png".decode("utf-8", "surrogateescape")).write_bytes(b"text")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    json.dumps(check_images(tmp_path).to_json()).encode()
    str(check_images(tmp_path)).encode()


def test_duplicates_can_be_left_out(tmp_path):
    assert check_images(tree(tmp_path, {"a/1.png": 1, "a/2.png": 1, "b/1.png": 2}), duplicates=False).ok


def test_the_limit_can_be_lowered(tmp_path):
    assert check_images(tree(tmp_path, {"a/1.png": 1}), most_pixels=63).kinds == {"too large": 1}


def test_no_folder(tmp_path):
    with pytest.raises(DataError):
        check_images(tmp_path / "nowhere")


def test_real_photographs(shared_data):
    report = check_images(shared_data / "flowers")
    assert {split: sum(counts.values()) for split, counts in report.pictures.items()} == {
        "train": 500,
        "val": 200,
    }
    assert report.problems == () and report.empty_classes == ()


def pictures(*names: str) -> dict[str, object]:
    return {name: number for number, name in enumerate(names, 1)}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (pictures("a/1.png", "a/2.png"), "one class only, a"),
        (pictures("train/a/1.png", "train/a/2.png", "test/a/3.png"), "one class only, a"),
        ({**pictures("a/1.png", "a/2.png"), "b/x.txt": b"text"}, "of one class only, a"),
        (pictures("a/k/1.png", "a/k/2.png", "b/1.png", "b/2.png"), "a holds folders (k)"),
        (pictures("set/cat/1.png", "set/cat/2.png", "set/dog/1.png"), "set holds folders (cat, dog)"),
        (
            pictures("train/a/k/1.png", "train/a/2.png", "train/b/1.png", "train/b/2.png"),
            "train/a holds folders (k)",
        ),
        (
            pictures("Train/a/1.png", "Train/b/1.png", "Test/a/1.png", "Test/b/1.png"),
            "Train holds folders (a, b)",
        ),
        (pictures("Cat/1.png", "Cat/2.png", "cat/1.png", "cat/2.png"), "how they are written: Cat, cat"),
        (
            pictures("caf\u00e9/1.png", "caf\u00e9/2.png", "cafe\u0301/1.png", "cafe\u0301/2.png"),
            "how they are written",
        ),
        (
            pictures("train/a/1.png", "train/b/2.png", "test/a/3.png", "test/c/4.png"),
            "classes that only test has: c",
        ),
        (pictures("train/A/1.png", "train/b/2.png", "test/a/3.png", "test/b/4.png"), "only train has: A"),
        ({"a/.1.png": 1, "b/.2.png": 2}, "no picture that can be used"),
        ({".a/1.png": 1, "__MACOSX/b/2.png": 2}, "only hidden names"),
        ({"a/1.png": 1, "a/2.png": 2, "b/notes": b"text"}, "b"),
        ({"train/a/1.png": 1, "train/b/2.png": 2, "test/a/1.png": 1, "test/b/3.png": 3}, "across splits"),
        ({"a/1.png": 1, "a/2.png": 2, "b/1.png": 1, "b/3.png": 3}, "across classes"),
    ],
)
def test_what_makes_results_meaningless_is_said_and_is_no_success(tmp_path, files, said):
    report = check_images(tree(tmp_path, files))
    assert not report.ok
    assert said in str(report)


def test_a_single_picture_in_a_class_is_remarked(tmp_path):
    report = check_images(tree(tmp_path, pictures("a/1.png", "a/2.png", "b/1.png")))
    assert report.ok and report.remarks[0].startswith("a single picture in b:")
    more = check_images(
        tree(tmp_path / "more", pictures("train/a/1.png", "train/b/2.png", "test/a/3.png", "test/b/4.png"))
    )
    assert more.ok and more.remarks == ()


def test_a_link_to_a_folder_in_a_class_is_remarked(tmp_path):
    tree(tmp_path, pictures("d/a/1.png", "d/a/2.png", "d/b/1.png", "d/b/2.png", "else/3.png"))
    (tmp_path / "d/a/more").symlink_to(tmp_path / "else")
    report = check_images(tmp_path / "d")
    assert report.ok and "not followed: a/more" in report.remarks[0]


def test_names_are_printed_as_one_line(tmp_path):
    tree(tmp_path, pictures("a\n\x1b[31m/1.png", "a\n\x1b[31m/2.png", "b/1.png", "b/2.png"))
    assert len(str(check_images(tmp_path)).splitlines()) == 2 and "\x1b" not in str(check_images(tmp_path))


def test_a_folder_to_learn_from_says_the_same(tmp_path):
    from convscope.worlds import ImageFolder

    assert ImageFolder(tree(tmp_path / "x", pictures("a/1.png", "b/2.png"))).notes == ()
    alone = ImageFolder(tree(tmp_path / "y", pictures("a/k/1.png", "a/2.png")))
    assert "one class only, a" in alone.notes[0] and "holds folders (k)" in alone.notes[1]
    assert alone.take([0]).notes == alone.notes


def test_pictures_without_classes_are_told_the_layout_once(tmp_path):
    for k in range(30):
        Image.new("RGB", (20, 20), (k, 0, 0)).save(tmp_path / f"{k}.png")
    found = check_images(tmp_path)
    assert not found.ok and str(found).count("Expected layout: FOLDER/<class>/<pictures>") == 1
    assert str(found).count("without a folder for each class") == 1
    (tmp_path / "a").mkdir()
    Image.new("RGB", (20, 20)).save(tmp_path / "a" / "1.png")
    assert "Expected layout" not in str(check_images(tmp_path))  # strays beside a class are only listed


def test_pictures_in_which_nothing_can_be_seen_are_remarked(tmp_path):
    (tmp_path / "a").mkdir()
    Image.new("RGB", (1, 1)).save(tmp_path / "a" / "dot.png")
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a" / "small.png")
    Image.new("RGBA", (20, 20), (9, 9, 9, 0)).save(tmp_path / "a" / "clear.png")
    faint = Image.new("RGBA", (20, 20), (9, 9, 9, 0))
    faint.putpixel((3, 3), (0, 0, 0, 1))
    faint.save(tmp_path / "a" / "faint.png")
    Image.new("LA", (20, 20), (90, 0)).save(tmp_path / "a" / "grey.png")
    for k in range(7):
        Image.new("RGBA", (30, 30 + k), (0, 0, 0, 0)).save(tmp_path / "a" / f"x{k}.png")
    remarks = check_images(tmp_path, duplicates=False).remarks
    assert "smaller than 8 pixels: a/dot.png" in remarks
    (clear,) = [remark for remark in remarks if remark.startswith("transparent: nothing to see")]
    assert "a/clear.png, a/grey.png" in clear and clear.endswith(" and 4 more") and "faint" not in clear


def test_damaged_files_of_a_folder_without_classes_are_named_as_such(tmp_path):
    files = {f"{number}.png": number for number in range(8)}
    tree(tmp_path, {**files, "bad.png": corrupt(), "zero.jpg": b"", "notes.txt": b"text"})
    report = check_images(tmp_path)
    assert report.kinds == {"empty": 1, "corrupt": 1} and len(report.stray) == 11
    assert {problem.path for problem in report.problems} == {"bad.png", "zero.jpg"}
    lines = [line for line in str(report).splitlines() if "outside every class" in line]
    assert lines == ["  outside every class: 0.png, 1.png, 2.png, 3.png, 4.png and 6 more"]
