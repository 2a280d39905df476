"""The extension test, done for real: each new thing is one class here and one line that registers it."""

import json
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from PIL import Image
from torch import nn

from convscope import nets
from convscope.cli.core import app
from convscope.errors import DataError, UsageError
from convscope.graph import TensorSpec
from convscope.see.attribution import registry
from convscope.see.attribution.method import Method, PartialAttribution
from convscope.system.files import read_text
from convscope.worlds import WORLDS, Placement, Sample, World
from convscope.worlds.datasets import digits
from convscope.worlds.images.render import grayscale_alpha
from convscope.worlds.registry import register_world


class Pulses(World):
    """One-dimensional signals in a text format of their own: one number on each line, after a first line."""

    kind, thing, suffixes = "pulse", "a pulse", (".pulse",)

    def open(self, source, spec):
        first, *lines = read_text(source).splitlines()
        if first != "pulse 1":
            raise DataError(f"the first line 'pulse 1' in {source}", received=first[:20])
        values = torch.tensor([float(line) for line in lines])
        length = spec.size[0]
        scaled = nn.functional.interpolate(values[None, None], length, mode="linear")[0]
        return Sample(scaled, values, Placement((length / len(values),), (0.0,), (float(len(values)),)))

    def render(self, tensor, spec):
        heights = ((tensor[0] + 1) / 2 * 15).round().long().clamp(0, 15)
        return grayscale_alpha(nn.functional.one_hot(heights, 16).T.flip(0).float())


@pytest.fixture(autouse=True)
def restored():
    """Take out of the registries what a test has put in."""
    before = [(table, dict(table)) for table in (WORLDS, registry.METHODS)]
    yield
    for table, entries in before:
        table.clear()
        table.update(entries)


@pytest.fixture
def pulses(tmp_path):
    """The toy world, a network for it that is saved, and a file."""
    register_world(Pulses())
    spec = TensorSpec((1, 40), kind="pulse", value_range=(-1.0, 1.0))
    graph = nets.build(nets_graph(), seed=0)
    nets.save(nets.wrap(graph, spec, ("up", "down", "flat"), name="pulses"), tmp_path / "net")
    lines = [f"{value:.4f}" for value in torch.linspace(0, 9, 100).sin().tolist()]
    (tmp_path / "a.pulse").write_text("\n".join(["pulse 1", *lines]))
    return tmp_path


def nets_graph():
    from convscope.graph import chain

    return chain("1x40", "conv 6 5, relu, maxpool 2, conv 8 3, relu, flatten, dense 3")


VERBS = {
    "classify": ("{file}", "--net", "{net}"),
    "look": ("{file}", "--net", "{net}"),
    "explain": ("{file}", "--net", "{net}", "--method", "saliency", "--method", "occlusion"),
    "caricature": ("{file}", "--net", "{net}", "--steps", "64"),
    "invert": ("{file}", "--net", "{net}", "--steps", "64"),
    "visualize": ("{net}", "conv2:0", "--steps", "4"),
    "describe": ("{net}",),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_world_in_one_class_and_one_line_has_every_verb(verb, pulses: Path, capsys) -> None:
    words = [word.format(net=pulses / "net", file=pulses / "a.pulse") for word in VERBS[verb]]
    code = app.run([verb, *words, "--json", "--out", str(pulses / "out")])
    said = capsys.readouterr()
    assert code == 0, said
    if verb == "look":
        with Image.open(pulses / "out" / "input.png") as drawn:
            assert drawn.size == (40, 16)


def test_a_file_of_another_format_is_told_by_the_world(pulses: Path, capsys) -> None:
    (pulses / "b.pulse").write_text("something else")
    assert app.run(["explain", str(pulses / "b.pulse"), "--net", str(pulses / "net")]) == 3
    assert "first line 'pulse 1'" in capsys.readouterr().err


class Brightness(Method):
    """Attribute a score to every value of the input by that value alone."""

    name: str = "brightness"
    title: ClassVar[str] = "Brightness"
    source: ClassVar[str] = "none: the simplest method that can be wrong"

    def attributions(self, task):
        yield PartialAttribution(tuple(x.detach().float() for x in task.inputs))


def test_a_method_in_one_class_and_one_line(digit_file, tmp_path, capsys) -> None:
    registry.register_method(Brightness)
    words = [str(digit_file), "--net", "digits", "--method", "brightness", "--method", "saliency"]
    assert app.run(["explain", *words, "--compare", "--json", "--out", str(tmp_path / "out")]) == 0
    found = json.loads(capsys.readouterr().out)["explanations"]
    assert [entry["method"] for entry in found] == ["brightness", "saliency"]
    assert {"insertion", "deletion", "fades"} <= set(found[0]["checks"])
    assert found[0]["checks"]["fades"] is False  # it does not look at the weights, and is found out
    with pytest.raises(UsageError, match="no method has yet"):
        registry.register_method(Brightness)


@pytest.fixture
def digit_file(tmp_path: Path) -> Path:
    Image.fromarray(digits.test().pixels([3])[0, 0].numpy()).save(tmp_path / "digit.png")
    return tmp_path / "digit.png"
