"""`convscope train --track`, by what MLflow and Weights & Biases themselves have kept; nothing is sent."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
"""MLflow's tables use what SQLAlchemy is about to remove."""

BLOCK, HEADER = 32768, 7
"""Bytes of a block, and of a record's head, in LevelDB's log format; W&B's files begin with 7 of their own.

Source: https://github.com/google/leveldb/blob/main/doc/log_format.md
"""
TRAIN = (
    *("train", "flatten, dense 10", "digits", "--samples", "256", "--schedule", "constant"),
    *("--precision", "fp32", "--augment", "shift", "--augment", "erase", "--out", "run"),
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, and the variables of both packages: everything stays in that folder."""
    for name in [name for name in os.environ if name.startswith(("WANDB_", "MLFLOW_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    for name in ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def started(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "convscope", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def convscope(*words: str) -> str:
    """Run a command in a process of its own, which must succeed, and return what it says on stderr."""
    process = started(*words)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said
    return said


def stored() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]


def tracked(line: dict[str, Any]) -> dict[str, float]:
    """What a tracker is handed of a line of metrics.jsonl."""
    parts = {"train": line["metrics"], "test": line["test_metrics"]}
    found = {f"{part}/{name}": value for part, values in parts.items() for name, value in values.items()}
    return found | {"lr": line["lr"], "samples_per_second": line["samples_per_second"]}


def of_mlflow() -> tuple[Any, Callable[[Any], dict[str, dict[int, float]]]]:
    """MLflow's client, and what it has of a run: values by step for each metric."""
    reason = "needs the packages mlflow-skinny, sqlalchemy and alembic"
    for package in ("sqlalchemy", "alembic"):
        pytest.importorskip(package, reason=reason)
    client = pytest.importorskip("mlflow", reason=reason).MlflowClient()

    def history(run: Any) -> dict[str, dict[int, float]]:
        found = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
        return {name: {one.step: one.value for one in values} for name, values in found.items()}

    return client, history


def test_mlflow_has_the_settings_and_the_numbers_also_of_a_training_that_was_resumed(place) -> None:
    client, history = of_mlflow()
    convscope(*TRAIN, "--epochs", "1", "--track", "mlflow")
    convscope("train", "--resume", "run", "--epochs", "2")
    (run,) = client.search_runs(["0"])
    assert (run.info.run_name, run.info.status) == ("run", "FINISHED")
    lines = stored()
    names = tracked(lines[0])
    assert history(run) == {name: {line["index"]: tracked(line)[name] for line in lines} for name in names}
    recipe = tomllib.loads(Path("run/recipe.toml").read_text())
    assert run.data.params["augment"] == "shift, erase" and "track" not in run.data.params
    for name in ("batch", "seed", "precision", "schedule", "samples"):
        assert run.data.params[name] == str(recipe[name]), name

    client.delete_run(run.info.run_id)
    said = convscope("train", "--resume", "run", "--epochs", "3")
    assert f"MLflow has no run {run.info.run_id} to go on with" in " ".join(said.split())
    (another,) = client.search_runs(["0"])
    assert {name: set(values) for name, values in history(another).items()} == {name: {3} for name in names}


def test_mlflow_knows_that_a_training_was_stopped(place) -> None:
    client, history = of_mlflow()
    process = started(*TRAIN, "--epochs", "100000", "--track", "mlflow")
    while process.poll() is None and not (Path("run/metrics.jsonl").is_file() and stored()):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 130, said
    (run,) = client.search_runs(["0"])
    assert run.info.status == "KILLED"
    steps = {line["index"] for line in stored()}
    assert steps and {frozenset(values) for values in history(run).values()} == {frozenset(steps)}


def records(path: Path) -> Iterator[Any]:
    """Read a file that W&B has written offline; its messages are decoded by W&B's own schema."""
    schema = pytest.importorskip("wandb.proto.wandb_internal_pb2", reason="needs the package wandb")
    content, at, message = path.read_bytes(), HEADER, b""
    assert content.startswith(b":W&B")
    while at + HEADER <= len(content):
        if (left := BLOCK - at % BLOCK) < HEADER:
            at += left
            continue
        size, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        message += content[at + HEADER : at + HEADER + size]
        at += HEADER + size
        if kind in (1, 4):  # whole, or the last part of one
            record = schema.Record()
            record.ParseFromString(message)
            message = b""
            yield record


def test_wandb_has_the_settings_and_the_numbers_also_of_a_training_that_was_resumed(place) -> None:
    pytest.importorskip("wandb", reason="needs the package wandb")
    convscope(*TRAIN, "--epochs", "1", "--track", "wandb")
    convscope("train", "--resume", "run", "--epochs", "2")
    files = sorted(Path("run/wandb").glob("offline-run-*/*.wandb"))
    assert len(files) == 2  # what is sent later, by `wandb sync`, under the one id
    found = [{kind: list(group) for kind, group in by_kind(path)} for path in files]
    first, second = (one["run"][0].run for one in found)
    assert first.run_id == second.run_id == json.loads(Path("run/tracking.json").read_text())["wandb"]
    assert (first.project, first.display_name) == ("convscope", "run")
    settings = {entry.key: json.loads(entry.value_json) for entry in first.config.update}
    assert (settings["batch"], settings["augment"], settings["samples"]) == (128, ["shift", "erase"], 256)
    for one, line in zip(found, stored(), strict=True):
        (logged,) = (
            {item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
            for record in one["history"]
        )
        assert logged.pop("_step") == line["index"]
        assert {name: value for name, value in logged.items() if not name.startswith("_")} == tracked(line)
        assert [record.exit.exit_code for record in one["exit"]] == [0]


def by_kind(path: Path) -> Iterator[tuple[str, Iterator[Any]]]:
    def kind(record: Any) -> str:
        return str(record.WhichOneof("record_type"))

    return itertools.groupby(sorted(records(path), key=kind), key=kind)
