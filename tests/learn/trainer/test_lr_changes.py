"""The learning rate may be changed while a training runs: where it acts, and what is resumed."""

import pytest
import torch
from tests.learn.conftest import small_net

from convscope.errors import UsageError
from convscope.learn import ClassificationRecipe, LRChange, Trainer, max_lr_at
from convscope.learn.optimization.rates import read_changes
from convscope.learn.trainer.state import State

RECIPE = ClassificationRecipe(
    epochs=3, batch=64, schedule="cosine", lr=0.01, precision="fp32", memory_format="contiguous"
)


def rates_of(loop: Trainer, until: tuple[int, int] = (99, 0)) -> list[float]:
    """The rates of the steps that are taken from now on, batch by batch."""
    found, group = [], loop.optimizers["main"].param_groups[0]
    loop.pause()
    for _event in loop:
        if _event.__class__.__name__ == "TrainProgress":
            found.append(group["lr"])
        if (loop.epoch, loop.step) >= until:
            break
        loop.pause()
    return found


def test_the_schedule_is_scaled_from_the_next_step_on(train_images) -> None:
    plain = rates_of(Trainer(small_net(), train_images, recipe=RECIPE))
    loop = Trainer(small_net(), train_images, recipe=RECIPE)
    before = rates_of(loop, (1, 3))
    loop.set_max_lr(0.001)
    after = rates_of(loop)
    assert len(plain) == len(before) + len(after) == 30
    assert before == plain[:13]
    assert after == pytest.approx([rate / 10 for rate in plain[13:]], rel=1e-12)
    (change,) = loop.rates.changes
    assert change == LRChange(2, 3, 10, 0.01, 0.001)
    assert "0.001 in place of 0.01, from epoch 2, step 3" in change.text()
    assert loop.history[0].lr == plain[9] and loop.history[1].lr == pytest.approx(plain[19] / 10)


def test_a_resumed_training_goes_on_with_it_bit_for_bit(train_images, tmp_path) -> None:
    ends = []
    for stops in (False, True):
        loop = Trainer(small_net(), train_images, recipe=RECIPE)
        rates_of(loop, (0, 4))
        loop.set_max_lr(0.002)
        rates_of(loop, (1, 2))
        if stops:
            loop.state().write(tmp_path)
            state = State.read(tmp_path)
            loop = Trainer(small_net(seed=3), train_images, recipe=RECIPE, state=state)
            assert loop.rates.max_lr == 0.002
        list(loop)
        assert loop.rates.changes == (LRChange(1, 4, 10, 0.01, 0.002),)
        ends.append(loop.net.module.state_dict())
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


@pytest.mark.parametrize("wrong", [0, -1.0, 1000.0, float("nan"), float("inf"), True, "0.1", None])
def test_what_is_no_rate_is_refused_and_changes_nothing(train_images, wrong) -> None:
    loop = Trainer(small_net(), train_images, recipe=RECIPE)
    with pytest.raises(UsageError, match="learning rate above 0"):
        loop.set_max_lr(wrong)
    assert loop.rates.max_lr == 0.01 and loop.rates.changes == ()


def test_stored_changes_are_checked() -> None:
    good = LRChange(2, 3, 10, 0.01, 0.001).to_json()
    assert read_changes([good], (2, 3), 10) == (LRChange(2, 3, 10, 0.01, 0.001),)
    names = {"previous": "before", "max_lr": "lr"}  # as states had them before they were renamed
    earlier = {names.get(name, name): value for name, value in good.items()}
    assert read_changes([earlier], (2, 3), 10) == read_changes([good], (2, 3), 10)
    later = {**good, "step": 5, "previous": 0.001, "max_lr": 0.5}
    assert len(read_changes([good, later], (3, 0), 10)) == 2
    for damage in (
        {**good, "epoch": 3},
        {**good, "step": -1},
        {**good, "step": 11},
        {**good, "steps": 9},
        {**good, "max_lr": 0},
        {**good, "max_lr": "0.1"},
        {**good, "previous": 1e9},
        {**good, "more": 1},
        {"epoch": 1},
        "text",
    ):
        with pytest.raises(ValueError, match="lr_changes"):
            read_changes([damage], (2, 4), 10)
    for pair in ([later, good], [good, {**later, "previous": 0.3}]):
        with pytest.raises(ValueError, match="lr_changes"):
            read_changes(pair, (3, 0), 10)


def test_the_rate_at_some_moment() -> None:
    changes = (LRChange(1, 5, 10, 0.1, 0.2), LRChange(3, 0, 10, 0.2, 0.05))
    found = [max_lr_at(0.1, changes, epochs) for epochs in (0, 0.49, 0.5, 1.99, 2.0, 9)]
    assert found == [0.1, 0.1, 0.2, 0.2, 0.05, 0.05]
