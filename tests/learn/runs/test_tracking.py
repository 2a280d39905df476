"""What trackers receive: the numbers of metrics.jsonl, by the calls that their packages document."""

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
        if name == "id":
            return "run-of-wandb"

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


def test_mlflow_gets_parameters_metrics_and_the_end(package, tmp_path, train_images, test_images) -> None:
    calls = package("mlflow").calls
    folder = train(tmp_path / "run", train_images, test_images, track="mlflow", augment=("shift", "erase"))
    names = [name for name, _, _ in calls]
    assert names == ["start_run", "log_params", "log_metrics", "log_metrics", "end_run"]
    assert calls[0][2] == {"run_name": "run"} and calls[-1][2] == {"status": "FINISHED"}
    parameters = calls[1][1][0]
    assert (
        parameters["augment"] == "shift, erase" and parameters["batch"] == "128" and "track" not in parameters
    )
    for (_, (values,), options), line in zip(calls[2:4], stored(folder), strict=True):
        assert values == expected(line) and options == {"step": line["index"]}


def test_wandb_gets_configuration_metrics_and_the_end(package, tmp_path, train_images, monkeypatch) -> None:
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    calls = package("wandb").calls
    folder = train(tmp_path / "run", train_images, track=("wandb",))
    (_, _, given), *logged, (end, _, how) = calls
    assert (given["project"], given["name"], given["dir"]) == ("convscope", "run", str(folder))
    assert given["config"]["batch"] == 128
    assert [(name, args[0], options) for name, args, options in logged] == [
        ("log", expected(line), {"step": line["index"]}) for line in stored(folder)
    ]
    assert (end, how) == ("finish", {"exit_code": 0})


def test_a_stopped_and_a_failed_training_are_said_to_be(package, tmp_path, train_images, monkeypatch) -> None:
    calls = package("mlflow").calls
    recipe = learn.ClassificationRecipe(epochs=3, track=("mlflow",), precision="fp32")
    events = learn.iter_train_run(small_net(), train_images, None, recipe, out=tmp_path / "stopped")
    next(event for event in events if isinstance(event, learn.Epoch))
    with pytest.raises(learn_interrupted()):
        events.throw(KeyboardInterrupt())  # pyright: ignore[reportAttributeAccessIssue]
    assert calls[-1] == ("end_run", (), {"status": "KILLED"})
    monkeypatch.setattr(Trainer, "__iter__", lambda self: iter([1 / 0]))
    with pytest.raises(ZeroDivisionError):
        train(tmp_path / "failed", train_images, track="mlflow")
    assert calls[-1] == ("end_run", (), {"status": "FAILED"})


def learn_interrupted() -> type[BaseException]:
    from convscope.errors import Interrupted

    return Interrupted


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


def resumed(folder: Path, images) -> None:
    """One epoch of two, stopped, and then the other one."""
    recipe = learn.ClassificationRecipe(
        epochs=2, precision="fp32", track=("mlflow", "wandb"), memory_format="contiguous"
    )
    events = learn.iter_train_run(small_net(), images, None, recipe, out=folder)
    next(event for event in events if isinstance(event, learn.Epoch))
    with pytest.raises(learn_interrupted()):
        events.throw(KeyboardInterrupt())  # pyright: ignore[reportAttributeAccessIssue]
    learn.train(small_net(), images, resume=folder)


def named(calls, *names: str) -> list[tuple[str, tuple, dict]]:
    return [call for call in calls if call[0] in names]


def test_a_resumed_training_goes_on_in_the_same_runs(package, tmp_path, train_images) -> None:
    mlflow, wandb = package("mlflow"), package("wandb")
    resumed(tmp_path / "run", train_images)
    starts = [given for _, _, given in named(mlflow.calls, "start_run")]
    assert starts == [{"run_name": "run"}, {"run_id": "run-of-mlflow"}]
    assert len(named(mlflow.calls, "log_params")) == 1
    assert [given["step"] for _, _, given in named(mlflow.calls, "log_metrics")] == [1, 2]
    first, second = (given for _, _, given in named(wandb.calls, "init"))
    assert "id" not in first and "resume" not in first
    assert (second["id"], second["resume"]) == ("run-of-wandb", "allow")
    kept = json.loads((tmp_path / "run" / "tracking.json").read_text())
    assert kept == {"mlflow": "run-of-mlflow", "wandb": "run-of-wandb"}


def test_a_run_that_mlflow_has_no_longer_is_followed_by_a_new_one(package, tmp_path, train_images) -> None:
    mlflow = package("mlflow")
    package("wandb")
    start = mlflow.start_run

    def refuse(**given: Any) -> Any:
        if "run_id" in given:
            raise LookupError("no such run")
        return start(**given)

    mlflow.start_run = refuse  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.warns(tracking.TrackingWarning, match="MLflow has no run run-of-mlflow to go on with"):
        resumed(tmp_path / "run", train_images)
    assert [given for _, _, given in named(mlflow.calls, "start_run")] == [{"run_name": "run"}] * 2
    assert len(named(mlflow.calls, "log_metrics")) == 2


@pytest.mark.parametrize("content", ["", "[1]", '{"mlflow": 3, "wandb": "../../x y"}', "x" * 100_000])
def test_ids_that_are_none_are_not_passed_on(tmp_path, content) -> None:
    (tmp_path / "tracking.json").write_text(content)
    assert tracking.read_ids(tmp_path) == {}
    tracking.keep_id(tmp_path, "mlflow", "abc")
    assert tracking.read_ids(tmp_path) == {"mlflow": "abc"}
