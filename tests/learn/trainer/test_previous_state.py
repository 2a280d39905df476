"""Where the newest state is damaged, the one before it is continued, and that is said."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.learn.conftest import small_net

from convscope.cli.core import app
from convscope.errors import DataError
from convscope.learn import ClassificationRecipe, Epoch, Run, iter_train_run, train
from convscope.learn.trainer.state import BEFORE, FILE, State

SETTINGS: dict[str, Any] = {
    "epochs": 3,
    "batch": 100,
    "precision": "fp32",
    "memory_format": "contiguous",
    "device": "cpu",
    "network": "flatten, dense 10",
    "data": "digits",
    "download": False,
}
NET = "flatten, dense 10"


def stopped(data: Any, folder: Path, after: int = 2) -> Path:
    """A run that ends after some epochs, as if it had been killed there."""
    events = iter_train_run(small_net(text=NET), data, None, ClassificationRecipe(**SETTINGS), out=folder)
    for event in events:
        if isinstance(event, Epoch) and event.index == after:
            events.close()
            break
    return folder


def tensors(folder: Path) -> Path:
    return folder / "state" / json.loads((folder / "state" / FILE).read_text())["tensors"]


def flipped(folder: Path) -> None:
    path = tensors(folder)
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "tensors cut short": lambda run: tensors(run).write_bytes(tensors(run).read_bytes()[:500]),
    "one bit of the tensors": flipped,
    "no tensors": lambda run: tensors(run).unlink(),
    "values cut short": lambda run: (run / "state" / FILE).write_text(
        (run / "state" / FILE).read_text()[:99]
    ),
    "empty": lambda run: (run / "state" / FILE).write_text(""),
    "gone": lambda run: (run / "state" / FILE).unlink(),
    "other numbers": lambda run: (run / "state" / FILE).write_text(
        (run / "state" / FILE).read_text().replace('"epoch": 2', '"epoch": 1')
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_state_before_is_continued_to_the_same_end(train_images, tmp_path: Path, damage: str) -> None:
    whole = train(small_net(text=NET), train_images, out=tmp_path / "whole", **SETTINGS)
    run = stopped(train_images, tmp_path / "run")
    DAMAGES[damage](run)
    with pytest.warns(
        UserWarning, match="is damaged .* the one before it is continued, from epoch 2, step 0"
    ):
        again = train(small_net(text=NET, seed=9), train_images, resume=run)
    ends = [found.load().module.state_dict() for found in (whole, again)]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    assert [e.metrics for e in again.epochs] == [e.metrics for e in whole.epochs] and again.finished


def test_a_whole_state_needs_no_word(train_images, tmp_path: Path) -> None:
    run = stopped(train_images, tmp_path / "run")
    assert Run.open(run).note == ""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(small_net(text=NET), train_images, resume=run)


@pytest.mark.parametrize("second", ["", "{}"])
def test_two_damaged_states_are_refused(train_images, tmp_path: Path, second: str) -> None:
    run = stopped(train_images, tmp_path / "run")
    (run / "state" / FILE).write_text("")
    (run / "state" / BEFORE).write_text(second)
    with pytest.raises(DataError, match="the state of a training"):
        train(small_net(text=NET), train_images, resume=run)


@pytest.mark.parametrize("damage", ["empty", "other numbers"])
def test_a_damaged_state_does_not_take_the_place_of_a_whole_one(
    train_images, tmp_path: Path, damage: str
) -> None:
    run = stopped(train_images, tmp_path / "run")
    first = State.read(run / "state")
    DAMAGES[damage](run)
    before = (run / "state" / BEFORE).read_bytes()
    first.write(run / "state")
    assert (run / "state" / BEFORE).read_bytes() == before
    (run / "state" / FILE).write_text("damaged")
    assert State.read(run / "state").values["epoch"] == 1


def test_no_more_than_two_states_are_kept(train_images, tmp_path: Path) -> None:
    run = train(small_net(text=NET), train_images, out=tmp_path / "run", **SETTINGS)
    assert len(list((run.folder / "state").glob("*.safetensors"))) == 2
    assert sorted(path.name for path in (run.folder / "state").glob("*.json")) == [BEFORE, FILE]


def test_the_terminal_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    words = ["train", NET, "digits", "--schedule", "constant", "--epochs", "1", "--out", str(run)]
    assert app.run(words) == 0
    (run / "state" / FILE).write_text("")
    capsys.readouterr()
    assert app.run(["train", "--resume", str(run), "--epochs", "2"]) == 0
    assert "is damaged" in capsys.readouterr().err
