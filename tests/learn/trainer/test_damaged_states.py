"""Every field of a run's files x every kind of damage: refused as bad data (exit code 3), files untouched.

`python -m pytest tests/learn/test_damaged_states.py -m '' -s` prints how many were tried, and how many held.
By default every 43rd is.
"""

import json
import os
import shutil
import tomllib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.learn.conftest import drop_previous_state, small_net
from tests.learn.trainer.damages import (
    RAW,
    Damage,
    Tensors,
    file_damages,
    json_damages,
    kinds,
    restored,
    tensor_damages,
)

from convscope.cli.core import app
from convscope.errors import ConvscopeError, DataError, UsageError
from convscope.learn import ClassificationRecipe, Run, TrainProgress, iter_train_run, train
from convscope.learn.trainer.run_folder import train_run
from convscope.learn.trainer.state import checksum
from convscope.worlds.datasets import digits

NET = "conv 4 3x3, batchnorm, relu, maxpool 4, flatten, dropout 0.3, dense 10"
SETTINGS: dict[str, Any] = {
    "epochs": 3,
    "batch": 40,
    "precision": "fp32",
    "memory_format": "contiguous",
    "device": "cpu",
    "network": NET,
    "data": "digits",
    "augment": ("shift",),
    "clip": 1.0,
    "lr": 0.01,
    "freeze": ("conv1:2", "batchnorm1", "dense1:3,4"),
    "thaw": ("batchnorm1 at epoch 2",),
}


@pytest.fixture(scope="module")
def train_images():
    return digits.train().take(range(80))


def make(folder: Path, data: Any, seed: int = 0, lr: float = 0.01) -> Path:
    """A run that was stopped after the first batch of its second epoch."""
    fitting = import_module("convscope.learn.trainer.trainer")
    before = train_run.STATE_INTERVAL, fitting.PROGRESS_INTERVAL
    train_run.STATE_INTERVAL = fitting.PROGRESS_INTERVAL = 0.0
    try:
        net = small_net(text=NET)
        for event in (
            events := iter_train_run(
                net, data, None, ClassificationRecipe(**SETTINGS | {"seed": seed, "lr": lr}), out=folder
            )
        ):
            if isinstance(event, TrainProgress) and event.epoch == 2:
                events.close()
                break
    finally:
        train_run.STATE_INTERVAL, fitting.PROGRESS_INTERVAL = before
    drop_previous_state(folder / "state")
    return folder


@pytest.fixture(scope="module")
def run(train_images, tmp_path_factory):
    return make(tmp_path_factory.mktemp("whole") / "run", train_images)


@pytest.fixture(scope="module")
def other(train_images, tmp_path_factory):
    return make(tmp_path_factory.mktemp("other") / "run", train_images, seed=1)


def photographed(folder: Path) -> dict[str, Any]:
    """Every file: kind, time of its last change, content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path.relative_to(folder))] = (status.st_mode, status.st_mtime_ns, content)
    return found


def attempt(folder: Path, data: Any) -> str:
    """Resume, and tell what was wrong with how it ended; empty where it was refused as bad data."""
    before, net = photographed(folder), small_net(seed=7, text=NET)
    weights = [weight.clone() for weight in net.module.state_dict().values()]
    try:
        train(net, data, resume=folder)
    except DataError as error:
        if photographed(folder) != before:
            return "refused, but files were changed"
        if not all(map(torch.equal, weights, net.module.state_dict().values())):
            return "refused, but the network was changed"
        return "" if len(str(error)) < 1500 else "refused with a message of a page"
    except ConvscopeError as error:
        return f"exit code {error.exit_code}: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "accepted"


def tried(name: str, damages: list[Damage], template: Path, place: Path, data: Any, every: int) -> None:
    """Try damages one by one on copies of a run."""
    failed, count = [], 0
    for label, damage in damages[::every]:
        folder = place / "copy"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(template, folder)
        damage(folder)
        count += 1
        wrong = attempt(folder, data)
        if wrong:
            failed.append(f"{label}: {wrong}")
    print(f"{name}: {count} tried, {count - len(failed)} held")
    assert failed == []


def test_values_of_the_state(run, train_images, tmp_path, request):
    document = json.loads((run / "state/state.json").read_text())
    damages = [*json_damages(document, "state/state.json", sums=False)]
    tried("values of the state", damages, run, tmp_path, train_images, step(request))


def test_values_of_the_state_under_a_checksum_that_fits(run, train_images, tmp_path, request):
    document = json.loads((run / "state/state.json").read_text())
    damages = [*json_damages(document, "state/state.json", sums=True)]
    tried("values of the state, checksum made to fit", damages, run, tmp_path, train_images, step(request))


def step(request) -> int:
    """Every damage where slow tests run, else every 43rd."""
    return 1 if "not exhaustive" not in str(request.config.option.markexpr) else 43


@pytest.mark.parametrize("sums", [False, True], ids=["checksum", "checksum made to fit"])
def test_tensors_of_the_state(run, train_images, tmp_path, request, sums):
    tried(
        f"tensors of the state, {sums=}",
        [*tensor_damages(run, sums=sums)],
        run,
        tmp_path,
        train_images,
        step(request),
    )


def test_files_as_a_whole(run, other, train_images, tmp_path, request):
    damages = [*file_damages("recipe.toml"), *file_damages("metrics.jsonl"), *file_damages("env.json")]
    damages += file_damages("state/state.json", binary=True)
    damages += file_damages("state/state-*.safetensors", binary=True)
    models = [*file_damages("model.json"), *file_damages("model.safetensors")]
    damages += [
        d for d in models if d[0].endswith(("pipe", "zero", "nothing", "folder"))
    ]  # else they are renewed

    def swapped(name: str) -> Callable[[Path], None]:
        def damage(folder: Path) -> None:
            (source,) = other.glob(name)
            (target,) = folder.glob(name)
            shutil.copyfile(source, target)

        return damage

    for name in ("recipe.toml", "metrics.jsonl", "state/state.json", "state/state-*.safetensors"):
        damages.append((f"{name} of another run", swapped(name)))
    gone = ("recipe.toml", "state/state.json", "state/state-*.safetensors")
    damages += [(f"no {name}", lambda folder, name=name: next(folder.glob(name)).unlink()) for name in gone]
    damages.append(("no state", lambda folder: shutil.rmtree(folder / "state")))
    damages.append(("the state of another run", lambda folder: exchange(folder, other)))
    damages.append(("the state a link", lambda folder: linked(folder)))
    tried("files as a whole", damages, run, tmp_path, train_images, step(request))


def exchange(folder: Path, other: Path) -> None:
    shutil.rmtree(folder / "state")
    shutil.copytree(other / "state", folder / "state")


def linked(folder: Path) -> None:
    (folder / "state").rename(folder / "elsewhere")
    (folder / "state").symlink_to("elsewhere")


def test_values_of_the_metrics(run, train_images, tmp_path, request):
    document = json.loads((run / "metrics.jsonl").read_text())
    damages = [*json_damages(document, "metrics.jsonl", sums=False)]
    tried("values of the metrics", damages, run, tmp_path, train_images, step(request))


def toml_of(values: dict[str, Any]) -> str:
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


def test_values_of_the_recipe(run, train_images, tmp_path, request):
    """Another value is refused, because the state was made with the one that stood there."""
    recipe = tomllib.loads((run / "recipe.toml").read_text())
    damages: list[Damage] = []
    for name, value in recipe.items():
        if name == "verb":
            continue
        for kind, changed in kinds(value):
            if name == "task" and isinstance(changed, str):
                continue  # a task that is not registered is no damage: Python may know it
            same = isinstance(value, bool | int | float) and changed == value
            if (
                changed is None
                or same
                or isinstance(changed, dict)
                or (isinstance(changed, str) and changed == value)
            ):
                continue
            raw = changed[1] if isinstance(changed, tuple) else ""
            text = toml_of(recipe | {name: RAW if raw else changed}).replace(f'"{RAW}"', raw or f'"{RAW}"')
            damages.append(
                (
                    f"{name} {kind}",
                    lambda folder, text=text: (folder / "recipe.toml").write_text(text) and None,
                )
            )
    damages.append(("an unknown setting", lambda folder: append(folder / "recipe.toml", "colour = 3\n")))
    damages.append(("resume", lambda folder: append(folder / "recipe.toml", 'resume = "x"\n')))
    tried("values of the recipe", damages, run, tmp_path, train_images, step(request))


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def test_the_undamaged_run_goes_on(run, train_images, tmp_path):
    """What the others are copies of; as a run that was never stopped."""
    shutil.copytree(run, tmp_path / "copy")
    again = train(small_net(seed=3, text=NET), train_images, resume=tmp_path / "copy")
    whole = train(small_net(text=NET), train_images, out=tmp_path / "whole", **SETTINGS)
    first, second = (folder.load().module.state_dict() for folder in (again, whole))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_what_is_plausible_is_no_crash(run, train_images, tmp_path):
    """Weights changed by 0.5 and a checksum that fits: nobody can know, and nothing breaks."""

    def change(tensors: Tensors) -> None:
        for name, tensor in tensors.items():
            if name.startswith("model/") and tensor.is_floating_point():
                tensor[:2] += 0.5  # of what is frozen, the digest is known

    shutil.copytree(run, tmp_path / "copy")
    restored(tmp_path / "copy", change, sums=True)
    assert train(small_net(text=NET), train_images, resume=tmp_path / "copy").finished


@pytest.mark.parametrize("form", [1, 2, 3, 4, 6])
def test_another_format_is_refused_with_the_next_step(run, train_images, tmp_path, form):
    shutil.copytree(run, tmp_path / "copy")
    path = tmp_path / "copy/state/state.json"
    document = json.loads(path.read_text()) | {"format": form}
    path.write_text(json.dumps(document | {"checksum": checksum(document)}))
    with pytest.raises(DataError, match="version of convscope that wrote it"):
        train(small_net(text=NET), train_images, resume=tmp_path / "copy")


@pytest.mark.parametrize(
    "name", ["recipe.toml", "metrics.jsonl", "env.json", "state/state.json", "model.json"]
)
def test_the_terminal_ends_with_3(run, tmp_path, capsys, name):
    shutil.copytree(run, tmp_path / "copy")
    path = tmp_path / "copy" / name
    path.unlink()
    os.mkfifo(path)
    assert app.run(["train", "--resume", str(tmp_path / "copy")]) == 3
    assert "named pipe" in capsys.readouterr().err


def test_a_run_is_opened_under_the_same_checks(run, tmp_path):
    shutil.copytree(run, tmp_path / "copy")
    append(tmp_path / "copy/metrics.jsonl", (run / "metrics.jsonl").read_text())
    with pytest.raises(DataError, match="index"):
        Run.open(tmp_path / "copy")
    with pytest.raises(UsageError, match="style train"):
        (tmp_path / "copy/recipe.toml").write_text('verb = "style train"\n')
        Run.open(tmp_path / "copy")
