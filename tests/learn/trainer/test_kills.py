"""A training that is killed at any of its file events goes on, and ends bit for bit as if it had not been.

`python -m pytest tests/learn/test_kills.py -m '' -s` prints how many events were tried, and how many held.
"""

import errno
import json
import os
import subprocess
import sys
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path

import pytest
from tests.learn.conftest import small_net

from convscope.errors import ConvscopeError, UsageError
from convscope.learn import ClassificationRecipe, Epoch, Run, iter_train_run, train
from convscope.learn.trainer.run_folder import run_files
from convscope.system import files

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("killing.py")
SOME = (4, 12, 27, 58, 83)
"""Before the recipe, in it, in the first state, before the first metrics, in the last metrics."""


def killed(tmp_path, mode, events=()):
    words = [sys.executable, str(SCRIPT), str(tmp_path), mode, *map(str, events)]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    first, *found = map(json.loads, done.stdout.splitlines())
    return first["events"], found


def test_killed_at_some_file_events(tmp_path):
    events, found = killed(tmp_path, "plain", SOME)
    assert events >= max(SOME)
    assert len(found) == len(SOME)
    assert [entry for entry in found if not (entry["killed"] and entry["same"])] == []
    assert sum(not entry["begun"] for entry in found) <= 1


@pytest.mark.exhaustive
@pytest.mark.parametrize("mode", ["plain", "often"])
def test_killed_at_every_file_event(tmp_path, mode):
    """`often`: a state is stored after every batch too."""
    events, found = killed(tmp_path, mode)
    held = sum(entry["killed"] and entry["same"] for entry in found)
    print(f"kills, {mode}: {len(found)} tried, {held} held")
    assert len(found) == events > 80
    assert [entry for entry in found if not (entry["killed"] and entry["same"])] == []


LIMITED = """
    import resource, sys
    from importlib import import_module
from pathlib import Path
    import torch
    torch.set_num_threads(1)
    from convscope.cli.core import app
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
    sys.exit(app.run(sys.argv[2:]))
"""


@pytest.mark.parametrize(
    "room",
    [
        2000,
        pytest.param(100, marks=pytest.mark.exhaustive),
        pytest.param(20_000, marks=pytest.mark.exhaustive),
    ],
)
def test_no_room_from_the_start(tmp_path, room):
    """The system refuses larger files, in Python's writing as in that of safetensors, which is compiled."""
    words = ["train", "flatten, dense 10", "digits", "--epochs", "1", "--device", "cpu", "--batch", "4000"]
    words += ["--precision", "fp32", "--memory-format", "contiguous", "--out", str(tmp_path / "run")]
    code = "\n".join(line.strip() for line in LIMITED.splitlines())
    done = subprocess.run(
        [sys.executable, "-c", code, str(room), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "Free some space" in done.stderr
    assert "fault" not in done.stderr
    assert list(tmp_path.rglob(f"{files.PART_PREFIX}*")) == []


def test_no_room_later_keeps_the_last_state(train_images, test_images, tmp_path, monkeypatch):
    recipe = ClassificationRecipe(
        epochs=3, batch=200, device="cpu", precision="fp32", memory_format="contiguous"
    )
    straight = train(
        small_net(),
        train_images,
        test=test_images,
        out=tmp_path / "straight",
        **recipe.model_dump(exclude={"resume"}),
    )
    whole = os.fsync

    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ConvscopeError, match="state saved") as caught:
        for event in iter_train_run(small_net(), train_images, test_images, recipe, out=tmp_path / "run"):
            if isinstance(event, Epoch) and event.index == 2:
                monkeypatch.setattr(os, "fsync", full)
    assert caught.value.exit_code == 1
    assert not isinstance(caught.value, UsageError)
    assert f"convscope train --resume {tmp_path / 'run'}" in caught.value.hint
    monkeypatch.setattr(os, "fsync", whole)
    assert len(Run.open(tmp_path / "run").epochs) == 2
    run = train(small_net(seed=4), train_images, test=test_images, resume=tmp_path / "run")
    weights = [(folder / "model.safetensors").read_bytes() for folder in (run.folder, straight.folder)]
    assert weights[0] == weights[1]


def test_nobody_else_may_train_in_a_run(train_images, tmp_path):
    first = iter_train_run(small_net(), train_images, None, ClassificationRecipe(epochs=2), out=tmp_path)
    next(first)
    with pytest.raises(UsageError, match="nobody else"):
        train(small_net(), train_images, resume=tmp_path)
    first.close()
    assert train(small_net(), train_images, resume=tmp_path).finished


@pytest.mark.skipif(run_files.fcntl is None, reason="needs flock")
@pytest.mark.parametrize(("code", "goes_on"), [(errno.ENOLCK, True), (errno.EBADF, True), (errno.EIO, False)])
def test_only_a_file_system_without_locks_trains_unlocked(monkeypatch, tmp_path, code, goes_on):
    def failing(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(run_files.fcntl, "flock", failing)
    with (
        nullcontext() if goes_on else pytest.raises(OSError, match="Input/output"),
        run_files.alone(tmp_path),
    ):
        pass


def test_what_others_put_beside_the_state_stays(train_images, tmp_path):
    run = train(small_net(), train_images, out=tmp_path / "run", epochs=2, schedule="constant")
    own = run.folder / "state" / "state-1-0-copy.safetensors"
    own.write_text("mine")
    stale = run.folder / "state" / "state-1-0-0123456789abcdef.safetensors"
    stale.write_text("left by a killed process")
    part = run.folder / f"{files.PART_PREFIX}{'0' * 32}"
    part.write_text("left by a killed process")
    train(small_net(), train_images, resume=run.folder, epochs=3)
    assert own.read_text() == "mine"
    assert not stale.exists()
    assert not part.exists()


@pytest.mark.parametrize(
    "name", ["recipe.toml", "metrics.jsonl", "env.json", "model.json", "model.safetensors"]
)
def test_a_new_run_takes_no_file_s_place(train_images, tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(UsageError, match=name):
        train(small_net(), train_images, out=tmp_path, epochs=1)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_trained_network_says_so(train_images, tmp_path, monkeypatch):
    monkeypatch.setattr(import_module("convscope.learn.trainer.trainer"), "PROGRESS_INTERVAL", 0.0)
    run = train(small_net(), train_images, out=tmp_path / "run", epochs=2)
    assert run.load().source.weights == "trained here, 2 of 2 epochs"
    loop = iter_train_run(
        small_net(), train_images, None, ClassificationRecipe(epochs=2), out=tmp_path / "stopped"
    )
    next(loop)
    assert Run.open(tmp_path / "stopped").load().source.weights == "none"
    loop.close()
