"""Every result of the public API prints in a line, shows itself in a notebook, and saves itself whole."""

import importlib
import json
import re
import tempfile
import typing
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import convscope as cs
from convscope.errors import ConvscopeError, DataError, UsageError
from convscope.jobs.output import provenance
from convscope.recipe.result import LONGEST, SUFFIXES, Result
from convscope.show.images import png
from convscope.worlds import Sample
from tests.learn.runs.parts import write_run
from tests.test_house import surface

NO_RESULTS = {
    "AttributionTask": "what is explained",
    "Batch": "samples of a data set",
    "BatchSource": "batches of a training",
    "DataError": "what stands for an image that cannot be read",
    "Field": "a part of a description",
    "PictureCorrelation": "a part of what a page says of a map",
    "GraphModule": "a module",
    "Head": "a layer of a network",
    "NamedRecipe": "settings of a training, with their source",
    "NearDuplicate": "a pair of images",
    "DuplicatesOfParts": "pairs of images, of two parts",
    "FewToChooseBy": "a note on a training",
    "RunEvents": "an iterator of events",
    "InputFit": "a part of a document",
    "MethodComparison": "what the page of several explanations says",
    "Redundancy": "a part of the page of all units",
    "SpectrogramAxes": "what is beside a spectrogram",
    "RenderedDirections": "what atlases and factors are made of",
    "TrainRecipe": "a setting",
    "Trainer": "what trains",
    "World": "what reads inputs",
    "Divergence": "a sentence of a training",
    "Checkpoint": "a line of a list of weights",
    "Choice": "a move of a player of Go",
    "GameRecords": "games to learn from",
    "SgfGame": "a game: it is written as SGF",
    "Command": "a line of a protocol",
    "Player": "who chooses moves",
    "PolicyPlayer": "who chooses moves",
    "ParameterCounts": "a line of the table of networks",
    "ExecutionConfig": "a setting",
    "EvalResult": "what a task hands to the trainer",
    "Figure": "a part of a report",
    "Graph": "a network as data: it prints as its chain",
    "ImageParameterization": "what moves",
    "LayerAddress": "an address: it prints as its text",
    "LayerInfo": "a line of a description",
    "Method": "a setting",
    "Net": "a network: it has a text of its own",
    "Objective": "a score",
    "Embedding": "a part of a network",
    "Node": "a part of a search tree",
    "ObjectiveTerm": "a part of a score",
    "Octave": "a part of a dream",
    "Placement": "a part of a sample",
    "ProcessShard": "a setting",
    "Progress": "a step on the way to a result",
    "Region": "a setting",
    "ReliabilityBins": "a part of an evaluation",
    "RegionUnit": "a line of a list of units",
    "Report": "what pages are rendered of",
    "Section": "a part of a report",
    "StepOutput": "what a task hands to the trainer",
    "StyleProblem": "what is painted",
    "Table": "a part of a document",
    "TaskEntry": "a line of a table",
    "TensorSpec": "a setting",
    "Token": "a part of a text",
    "TrainingSetup": "what is trained",
    "TrainProgress": "an event of a training",
}
"""Classes that public functions return and that are no results, with the reason."""


def returned() -> dict[str, type]:
    """Classes of this package in the return annotations of public functions, inside containers too."""
    found: dict[str, type] = {}

    def visit(annotation: Any) -> None:
        for inner in typing.get_args(annotation):
            visit(inner)
        kind = typing.get_origin(annotation) or annotation
        if isinstance(kind, type) and kind.__module__.startswith("convscope."):
            found[kind.__name__] = kind

    for package, names in surface().items():
        if package.startswith(("convscope.jobs", "convscope.cli")):
            continue
        for name in names:
            thing = getattr(importlib.import_module(package), name)
            if callable(thing) and not isinstance(thing, type):
                try:
                    visit(typing.get_type_hints(thing).get("return"))
                except (NameError, TypeError):  # an annotation for the type checker alone
                    continue
    return found


def test_what_public_functions_return_is_a_result() -> None:
    found = returned()
    results = {name for name, kind in found.items() if issubclass(kind, Result)}
    assert len(results) > 15
    others = {name for name, kind in found.items() if not issubclass(kind, (Result, cs.worlds.Dataset))}
    assert others - NO_RESULTS.keys() - results == set()
    assert {kind.__name__ for kind in Result.__subclasses__()} - made().keys() - SHOWN_ELSEWHERE == set()


SHOWN_ELSEWHERE = {"StyleResult", "TourResult"}
"""Results of tests of their own: the notebook makes the one, the test of the tour the other."""


@cache
def made() -> dict[str, Result]:
    """One result of each kind, by the name of its class."""
    net, data = cs.load("digits"), cs.worlds.digits.test().take(range(120))
    digit = data.pixels([0])
    seen = cs.see.visualize(net, "conv2:3", "output:7", steps=2)
    results = [
        cs.use.classify(net, digit),
        next(iter(cs.see.feature_maps(net, digit, ["conv2"]))),
        cs.see.filters(net, "conv1"),
        cs.see.effective_receptive_field(net, "conv2:3", digit),
        cs.see.unit_terms(net, digit, "conv2:3"),
        cs.see.explain(net, digit, "gradcam", [3, 7]),
        seen,
        cs.see.caricature(net, digit, "relu1", steps=2),
        cs.see.dream(net, digit, "relu2", steps=1, octaves=1),
        cs.see.factors(net, digit, "relu2", count=2, steps=1),
        cs.see.atlas(net, "relu2", data, layout="pca", images=100, steps=1, grid=3, min_count=1),
        cs.see.embed_inputs(net, "relu2", data, layout="pca", images=100),
        cs.see.unit_report(net, "conv2:3", data, steps=1),
        cs.see.index_units(net, data),
        *cs.see.layer_health(net, data, ["conv2"]),
        cs.see.fooling_images(net, [1, 2], steps=4),
        cs.see.best_ngrams("questions", ["conv1:9"]),
        cs.see.compare_with_data(net, seen, data)[0],
        cs.see.choose_layers(net)[0],
        cs.nets.describe(net),
        cs.worlds.open_sample(digit, net.input_spec),
        cs.learn.evaluate(net, data),
        cs.learn.find_lr(net, data, steps=3),
        next(
            iter(
                cs.see.optimize_input(net, cs.see.channel("conv2:3"), cs.see.pixel_image(net.input_spec, [0]))
            )
        ),
    ]
    return {type(result).__name__: result for result in (*results, *on_disk())} | trained()


def on_disk() -> list[Result]:
    """Lists and comparisons of runs, what may be removed of them, and an exported network."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = [write_run(folder / run, accuracies=(0.7, last)) for run, last in (("a", 0.8), ("b", 0.9))]
        (write_run(folder / "bad") / "metrics.jsonl").write_text("no numbers")
        listed, compared = cs.learn.list_runs(folder), cs.learn.compare_runs(*runs)
        pruned = cs.learn.prune_runs(folder)
        exported = cs.nets.export(cs.load("mlp", seed=0), folder / "mlp.pt2")
        parts = (listed.runs[0], listed.damaged[0], compared.differences[0], pruned.items[0])
        return [listed, compared, pruned, exported, *parts]


def trained() -> dict[str, Result]:
    """A run with its epoch, and a report on a folder, without a training or a folder."""
    from convscope.learn import ClassificationRecipe, Epoch, Run
    from convscope.worlds import DatasetReport

    numbers = {"loss": 0.5, "accuracy": 0.9}
    epoch = Epoch(1, 2, numbers, {"loss": None, "accuracy": 0.8}, 1.0, 100.0, 0.001, "fp32", "contiguous")
    run = Run(
        Path("runs/mine"), ClassificationRecipe.parse({"network": "digits", "data": "digits"}), (epoch,)
    )
    report = DatasetReport("pictures", {"": {"a": 3, "b": 2}})
    return {"Epoch": epoch, "Run": run, "DatasetReport": report}


NAMES = (
    "Prediction",
    "FeatureMaps",
    "Filters",
    "EffectiveReceptiveField",
    "UnitTerms",
    "Explanation",
    "Visualization",
    "Reconstruction",
    "DreamResult",
    "Factors",
    "Atlas",
    "InputEmbedding",
    "UnitReport",
    "UnitIndex",
    "LayerHealth",
    "FoolingImages",
    "BestNgrams",
    "Comparison",
    "LayerSelection",
    "Description",
    "Sample",
    "Evaluation",
    "LRFinderResult",
    "RunList",
    "RunSummary",
    "DamagedRun",
    "RunComparison",
    "AccuracyDifference",
    "Pruning",
    "PruneItem",
    "Exported",
    "Step",
    "Epoch",
    "Run",
    "DatasetReport",
)


def test_the_names_are_those_of_the_results() -> None:
    assert set(NAMES) == set(made())


@pytest.mark.parametrize("name", NAMES)
def test_a_result_prints_in_one_short_line_without_values_of_tensors(name: str) -> None:
    text = repr(made()[name])
    assert text.startswith(f"{name}(") and text.endswith(")")
    assert len(text) < LONGEST + 60 and "\n" not in text
    assert "tensor(" not in text and "array(" not in text


def numbers(values: Any) -> str:
    """A few numbers as a text has them."""
    words = [f"{value:.4g}" for value in values]
    return f"({', '.join(words)}{',' * (len(words) == 1)})"


ANSWERS: dict[str, Callable[[Any], list[str]]] = {
    "Prediction": lambda r: [f"('{r.label}', ", f"probabilities={numbers(r.probabilities)}"],
    "FeatureMaps": lambda _: ["'conv2'", "maps=tensor 50x11x11"],
    "Filters": lambda _: ["'conv1'", "weights=tensor 25x1x3x3"],
    "EffectiveReceptiveField": lambda _: ["'conv2:3@5,5'", "influence=tensor 28x28"],
    "UnitTerms": lambda r: ["'conv2:3", f"value={r.value:.4g}"],
    "Explanation": lambda r: [
        "(method='gradcam', targets=('3', '7'), ",
        f"probabilities={numbers(r.probabilities.tolist())}",
        f"layer='{r.layer}'",
    ],
    "Visualization": lambda r: [
        "(places=('conv2:3', 'output:7'), ",
        f"clean_scores={numbers(r.clean_scores.tolist())}",
    ],
    "Reconstruction": lambda r: ["(layers=('relu1',), ", f"cosines={numbers(r.cosines.tolist())}"],
    "DreamResult": lambda _: ["layers=('relu2',)"],
    "Factors": lambda r: ["(place='relu2', ", f"shares={numbers(r.shares.tolist())}", "explained=0."],
    "Atlas": lambda _: ["place='relu2'", "grid=3"],
    "InputEmbedding": lambda _: ["place='relu2'"],
    "UnitReport": lambda _: ["place='conv2:3'"],
    "LayerHealth": lambda _: ["place='conv2'"],
    "FoolingImages": lambda r: ["(labels=('1', '2'), ", f"confidences={numbers(r.confidences)}"],
    "BestNgrams": lambda _: ["'conv1:9'"],
    "Comparison": lambda r: ["'conv2:3'", f"best={r.best:.4g}"],
    "Evaluation": lambda r: [f"(accuracy={r.accuracy:.4g}, loss={r.loss:.4g}", "samples=120"],
    "LRFinderResult": lambda r: [
        "(suggestion=" + ("'none'" if r.suggestion is None else format(r.suggestion, ".4g"))
    ],
    "Description": lambda r: ["'digits'", f"parameters={r.parameters}"],
    "Epoch": lambda _: ["metrics={loss: 0.5, accuracy: 0.9}", "test_metrics={accuracy: 0.8}"],
    "DamagedRun": lambda _: ["bad"],
}
"""What was asked for, as the text of a result must have it."""


@pytest.mark.parametrize("name", NAMES)
def test_the_text_of_a_result_has_the_answer_and_shapes_as_shapes(name: str) -> None:
    text = repr(made()[name])
    assert not re.search(r"=\[[0-9 ]*\]", text), "a shape that reads as a value"
    for part in ANSWERS.get(name, lambda _: ["="])(made()[name]):
        assert part in text, text


@pytest.mark.parametrize("name", NAMES)
def test_a_result_shows_itself_in_a_notebook(name: str) -> None:
    shown = made()[name]._repr_html_()
    assert re.search(r"<img |<table", shown)
    assert "<script" not in shown and "http" not in shown.replace("http://www.w3.org", "")
    for alt in re.findall(r'<img [^>]*alt="([^"]*)"', shown):
        assert len(alt) > 3


@pytest.mark.parametrize("name", NAMES)
def test_a_result_is_saved_by_the_ending_of_its_name_with_how_it_was_made(name: str, tmp_path: Path) -> None:
    result = made()[name]
    wanted = json.loads(json.dumps(result.provenance()))
    assert ("verb" in wanted) == (getattr(result, "recipe", None) is not None)
    page = result.save(tmp_path / "new folder" / "a.html")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "convscope-recipe" in page.read_text(encoding="utf-8")
    if "verb" in wanted:
        assert provenance.read(page) == wanted
    file = np.load(result.save(str(tmp_path / "a.npz")), allow_pickle=False)
    assert json.loads(str(file["recipe"])) == wanted and len(file.files) > 1
    if "<img" in result._repr_html_():
        assert png.recipe_in(result.save(tmp_path / "a.png")) == wanted
    else:
        with pytest.raises(UsageError, match="picture"):
            result.save(tmp_path / "a.png")
        assert not (tmp_path / "a.png").exists()
    assert [path.name for path in tmp_path.rglob(".*")] == []


def test_the_numbers_of_a_file_are_those_of_the_result(tmp_path: Path) -> None:
    seen = made()["Visualization"]
    assert isinstance(seen, cs.see.Visualization)
    file = np.load(seen.save(tmp_path / "a.npz"))
    assert np.array_equal(file["images"], seen.images.numpy()) and tuple(file["places"]) == seen.places
    unit = np.load(made()["UnitReport"].save(tmp_path / "b.npz"))
    assert unit["maximizing.picture"].shape == (1, 28, 28) and float(unit["entry.mean"]) != 0


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_is_overwritten(suffix: str, tmp_path: Path) -> None:
    place = tmp_path / f"mine{suffix}"
    place.write_text("mine")
    with pytest.raises(UsageError, match="does not exist yet"):
        made()["Visualization"].save(place)
    place.unlink()
    place.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="does not exist yet"):
        made()["Visualization"].save(place)
    assert not (tmp_path / "nowhere").exists()


def test_other_places_are_refused(tmp_path: Path) -> None:
    seen = made()["Visualization"]
    for name in ("a.jpg", "a", "a.pngg"):
        with pytest.raises(UsageError, match=r"\.png, \.html, \.npz"):
            seen.save(tmp_path / name)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="place to write"):
        seen.save(tmp_path / "file" / "a.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_a_failure_while_writing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(np, "savez_compressed", failing)
    with pytest.raises(DataError, match="no room"):
        made()["Visualization"].save(tmp_path / "a.npz")
    assert list(tmp_path.iterdir()) == []


def test_recipes_name_the_file_that_was_given(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "two.png"
    Image.fromarray(cs.worlds.digits.test().pixels([0])[0, 0].numpy()).save(path)
    for result in (
        cs.use.classify("digits", path),
        cs.see.caricature("digits", path, "relu1", steps=0),
        cs.see.explain("digits", Image.open(path), "gradcam"),
        next(iter(cs.see.feature_maps("digits", str(path), ["conv1"]))),
        cs.see.dream("digits", path, "relu2", steps=0),
    ):
        assert str(path) in json.dumps(result.provenance()), type(result)


def test_a_result_of_ones_own_is_shown_as_the_table_of_its_fields(tmp_path: Path) -> None:
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Mine(Result):
        name: str
        values: torch.Tensor
        share: float = 0.25

    mine = Mine("<b>", torch.zeros(2, 3))
    assert repr(mine) == "Mine(name='<b>', values=tensor 2x3, share=0.25)"
    assert "&lt;b&gt;" in mine._repr_html_() and "0.25" in mine._repr_html_()
    assert np.load(mine.save(tmp_path / "a.npz"))["values"].shape == (2, 3)


def test_a_sample_shows_what_was_opened_and_an_array_its_numbers() -> None:
    picture = cs.worlds.open_sample(np.zeros((30, 30, 3), np.uint8), cs.load("efficientnet_lite0").input_spec)
    assert "<img" in picture._repr_html_() and "3x224x224" in picture._repr_html_()
    assert "<table" in Sample(torch.zeros(3), None)._repr_html_()


def test_errors_of_results_are_those_of_the_package() -> None:
    with pytest.raises(ConvscopeError):
        made()["Prediction"].save("a.png")


def test_a_saved_explanation_says_how_much_of_a_photograph_is_cropped(tmp_path: Path) -> None:
    from PIL import Image
    from torch import nn

    torch.manual_seed(0)
    layers = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    net = cs.nets.wrap(nn.Sequential(*layers).eval(), cs.TensorSpec((3, 32, 32)))
    pixels = np.random.default_rng(0).integers(0, 256, (32, 64, 3), dtype=np.uint8)
    for width, cropped in ((64, True), (32, False)):
        Image.fromarray(pixels[:, :width]).save(tmp_path / f"{width}.png")
        found = cs.see.explain(net, tmp_path / f"{width}.png", "saliency", 0)
        page = found.save(tmp_path / f"{width}.html").read_text(encoding="utf-8")
        assert ("The network sees 50% of the picture, which is cropped" in page) == cropped
