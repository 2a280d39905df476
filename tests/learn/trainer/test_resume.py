import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest
import torch
from tests.learn.conftest import drop_previous_state, small_net
from torch.utils.data import DataLoader, TensorDataset

from convscope.errors import DataError, Interrupted, UsageError
from convscope.learn import ClassificationRecipe, Epoch, Run, Trainer, iter_train_run, train
from convscope.learn.trainer.state import State
from convscope.worlds.datasets import digits

pytestmark = pytest.mark.slow

HARD = {"epochs": 4, "batch": 64, "augment": ("shift", "erase")}
"""With dropout in the network, and augmentation."""


@pytest.fixture(scope="module")
def train_images():
    return digits.train().take(range(320))


def weights(net):
    return {name: tensor.clone() for name, tensor in net.module.state_dict().items()}


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[n], second[n]) for n in first)


def measured(history):
    timing = {"seconds", "samples_per_second"}
    return [{k: v for k, v in epoch.to_json().items() if k not in timing} for epoch in history]


def whole(data, test, recipe):
    net = small_net()
    loop = Trainer(net, data, test, recipe)
    list(loop)
    return weights(net), measured(loop.history)


def interrupted(data, test, recipe, folder, epoch, step):
    """Stop at a batch, store, forget everything, read, go on."""
    loop = Trainer(small_net(), data, test, recipe)
    loop.pause()
    for _event in loop:
        if (loop.epoch, loop.step) == (epoch, step):
            break
        loop.pause()
    loop.state().write(folder)
    del loop
    torch.manual_seed(99)
    net = small_net(seed=5)
    loop = Trainer(net, data, test, recipe, state=State.read(folder))
    list(loop)
    return weights(net), measured(loop.history)


@pytest.mark.parametrize(("epoch", "step"), [(2, 0), (0, 1), (3, 4)])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon"])
def test_bit_for_bit(train_images, test_images, tmp_path, epoch, step, optimizer):
    recipe = ClassificationRecipe(**HARD, optimizer=optimizer)
    straight, history = whole(train_images, test_images, recipe)
    again, resumed_history = interrupted(train_images, test_images, recipe, tmp_path, epoch, step)
    assert same(straight, again)
    assert history == resumed_history


@pytest.mark.parametrize("adamw_head", [True, False])
def test_bit_for_bit_with_muon_and_another_optimizer_for_the_last_layer(
    train_images, test_images, tmp_path, adamw_head
):
    recipe = ClassificationRecipe(**HARD, optimizer="muon", adamw_head=adamw_head)
    straight, history = whole(train_images, test_images, recipe)
    again, resumed_history = interrupted(train_images, test_images, recipe, tmp_path, 2, 3)
    assert same(straight, again)
    assert history == resumed_history


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_bit_for_bit_in_each_precision(train_images, test_images, tmp_path, precision):
    recipe = ClassificationRecipe(
        epochs=2, batch=64, precision=precision, memory_format="channels_last", clip=1.0
    )
    straight, history = whole(train_images, test_images, recipe)
    again, resumed_history = interrupted(train_images, test_images, recipe, tmp_path, 1, 3)
    assert same(straight, again)
    assert history == resumed_history


def test_bit_for_bit_with_a_loader(train_images, test_images, tmp_path):
    loader = DataLoader(TensorDataset(train_images.images, train_images.labels), batch_size=64, shuffle=True)

    def net():
        return small_net().with_classes(train_images.classes)

    recipe = ClassificationRecipe(epochs=2, precision="fp32", memory_format="contiguous")
    straight = net()
    list(Trainer(straight, loader, recipe=recipe))
    loop = Trainer(net(), loader, recipe=recipe)
    loop.pause()
    for _event in loop:
        if (loop.epoch, loop.step) == (1, 4):
            break
        loop.pause()
    loop.state().write(tmp_path)
    again = net()
    list(Trainer(again, loader, recipe=recipe, state=State.read(tmp_path)))
    assert same(weights(straight), weights(again))


KILLED = """
    import os, signal, sys
    import torch
    torch.set_num_threads(1)
    from convscope.learn import ClassificationRecipe, iter_train_run
    from convscope.worlds import digits
    from tests.learn.conftest import small_net
    from pathlib import Path
    out, how = Path(sys.argv[1]), sys.argv[2]
    recipe = ClassificationRecipe(epochs=4, batch=64, augment=("shift", "erase"))
    train_images, test_images = digits.train().take(range(320)), digits.test().take(range(200))
    for event in iter_train_run(small_net(), train_images, test_images, recipe, out=out):
        if event.done >= 0.5:
            os.kill(os.getpid(), getattr(signal, how))
"""


def test_killed_from_one_moment_to_the_next(train_images, test_images, tmp_path):
    straight, history = whole(train_images, test_images, ClassificationRecipe(**HARD))
    out = tmp_path / "run"
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), str(out), "SIGKILL"], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not Run.open(out).finished
    net = small_net(seed=3)
    run = train(net, train_images, test=test_images, resume=out)
    assert run.finished
    assert measured(run.epochs) == history
    assert same(straight, weights(net))
    assert same(straight, weights(run.load()))


def test_ctrl_c_saves_and_says_how_to_go_on(train_images, test_images, tmp_path):
    straight, history = whole(train_images, test_images, ClassificationRecipe(**HARD))
    out = tmp_path / "a run"
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted) as caught:
        for event in iter_train_run(
            small_net(), train_images, test_images, ClassificationRecipe(**HARD), out=out
        ):
            if isinstance(event, Epoch) and event.index == 2:
                os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is handler
    assert caught.value.exit_code == 130
    assert f"convscope train --resume '{out}'" in caught.value.hint
    assert "epoch 3, step 1" in caught.value.expected
    net = small_net(seed=3)
    for _event in iter_train_run(net, train_images, test_images, ClassificationRecipe(resume=out), out=out):
        pass
    assert same(straight, weights(net))
    assert measured(Run.open(out).epochs) == history
    assert len((out / "metrics.jsonl").read_text().splitlines()) == 4


def test_a_second_ctrl_c_does_not_wait(train_images, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        for _event in iter_train_run(
            small_net(), train_images, None, ClassificationRecipe(epochs=2), out=tmp_path
        ):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)


def test_a_finished_run_is_not_resumed(train_images, tmp_path):
    train(small_net(), train_images, out=tmp_path / "run", epochs=1)
    with pytest.raises(UsageError, match="finished after 1"):
        train(small_net(), train_images, resume=tmp_path / "run")


def stopped(train_images, out):
    loop = iter_train_run(small_net(), train_images, None, ClassificationRecipe(epochs=2), out=out)
    for event in loop:
        if isinstance(event, Epoch):
            break
    loop.close()
    drop_previous_state(out / "state")


def test_other_data_or_another_network_is_refused(train_images, tmp_path):
    stopped(train_images, tmp_path)
    with pytest.raises(DataError, match="the data that this run has learned from"):
        train(small_net(), train_images.take(range(100)), resume=tmp_path)
    with pytest.raises(DataError, match="weights that fit"):
        train(small_net(text="flatten, dense 10"), train_images, resume=tmp_path)


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"format": 99, "tensors": "x"}', '{"format": 1, "tensors": "../x"}']
)
def test_a_damaged_state_is_told(train_images, tmp_path, damage):
    stopped(train_images, tmp_path)
    (tmp_path / "state" / "state.json").write_text(damage)
    with pytest.raises(DataError):
        train(small_net(), train_images, resume=tmp_path)


def test_truncated_tensors_are_told(train_images, tmp_path):
    stopped(train_images, tmp_path)
    (file,) = (tmp_path / "state").glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(DataError):
        train(small_net(), train_images, resume=tmp_path)


def test_missing_values_are_told(train_images, tmp_path):
    stopped(train_images, tmp_path)
    path = tmp_path / "state" / "state.json"
    values = json.loads(path.read_text())
    for name in ("epoch", "execution", "history", "sums"):
        path.write_text(json.dumps({k: v for k, v in values.items() if k != name}))
        with pytest.raises(DataError):
            train(small_net(), train_images, resume=tmp_path)


def test_a_state_cut_short_while_writing_leaves_the_one_before(train_images, tmp_path, monkeypatch):
    loop = Trainer(small_net(), train_images, recipe=ClassificationRecipe(epochs=1, batch=64))
    loop.state().write(tmp_path)
    before = State.read(tmp_path)
    loop.pause()
    next(iter(loop))
    monkeypatch.setattr(
        "convscope.learn.trainer.state.write_text", lambda *_: (_ for _ in ()).throw(OSError("full"))
    )
    with pytest.raises(OSError, match="full"):
        loop.state().write(tmp_path)
    after = State.read(tmp_path)
    assert after.values == before.values
    assert same(after.tensors, before.tensors)


@pytest.mark.parametrize("loader", [False, True])
def test_stopped_after_the_last_batch_of_an_epoch(train_images, tmp_path, loader):
    """No step is left, and the epoch still has its numbers, the last step's learning rate among them."""
    data = (
        DataLoader(TensorDataset(train_images.images, train_images.labels), batch_size=64)
        if loader
        else train_images
    )
    recipe = ClassificationRecipe(epochs=2, batch=64, precision="fp32", memory_format="contiguous")

    def begun(state=None):
        net = small_net()
        net = net.with_classes(train_images.classes)
        return Trainer(net, data, recipe=recipe, state=state)

    whole = begun()
    list(whole)
    loop = begun()
    loop.pause()
    for _event in loop:
        if loop.step == loop.batch_source.steps:
            break
        loop.pause()
    loop.state().write(tmp_path)
    again = begun(State.read(tmp_path))
    list(again)
    assert measured(again.history) == measured(whole.history)
    assert same(weights(again.net), weights(whole.net))
