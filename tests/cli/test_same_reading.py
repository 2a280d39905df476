"""Every verb that reads a file sees the same tensor of the same file for the same network."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from convscope import nets
from convscope.graph import TensorSpec, chain
from convscope.graph.spec import DIGIT, IMAGE, ImageTransform
from convscope.nets import Net
from convscope.use import classify
from convscope.worlds import open_sample
from convscope.worlds.datasets import digits
from convscope.worlds.images import photos

CHAIN = "conv 4 3x3, relu, maxpool 2, flatten, dense 10"
CONTRACTS = {
    "digit": TensorSpec((1, 28, 28), kind="digit"),
    "digit of another size": TensorSpec((1, 32, 32), value_range=(-1.0, 1.0), kind="digit"),
    "fashion": TensorSpec((1, 28, 28)),
    "grey": TensorSpec((1, 24, 30), transform=ImageTransform(crop=0.875)),
    "colour": TensorSpec((3, 20, 24), value_range=(-1.0, 1.0)),
}
"""By what their names and shapes say: only the first two hold digits."""
VERBS = {
    "classify": ("classify", "{file}", "--net", "{net}"),
    "look": ("look", "{file}", "--net", "{net}", "--places", "output", "--no-filters"),
    "explain": (
        "explain",
        "{file}",
        "--net",
        "{net}",
        "--method",
        "saliency",
        "--target",
        "3",
        "--no-checks",
    ),
    "explain by covering": (
        "explain",
        "{file}",
        "--net",
        "{net}",
        "--method",
        "occlusion",
        "--target",
        "3",
        "--no-checks",
    ),
    "caricature": ("caricature", "{file}", "--net", "{net}", "--layer", "output", "--steps", "16"),
    "invert": ("invert", "{file}", "--net", "{net}", "--layer", "output", "--steps", "1"),
    "factors": ("factors", "{file}", "--net", "{net}", "--layer", "conv1", "--count", "2", "--steps", "1"),
}


@pytest.fixture
def seven(tmp_path: Path) -> Path:
    """A dark seven on light paper, off centre."""
    image = Image.new("RGB", (90, 70), (232, 228, 220))
    ImageDraw.Draw(image).line([(20, 14), (52, 14), (30, 58)], fill=(40, 30, 60), width=6)
    image.save(tmp_path / "seven.png")
    return tmp_path / "seven.png"


def saved(name: str, folder: Path) -> Path:
    spec = CONTRACTS[name]
    graph = chain("x".join(map(str, spec.shape)), CHAIN)
    net = nets.wrap(nets.build(graph, seed=1), spec, classes=list("abcdefghij"), name="net")
    return nets.save(net, folder / "net")


def expected(name: str, file: Path) -> torch.Tensor:
    """As each form is defined, without the function under test."""
    spec, photo = CONTRACTS[name], photos.open_photo(file)
    if name == "digit":
        return digits.to_tensor(photo)
    if name == "digit of another size":  # set into 32 pixels as LeNet-5's authors did, then from -1 to 1
        return torch.nn.functional.pad(digits.to_tensor(photo), (2, 2, 2, 2)) * 2 - 1
    return photos.to_tensor(photo, spec)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", CONTRACTS)
@pytest.mark.slow
def test_every_verb_sees_the_same_tensor(name, verb, seven, tmp_path, convscope, monkeypatch) -> None:
    shown: list[torch.Tensor] = []
    plain = Net.__call__

    def noting(self: Net, *inputs: torch.Tensor):
        shown.extend(inputs[0].detach().clone())
        return plain(self, *inputs)

    folder = saved(name, tmp_path)
    monkeypatch.setattr(Net, "__call__", noting)
    words = [word.format(net=folder, file=seven) for word in VERBS[verb]]
    done = convscope(*words, *(() if verb == "classify" else ("--out", tmp_path / "out")))
    assert done.code == (verb == "invert"), done.err  # one step finds nothing
    wanted = expected(name, seven)
    assert any(x.shape == wanted.shape and torch.allclose(x, wanted, atol=1e-6) for x in shown)


@pytest.mark.parametrize("name", CONTRACTS)
def test_python_reads_as_the_terminal_does(name, seven, tmp_path) -> None:
    net = nets.load(str(saved(name, tmp_path)))
    by_file, by_tensor = classify(net, seven), classify(net, expected(name, seven))
    assert by_file.units == by_tensor.units
    assert by_file.probabilities == pytest.approx(by_tensor.probabilities, rel=1e-5)
    torch.testing.assert_close(
        open_sample(Image.open(seven).convert("RGB"), net.input_spec).input, expected(name, seven)
    )


def test_a_picture_without_ink_is_no_digit_but_may_be_a_shirt(tmp_path) -> None:
    """Fashion-MNIST's shape is that of digits; a plain picture is refused by the digits' form alone."""
    Image.fromarray(np.full((28, 28), 130, np.uint8)).save(tmp_path / "plain.png")
    net = nets.load(str(saved("fashion", tmp_path)))
    assert 0 < classify(net, tmp_path / "plain.png").probabilities[0] <= 1
    assert digits.train().spec.kind == nets.load("lenet5").input_spec.kind == DIGIT
    assert photos.SPEC.kind == IMAGE
