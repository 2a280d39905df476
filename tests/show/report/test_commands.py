"""The command under each figure makes what the figure shows."""

import ast
import json
import re
import shlex
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.show.conftest import NUMBER

from convscope.cli.core.app import run
from convscope.graph.expression import Computation, ComputationNode
from convscope.nets import load
from convscope.see import activations
from convscope.show.report import worked_examples
from convscope.show.report.figures.matrix import fixed, written
from convscope.show.report.figures.network.units import short
from convscope.show.report.recipe import TourRecipe
from convscope.show.report.worlds import go
from convscope.worlds.datasets import digits
from convscope.worlds.go import encode

pytestmark = pytest.mark.slow


class Ran:
    """What a command printed, where its results lie, and the names that its Python left."""

    def __init__(self, command: str, folder: Path) -> None:
        self.names: dict = {}
        self.folders: list[Path] = []
        self.printed = ""
        for block in command.split("\n\n"):
            for part in block.splitlines() if block.startswith("convscope ") else [block]:
                self.printed += self._run(part, folder / str(len(self.folders)))

    def _run(self, part: str, folder: Path) -> str:
        out = StringIO()
        with redirect_stdout(out):
            if part.startswith("convscope "):
                self.folders.append(folder)
                assert run([*shlex.split(part)[1:], "--out", str(folder), "--quiet"]) == 0
            else:
                code = shlex.split(part)[2] if part.startswith("python -c") else part
                exec(compile(ast.parse(code), "command", "exec"), self.names)
        return out.getvalue()


@pytest.fixture
def ran(figures, tmp_path):
    return lambda key: (figures[key], Ran(figures[key].command, tmp_path))


def pixels(file: Path) -> torch.Tensor:
    return torch.from_numpy(np.asarray(Image.open(file).convert("L"), dtype=np.int64))


def flat(rows) -> list[float]:
    return [value for row in rows for value in row]


def cells(body) -> list[float]:
    """The numbers of the tables, in order."""
    return [
        float(text.replace("−", "-")) for text in re.findall(r"<td[^>]*>(?:<label.*?<span>)?([−\d.]+)<", body)
    ]


def test_properties(ran):
    figure, result = ran("why.properties")
    corners, likeness = ast.literal_eval(result.printed)
    assert [f"{value:.2f}" for value in likeness[1:]] == [figure.values["second"], figure.values["third"]]
    for y, x in corners:
        assert f'<rect x="{x}" y="{y}"' in figure.body
    patches = [worked_examples.digit(NUMBER)[0, y : y + 5, x : x + 5].flatten() for y, x in corners]
    for k in (1, 2):
        assert torch.corrcoef(torch.stack([patches[0], patches[k]]))[0, 1].item() == pytest.approx(
            likeness[k]
        )


def test_parameters(ran):
    figure, result = ran("why.parameters")
    for number in re.findall(r'class="number[^>]*>([\d,]+)<', figure.body):
        assert number.replace(",", "") in result.printed, number


def test_steps(ran):
    figure, result = ran("convolution.steps")
    assert cells(figure.body) == [*flat(worked_examples.DIAGONAL), *flat(ast.literal_eval(result.printed))]


def test_strides(ran):
    figure, result = ran("convolution.strides")
    expected = []
    for kernel, line in zip(
        (worked_examples.DIAGONAL, worked_examples.UPRIGHT), result.printed.splitlines(), strict=True
    ):
        maps = ast.literal_eval(line.replace(")) ((", ")), (("))
        expected += flat(kernel) + [value for rows in maps for value in flat(rows)]
    assert cells(figure.body) == expected


def test_turned(ran):
    figure, result = ran("convolution.turned")
    expected = []
    for kernel, line in zip(
        (worked_examples.DIAGONAL, worked_examples.CORNER), result.printed.splitlines(), strict=True
    ):
        maps = ast.literal_eval(line.replace(")) ((", ")), (("))
        expected += flat(kernel) + flat(kernel)[::-1] + [value for rows in maps for value in flat(rows)]
    assert cells(figure.body) == expected


def test_sparse(ran):
    figure, result = ran("convolution.sparse")
    assert f"({figure.values['first']})" in result.printed
    assert f"({figure.values['second']})" in result.printed
    assert result.printed.rstrip().endswith("(3.0, -1.0)")


def test_padding(ran):
    figure, result = ran("convolution.padding")
    found = ast.literal_eval(result.printed.replace(") (", "), ("))
    assert [f"[{', '.join(map(written, values))}]" for values in found] == [
        figure.values["lecture"],
        figure.values["torch"],
    ]


def test_pooling(ran):
    figure, result = ran("convolution.pooling")
    assert [int(n) for n in re.findall(r"\d+", result.printed)] == [
        figure.values["kept"],
        figure.values["spread"],
    ]


@pytest.mark.parametrize("key", ["neuron.sigmoid", "neuron.other"])
def test_neuron(ran, key):
    figure, result = ran(key)
    found = eval(result.printed, {"Computation": Computation, "ComputationNode": ComputationNode})
    for node in found.nodes:
        assert f">{fixed(node.value)}<" in figure.body
        if node.operation != "constant":
            assert f">∂ {fixed(node.gradient)}<" in figure.body


def test_network(ran):
    figure, result = ran("network.layers")
    for text in re.findall(r"</span></span>?([\d,×]+)</div>|<small>(\d+×\d+)</small>", figure.body):
        assert (text[0] or text[1]) in result.printed


def test_confusion(ran):
    figure, result = ran("training.confusion")
    confusion = result.names["found"].confusion
    counts = re.findall(r"<td[^>]*>([\d·]+)</td>", figure.body)
    assert [0 if text == "·" else int(text) for text in counts] == confusion.flatten().tolist()


def test_hardest(ran):
    figure, result = ran("training.hardest")
    found, worst = result.names["found"], result.names["worst"]
    pairs = [f'alt="{found.labels[k]}; the answer was {found.predictions[k]}"' for k in worst]
    assert re.findall(r'alt="\d; the answer was \d"', figure.body) == pairs


def test_filters(ran):
    _, result = ran("seen.filters")
    assert (result.folders[0] / "filters.png").is_file()


def test_maps_of_the_right_digit(ran):
    figure, result = ran("seen.maps")
    pictures = {path.stem for path in result.folders[0].glob("*.png")}
    assert {"conv1", "pool1", "conv2", "pool2"} <= pictures
    kept = pixels(result.folders[0] / "input.png").flatten()
    assert torch.equal(255 - kept, (worked_examples.digit(NUMBER) * 255).round().flatten().long())
    assert figure.values["count"] == 50


def test_degrees(ran):
    figure, result = ran("seen.degrees")
    (layer,) = json.loads(result.printed)["layers"]
    strongest = {entry["unit"]: entry["degree"] for entry in layer["strongest"]}
    assert len(strongest) == figure.values["all"]
    assert max(strongest, key=strongest.__getitem__) == figure.values["best"]
    assert written(round(max(strongest.values()), 1)) == figure.values["value"]
    above = sorted((d for d in strongest.values() if d > 0), reverse=True)
    few = figure.values["few"]
    assert sum(above[:few]) >= sum(above) / 2 > sum(above[: max(few - 1, 0)]) or not above


def tiles(body) -> dict[str, list[str]]:
    """Number below each picture, by the name of its row."""
    found: dict[str, list[str]] = {}
    for name, number in re.findall(r'alt="Input for ([\w:]+), value ([−\d.]+)"', body):
        found.setdefault(name, []).append(number)
    return found


@pytest.mark.parametrize("key", ["seen.wanted", "seen.neurons"])
def test_wanted(ran, key):
    figure, result = ran(key)
    names = result.names
    expected = {n.place: [short(v) for v in (n.start, n.synthetic, n.best, n.noise)] for n in names["found"]}
    assert tiles(figure.body) == expected
    shares = re.findall(r"beats (\d+)%", figure.body)
    assert shares == [f"{n.percentile:.0f}" for n in names["found"]]
    assert figure.values["made"] == short(float(names["made"].clean_scores.mean()))
    assert figure.values["moved"] == short(float(names["moved"]))
    for place, image in zip(names["made"].places, names["made"].images, strict=True):
        file = result.folders[0] / f"{place.replace(':', '-')}.png"
        saved = 255 - pixels(file)[None]  # ink
        assert torch.equal(saved, (image * 255).round().long())


def test_percentiles_against_plain_activations(figures):
    """The share of test digits below the made picture, counted from plain activations."""
    figure, data = figures["seen.neurons"], digits.test()
    net = load(re.search(r"cs\.load\('([^']+)'\)", figure.command)[1])
    answers = activations(net, data.pixels(range(2000)) / 255, ["dense1"])
    for share, (place, numbers) in zip(
        re.findall(r"beats (\d+)%", figure.body), tiles(figure.body).items(), strict=True
    ):
        unit = answers["dense1"][:, int(place.partition(":")[2])]
        made_, best = (float(numbers[k].replace("−", "-")) for k in (1, 2))
        assert best == pytest.approx(unit.max().item(), abs=0.006)
        low, high = (100 * (unit < made_ + d).float().mean().item() for d in (-0.006, 0.006))
        assert low - 0.6 <= float(share) <= high + 0.6


def test_outputs(ran):
    figure, result = ran("seen.outputs")
    plain, sparse = result.names["found"]
    for name, a, b in zip(digits.CLASSES, plain, sparse, strict=True):
        expected = [a.start, a.synthetic, b.synthetic, a.best, a.noise]
        assert tiles(figure.body)[name] == [short(value) for value in expected]
    likes = re.findall(r"tensor\(([\d.]+)\) tensor\((-?[\d.]+)\)", result.printed)
    values = figure.values
    assert [f"{100 * float(ink):.0f}" for ink, _ in likes] == [values["plain"], values["sparse"]]
    for key, (_, like) in zip(("like_plain", "like_sparse"), likes, strict=True):
        assert float(values[key]) == pytest.approx(float(like), abs=0.006)


def test_fooled(ran):
    figure, result = ran("seen.fooled")
    found = result.names["fooling"].confidences
    assert re.findall(r"([\d.]+)%", figure.body) == [f"{100 * chance:.2f}" for chance in found]
    assert figure.values["steps"] == result.names["fooling"].steps


def test_the_planes_of_the_tour_of_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    subject = go.prepare(TourRecipe(world="go"), tmp_path)
    ran = Ran(go.position(subject).figures[1].command, tmp_path)
    assert ran.names["board"].stones.tolist() == subject.sample.original.stones.tolist()
    assert ran.printed.strip() == str(encode(subject.sample.original, go.SHOWN))
