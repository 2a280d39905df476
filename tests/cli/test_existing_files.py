"""No verb deletes, replaces or writes through what it did not make, and what it makes follows the umask."""

import hashlib
import os
import stat
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
import torch
from PIL import Image

from convscope import nets
from convscope.errors import UsageError
from convscope.jobs.style.style import _Preview
from convscope.see.units.index import build, storage
from convscope.see.units.index.distributed import ProcessShard
from convscope.worlds.datasets import digits

WRITING: dict[str, list[str]] = {
    "describe": ["lecture"],
    "look": ["picture.png", "--net", "lecture"],
    "visualize": ["lecture", "conv1:0", "--steps", "2"],
    "explain": ["picture.png", "--net", "lecture", "--method", "saliency"],
    "factors": ["picture.png", "--net", "lecture", "--layer", "conv2", "--steps", "2"],
    "caricature": ["picture.png", "--net", "lecture", "--layer", "conv2", "--steps", "64"],
    "invert": ["picture.png", "--net", "lecture", "--layer", "conv2", "--steps", "64"],
}
SLOW: dict[str, list[str]] = {
    "unit": ["lecture", "conv1:0", "--data", "digits", "--steps", "2"],
    "atlas": ["lecture", "conv2", "--data", "digits", "--layout", "pca", "--steps", "2"],
    "embed": ["lecture", "conv2", "--data", "digits", "--layout", "pca", "--images", "20"],
    "style": ["photo.png", "--style", "photo.png", "--steps", "2"],
    "style apply": ["photo.png", "--style", "wave"],
    "dream": ["photo.png", "--steps", "1"],
    "train": ["mlp", "digits", "--epochs", "1", "--precision", "fp32"],
}
VERBS = [*WRITING, *(pytest.param(verb, marks=pytest.mark.exhaustive) for verb in SLOW)]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, convscope) -> Path:
    image = Image.radial_gradient("L").resize((28, 28))
    image.save(tmp_path / "picture.png")
    image.convert("RGB").save(tmp_path / "photo.png")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def words(verb: str) -> list[str]:
    return [*verb.split(), *{**WRITING, **SLOW}[verb], "--quiet"]


def theirs(path: Path, kind: str, elsewhere: Path) -> Callable[[], None]:
    """Put something of the user at a path; the result verifies that it is as it was."""
    elsewhere.mkdir(exist_ok=True)
    other = elsewhere / hashlib.sha256(str(path).encode()).hexdigest()
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "folder":
        path.mkdir()
        other = path / "kept"
    if kind != "dangling link":
        other.write_text("theirs")
    if kind == "file":
        path.write_text("theirs")
    elif kind == "hard link":
        path.hardlink_to(other)
    elif kind != "folder":
        path.symlink_to(other)
    before = path.lstat()

    def verify() -> None:
        after = path.lstat()
        assert (before.st_ino, before.st_mode) == (after.st_ino, after.st_mode), f"{path} was replaced"
        if kind == "dangling link":
            assert not other.exists(), f"written through {path}"
        else:
            assert other.read_text() == "theirs"
        assert not path.is_file() or path.read_text() == "theirs"

    return verify


KINDS = ["file", "folder", "link", "dangling link", "hard link"]


@pytest.mark.parametrize("verb", VERBS)
def test_out_that_is_taken_is_refused_and_kept(convscope, here: Path, verb: str) -> None:
    for number, kind in enumerate(KINDS):
        verify = theirs(here / f"taken{number}", kind, here / "else")
        done = convscope(*words(verb), "--out", f"taken{number}")
        assert done.code == 2, (kind, done.err)
        verify()


@pytest.mark.parametrize("verb", VERBS)
def test_out_as_an_empty_folder_or_a_link_to_one_is_filled(convscope, here: Path, verb: str) -> None:
    (here / "mine").mkdir(mode=0o700)
    (here / "target").mkdir(mode=0o750)
    (here / "link").symlink_to("target")
    for name, folder in (("mine", here / "mine"), ("link", here / "target")):
        before = folder.stat()
        done = convscope(*words(verb), "--out", name)
        assert done.code == 0, done.err
        after = folder.stat()
        assert (before.st_ino, before.st_mode) == (after.st_ino, after.st_mode)
        assert [path for path in folder.iterdir() if not path.name.startswith(".")]
    assert (here / "link").readlink() == Path("target")
    assert not list(here.rglob(".convscope-part-*"))


@pytest.mark.parametrize("verb", [v for v in VERBS if v != "describe"])
def test_without_out_a_name_that_is_taken_is_left_alone(convscope, here: Path, verb: str) -> None:
    made = convscope(*words(verb), "--json").json["out"]
    checks = [theirs(here / f"{made}-{number}", kind, here / "else") for number, kind in enumerate(KINDS, 2)]
    again = convscope(*words(verb), "--json").json["out"]
    assert again == f"{made}-{len(KINDS) + 2}" and Path(made).name.startswith(date.today().isoformat())
    for verify in checks:
        verify()


@pytest.mark.parametrize("verb", VERBS)
def test_what_is_written_follows_the_umask(convscope, here: Path, verb: str) -> None:
    before = os.umask(0o077)
    try:
        done = convscope(*words(verb), "--out", "made")
    finally:
        os.umask(before)
    assert done.code == 0, done.err
    made = [here / "made", *(here / "made").rglob("*"), *(here / "cache").rglob("*")]
    for path in made:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


FACTS = {"net": {"name": "x", "print": "y"}, "data": {"name": "d"}, "places": [], "k": 1, "batch": 1}
PARTS = [
    "part-0-of-1-1.safetensors",
    "part-0-of-1-2.safetensors",
    "part-1-of-2-1.safetensors",
    "part-1-of-2.rar",
    "part-0-of-1.json.bak",
    "part-1-of-2.json",
    "part-x-of-y",
    "part-0-of-1",
    "part-0-of-1-1.safetensors.txt",
    ".index.json.77",
    "units-{mark}.safetensors",
]


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_leaves_files_of_the_same_names_alone(tmp_path: Path, kind: str, monkeypatch) -> None:
    monkeypatch.setattr(build, "SAVE_EVERY", 0.0)
    net, data = nets.load("lecture"), digits.test().take(torch.arange(40))
    clean, folder = tmp_path / "clean", tmp_path / "i"
    list(build.iter_index_units(net, data, ["conv1"], k=2, batch=10, folder=clean))
    mark = next(clean.glob("units-*.safetensors")).stem.removeprefix("units-")
    checks = [theirs(folder / name.format(mark=mark), kind, tmp_path / "else") for name in PARTS]
    list(build.iter_index_units(net, data, ["conv1"], k=2, batch=10, folder=folder))
    for verify in checks:
        verify()
    made, known = storage.read(folder), storage.read(clean)
    assert all(torch.equal(a, known.accumulator.tensors()[n]) for n, a in made.accumulator.tensors().items())
    ours = {path.name for path in folder.iterdir()} - {name.format(mark=mark) for name in PARTS}
    assert ours == {"index.json", f"units-{mark}-2.safetensors"}


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "folder"])
@pytest.mark.parametrize("name", ["index.json", "part-0-of-1.json"])
def test_a_head_of_somebody_else_is_refused(tmp_path: Path, name: str, kind: str) -> None:
    verify = theirs(tmp_path / "i" / name, kind, tmp_path / "else")
    try:
        storage.IndexStore(tmp_path / "i", FACTS, ProcessShard()).finished()
    except Exception as error:
        assert getattr(error, "exit_code", 1) in (2, 3)
    else:
        pytest.fail("the pass began")
    verify()


def test_parts_of_a_stopped_pass_are_removed_at_its_end(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(build, "SAVE_EVERY", 0.0)
    net, data = nets.load("lecture"), digits.test().take(torch.arange(40))
    steps = build.iter_index_units(net, data, ["conv1"], k=2, batch=10, folder=tmp_path)
    next(steps), next(steps)
    del steps  # which closes it
    assert any(path.name.startswith("part-") for path in tmp_path.iterdir())
    (tmp_path / f".convscope-part-{'0' * 32}").write_text("left by a killed process")
    list(build.iter_index_units(net, data, ["conv1"], k=2, batch=10, folder=tmp_path))
    assert sorted(path.name.partition("-")[0] for path in tmp_path.iterdir()) == ["index.json", "units"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_preview_takes_a_free_name_and_removes_only_itself(tmp_path: Path, kind: str) -> None:
    verify = theirs(tmp_path / "out-preview.png", kind, tmp_path / "else")
    preview = _Preview(0.0, tmp_path / "out")
    for shade in (1, 2):
        preview._write(Image.new("L", (4, 4), shade))
    assert (tmp_path / "out-preview-2.png").is_file()
    preview.close()
    verify()
    assert not (tmp_path / "out-preview-2.png").exists()
    preview._write(Image.new("L", (4, 4)))
    (tmp_path / "mine").write_text("theirs")
    (tmp_path / "mine").replace(tmp_path / "out-preview-2.png")
    preview._write(Image.new("L", (4, 4)))
    preview.close()
    assert (tmp_path / "out-preview-2.png").read_text() == "theirs"


def test_a_download_replaces_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from convscope import worlds
    from convscope.errors import MissingError

    def published(root: str, download: bool) -> None:
        raw = Path(root) / "MNIST/raw"
        raw.mkdir(parents=True)
        for name in ("a", "b"):
            (raw / name).write_text(name)

    monkeypatch.setattr("torchvision.datasets.MNIST", published)
    verify = theirs(tmp_path / "MNIST/raw/a", "link", tmp_path / "else")
    with pytest.raises(MissingError, match="there already"):
        worlds.named("mnist", tmp_path, download=True)
    verify()
    assert not (tmp_path / "MNIST/raw/b").exists() and not list(tmp_path.glob(".convscope*"))


def test_a_place_taken_while_the_result_was_made_is_left_alone(tmp_path: Path) -> None:
    from convscope.jobs.output import results

    for name in ("new", "empty"):
        place = tmp_path / name
        if name == "empty":
            place.mkdir()
        with pytest.raises(UsageError, match="whole result is in"), results.folder(place, "x") as pending:
            (pending.path / "mine").write_text("mine")
            place.mkdir(exist_ok=True)
            (place / "theirs").write_text("theirs")
        assert (place / "theirs").read_text() == "theirs"
        assert (pending.path / "mine").read_text() == "mine"
