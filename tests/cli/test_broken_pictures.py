"""What is wrong with a picture is one short sentence, the same in every verb, table and JSON."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.worlds.images import photos

NET = ("--net", "lecture")
PICTURE = (np.random.default_rng(0).random((60, 70, 3)) * 255).astype(np.uint8)


def encoded(path: Path) -> bytes:
    Image.fromarray(PICTURE).save(path)
    return path.read_bytes()


def cut(path: Path) -> None:
    path.write_bytes(encoded(path)[:3000])


def holding(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def bomb(path: Path) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99))
    )


def damaged(path: Path) -> None:
    content = bytearray(encoded(path))
    content[60:600] = b"\xff" * 540
    path.write_bytes(bytes(content))


BROKEN: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "empty": ("a.jpg", holding(b""), "an empty file"),
    "text": ("b.jpg", holding(b"Dear diary, this is no picture.\n"), "no picture: text"),
    "Chinese text": ("c.png", holding("这不是图片，只是一些文字。".encode()), "no picture: text"),
    "truncated JPEG": ("d.jpg", cut, "a file cut off after 3 kB"),
    "truncated PNG": ("e.png", cut, "a file cut off after 3 kB"),
    "truncated BMP": ("f.bmp", cut, "a file cut off after 3 of 12.8 kB"),
    "HTML": ("g.jpg", holding(b"<!DOCTYPE html>\n<html>404</html>"), "no picture: a web page"),
    "folder": ("h.jpg", Path.mkdir, "no file: a folder"),
    "broken link": ("i.jpg", lambda path: path.symlink_to("gone.jpg"), "a link to a file that is not there"),
    "bomb": ("j.png", bomb, "a file too large: 3,600,000,000 pixels; the limit is 120,000,000"),
    "archive": ("k.webp", holding(b"PK\3\4" + bytes(40)), "no picture: a ZIP archive"),
    "zeros": ("l.jpg", holding(bytes(4000)), "no picture: nothing but zeros"),
    "noise": ("m.jpg", holding(bytes(range(128, 250))), "no picture: data of an unknown kind"),
    "sound": ("n.jpg", holding(b"fLaC" + bytes(90)), "no picture: a sound file"),
    "video": ("o.jpg", holding(b"\0\0\0 ftypisom" + bytes(90)), "no picture: a video"),
    "PDF": ("p.jpg", holding(b"%PDF-1.7" + bytes(90)), "an unsupported file: a PDF file"),
    "damaged": ("q.png", damaged, "a damaged file: "),
}
"""Kind of a broken file -> its name, what makes it, and what is said of it."""

ALONE = {
    "classify": ("{}", *NET),
    "look": ("{}", *NET),
    "explain": ("{}", *NET),
    "caricature": ("{}", *NET, "--layer", "conv2"),
    "invert": ("{}", *NET, "--layer", "conv2"),
    "factors": ("{}", *NET, "--layer", "conv2"),
    "dream": ("{}", *NET, "--layer", "conv2"),
    "style": ("{}", "--style", "{}"),
    "style apply": ("{}", "--style", "wave"),
}
"""Verbs about one picture."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of every kind of broken file, two that are sound, and others that are left out."""
    folder = tmp_path / "all" / "class"
    folder.mkdir(parents=True)
    for name, make, _ in BROKEN.values():
        make(folder / name)
    drawn = Image.new("L", (60, 70), 255)
    drawn.paste(0, (28, 10, 36, 60))
    drawn.save(folder / "sound.png")
    drawn.save(folder / "no_ending", format="PNG")
    (folder / "notes.txt").write_text("what these pictures are")
    (folder / "empty").touch()
    return folder


def test_each_broken_file_of_a_folder_has_a_row_of_its_own(convscope, folder: Path) -> None:
    done = convscope("classify", folder, *NET, "--json")
    assert done.code == 3
    answers = {Path(answer["image"]).name: answer for answer in done.json["answers"]}
    assert set(answers) == {name for name, _, _ in BROKEN.values()} | {"sound.png", "no_ending"}
    table = convscope("classify", folder, *NET)
    assert table.code == 3
    lines = {
        line.split("  ")[0]: line.rstrip() for line in table.out.splitlines() if line.startswith(str(folder))
    }
    for name, _, said in BROKEN.values():
        error = answers[name]["error"]
        assert error.startswith(said) if said.endswith(" ") else error == said
        assert answers[name]["hint"].endswith(".") and "top" not in answers[name]
        assert lines[str(folder / name)].endswith(error)
    assert all("error" not in answers[name] for name in ("sound.png", "no_ending"))
    assert "left out as no images: 2 files: empty, notes.txt." in table.err


def test_where_no_picture_can_be_read_each_still_has_its_row(convscope, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    (tmp_path / "b.jpg").write_text("text")
    done = convscope("classify", tmp_path / "a.jpg", tmp_path / "b.jpg", *NET, "--json")
    assert done.code == 3
    assert [one["error"] for one in done.json["answers"]] == ["an empty file", "no picture: text"]


def test_data_check_says_the_same(convscope, folder: Path) -> None:
    (folder / "notes.txt").unlink()
    done = convscope("data", "check", folder.parent, "--json")
    assert done.code == 3
    reasons = {Path(bad["path"]).name: bad["reason"] for bad in done.json["report"]["problems"]}
    assert reasons.pop("empty") == "an empty file"
    answers = convscope("classify", folder, *NET, "--json").json["answers"]
    assert reasons == {Path(one["image"]).name: one["error"] for one in answers if "error" in one}
    table = convscope("data", "check", folder.parent).out
    assert all(f"class/{name}: {reason}" in table for name, reason in reasons.items())


@pytest.mark.parametrize("verb", ALONE)
@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_alone_is_refused_in_the_same_words(
    convscope, tmp_path: Path, verb: str, kind: str
) -> None:
    name, make, said = BROKEN[kind]
    make(tmp_path / name)
    done = convscope(*verb.split(), *(word.format(tmp_path / name) for word in ALONE[verb]))
    assert done.code == 3
    assert f"; received {said}" in done.err
    assert not [entry for entry in tmp_path.iterdir() if entry.name != name]


@pytest.mark.parametrize("kind", BROKEN)
def test_python_has_the_sentence_too(tmp_path: Path, kind: str) -> None:
    name, make, said = BROKEN[kind]
    make(tmp_path / name)
    with pytest.raises(photos.PhotoError) as caught:
        photos.open_photo(tmp_path / name)
    assert caught.value.brief == caught.value.reason == caught.value.received
    assert caught.value.brief.startswith(said) and str(tmp_path) not in caught.value.brief


def test_errors_of_other_worlds_are_one_sentence_too(convscope, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    (tmp_path / "empty.wav").touch()
    done = convscope("classify", tmp_path / "bad.wav", tmp_path / "empty.wav", "--net", "spoken-digits")
    assert done.code == 3 and "received" not in done.out


def test_a_misspelt_name_is_answered_with_the_file_that_is_there(convscope, tmp_path: Path) -> None:
    encoded(tmp_path / "holiday.png")
    for wrong in ("holyday.png", "holiday.jpg"):
        for folder in ("", f"{tmp_path}/"):
            done = convscope("explain", folder + wrong, *NET)
            assert done.code == 3 and f"Did you mean {folder}holiday.png?" in done.err
    assert "Did you mean" not in convscope("explain", "winter.png", *NET).err
    assert "Did you mean" not in convscope("explain", "nowhere/holiday.png", *NET).err
