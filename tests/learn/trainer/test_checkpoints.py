"""The weights of a training beside those that it saves: of other steps, averaged, or the best epoch's."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.learn.conftest import small_net

from convscope.errors import DataError, UsageError
from convscope.learn import ClassificationRecipe, Epoch, iter_train_run, list_checkpoints, load_checkpoint
from convscope.learn.trainer.state import FILE
from convscope.nets import load

NET = "flatten, dense 10"
SETTINGS: dict[str, Any] = {"epochs": 3, "batch": 100, "precision": "fp32", "device": "cpu", "network": NET}


def weights(net: Any) -> torch.Tensor:
    return net.module.state_dict()["dense1.weight"].clone()


def trained(folder: Path, data: Any, **settings: Any) -> tuple[list[torch.Tensor], list[Epoch]]:
    """Train, and return what the weights were after each epoch."""
    net = small_net(text=NET)
    seen, epochs = [], []
    recipe = ClassificationRecipe(**{**SETTINGS, **settings})
    for event in iter_train_run(net, data, None, recipe, out=folder):
        if isinstance(event, Epoch):
            seen.append(weights(net))
            epochs.append(event)
    return seen, epochs


def test_the_last_and_the_previous_weights_are_those_that_the_training_had(train_images, tmp_path) -> None:
    seen, _ = trained(tmp_path, train_images)
    assert [(one.name, one.epoch, one.step) for one in list_checkpoints(tmp_path)] == [
        ("last", 3, 0),
        ("previous", 2, 0),
    ]
    assert torch.equal(weights(load_checkpoint(tmp_path, "last")), seen[2])
    assert torch.equal(weights(load_checkpoint(tmp_path, "previous")), seen[1])
    assert not torch.equal(seen[2], seen[1])
    assert "2 epochs" in load_checkpoint(tmp_path, "previous").source.weights


def test_the_average_and_the_best_epoch_are_there_where_the_training_keeps_them(
    train_images, tmp_path
) -> None:
    seen, epochs = trained(tmp_path, train_images, ema=0.9, lr=0.5, patience=2, validation_split=0.2)
    found = {one.name: one for one in list_checkpoints(tmp_path)}
    assert set(found) == {"last", "ema", "best", "previous"}
    best = [epoch.index for epoch in epochs if epoch.best][-1]
    assert found["best"].epoch == best
    assert torch.equal(weights(load_checkpoint(tmp_path, "best")), weights(load(tmp_path)))
    assert torch.equal(weights(load_checkpoint(tmp_path, "last")), seen[-1])
    trained(tmp_path / "averaged", train_images, ema=0.9)
    averaged = weights(load_checkpoint(tmp_path / "averaged", "ema"))
    assert torch.equal(averaged, weights(load(tmp_path / "averaged")))
    assert not torch.equal(averaged, weights(load_checkpoint(tmp_path / "averaged", "last")))


def test_what_is_not_there_or_damaged_is_refused(train_images, tmp_path) -> None:
    trained(tmp_path, train_images, epochs=1)
    with pytest.raises(UsageError, match="a checkpoint of"):
        load_checkpoint(tmp_path, "best")
    state = tmp_path / "state" / FILE
    state.write_text(state.read_text().replace('"epoch": 1', '"epoch": 0'))
    assert "last" not in {one.name for one in list_checkpoints(tmp_path)}
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "state").rename(tmp_path / "moved")
    (tmp_path / "state").symlink_to(tmp_path / "moved")
    with pytest.raises(DataError):
        list_checkpoints(tmp_path)
