from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from convscope.errors import DataError, UsageError
from convscope.graph.spec import TensorSpec
from convscope.nets import Net, wrap
from convscope.use import Prediction, classify, iter_predictions
from convscope.use.recipe import ClassifyRecipe


class Colour(nn.Module):
    """Logits: the mean of red, of green, of blue, times 20."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 20 * x.mean((2, 3))


@pytest.fixture
def net() -> Net:
    return wrap(Colour(), TensorSpec((3, 16, 16)), classes=["red", "green", "blue"])


@pytest.fixture
def green(tmp_path: Path) -> Path:
    path = tmp_path / "green.png"
    Image.new("RGB", (40, 30), (51, 255, 102)).save(path)
    return path


def test_a_file_an_image_and_a_tensor(net: Net, green: Path) -> None:
    logits = 20 * np.array([0.2, 1.0, 0.4])
    expected = np.exp(logits) / np.exp(logits).sum()
    tensor = torch.tensor([0.2, 1.0, 0.4]).view(3, 1, 1).expand(3, 16, 16)
    for picture in (green, str(green), Image.open(green), tensor, tensor[None]):
        answer = classify(net, picture)
        assert (
            answer.label == "green"
            and answer.labels == ("green", "blue", "red")
            and answer.units == (1, 2, 0)
        )
        np.testing.assert_allclose(answer.probabilities, expected[[1, 2, 0]], rtol=1e-4)
    assert classify(net, green, top=1).labels == ("green",)
    assert len(classify(net, green, top=99).labels) == 3


def test_a_softmax_is_not_taken_twice(net: Net, green: Path) -> None:
    soft = wrap(nn.Sequential(Colour(), nn.Softmax(1)), net.input_spec, net.classes)
    np.testing.assert_allclose(
        classify(soft, green).probabilities, classify(net, green).probabilities, rtol=1e-4
    )


def test_bad_files_do_not_stop_the_others(net: Net, green: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\n nothing more")
    answers = list(iter_predictions(net, [bad, green, tmp_path / "absent.png", green], batch=3))
    assert [isinstance(answer, Prediction) for answer in answers] == [False, True, False, True]
    assert isinstance(answers[0], DataError) and answers[1] == answers[3]
    with pytest.raises(DataError):
        classify(net, bad)
    with pytest.raises(DataError, match="3, 16, 16"):
        classify(net, torch.zeros(4, 16, 16))


def test_the_network_is_not_changed(net: Net, green: Path) -> None:
    net.module.train()
    classify(net, green)
    assert net.module.training


def test_not_a_classifier(green: Path) -> None:
    with pytest.raises(UsageError, match="result of shape"):
        classify(wrap(nn.Conv2d(3, 2, 3), TensorSpec((3, 16, 16))), green)
    with pytest.raises(UsageError, match="top=0"):
        classify(wrap(Colour(), TensorSpec((3, 16, 16))), green, top=0)


def test_the_recipe_is_a_command() -> None:
    assert (
        ClassifyRecipe(net="digits", images=["a b.png"], top=5).command()
        == "convscope classify 'a b.png' --net digits --top 5"
    )


def test_real_photographs(shared_data: Path) -> None:
    """EfficientNet-lite0 with its published weights knows its ImageNet classes in real photographs."""
    from convscope.nets import load

    net = load("efficientnet_lite0")
    cat = next(iter(sorted((shared_data / "open_photos").glob("*cat*"))), None)
    if cat is None:
        pytest.skip("no photograph of a cat")
    words = " ".join(classify(net, cat, top=5).labels).lower()
    assert "cat" in words


def test_several_pictures_lead_to_what_takes_them(net: Net, green: Path) -> None:
    several = [green, green]
    for given in (several, torch.zeros(2, *net.input_spec.shape)):
        with pytest.raises(DataError, match=r"use\.iter_predictions\(net, pictures\)"):
            classify(net, given)  # pyright: ignore[reportArgumentType]
    assert len(list(iter_predictions(net, several))) == 2
