"""`convscope train FOLDER --from NETWORK`: a classifier for one's own pictures in one command."""

import json
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convscope import nets

COLOURS = {"blue": (40, 60, 200), "green": (40, 180, 60), "red": (200, 50, 40)}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Noise of three colours, 10 pictures each."""
    generator = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (tmp_path / "photos" / name).mkdir(parents=True)
        for k in range(10):
            pixels = np.clip(np.array(colour) + generator.normal(0, 40, (64, 64, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "photos" / name / f"{k}.png")
    return tmp_path / "photos"


def test_one_command_trains_saves_and_classifies(convscope, photos: Path) -> None:
    done = convscope(
        "train",
        photos,
        "--from",
        "efficientnet_lite0",
        "--epochs",
        20,
        "--probe-epochs",
        20,
        "--out",
        "run",
        "--json",
    )
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["test"]["accuracy"] == 1.0 and document["train"] == 24
    assert document["recipe"]["probe_epochs"] == 20 and document["recipe"]["network"] == "efficientnet_lite0"
    assert "features of the frozen layers" in done.err
    answer = json.loads(convscope("classify", photos / "red" / "0.png", "--net", "run", "--json").out)
    assert "red" in json.dumps(answer)
    stored = tomllib.loads(Path("run/recipe.toml").read_text())
    again = convscope("train", "--config", "run/recipe.toml", "--out", "again", "--json")
    assert stored["probe_epochs"] == 20 and again.code == 0, again.err
    assert json.loads(again.out)["test"] == document["test"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--from", "efficientnet_lite1"), 2, "timm/efficientnet_lite1"),
        (("--from", "torchvision/squeezenet1_1"), 2, "the mean of the ReLU of its last convolution"),
        (("--from", "efficientnet_lite0", "--epochs", "2", "--probe-epochs", "3"), 2, "probe_epochs"),
        (("--from", "efficientnet_lite0", "--layer-decay", "0"), 2, "layer_decay"),
        (("--from", "efficientnet_lite0", "--recipe", "lenet5"), 2, "one start"),
        (
            (
                "--from",
                "efficientnet_lite0",
                "--find-lr",
                "--probe-lr",
                "0.01",
                "--epochs",
                2,
                "--probe-epochs",
                2,
            ),
            2,
            "find_lr",
        ),
        (("--from", "efficientnet_lite0", "--task", "vae"), 2, "--from, of the task classification"),
    ],
)
def test_what_does_not_fit_is_refused(convscope, photos: Path, words, code: int, said: str) -> None:
    done = convscope("train", photos, *words, "--out", "run")
    assert done.code == code and said in done.err, done.err
    assert not Path("run").exists()


def test_a_head_that_cannot_be_probed_is_fine_tuned_saved_and_classifies(convscope, photos: Path) -> None:
    words = ("--from", "torchvision/squeezenet1_1", "--size", 64, "--probe-epochs", 0, "--epochs", 1)
    fixed = ("--precision", "fp32", "--memory-format", "contiguous")
    done = convscope("train", photos, *words, *fixed, "--out", "run")
    assert done.code == 0, done.err
    answer = convscope("classify", photos / "red" / "0.png", "--net", "run", "--top", 3, "--json")
    assert all(name in answer.out for name in COLOURS), answer.err


def test_fresh_weights_are_no_start_and_that_is_said(convscope, photos: Path) -> None:
    words = ("--from", "torchvision/squeezenet1_1", "--size", 64, "--probe-epochs", 0, "--epochs", 1)
    said = "squeezenet1_1 has fresh weights: it has learned nothing that could be a start."
    done = convscope("train", photos, *words, "--samples", 6, "--out", "run")
    assert done.code == 0 and f"{said} Its published ones: --weights default\n" in done.err
    shipped = convscope("train", photos, "--from", "efficientnet_lite0", "--epochs", 1, "--probe-epochs", 1)
    assert shipped.code == 0 and "fresh weights" not in shipped.err
    assert tomllib.loads(Path("run/recipe.toml").read_text())["weights"] == "packaged"


def test_what_is_probed_or_frozen_without_having_learned_is_said(convscope) -> None:
    words = ("digits", "--samples", 40, "--epochs", 2, "--precision", "fp32", "--memory-format", "contiguous")
    probed = "lecture has fresh weights: for the first epoch its last layer learns alone, from features that "
    frozen = "lecture has fresh weights: what --freeze keeps has learned nothing yet (conv1)."
    plan = ("--freeze", "conv1", "--freeze", "conv2 at epoch 2")
    done = convscope("train", "lecture", *words, "--probe-epochs", 1, *plan, "--out", "run")
    assert done.code == 0 and probed in done.err and frozen in done.err, done.err
    plain = convscope("train", "lecture", *words, "--freeze", "conv1 at epoch 2")
    assert plain.code == 0 and "fresh weights" not in plain.err, plain.err
    for again in (("run", *words), (*words, "--from", "run")):
        learned = convscope("train", *again, "--probe-epochs", 1, "--freeze", "conv1")
        assert learned.code == 0 and "fresh weights" not in learned.err, learned.err


def test_weights_of_a_file_are_the_start(convscope, photos: Path) -> None:
    net = nets.load("resnet20", seed=7)
    nets.save(net, "saved")
    words = ("--from", "resnet20", "--weights", "saved/model.safetensors", "--probe-epochs", 1, "--epochs", 1)
    done = convscope("train", photos, *words, "--out", "run")
    assert done.code == 0 and "fresh weights" not in done.err, done.err
    kept, given = nets.open_folder("run").module.state_dict(), net.module.state_dict()
    changed = [name for name, weight in kept.items() if not torch.equal(weight, given[name])]
    assert changed == ["dense.weight", "dense.bias"]
    alone = convscope("train", "resnet20", photos, "--weights", "default")
    assert alone.code == 2 and "--from" in alone.err


def test_two_networks_are_refused(convscope, photos: Path) -> None:
    done = convscope("train", "lecture", photos, "--from", "efficientnet_lite0")
    assert done.code == 2 and "--from efficientnet_lite0" in done.err


@pytest.mark.parametrize("kept", [["red"], []])
def test_one_class_or_none_is_refused(convscope, photos: Path, kept: list[str]) -> None:
    for name in COLOURS:
        if name not in kept:
            shutil.rmtree(photos / name)
    done = convscope("train", photos, "--from", "efficientnet_lite0", "--out", "run")
    assert done.code == 3, done.err
    assert not Path("run").exists()
