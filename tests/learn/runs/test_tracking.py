"""What TensorBoard receives, and what happens where a tracker fails; the others: `cli/test_trackers.py`."""

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from tests.learn.conftest import small_net

from convscope import learn
from convscope.errors import MissingError, UsageError
from convscope.learn import Trainer, compare_runs
from convscope.learn.runs import tracking


def stored(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


class Recorder(types.ModuleType):
    """Stands in for a package: every call is kept, with its arguments."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.calls: list[tuple[str, tuple, dict]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        if name == "info":
            return types.SimpleNamespace(run_id="run-of-mlflow")

        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append((name, args, kwargs))
            return self

        return call


@pytest.fixture
def package(monkeypatch):
    def install(name: str) -> Recorder:
        module = Recorder(name)
        monkeypatch.setitem(sys.modules, name, module)
        known = tracking.importlib.util.find_spec
        monkeypatch.setattr(tracking.importlib.util, "find_spec", lambda asked: asked == name or known(asked))
        return module

    return install


def train(folder: Path, images, test=None, **settings: Any) -> Path:
    learn.train(small_net(), images, test=test, epochs=2, precision="fp32", out=folder, **settings)
    return folder


def expected(line: dict[str, Any]) -> dict[str, float]:
    parts = {"train": line["metrics"], "test": line["test_metrics"]}
    found = {f"{part}/{name}": value for part, values in parts.items() for name, value in values.items()}
    return found | {"lr": line["lr"], "samples_per_second": line["samples_per_second"]}


def test_tensorboards_event_file_holds_what_metrics_jsonl_does(tmp_path, train_images, test_images) -> None:
    reason = "needs the package tensorboard"
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason=reason)
    folder = train(tmp_path / "run", train_images, test_images, track=("tensorboard",))
    found = events.EventAccumulator(str(folder / "tensorboard"))
    found.Reload()
    lines = stored(folder)
    assert set(found.Tags()["scalars"]) == set(expected(lines[0]))
    for name in found.Tags()["scalars"]:
        values = {event.step: event.value for event in found.Scalars(name)}
        assert values == pytest.approx({line["index"]: expected(line)[name] for line in lines}, rel=1e-6), (
            name
        )
    (text,) = found.Tensors("recipe/text_summary")
    assert b"| batch | 128 |" in text.tensor_proto.string_val[0]


def test_a_failed_training_is_said_to_be(package, tmp_path, train_images, monkeypatch) -> None:
    calls = package("mlflow").calls
    monkeypatch.setattr(Trainer, "__iter__", lambda self: iter([1 / 0]))
    with pytest.raises(ZeroDivisionError):
        train(tmp_path / "failed", train_images, track="mlflow")
    assert calls[-1] == ("end_run", (), {"status": "FAILED"})


def test_a_tracker_that_fails_is_dropped_and_the_training_goes_on(package, tmp_path, train_images) -> None:
    module = package("mlflow")

    def refuse(*_args: Any, **_kwargs: Any) -> None:
        raise ConnectionError("no server")

    module.log_metrics = refuse  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.warns(
        tracking.TrackingWarning, match="mlflow failed, and gets nothing more: ConnectionError"
    ):
        folder = train(tmp_path / "run", train_images, track="mlflow")
    assert len(stored(folder)) == 2 and [name for name, _, _ in module.calls] == ["start_run", "log_params"]


def test_a_package_that_is_missing_is_named_before_anything_is_written(
    tmp_path, train_images, monkeypatch
) -> None:
    monkeypatch.setitem(tracking.TRACKERS, "wandb", ("wandb_of_nobody", tracking.WandB))
    with pytest.raises(MissingError, match="pip install wandb_of_nobody"):
        train(tmp_path / "run", train_images, track="wandb")
    assert not (tmp_path / "run").exists()
    with pytest.raises(UsageError, match="track"):
        train(tmp_path / "run", train_images, track="nobody")
    with pytest.raises(UsageError, match="a tracker: tensorboard, mlflow, wandb"):
        tracking.check_trackers(["tensorbored"])


def test_who_tracked_is_no_difference_between_runs(package, tmp_path, train_images) -> None:
    package("mlflow")
    first = train(tmp_path / "a", train_images, track="mlflow")
    second = train(tmp_path / "b", train_images)
    assert compare_runs(first, second).settings == {}


@pytest.mark.parametrize("content", ["", "[1]", '{"mlflow": 3, "wandb": "../../x y"}', "x" * 100_000])
def test_ids_that_are_none_are_not_passed_on(tmp_path, content) -> None:
    (tmp_path / "tracking.json").write_text(content)
    assert tracking.read_ids(tmp_path) == {}
    tracking.keep_id(tmp_path, "mlflow", "abc")
    assert tracking.read_ids(tmp_path) == {"mlflow": "abc"}
