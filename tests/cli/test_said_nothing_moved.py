"""What no gradient moves is said, in JSON and in the table; flags without effect are refused."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from convscope import nets
from convscope.graph import TensorSpec, chain


@pytest.fixture
def dead(tmp_path: Path) -> Path:
    """A saved network whose second convolution has weights of 0: its gradients exist and are exactly 0."""
    graph = chain("1x28x28", "conv 4 3x3, relu, conv 4 3x3, flatten, dense 10")
    net = nets.wrap(
        nets.build(graph, seed=1), TensorSpec((1, 28, 28)), classes=list("abcdefghij"), name="net"
    )
    with torch.no_grad():
        net.module.get_submodule("conv2").weight.zero_()
    Image.effect_noise((40, 40), 90).save(tmp_path / "noise.png")
    return nets.save(net, tmp_path / "net")


WORDS = "no gradient: it was exactly 0 in every step"
VERBS = {
    "visualize": (("visualize", "{net}", "conv2:1", "output:b", "relu1:0"), lambda d: d["unmoved"]),
    "caricature": (
        ("caricature", "noise.png", "--net", "{net}", "--layer", "conv2", "--layer", "relu1"),
        lambda d: [layer["layer"] for layer in d["layers"] if layer["unmoved"]],
    ),
    "invert": (
        ("invert", "noise.png", "--net", "{net}", "--layer", "conv2", "--layer", "relu1"),
        lambda d: [layer["layer"] for layer in d["layers"] if layer["unmoved"]],
    ),
}


@pytest.mark.parametrize("verb", VERBS)
def test_json_and_table_name_what_nothing_moved(verb, dead, convscope, tmp_path) -> None:
    words, named = VERBS[verb]
    line = [word.format(net=dead) for word in words] + ["--steps", "3"]
    answer = convscope(*line, "--out", tmp_path / "one", "--json")
    assert answer.code == (0 if verb == "visualize" else 1), answer.err
    assert named(answer.json) == (["conv2:1", "output:b"] if verb == "visualize" else ["conv2"])
    table = convscope(*line, "--out", tmp_path / "two")
    assert table.out.count(WORDS) == (2 if verb == "visualize" else 1)


def test_factors_dream_and_unit_say_it_too(dead, convscope, tmp_path) -> None:
    net = nets.load(str(dead))
    with torch.no_grad():
        net.module.get_submodule("conv2").bias.fill_(0.5)
    folder = nets.save(net, tmp_path / "constant")
    (tmp_path / "out").mkdir()
    line = ("factors", "noise.png", "--net", folder, "--layer", "conv2", "--count", 1, "--steps", 2)
    answer = convscope(*line, "--out", tmp_path / "out/f", "--json")
    assert [group["unmoved"] for group in answer.json["groups"]] == [True], answer.err
    assert WORDS in convscope(*line, "--out", tmp_path / "out/g").out
    line = (
        "dream",
        "noise.png",
        "--net",
        folder,
        "--layer",
        "conv2",
        "--octaves",
        1,
        "--steps",
        1,
        "--untrained",
    )
    answer = convscope(*line, "--out", tmp_path / "out/d", "--json")
    assert [octave["unmoved"] for octave in answer.json["octaves"]] == [True], answer.err
    assert WORDS in convscope(*line, "--out", tmp_path / "out/e").out
    line = ("unit", folder, "conv2:1", "--data", "digits", "--split", "test", "--steps", 1, "--top-k", 2)
    answer = convscope(*line, "--out", tmp_path / "out/u", "--json")
    assert answer.json["made"]["no_gradient"] and answer.json["made_against"]["no_gradient"], answer.err
    assert "should maximise it carries no information" in convscope(*line, "--out", tmp_path / "out/v").out


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("visualize", "digits", "conv2:1", "--canvas", "cppn", "--decay", "2"), "decay"),
        (("visualize", "digits", "conv2:1", "--steps", "0", "--lr", "1"), "lr"),
        (("visualize", "digits", "conv2:1", "--save-steps", "0,900"), "save_steps"),
        (("visualize", "digits", "output:1@2,2", "--reduce", "sum"), "output"),
        (("look", "--net", "digits", "--split", "test"), "split"),
        (("look", "--net", "digits", "--data", "digits", "--root", "somewhere"), "root"),
        (("dream", "noise.png", "--net", "digits", "--zoom-by", "1.2"), "zoom_by"),
        (
            ("invert", "noise.png", "--net", "digits", "--steps", "0", "--total-variation", "1"),
            "total_variation",
        ),
        (("style", "noise.png", "--style", "noise.png", "--style-weight", "9"), "content-weight"),
        (("unit", "digits", "conv2:1", "--data", "digits", "--index", "x", "--batch", "9"), "batch"),
    ],
)
def test_flags_without_effect_exit_with_2_and_are_named(words, named, dead, convscope, tmp_path) -> None:
    done = convscope(*words, "--out", tmp_path / "out")
    assert done.code == 2 and named in done.err
    assert not (tmp_path / "out").exists()
