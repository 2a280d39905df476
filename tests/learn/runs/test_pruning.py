"""Only a run's own files are removed, and only when that is confirmed."""

from pathlib import Path

import pytest
from tests.learn.runs.parts import write_run

from convscope.errors import DataError
from convscope.learn import prune_runs
from convscope.learn.trainer.run_folder import run_files
from convscope.system.files import PART_PREFIX


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_nothing_is_changed_without_yes(tmp_path: Path) -> None:
    write_run(tmp_path / "done")
    write_run(tmp_path / "none", ())
    before = contents(tmp_path)
    found = prune_runs(tmp_path)
    assert contents(tmp_path) == before
    assert {item.name: item.kind for item in found.items} == {
        "done": "the state of a finished run",
        "none": "a run without an epoch",
    }
    assert not any(item.removed for item in found.items)
    assert found.size == sum(len(before[str(p.relative_to(tmp_path))]) for i in found.items for p in i.files)


def test_states_of_finished_runs_and_runs_without_an_epoch_are_removed(tmp_path: Path) -> None:
    write_run(tmp_path / "done")
    write_run(tmp_path / "half", (0.8,))
    write_run(tmp_path / "none", ())
    half = contents(tmp_path / "half")
    (tmp_path / "none" / f"{PART_PREFIX}{'0' * 32}").write_text("left by a kill")
    found = prune_runs(tmp_path, yes=True)
    assert all(item.removed and not item.kept for item in found.items) and len(found.items) == 2
    assert not (tmp_path / "none").exists()
    names = {"recipe.toml", "metrics.jsonl", "env.json", "data.json", "report.html"}
    names |= {"model.json", "model.safetensors"}
    assert set(contents(tmp_path / "done")) == names and not (tmp_path / "done" / "state").exists()
    assert contents(tmp_path / "half") == half
    assert prune_runs(tmp_path).items == ()


def test_what_others_put_there_stays(tmp_path: Path) -> None:
    run = write_run(tmp_path / "runs" / "none", ())
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (run / "notes.txt").write_text("mine")
    (run / "report.html").write_text("<p>a page of mine</p>")
    (run / "model.json").write_text('{"format": "of another program"}')
    (run / "env.json").write_text('{"PATH": "/usr/bin"}')
    (run / "state" / "my.safetensors").write_text("mine")
    (run / "state" / f"state-2-0-{'b' * 16}.safetensors").symlink_to(precious)
    (tmp_path / "runs" / "link").symlink_to(write_run(tmp_path / "elsewhere", ()))
    (item,) = prune_runs(tmp_path / "runs", yes=True).items
    assert item.removed and item.kept == "other files are in its folder"
    assert set(contents(run)) == {
        *("notes.txt", "report.html", "model.json", "model.safetensors", "env.json"),
        "state/my.safetensors",
        f"state/state-2-0-{'b' * 16}.safetensors",
    }
    assert precious.read_text() == "mine" and (tmp_path / "elsewhere" / "recipe.toml").exists()


@pytest.mark.parametrize("text", ["", "servings = 4\n", "seed = 3\nepochs = 2\n"])
def test_a_recipe_of_another_program_is_no_run(tmp_path: Path, text: str) -> None:
    """Each value of the last one could be a training's: only what says that it is one counts as one."""
    (tmp_path / "recipe.toml").write_text(text)
    (tmp_path / "env.json").write_text('{"convscope": "", "test_samples": 1}')
    before = contents(tmp_path)
    found = prune_runs(tmp_path, yes=True)
    assert found.items == () and "no verb" in found.found.damaged[0].reason
    assert contents(tmp_path) == before


@pytest.mark.parametrize("epochs", [(), (0.8, 0.9)])
@pytest.mark.parametrize("name", ["recipe.toml", "state/state.json", "env.json", "model.json", "data.json"])
def test_links_are_neither_followed_nor_removed(tmp_path: Path, name: str, epochs: tuple[float, ...]) -> None:
    run = write_run(tmp_path / "runs" / "run", epochs)
    outside = (run / name).rename(tmp_path / "outside")
    (run / name).symlink_to(outside)
    before = outside.read_bytes()
    prune_runs(tmp_path / "runs", yes=True)
    assert (run / name).is_symlink() and outside.read_bytes() == before


@pytest.mark.skipif(run_files.fcntl is None, reason="needs flock")
def test_a_run_that_is_being_trained_is_left_alone(tmp_path: Path) -> None:
    run = write_run(tmp_path / "none", ())
    before = contents(run)
    with run_files.alone(run):
        (item,) = prune_runs(tmp_path, yes=True).items
    assert not item.removed and item.kept == "it is being trained"
    assert contents(run) == before


def test_damaged_runs_are_left_alone(tmp_path: Path) -> None:
    run = write_run(tmp_path / "bad", ())
    (run / "recipe.toml").write_text("verb = [")
    before = contents(run)
    found = prune_runs(tmp_path, yes=True)
    assert found.items == () and [bad.name for bad in found.found.damaged] == ["bad"]
    assert contents(run) == before


def test_that_epochs_can_no_longer_be_added_is_said(tmp_path: Path) -> None:
    write_run(tmp_path / "constant", schedule="constant")
    write_run(tmp_path / "cycle")
    notes = {item.name: item.note for item in prune_runs(tmp_path).items}
    assert notes == {"constant": "no epochs can be added any more", "cycle": ""}


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        prune_runs(tmp_path / "nowhere", yes=True)
