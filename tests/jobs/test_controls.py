"""A running training does what it is asked for: pause, rate, freeze and thaw; and says what it did."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from convscope import jobs
from convscope.errors import Interrupted, UsageError
from convscope.jobs import Controls
from convscope.jobs.program.replay import ReplayRecipe
from convscope.learn import ClassificationRecipe, Run
from convscope.learn.trainer import trainer as loop

NET = "conv 3 5x5, relu, maxpool 4, conv 4 3x3, relu, flatten, dense 10"
SETTINGS: dict[str, Any] = {"network": NET, "data": "digits", "samples": 640, "batch": 64, "epochs": 2}
SETTINGS |= {"precision": "fp32", "memory_format": "contiguous", "schedule": "constant", "lr": 0.01}


@pytest.fixture(autouse=True)
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event after each batch, and no waiting."""
    monkeypatch.setattr(loop, "PROGRESS_INTERVAL", 0.0)
    monkeypatch.setattr("convscope.jobs.output.controls.WAIT", 0.001)


def follow(out: Path, act: Callable[[Controls, dict[str, Any]], None], **settings: Any) -> list[dict]:
    """Run a training, and call `act` with what can be asked for and the document of each step."""
    job = jobs.run(ClassificationRecipe.parse(SETTINGS | settings), out)
    found = []
    for step in job:
        document = step.result()
        if document is not None and not job.ended and step.message:
            live = {**document["training"]["now"], **document["training"], "message": step.message}
            found.append(live)
            act(job.workspace.controls, live)
    return found


def once(where: tuple[int, int], action: str, value: Any = None) -> Callable[[Controls, dict], None]:
    asked: list[bool] = []

    def act(controls: Controls, live: dict[str, Any]) -> None:
        if (live["epoch"], live["step"]) == where and not asked:
            asked.append(True)
            controls.ask(action, value)

    return act


@pytest.mark.parametrize("paused", [False, True])
def test_a_stop_after_the_last_event_ends_a_training_that_is_done(tmp_path: Path, paused: bool) -> None:
    job = jobs.run(ClassificationRecipe.parse(SETTINGS | {"epochs": 1}), tmp_path / "run")
    for step in job:
        if step.fraction == 1 and not job.ended:
            if paused and not step.message.startswith("paused"):
                job.workspace.controls.ask("pause")
            else:
                job.cancel()
    assert job.document is not None and job.document["test"]["accuracy"] > 0
    assert Run.open(tmp_path / "run").finished and (tmp_path / "run" / "report.html").is_file()


def test_the_document_so_far_says_where_a_training_is(tmp_path: Path) -> None:
    found = follow(tmp_path / "run", lambda _controls, _live: None)
    places = [(live["epoch"], live["step"]) for live in found]
    assert list(dict.fromkeys(places)) == [(epoch, step) for epoch in (1, 2) for step in range(1, 11)]
    run = Run.open(tmp_path / "run")
    measured = [epoch["test_metrics"] for epoch in found[-1]["epochs"]]
    assert measured == [epoch.test_metrics for epoch in run.epochs]
    curve = [point["epochs_done"] for point in found[-1]["curve"]]
    assert curve == sorted(curve) and curve[0] == 0.1 and curve[-1] == 2
    assert found[-1]["run"] == "run" and found[-1]["max_lr"] == 0.01
    assert found[0]["kernels"]["values"] != found[-1]["kernels"]["values"]


def test_another_rate_acts_from_the_next_batch_on_and_is_on_record(tmp_path: Path) -> None:
    found = follow(tmp_path / "run", once((1, 4), "lr", 0.002))
    rates = {(live["epoch"], live["step"]): live["lr"] for live in found}
    assert rates[1, 4] == 0.01 and rates[1, 5] == 0.002 and rates[2, 10] == 0.002
    (outcome,) = found[-1]["controls"]
    assert outcome == {"action": "lr", "value": 0.002, "epoch": 1, "step": 4, "error": None}
    run = Run.open(tmp_path / "run")
    assert [epoch.lr for epoch in run.epochs] == [0.002, 0.002]
    assert [change.max_lr for change in run.lr_changes] == [0.002]
    assert "from 0.01 to 0.002, in epoch 1 after step 4" in (tmp_path / "run" / "report.html").read_text()


def test_a_map_that_is_frozen_while_it_runs_stays_bit_for_bit(tmp_path: Path) -> None:
    kept: dict[str, torch.Tensor] = {}
    freeze = once((1, 3), "freeze", "conv1:1")

    def act(controls: Controls, live: dict[str, Any]) -> None:
        freeze(controls, live)
        if live["frozen"] and not kept:  # the state was stored when it was frozen
            state = Run.open(tmp_path / "run").state()
            assert state is not None and (state.values["epoch"], state.values["step"]) == (0, 3)
            kept.update(state.part("model"))

    found = follow(tmp_path / "run", act)
    assert found[-1]["frozen"] == ["conv1:1"] and found[0]["frozen"] == []
    last = Run.open(tmp_path / "run").load().module.state_dict()
    same = [torch.equal(last["conv1.weight"][unit], kept["conv1.weight"][unit]) for unit in range(3)]
    assert same == [False, True, False] and last["conv1.bias"][1] == kept["conv1.bias"][1]
    (record,) = Run.open(tmp_path / "run").frozen
    assert (record.address, record.begun, record.by, record.identical) == ("conv1:1", (1, 3), "call", True)


def test_thawing_and_what_is_refused_are_told(tmp_path: Path) -> None:
    acts = [
        once((1, 2), "freeze", ["conv1", "conv2:0"]),
        once((1, 5), "thaw", "conv1"),
        once((1, 6), "freeze", "conv9"),
        once((1, 7), "lr", "fast"),
        once((1, 8), "freeze", None),
    ]
    found = follow(tmp_path / "run", lambda c, live: [act(c, live) for act in acts] and None)
    assert found[-1]["frozen"] == ["conv2:0"]
    outcomes = found[-1]["controls"]
    assert [outcome["error"] is None for outcome in outcomes] == [True, True, False, False, False]
    assert "conv9" in outcomes[2]["error"]["received"] and all(o["error"]["hint"] for o in outcomes[2:])
    with pytest.raises(UsageError, match="asked for"):
        Controls().ask("faster")


def test_a_paused_training_stands_still_until_it_is_told_to_go_on(tmp_path: Path) -> None:
    still: list[tuple[int, int]] = []
    pause = once((1, 5), "pause")

    def act(controls: Controls, live: dict[str, Any]) -> None:
        pause(controls, live)
        if live["paused"]:
            still.append((live["epoch"], live["step"]))
            if len(still) == 4:
                controls.ask("lr", 0.003)
            if len(still) == 6:
                controls.ask("resume")

    found = follow(tmp_path / "run", act)
    assert set(still) == {(1, 5)} and len(still) >= 6
    assert sum(live["message"].startswith("paused") for live in found) == len(still)
    assert len(Run.open(tmp_path / "run").epochs) == 2
    assert [change.step for change in Run.open(tmp_path / "run").lr_changes] == [5]


def test_a_pause_changes_no_weight(tmp_path: Path) -> None:
    follow(tmp_path / "plain", lambda _controls, _live: None)

    def act(controls: Controls, live: dict[str, Any]) -> None:
        controls.ask("resume" if live["paused"] else "pause")

    follow(tmp_path / "paused", act)
    plain, paused = (Run.open(tmp_path / name).load().module.state_dict() for name in ("plain", "paused"))
    assert all(torch.equal(plain[name], paused[name]) for name in plain)


def test_a_paused_training_can_be_stopped_and_goes_on_later(tmp_path: Path) -> None:
    job = jobs.run(ClassificationRecipe.parse(SETTINGS), tmp_path / "run")
    steps = iter(job)
    next(steps)
    job.workspace.controls.ask("lr", 0.004)
    job.workspace.controls.ask("pause")
    assert next(steps).message.startswith("paused")
    job.cancel()
    with pytest.raises(Interrupted, match="epoch 1, step 1"):
        next(steps)
    again = jobs.run(ClassificationRecipe.parse({"resume": tmp_path / "run"}))
    rates = {step.result()["training"]["now"]["lr"] for step in again if step.message}
    assert rates == {0.004}


def test_a_replay_says_what_it_does_not_repeat(tmp_path: Path) -> None:
    acts = [once((1, 2), "lr", 0.003), once((1, 3), "freeze", "conv2")]
    follow(tmp_path / "run", lambda c, live: [act(c, live) for act in acts] and None, epochs=1)
    lines: list[str] = []
    job = jobs.run(ReplayRecipe.parse({"file": tmp_path / "run"}), tmp_path / "again", log=lines.append)
    for _step in job:
        pass
    said = [line for line in lines if line.startswith("Not repeated")]
    assert len(said) == 2 and "conv2: frozen from epoch 1, step 3" in said[0] and "0.003" in said[1]
    assert Run.open(tmp_path / "again").lr_changes == ()


def test_a_stored_state_has_the_request_before_a_kill(tmp_path: Path) -> None:
    """The state is stored when a request was carried out, and not only once a minute."""
    job = jobs.run(ClassificationRecipe.parse(SETTINGS), tmp_path / "run")
    steps = iter(job)
    next(steps)
    job.workspace.controls.ask("freeze", "conv1:0")
    next(steps)
    run = Run.open(tmp_path / "run")
    assert [record.address for record in run.frozen] == ["conv1:0"]
    state = run.state()
    assert state is not None and (state.values["epoch"], state.values["step"]) == (0, 1)
    job.close()
