"""What is listed of the runs below a folder, and how hostile folders are held."""

import json
import os
from pathlib import Path

import pytest
from tests.learn.conftest import small_net
from tests.learn.runs.parts import write_run

from convscope import learn
from convscope.errors import DataError
from convscope.learn import MetricSpec, Task, list_runs


def test_runs_are_listed_with_the_last_changed_first(tmp_path: Path) -> None:
    write_run(tmp_path / "old", (0.7, 0.85), when=1_600_000_000)
    write_run(tmp_path / "deep" / "new", (0.8,), epochs=5, seed=3)
    write_run(tmp_path / "none", ())
    found = {run.name: run for run in list_runs(tmp_path).runs}
    assert list(found)[1:] == ["deep/new", "old"]  # one without an epoch was changed just now
    assert {name: run.status for name, run in found.items()} == {
        "none": "no epoch",
        "deep/new": "unfinished",
        "old": "finished",
    }
    old = found["old"]
    assert (old.network, old.data, old.value, old.right) == ("lecture", "digits", 0.85, (850, 1000))
    assert old.primary == next(s for s in learn.Classification.metric_specs if s.name == "accuracy")
    assert old.to_json()["text"] == "85.00%" and json.dumps(list_runs(tmp_path).to_json())
    assert found["none"].value is None and found["none"].primary is None
    assert found["deep/new"].settings["seed"] == 3


def test_of_a_run_that_ended_early_the_saved_network_counts(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", (0.7, 0.9, 0.8), epochs=9)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    lines[1] |= {"best": True}
    lines[2] |= {"stopped": True}
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (found,) = list_runs(folder).runs
    assert (found.status, found.value, found.right) == ("ended early", 0.9, (900, 1000))


def test_a_run_that_is_named_is_listed_alone(tmp_path: Path) -> None:
    write_run(tmp_path / "mine")
    (found,) = list_runs(tmp_path / "mine").runs
    assert found.name == str(tmp_path / "mine")


def test_results_of_other_verbs_and_links_are_left_out(tmp_path: Path) -> None:
    place = write_run(tmp_path / "elsewhere" / "run")
    below = tmp_path / "runs"
    (below / "seen").mkdir(parents=True)
    (below / "seen" / "recipe.toml").write_text('verb = "visualize"\nnet = "lecture"\n')
    (below / "link").symlink_to(place)
    (below / "round").symlink_to(below)
    found = list_runs(below)
    assert found.runs == found.damaged == () and found.complete


DAMAGES = {
    "no TOML": lambda f: (f / "recipe.toml").write_text("verb = ["),
    "unknown setting": lambda f: (f / "recipe.toml").write_text("frobnicate = 1\n"),
    "out of range": lambda f: (f / "recipe.toml").write_text("epochs = -1\n"),
    "verb is a number": lambda f: (f / "recipe.toml").write_text("verb = 3\n"),
    "no recipe": lambda f: (f / "recipe.toml").unlink(),
    "huge recipe": lambda f: (f / "recipe.toml").write_text("#" * (2 << 20)),
    "no JSON": lambda f: (f / "metrics.jsonl").write_text("{"),
    "deep JSON": lambda f: (f / "metrics.jsonl").write_text("[" * 100_000 + "\n"),
    "another index": lambda f: (f / "metrics.jsonl").write_text(
        (f / "metrics.jsonl").read_text().replace('"index": 1', '"index": 7')
    ),
    "NaN": lambda f: (f / "metrics.jsonl").write_text(
        (f / "metrics.jsonl").read_text().replace('"lr": 0.001', '"lr": NaN')
    ),
    "a pipe": lambda f: ((f / "metrics.jsonl").unlink(), os.mkfifo(f / "metrics.jsonl")),
    "a folder": lambda f: ((f / "recipe.toml").unlink(), (f / "recipe.toml").mkdir()),
    "state is a link": lambda f: (
        (f / "state").rename(f.parent / "away"),
        (f / "state").symlink_to(f.parent / "away"),
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_run_is_named_with_the_reason_and_the_others_are_listed(
    tmp_path: Path, damage: str
) -> None:
    write_run(tmp_path / "good")
    DAMAGES[damage](write_run(tmp_path / "bad"))
    found = list_runs(tmp_path)
    assert [run.name for run in found.runs] == ["good"]
    (bad,) = found.damaged
    assert bad.name == "bad" and bad.reason and len(bad.reason) < 1000


@pytest.mark.parametrize("note", [None, "7", -3, 0, 1.5, True, 2**60])
def test_a_wrong_number_of_test_samples_counts_as_unknown(tmp_path: Path, note: object) -> None:
    (found,) = list_runs(write_run(tmp_path / "run", tested=note)).runs
    assert found.tested is None and found.right is None and found.interval is None


def test_an_accuracy_that_is_no_share_of_the_test_has_no_interval(tmp_path: Path) -> None:
    (found,) = list_runs(write_run(tmp_path / "run", (0.5, 1 / 3), tested=100)).runs
    assert found.tested == 100 and found.right is None


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "nowhere", tmp_path / "file", Path("a\0b")):
        with pytest.raises(DataError, match="a folder with runs"):
            list_runs(place)


class Halving(Task):
    metric_specs = (MetricSpec("gap"),)
    primary_metric = "gap"

    def training_step(self, net, batch, execution, step):
        (x,) = batch.inputs
        loss = net(x).square().mean()
        return learn.StepOutput(loss, loss.detach()[None] * batch.size)


def test_real_runs_are_listed_also_of_a_task_that_is_not_registered(
    tmp_path: Path, train_images, test_images
) -> None:
    learn.train(small_net(), train_images, test=test_images, epochs=1, out=tmp_path / "usual")
    learn.train(
        small_net(), train_images, test=test_images, task=Halving(), epochs=1, out=tmp_path / "own", lr=0.002
    )
    found = {run.name: run for run in list_runs(tmp_path).runs}
    usual, own = found["usual"], found["own"]
    assert usual.tested == 200 and usual.right == (round(200 * (usual.value or 0)), 200)
    assert usual.network == "small" and usual.status == "finished"
    assert own.run.task == "Halving" and own.value == own.run.epochs[-1].test_metrics["gap"]
    assert own.primary == MetricSpec("gap") and own.settings["lr"] == 0.002
    compared = learn.compare_runs(usual, own)
    assert compared.incomparable == "task" and compared.settings["task"] == ("classification", "Halving")
