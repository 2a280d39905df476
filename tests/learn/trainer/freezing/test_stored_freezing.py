"""What is frozen survives: a stored state, SIGKILL and --resume; and what a run tells of it."""

import json
import signal
import subprocess
import sys
import textwrap

import pytest
import torch
from tests.learn.conftest import small_net
from tests.learn.trainer.freezing.parts import NORMED, check_moved, check_still, copied, masks, stepped

from convscope.cli.core import app
from convscope.errors import DataError
from convscope.learn import ClassificationRecipe, FreezeRecord, Run, Trainer, train
from convscope.learn.trainer.state import State

EXACT = {"precision": "fp32", "memory_format": "contiguous", "device": "cpu"}
RECIPE = ClassificationRecipe(
    epochs=3, batch=150, weight_decay=0.1, freeze=("conv1",), thaw=("conv1:2 at epoch 3",), **EXACT
)


def called(trainer):
    """Calls from Python at three moments of a training, between batches and between epochs."""
    stepped(trainer, 2)
    trainer.freeze("batchnorm1", "conv2:3", "dense1:2,5")
    stepped(trainer, 3)
    trainer.thaw("conv2:3,1", "batchnorm1:0")
    stepped(trainer, 1)


def test_a_state_in_the_middle_goes_on_bit_for_bit(train_images, tmp_path):
    whole, half = (Trainer(small_net(text=NORMED), train_images, recipe=RECIPE) for _ in range(2))
    called(whole)
    list(whole)
    called(half)
    half.state().write(tmp_path)
    net = small_net(seed=4, text=NORMED)
    again = Trainer(net, train_images, recipe=RECIPE, state=State.read(tmp_path))
    assert again.freezer.records == half.freezer.records
    before = copied(net)
    list(again)
    assert again.freezer.records == whole.freezer.records
    first, second = whole.state(), again.state()
    assert all(torch.equal(first.tensors[name], second.tensors[name]) for name in first.tensors)
    assert first.values["freezing"] == second.values["freezing"]
    check_still(before, copied(net), masks(net, "conv1:1", "dense1:2,5", "batchnorm1:3"))
    check_moved(before, copied(net), masks(net, "conv1:2", "batchnorm1:0", "conv2:3,1"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda found: found["records"].pop(), None),  # of a call: nobody can know it
        (lambda found: found["records"].pop(0), "no record of conv1, which was frozen before epoch 1"),
        (lambda found: found["records"].append(found["records"][1]), "frozen twice"),
        (lambda found: found.update(planned=3), "planned"),
        (lambda found: found["records"][1].update(address="conv2"), "conv2 has 222 values, not 4"),
        (lambda found: found["records"][1].update(address="conv9:3"), "conv9"),
        (lambda found: found["records"][1].update(sha256="0" * 64, sha256_end="0" * 64), "other values of"),
        (lambda found: found["records"][1].update(begun=[2, 9]), "is not before"),
        (lambda found: found["records"][1].update(ended=[9, 0]), "is not before"),
        (lambda found: found["records"][1].update(excluded=["conv1:2"]), None),
    ],
)
def test_a_state_that_says_something_else_is_refused(train_images, change, words):
    trainer = Trainer(small_net(text=NORMED), train_images, recipe=RECIPE)
    stepped(trainer, 2)
    trainer.freeze("batchnorm1:1", "conv2:3")
    stepped(trainer, 3)
    state = trainer.state()
    state.values["freezing"] = json.loads(json.dumps(state.values["freezing"]))
    change(state.values["freezing"])
    net = small_net(seed=4, text=NORMED)
    before = copied(net)
    if words is None:
        Trainer(net, train_images, recipe=RECIPE, state=state)
        return
    with pytest.raises(DataError, match=words):
        Trainer(net, train_images, recipe=RECIPE, state=state)
    assert all(torch.equal(before[name], tensor) for name, tensor in copied(net).items())


def test_what_was_frozen_and_thawed_within_a_moment_goes_on_too(train_images):
    trainer = Trainer(small_net(text=NORMED), train_images, recipe=RECIPE)
    for _ in range(2):
        trainer.thaw("conv1")
        trainer.freeze("conv1", "conv2:1")
        trainer.thaw("conv2:1")
    assert [record.momentary for record in trainer.freezer.records] == [True, True, True, False, True]
    stepped(trainer, 1)
    again = Trainer(small_net(text=NORMED), train_images, recipe=RECIPE, state=trainer.state())
    assert again.freezer.frozen == ("conv1",)


def test_frozen_weights_that_were_changed_in_the_state_are_refused(train_images):
    trainer = Trainer(small_net(text=NORMED), train_images, recipe=RECIPE)
    stepped(trainer, 2)
    for name, words in (("conv1.weight", "other values of conv1"), ("conv2.weight", None)):
        state = trainer.state()
        state.tensors[f"model/{name}"][0] += 1
        net = small_net(seed=4, text=NORMED)
        if words is None:
            Trainer(net, train_images, recipe=RECIPE, state=state)
            continue
        with pytest.raises(DataError, match=words):
            Trainer(net, train_images, recipe=RECIPE, state=state)


KILLED = """
    import os, signal, sys
    from pathlib import Path
    import torch
    torch.set_num_threads(1)
    from convscope.learn import iter_train_run
    from convscope.learn.trainer.run_folder import train_run
    from importlib import import_module
    from tests.learn.conftest import small_net
    from tests.learn.trainer.freezing.parts import NORMED
    from tests.learn.trainer.freezing.test_stored_freezing import RECIPE
    from convscope.worlds.datasets import digits
    train_run.STATE_INTERVAL = import_module("convscope.learn.trainer.trainer").PROGRESS_INTERVAL = 0.0
    data, out = digits.train().take(range(600)), Path(sys.argv[1])
    events = iter_train_run(small_net(text=NORMED), data, None, RECIPE, out=out)
    for number, event in enumerate(events):
        if number == 1:
            events.trainer.freeze("batchnorm1", "conv2:3")
        if number == 6:
            os.kill(os.getpid(), signal.SIGKILL)
"""
"""The state that is stored before event 2 says what was frozen after event 1."""


@pytest.mark.slow
def test_a_killed_run_with_calls_goes_on(train_images, tmp_path):
    straight = Trainer(small_net(text=NORMED), train_images, recipe=RECIPE)
    stepped(straight, 2)
    straight.freeze("batchnorm1", "conv2:3")
    list(straight)
    words = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path / "run")]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    run = Run.open(tmp_path / "run")
    assert [record.name for record in run.frozen] == ["conv1", "batchnorm1", "conv2:3"]
    net = small_net(seed=2, text=NORMED)
    run = train(net, train_images, resume=tmp_path / "run")
    found, wanted = copied(net), copied(straight.net)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    assert run.frozen == straight.freezer.records


def test_a_run_tells_it_in_json_text_and_report(tmp_path, capsys):
    chain = "conv 4 3x3, batchnorm, relu, maxpool 4, flatten, dense 10"
    words = [
        "train",
        chain,
        "digits",
        "--epochs",
        "2",
        "--batch",
        "2000",
        "--device",
        "cpu",
        "--precision",
        "fp32",
    ]
    words += ["--memory-format", "contiguous", "--freeze", "conv1", "--freeze", "batchnorm1:2"]
    words += ["--thaw", "conv1:1 at epoch 2", "--out", str(tmp_path / "run"), "--json", "--quiet"]
    assert app.run(words) == 0
    document = json.loads(capsys.readouterr().out)
    records = [FreezeRecord.from_json(entry, (3, 0)) for entry in document["frozen"]]
    assert [(r.name, r.values, r.begun, r.ended, r.identical, r.moved) for r in records] == [
        ("conv1", 40, (1, 0), (2, 0), True, True),
        ("batchnorm1:2", 4, (1, 0), None, True, False),
        ("conv1 without conv1:1", 30, (2, 0), None, True, False),
    ]
    assert tuple(records) == Run.open(tmp_path / "run").frozen
    lines = document["table"]["lines"]
    assert (
        f"conv1: frozen from the beginning to epoch 2, bit-identical (SHA-256 {records[0].sha256[:12]})"
        in lines[-3]
    )
    page = (tmp_path / "run" / "report.html").read_text()
    assert 'id="trained-frozen"' in page
    assert "Frozen parts: 3, each bit-identical" in page
    assert page.count(records[0].sha256) >= 2
    assert records[0].sha256_after is not None and records[0].sha256_after not in page
    assert 'freeze = ["conv1", "batchnorm1:2"]' in (tmp_path / "run" / "recipe.toml").read_text()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--freeze", "conv9"], "conv1"),
        (["--freeze", "conv1 in epoch 2"], "at epoch 3"),
        (["--freeze", "*"], "something left to train"),
        (["--thaw", "conv1 at epoch 2"], "something frozen before epoch 2"),
        (["--freeze", "conv1", "--thaw", "conv1 at epoch 9"], "within the 2 epochs"),
    ],
)
def test_a_wrong_plan_ends_with_2_and_leaves_nothing(tmp_path, capsys, flags, words):
    chain = "conv 4 3x3, relu, maxpool 4, flatten, dense 10"
    out = tmp_path / "run"
    assert app.run(["train", chain, "digits", "--epochs", "2", "--out", str(out), "--quiet", *flags]) == 2
    assert words in capsys.readouterr().err
    assert not out.exists()
