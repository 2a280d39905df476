"""Several processes reach what one process with the same batches does, and end together."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.learn.trainer import together
from tests.learn.trainer.together import SCENARIOS

from convscope import learn
from convscope.errors import DataError, UsageError
from convscope.learn.batches.source import make_batches
from convscope.learn.trainer.distributed import Processes
from convscope.system import processes
from convscope.worlds import Batch

SAME = ("plain", "weighted", "accumulated", "two", "loader", "frozen", "probed")
"""Scenarios whose weights are to be those of one process."""
REPOSITORY = Path(__file__).parents[3]


def environment(**more: str) -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'src'}", **more}


@pytest.fixture(scope="module")
def of_two(tmp_path_factory) -> dict[str, list[dict[str, Any]]]:
    """What two processes end with, by scenario."""
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = environment(
        WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), XDG_CACHE_HOME=str(folder)
    )
    command = [sys.executable, str(Path(together.__file__)), str(folder), *SCENARIOS]
    started = [
        subprocess.Popen(command, env=common | {"RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in (0, 1)
    ]
    try:
        assert [process.wait(timeout=200) for process in started] == [0, 0]
    finally:
        for process in started:
            process.kill()
    found = {
        name: [torch.load(folder / f"{name}-{rank}.pt", weights_only=False) for rank in (0, 1)]
        for name in SCENARIOS
    }
    return found | {"folder": folder}  # pyright: ignore[reportReturnType]


@pytest.fixture
def of_one(tmp_path):
    return lambda name: SCENARIOS[name](tmp_path)


def furthest(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    assert first.keys() == second.keys()
    return max(float((first[name] - second[name]).abs().max()) for name in first)


@pytest.mark.slow
@pytest.mark.parametrize("name", SAME)
def test_two_processes_reach_the_weights_of_one(of_two, of_one, name) -> None:
    first, second = of_two[name]
    wanted = of_one(name)
    assert furthest(first["weights"], second["weights"]) == 0
    assert furthest(first["weights"], wanted["weights"]) < 2e-6
    assert furthest(wanted["weights"], together.small().module.state_dict()) > 1e-3  # it has learned
    for ours, theirs in zip(first["metrics"], wanted["metrics"], strict=True):
        assert ours[0] == pytest.approx(theirs[0], rel=1e-5)
    assert first["metrics"] == second["metrics"]


@pytest.mark.slow
def test_running_statistics_are_averaged_and_the_same_everywhere(of_two) -> None:
    first, second = of_two["normed"]
    assert furthest(first["weights"], second["weights"]) == 0
    net, data = together.small(together.NORMED), together.images(128)
    recipe = learn.ClassificationRecipe(**(together.PLAIN | {"batch": 128}))
    (order,) = make_batches(data, net, recipe).indices(0, 0)  # pyright: ignore[reportAttributeAccessIssue]
    conv, norm = list(net.module.children())[:2]
    means, variances = [], []
    for share in order.split(64):
        seen = conv(net.normalise(data.batch(share).inputs[0])[0]).detach()
        means.append(seen.mean((0, 2, 3)))
        variances.append(seen.var((0, 2, 3)))
    name = next(n for n in first["weights"] if n.endswith("running_mean")).removesuffix("running_mean")
    assert isinstance(norm, torch.nn.BatchNorm2d)
    mean, variance = (torch.stack(values).mean(0) for values in (means, variances))
    assert torch.allclose(first["weights"][f"{name}running_mean"], 0.1 * mean, atol=1e-6)
    assert torch.allclose(first["weights"][f"{name}running_var"], 0.9 + 0.1 * variance, atol=1e-6)


@pytest.mark.slow
def test_dropout_differs_between_processes_and_their_weights_do_not(of_two, of_one) -> None:
    first, second = of_two["dropped"]
    assert furthest(first["weights"], second["weights"]) == 0
    assert furthest(first["weights"], of_one("dropped")["weights"]) > 1e-5


@pytest.mark.slow
def test_every_test_sample_counts_once_and_in_its_order(of_two, of_one) -> None:
    wanted = of_one("tested")
    for found in of_two["tested"]:
        labels, probabilities = found["answers"]
        assert torch.equal(labels, wanted["answers"][0])
        assert torch.allclose(probabilities, wanted["answers"][1], atol=1e-6)
        assert found["metrics"][0][1]["accuracy"] == wanted["metrics"][0][1]["accuracy"]
    wanted = of_one("summed")
    for found in of_two["summed"]:
        assert found["metrics"][0][1] == pytest.approx(wanted["metrics"][0][1], rel=1e-6)


@pytest.mark.slow
def test_a_stop_of_one_process_stops_all_at_the_same_step(of_two) -> None:
    first, second = of_two["stopped"]
    assert first["position"] == second["position"] and first["position"][0] == 0
    assert "Interrupted stopped after epoch 1" in first["message"]
    assert "Interrupted stopped with the other processes" in second["message"]
    state = learn.Run.open(of_two["folder"] / "stopped").state()
    assert state is not None and state.values["step"] == first["position"][1]
    assert furthest(state.part("model"), first["weights"]) == 0


@pytest.mark.slow
def test_threads_of_the_backend_end_with_the_group(of_two) -> None:
    for rank in (0, 1):
        threads = torch.load(of_two["folder"] / f"threads-{rank}.pt")
        if not threads:
            pytest.skip("this system does not name the threads of a process")
        assert not [name for name in threads if "gloo" in name]


@pytest.mark.slow
def test_a_loss_that_is_not_finite_ends_all_and_one_says_where_it_began(of_two) -> None:
    first, second = (found["message"] for found in of_two["broken"])
    assert "NaN or infinity in another process" in first
    assert first.startswith("TrainingError") and second.startswith("TrainingError")
    assert "in a batch" in second


@contextmanager
def torchrun(folder: Path, *words: str, **more: str) -> Iterator[subprocess.Popen]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *words]
    with subprocess.Popen(
        command,
        env=environment(XDG_CACHE_HOME=str(folder), **more),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()  # it ends those that it has started


@pytest.mark.slow
def test_a_process_that_is_killed_once_changes_nothing(tmp_path) -> None:
    script = [str(Path(together.__file__))]
    outputs = []
    for name, kill in (("whole", {}), ("killed", {"KILL_ONCE": "1"})):
        with torchrun(tmp_path, "--max-restarts", "1", *script, name, "restarting", **kill) as process:
            outputs.append(process.communicate(timeout=200)[0])
        assert process.returncode == 0, outputs[-1]
    assert "SIGKILL" in outputs[1] or "Signal 9" in outputs[1] or "exitcode: -9" in outputs[1], outputs[1]
    whole, killed = (learn.Run.open(tmp_path / name).state() for name in ("whole", "killed"))
    assert whole is not None and killed is not None
    assert furthest(whole.part("model"), killed.part("model")) == 0
    assert whole.values["sums"] == killed.values["sums"] and len(killed.values["history"]) == 4


@pytest.mark.slow
def test_the_same_command_trains_in_two_processes_and_stops_at_ctrl_c(tmp_path) -> None:
    words = ["-m", "convscope", "train", "flatten, dense 10", "digits", "--epochs", "1000", "--out", "run"]
    words += ["--device", "cpu", "--precision", "fp32", "--batch", "100"]
    until = time.monotonic() + 100
    with torchrun(tmp_path, *words) as process:
        while time.monotonic() < until and not (tmp_path / "run" / "metrics.jsonl").exists():
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=100)[0]
    assert process.returncode == 1  # torchrun's own, for any signal
    assert "convscope train --resume run" in said, said
    assert said.count("Go on with") == 1  # one process speaks
    run = learn.Run.open(tmp_path / "run")
    assert 0 < len(run.epochs) < 1000 and (tmp_path / "run" / "report.html").exists()


def test_shares_are_whole_and_in_order() -> None:
    for size in range(40):
        for count in range(1, 9):
            shares = [Processes(rank, count).bounds(size) for rank in range(count)]
            assert shares[0][0] == 0 and shares[-1][1] == size
            assert all(before[1] == after[0] for before, after in pairwise(shares))
            sizes = [last - first for first, last in shares]
            assert max(sizes) - min(sizes) <= 1 and sizes == sorted(sizes, reverse=True)


def test_the_shares_of_a_batch_are_the_batch(train_images) -> None:
    recipe = learn.ClassificationRecipe(batch=32)
    source = make_batches(train_images.take(range(101)), together.small(), recipe)
    shares = [source.shared(Processes(rank, 3)) for rank in range(3)]
    for whole, *parts in zip(source.batches(1, 1), *(s.batches(1, 1) for s in shares), strict=True):
        assert torch.equal(whole.targets, torch.cat([part.targets for part in parts]))
        assert torch.equal(whole.inputs[0], torch.cat([part.inputs[0] for part in parts]))


def test_a_last_batch_that_cannot_be_shared_is_left_out_and_fewer_samples_are_refused(train_images) -> None:
    recipe = learn.ClassificationRecipe(batch=32)
    source = make_batches(train_images.take(range(66)), together.small(), recipe)
    assert [source.shared(Processes(0, count)).steps for count in (1, 2, 3)] == [3, 3, 2]
    with pytest.raises(DataError, match="for each of 40 processes"):
        source.shared(Processes(0, 40))


@pytest.mark.parametrize("name", ["plain", "weighted", "two", "frozen"])
def test_parts_of_a_batch_add_up_to_it(name, of_one, monkeypatch) -> None:
    wanted = of_one(name)["weights"]
    monkeypatch.setitem(together.PLAIN, "gradient_accumulation_steps", 5)
    settings = together.trained

    def accumulated(*given: Any, **more: Any) -> dict[str, Any]:
        return settings(*given, **(more | {"gradient_accumulation_steps": 5}))

    monkeypatch.setattr(together, "trained", accumulated)
    found = of_one(name)["weights"]
    assert 0 < furthest(found, wanted) < 2e-6


def test_targets_of_any_kind_are_cut_with_their_inputs() -> None:
    boxes = [{"boxes": torch.full((k, 4), float(k))} for k in range(5)]
    targets = {"class": torch.arange(5), "pair": (torch.arange(10).view(5, 2), "name"), "boxes": boxes}
    part = Batch((torch.arange(5.0)[:, None],), targets).split(2)[1]
    assert part.inputs[0].flatten().tolist() == [2.0, 3.0, 4.0]
    assert part.targets["class"].tolist() == [2, 3, 4] and part.targets["boxes"] == boxes[2:]
    assert part.targets["pair"][0].tolist() == [[4, 5], [6, 7], [8, 9]] and part.targets["pair"][1] == "name"
    assert [len(p.inputs[0]) for p in Batch((torch.zeros(3, 1),)).split(7)] == [1, 1, 1]


def test_a_restarted_training_needs_a_named_folder_and_resumes_there(monkeypatch, tmp_path) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "TORCHELASTIC_MAX_RESTARTS": "3"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="--out"):
        learn.check_restartable(None)
    recipe = learn.ClassificationRecipe(epochs=7)
    (tmp_path / "recipe.toml").write_text("epochs = 7\n")
    assert learn.restarted_recipe(recipe, tmp_path) is recipe
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert learn.restarted_recipe(recipe, tmp_path).resume == tmp_path
    assert learn.restarted_recipe(recipe, tmp_path / "other") is recipe
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert not processes.restarts() and processes.rank() == 0
    learn.check_restartable(None)


@pytest.mark.slow
def test_the_same_command_ends_well_in_both_processes(tmp_path) -> None:
    words = ["-m", "convscope", "train", "flatten, dense 10", "digits", "--samples", "200", "--epochs", "1"]
    with torchrun(tmp_path, *words, "--out", "run", "--device", "cpu", "--precision", "fp32") as process:
        said = process.communicate(timeout=200)[0]
    assert process.returncode == 0, said
    assert said.count("Saved run") == 1 and "error" not in said
