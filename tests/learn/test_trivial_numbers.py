"""Numbers that could not have come out otherwise are refused, or said to be so."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tests.learn.conftest import small_net
from torch import nn

from convscope import nets
from convscope.cli.core import app
from convscope.errors import DataError
from convscope.graph.spec import TensorSpec
from convscope.learn import ClassificationRecipe, Trainer, evaluate, setup_training
from convscope.worlds import ImageTensorDataset

EXACT: dict[str, Any] = {"precision": "fp32", "memory_format": "contiguous", "device": "cpu", "epochs": 1}
CHAIN = "conv 4 3x3 stride=2, relu, globalavgpool, flatten, dense {}"


def pictures(root: Path, classes: dict[str, int], start: int = 0) -> Path:
    generator = torch.Generator().manual_seed(start)
    for name, count in classes.items():
        (root / name).mkdir(parents=True)
        for k in range(count):
            pixels = torch.randint(255, (24, 24, 3), generator=generator).to(torch.uint8).numpy()
            Image.fromarray(pixels).save(root / name / f"{k}.png")
    return root


def trained(data: Path, out: Path, count: int) -> int:
    words = ["--epochs", "1", "--precision", "fp32", "--memory-format", "contiguous", "--out", str(out)]
    return app.run(["train", CHAIN.format(count), str(data), *words])


def test_one_class_is_nothing_to_learn(tmp_path, capsys):
    data = pictures(tmp_path / "data", {"cat": 10})
    assert trained(data, tmp_path / "run", 1) == 3
    said = capsys.readouterr()
    assert "two classes or more" in said.err
    assert "cat" in said.err
    assert "100" not in said.out
    assert not (tmp_path / "run").exists()


def test_labels_that_are_all_the_same(train_images):
    zeros = train_images.take((train_images.labels == 0).nonzero().flatten())
    with pytest.raises(DataError, match="two classes or more"):
        Trainer(small_net(), zeros, recipe=ClassificationRecipe(**EXACT))
    one = ImageTensorDataset(train_images.images[:10], torch.zeros(10), ["digit"])
    net = nets.wrap(nn.Sequential(nn.Flatten(), nn.Linear(784, 1)), TensorSpec((1, 28, 28)))
    with pytest.raises(DataError, match="all of the class digit"):
        Trainer(net, one, recipe=ClassificationRecipe(**EXACT))


def test_labels_of_a_loader_that_are_all_the_same(train_images):
    net = small_net()
    net = net.with_classes(train_images.classes)
    inputs = train_images.images[:60].float() / 255
    batches = [(inputs[:30], torch.full((30,), 3)), (inputs[30:], torch.full((30,), 3))]
    with pytest.raises(DataError, match="labels are all 3"):
        list(Trainer(net, batches, recipe=ClassificationRecipe(**EXACT)))
    batches[1] = (inputs[30:], torch.full((30,), 4))
    list(Trainer(net, batches, recipe=ClassificationRecipe(**EXACT)))


@pytest.mark.parametrize("test", [[], "none"])
def test_nothing_to_test_on_is_told_before_learning(train_images, test):
    nothing = train_images.take([]) if test == "none" else test
    with pytest.raises(DataError, match="to test on"):
        Trainer(small_net(), train_images, nothing, ClassificationRecipe(**EXACT))


def test_a_test_on_what_was_learned_is_refused(tmp_path, capsys):
    data = pictures(tmp_path / "data" / "train", {"cat": 6, "dog": 6}).parent
    shutil.copytree(data / "train", data / "test")
    assert trained(data, tmp_path / "run", 2) == 3
    assert "all 12" in capsys.readouterr().err
    (data / "test").rename(tmp_path / "gone")
    (data / "test").symlink_to(data / "train")
    with pytest.raises(DataError, match="not learned from"):
        setup_training(ClassificationRecipe(network=CHAIN.format(2), data=str(data)))


def test_some_of_the_test_learned_and_classes_missing_are_said(tmp_path):
    data = pictures(tmp_path / "data" / "train", {"cat": 6, "dog": 6, "hen": 3}).parent
    pictures(data / "test", {"cat": 4, "dog": 3}, start=1)
    shutil.copy(data / "train" / "dog" / "0.png", data / "test" / "dog" / "again.png")
    training = setup_training(ClassificationRecipe(network=CHAIN.format(3), data=str(data), device="cpu"))
    assert len(training.notes) == 2
    assert "1 of 8 test pictures" in training.notes[0]
    assert "again.png" in training.notes[0]
    assert "No test sample is of hen" in training.notes[1]


def test_a_part_without_pictures(tmp_path):
    data = pictures(tmp_path / "data" / "train", {"cat": 6, "dog": 6}).parent
    (data / "test" / "cat").mkdir(parents=True)
    assert trained(data, tmp_path / "run", 2) == 3
    assert not (tmp_path / "run").exists()


def constant(answer: int, classes: int = 10):
    """A network that always gives one answer."""
    layer = nn.Linear(784, classes)
    nn.init.zeros_(layer.weight)
    with torch.no_grad():
        layer.bias.copy_(torch.nn.functional.one_hot(torch.tensor(answer), classes).float())
    return nets.wrap(nn.Sequential(nn.Flatten(), layer), TensorSpec((1, 28, 28)))


def test_an_accuracy_that_a_constant_reaches_is_said_to_be_so(train_images):
    share = train_images.labels.bincount().max().item() / len(train_images)
    common = int(train_images.labels.bincount().argmax())
    found = evaluate(constant(common), train_images)
    assert found.accuracy == pytest.approx(share) == found.majority
    assert found.caveat == f"Always predicting {common} would be right in {share:.2%}."
    ones = train_images.take((train_images.labels == 1).nonzero().flatten())
    assert evaluate(constant(1), ones).accuracy == 1
    assert evaluate(constant(1), ones).caveat.startswith("All of them are 1")
    assert evaluate(constant(2), ones).to_json()["majority"] == 1
    net = small_net()
    list(Trainer(net, train_images, recipe=ClassificationRecipe(**EXACT | {"epochs": 6, "batch": 32})))
    good = evaluate(net, train_images)
    assert good.accuracy > 2 * share
    assert good.caveat == ""
