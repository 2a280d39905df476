"""`convscope runs` and `convscope runs prune`, as people call them."""

from pathlib import Path

import pytest
from tests.learn.runs.parts import write_run

CHAIN = "flatten, dense 10"


@pytest.fixture
def three(tmp_path: Path, convscope) -> Path:
    write_run(tmp_path / "runs" / "a", (0.5, 0.9), seed=1)
    write_run(tmp_path / "runs" / "b", (0.5, 0.8), seed=2)
    write_run(tmp_path / "runs" / "c", (0.5,))
    (write_run(tmp_path / "runs" / "bad") / "metrics.jsonl").write_text("{")
    return tmp_path


def test_a_real_training_is_listed_as_its_own_table_had_it(convscope, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    words = ("train", CHAIN, "digits", "--epochs", 1, "--precision", "fp32", "--out", "runs/mine")
    trained = convscope(*words, "--quiet", "--json").json
    (found,) = convscope("runs", "--json").json["runs"]
    assert found["value"] == trained["test"]["accuracy"] and found["tested"] == 2000
    assert (found["name"], found["network"], found["status"]) == ("mine", CHAIN, "finished")
    done = convscope("runs")
    assert done.code == 0 and f"accuracy {found['value']:.2%}" in done.out and "1/1" in done.out


def test_damaged_runs_are_named_and_not_fatal(convscope, three: Path) -> None:
    done = convscope("runs")
    assert done.code == 0 and "Damaged, and left out (1):" in done.out and "  bad: " in done.out
    assert "unfinished" in done.out


def test_nothing_to_list_is_said(convscope, tmp_path: Path) -> None:
    done = convscope("runs")
    assert done.code == 3 and "a folder with runs" in done.err
    (tmp_path / "runs").mkdir()
    done = convscope("runs")
    assert done.code == 0 and "No training in runs" in done.out


def test_runs_are_compared_and_the_page_is_never_over_another(convscope, three: Path) -> None:
    done = convscope("runs", "runs/a", "runs/b", "--out", "compare.html")
    assert done.code == 0 and "Saved compare.html" in done.out
    assert "more accurate than runs/b, by more than chance" in done.out and "seed" in done.out
    page = Path("compare.html").read_text(encoding="utf-8")
    assert "convscope runs runs/a runs/b --out compare.html" in page
    again = convscope("runs", "runs/a", "runs/b", "--out", "compare.html")
    assert again.code == 2 and Path("compare.html").read_text(encoding="utf-8") == page
    done = convscope("runs", "runs/a", "runs/b", "--json")
    assert done.json["settings"] == {"seed": [1, 2]} and done.json["differences"][0]["beyond_chance"]


@pytest.mark.parametrize("word", ["compare", "diff", "list"])
def test_a_word_for_what_it_does_anyway_is_told_the_command(convscope, three: Path, word: str) -> None:
    done = convscope("runs", word, "runs/a", "runs/b")
    assert done.code == 2 and "Write: convscope runs runs/a runs/b\n" in done.err
    Path(word).mkdir()
    assert "which is no folder" not in convscope("runs", word, "runs/a").err


@pytest.mark.parametrize(
    ("folder", "hint"),
    [
        ("runs/none", "convscope runs"),
        ("nowhere", "convscope runs"),
        ("other/none", "convscope runs other"),
        ("other", "convscope runs other"),
    ],
)
def test_the_next_step_for_a_folder_that_is_no_run_works(convscope, three: Path, folder, hint: str) -> None:
    Path("other/pictures").mkdir(parents=True)
    done = convscope("train", "--resume", folder)
    assert done.code == 3 and f"{hint}\n" in done.err
    assert convscope(*hint.split()[1:]).code == 0


def test_without_any_run_the_next_step_begins_one(convscope, tmp_path: Path) -> None:
    done = convscope("train", "--resume", "nowhere")
    assert done.code == 3 and "None is here yet; convscope train begins one." in done.err


def test_a_page_of_one_folder_and_a_damaged_run_are_refused(convscope, three: Path) -> None:
    assert convscope("runs", "--out", "x.html").code == 2
    assert convscope("runs", "runs/a", "runs/a").code == 2
    assert convscope("runs", "runs/a", "runs/bad").code == 3
    assert convscope("runs", "runs/a", "runs/nowhere").code == 3
    assert not Path("x.html").exists()


def test_hostile_names_reach_the_terminal_as_text(convscope, three: Path) -> None:
    (three / "runs" / "a").rename(three / "runs" / "a\x1b[31m")
    write_run(three / "runs" / "d", network="[red]x\x1b[0m")
    for words in (("runs",), ("runs", "runs/a\x1b[31m", "runs/d")):
        done = convscope(*words)
        assert done.code == 0 and "\x1b" not in done.out and "[red]x" in done.out


def test_prune_removes_only_with_yes(convscope, three: Path) -> None:
    done = convscope("runs", "prune")
    assert done.code == 0 and "Nothing is removed yet: add --yes." in done.out
    assert "1 damaged run is left alone." in done.out
    assert (three / "runs" / "a" / "state").exists()
    done = convscope("runs", "prune", "--yes")
    assert done.code == 0 and "MB removed." in done.out
    assert not (three / "runs" / "a" / "state").exists() and (three / "runs" / "c" / "state").exists()
    assert "Nothing can be removed." in convscope("runs", "prune").out
    again = convscope("train", "--resume", "runs/a")
    assert again.code == 2 and "a run with epochs left" in again.err
