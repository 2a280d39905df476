from pathlib import Path

import pytest

from convscope.errors import Interrupted, UsageError
from convscope.jobs.output import results


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(folder: Path | str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def test_a_folder_stands_whole_at_its_place(here: Path) -> None:
    with results.folder(Path("a/b"), "x") as pending:
        (pending.path / "file").write_text("1")
        assert not Path("a/b").exists()
    assert (here / "a/b/file").read_text() == "1"
    assert names("a") == ["b"]


def test_a_failure_leaves_nothing(here: Path) -> None:
    with pytest.raises(ZeroDivisionError), results.folder(Path("a"), "x") as pending:
        (pending.path / "file").write_text("1")
        raise ZeroDivisionError
    assert names(here) == []


def test_an_interruption_after_saving_keeps_what_was_saved(here: Path) -> None:
    with pytest.raises(Interrupted), results.folder(Path("a"), "x") as pending:
        (pending.path / "file").write_text("1")
        raise Interrupted("stopped")
    assert (here / "a/file").read_text() == "1"


def test_runs_are_numbered_never_overwritten() -> None:
    made = []
    for _ in range(3):
        with results.folder(None, "look torchvision/resnet50") as pending:
            (pending.path / "file").write_text("1")
        made.append(pending.out.name)
    assert [name[10:] for name in made] == [f"-look-torchvision-resnet50{n}" for n in ("", "-2", "-3")]
    assert len(names("runs")) == 3


def test_a_name_taken_meanwhile_is_not_overwritten() -> None:
    with results.folder(None, "x") as pending:
        (pending.path / "mine").write_text("1")
        pending.out.mkdir(parents=True)
        (pending.out / "theirs").write_text("2")
    assert pending.out.name.endswith("-x-2")
    assert names(pending.out) == ["mine"]


@pytest.mark.parametrize("kind", ["file", "full folder", "dangling link"])
def test_what_exists_is_refused_before_the_work(here: Path, kind: str) -> None:
    place = here / "a"
    if kind == "file":
        place.write_text("1")
    elif kind == "dangling link":
        place.symlink_to("nowhere")
    else:
        place.mkdir()
        (place / "file").write_text("1")
    with pytest.raises(UsageError, match="does not exist yet"), results.folder(place, "x"):
        pytest.fail("the work began")


@pytest.mark.parametrize("out", ["file/below", "\0", "x" * 300])
def test_an_impossible_place_is_a_usage_error(here: Path, out: str) -> None:
    (here / "file").write_text("1")
    with pytest.raises(UsageError), results.folder(Path(out), "x"):
        pytest.fail("the work began")
    assert names(here) == ["file"]


def test_json_holds_no_nan() -> None:
    assert results.as_json({"a": [float("nan"), float("inf"), 1.5], 2: Path("x")}) == (
        '{\n  "a": [\n    null,\n    null,\n    1.5\n  ],\n  "2": "x"\n}'
    )


@pytest.mark.parametrize("name", ["wave.png", "page.HTML", "a b.jpeg"])
def test_a_folder_is_not_named_like_a_file_unless_it_is_there(here: Path, name: str) -> None:
    with (
        pytest.raises(UsageError, match="an --out that is a folder") as caught,
        results.folder(Path(name), "x"),
    ):
        pass
    assert name.rpartition(".")[0] in caught.value.hint and names(here) == []
    Path(name).mkdir()
    with results.folder(Path(name), "x") as pending:
        (pending.path / "file").write_text("1")
    assert names(name) == ["file"]
    with results.folder(Path("run.2026"), "x"):
        pass
