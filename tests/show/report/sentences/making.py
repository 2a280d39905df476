"""Parts of pages and reports made from given numbers, as text; stand-ins of results, nothing is trained."""

import functools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.learn.runs.parts import write_run
from tests.show.pages.test_training_page import epochs, evaluation, run_of
from tests.show.pages.test_verdicts import compared

from convscope.graph import TensorSpec, chain
from convscope.learn import (
    Classification,
    ClassifiedSamples,
    LRChange,
    LRFinderResult,
    NearDuplicate,
    RunComparison,
    compare_runs,
    find_recipe,
)
from convscope.learn.runs.comparison import AccuracyDifference
from convscope.nets import SpectrogramAxes, build, load, wrap
from convscope.see import (
    FeatureMaps,
    PictureCorrelation,
    feature_maps,
    filters,
    layer_health,
    unit_report,
)
from convscope.see.attribution import explain
from convscope.see.attribution.metrics.average_drop import AverageDrop
from convscope.see.attribution.metrics.completeness import Completeness
from convscope.see.attribution.metrics.deletion_insertion import Curves, DeletionInsertion
from convscope.see.attribution.metrics.faithfulness import Faithfulness
from convscope.see.attribution.metrics.pointing_game import Pointing
from convscope.see.attribution.metrics.weight_randomization import WeightRandomization
from convscope.show.pages import crop, features, runs, training, unit
from convscope.show.pages.explanation import attribution, page, text, verdicts
from convscope.show.report.figure import Figure
from convscope.show.report.figures.network import layers, unit_texts, way
from convscope.show.report.figures.network import unit as unit_figures
from convscope.show.report.figures.runs import tables
from convscope.show.report.figures.training import (
    attributed_mistakes,
    calibration,
    cell_images,
    class_accuracy,
    commands,
    confusion,
    duplicates,
)
from convscope.show.report.figures.training.worst_examples import Answer
from convscope.show.report.i18n import LANGUAGES, Text, plain, spoken
from convscope.show.report.worlds import chapters, go, sound
from convscope.show.report.worlds import text as texts_tour
from convscope.worlds import ImageTensorDataset, LabelledTensors, Sample, open_sample
from convscope.worlds.datasets import digits
from convscope.worlds.go import Board

Numbers = dict[str, Any]


def told(*lines: Text) -> str:
    """Sentences in all languages, one a line."""
    return "\n".join(f"{line[language]}\n" for line in lines for language in LANGUAGES)


def titled(figure: Figure, *parts: str) -> str:
    """The title of a figure and other texts of it in all languages."""
    keys = [figure.title, *(f"{figure.key}.{part}" for part in parts)]
    return "\n".join(plain(key, language, **figure.values) for key in keys for language in LANGUAGES)


def visible(html: object) -> str:
    return re.sub(r"<[^>]+>", "", str(html))


def alts(html: object) -> str:
    """The names of pictures in all languages, one a line."""
    return "\n".join(re.findall(r' data-(?:en|zh)="([^"]*)"', str(html)))


@contextmanager
def patched(*changes: tuple[Any, str, Any]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for place, name, value in changes:
            patch.setattr(place, name, value)
        yield


# --- attributions ---

AXES = {
    "none": None,
    "heard": SpectrogramAxes((0.1, 0.3, 0.5, 0.7), (100.0, 200.0, 400.0, 800.0)),
    "coefficients": SpectrogramAxes((0.1, 0.3, 0.5, 0.7)),
}


def heat(*places: tuple[int, int], side: int = 28) -> torch.Tensor:
    made = torch.zeros(1, side, side)
    for y, x in places:
        made[0, y : y + 2, x : x + 2] = 1
    return made


SCATTERED = tuple((y, x) for y in range(0, 28, 4) for x in range(0, 28, 4))


def faithful(rho=None, hit=None, baseline=None, rises=None, gap=None) -> Faithfulness:
    return Faithfulness(
        None
        if baseline is None
        else DeletionInsertion(
            Curves((1.0, 0.3, 0.2, 0.1, 0.0, 0.0), (0.0, 0.7, 0.8, 0.9, 1.0, 1.0), baseline), 0.5, 0.5
        ),
        None if rises is None else AverageDrop(0.3, rises),
        None if gap is None else Completeness(1.0 + gap, 1.0),
        None if rho is None else WeightRandomization((1, 2), (0.95 - abs(rho), rho)),
        None if hit is None else Pointing(hit, 0.6, 0.25),
    )


def explained(is_class=True, wrt=None, layer=None, heatmap=None, **metrics: Any) -> Any:
    """What an explanation of one input holds, as far as its sentences read it."""
    task = SimpleNamespace(
        target_names=("seven",),
        classes=(7 if is_class else None,),
        wrt=wrt,
        whole=None,
        inputs=(torch.zeros(1, 1, 28, 28),),
    )
    return SimpleNamespace(
        task=task,
        method=SimpleNamespace(title="Saliency"),
        probabilities=torch.tensor([0.9]),
        heatmap=heat((2, 2)) if heatmap is None else heatmap,
        faithfulness=(faithful(**metrics),) if metrics else (),
        layer=layer,
    )


def said(axes="none", cropped=None, **numbers: Any) -> str:
    with patched((text, "axes_of", lambda _: AXES[axes])):
        return told(*text.sentences(explained(**numbers), cropped=cropped))


def carded(**numbers: Any) -> str:
    return told(*(line for line, _ in attribution.metric_lines(explained(**numbers), 0)))


def where(places=((2, 2),), axes="none", cropped=False, side=28) -> str:
    found = text.where(heat(*places, side=side)[0], AXES[axes], cropped=cropped)
    return told(*([found] if found else []))


@functools.cache
def real(method: str = "saliency") -> Any:
    return explain(load("digits"), digits.test().pixels([0])[:1].float() / 255, method)


def reasons(**scores: Any) -> str:
    titles = {"a": "Alpha", "b": "Beta", "c": "Gamma"}
    return told(*verdicts.reasons(compared(**scores), titles))


def badges(share=1.0, method="saliency", **scores: Any) -> str:
    three = [replace(real(method), share=share)] * 3
    return visible(page._cards(three, 0, compared(**scores) if scores else None, range(3)).body)


def shown(axes="none") -> str:
    with patched((page, "axes_of", lambda _: AXES[axes])):
        return told(page._shown(real(), 0, 1))


def source(axes="none") -> str:
    with patched((page, "axes_of", lambda _: AXES[axes])):
        return visible(page._source(real(), 0))


def explain_page(axes="none", **scores: Any) -> str:
    with patched((page, "axes_of", lambda _: AXES[axes])):
        three = [replace(real(), faithfulness=(faithful(),))] * 3
        found = [replace(compared(**scores), methods=("saliency",) * 3)] if scores else ()
        return visible(page.page(three, "make", found))


# --- runs ---


def difference(low: float) -> str:
    found = AccuracyDifference("first", "second", 0.02, (low, 0.04))
    return told(*tables.sentences_of(RunComparison((), {"lr": (1, 2)}, (), (found,))))


def settings(values=(0.8, 0.9), **differing: tuple[int, int]) -> str:
    spec = SimpleNamespace(form=".2%")
    finished = SimpleNamespace(finished=True)
    runs = tuple(SimpleNamespace(value=value, run=finished, primary=spec) for value in values)
    return told(*tables.sentences_of(RunComparison(runs, differing, ())))  # pyright: ignore[reportArgumentType]


def runs_page(first: Numbers, second: Numbers) -> str:
    with TemporaryDirectory() as folder:
        one, two = (write_run(Path(folder) / name, **n) for name, n in (("a", first), ("b", second)))
        return visible(runs.page(compare_runs(one, two), "x"))


# --- feature maps ---

COLOUR = TensorSpec((3, 32, 32), kind="image", value_range=(0.0, 1.0))


@functools.cache
def small(spec: TensorSpec = COLOUR) -> Any:
    return wrap(build(chain(spec.shape, "conv 4 3x3, relu, globalavgpool, dense 2"), seed=0).eval(), spec)


def looked(size: tuple[int, int] | None, health=False) -> str:
    if size is None:
        stroke = np.zeros((28, 28), np.uint8)
        stroke[6:22, 12:15] = 255
        sample, net = open_sample(Image.fromarray(stroke), digits.SPEC), small(digits.SPEC)
    else:
        sample, net = open_sample(Image.new("RGB", size, (200, 90, 40)), COLOUR), small()
    return visible(features._input(net, sample, with_health=health).body)


def folded(count: int, shown: tuple[int, ...] = (-1,), health=False, kernels=False) -> str:
    """The figure of the first layers of a network, of which all but those of some numbers are folded."""
    maps = list(feature_maps(small(), torch.rand(1, 3, 32, 32), features.changing_layers(small())))[:count]
    pictures = LabelledTensors(
        torch.rand(6, 3, 32, 32), torch.zeros(6, dtype=torch.int64), ("a",), COLOUR, "six"
    )
    checked = layer_health(small(), pictures, ["conv1"]) if health else ()
    found = {"conv1": filters(small(), "conv1")} if kernels else {}
    names = [maps[k].place for k in shown]
    return visible(layers.figure(maps, 2, (), {h.place: h for h in checked}, found, 1.0, shown=names).body)


def headed(values: torch.Tensor) -> str:
    """The row of one layer with given activations."""
    return visible(layers.figure([FeatureMaps("place", values)], 2, (), {}, {}, 1.0).body)


def following(name: str, value: float = 0.9, ink: bool = False) -> str:
    """The tile of a map that follows something in the picture, as closely as is given."""
    found = {"place": (PictureCorrelation(0, name, value),)}
    reading = layers.Reading(follows=found, ink=ink)
    return visible(
        layers.figure([FeatureMaps("place", torch.ones(1, 4, 4))], 1, (), {}, {}, 1.0, reading).body
    )


def way_through(
    first: tuple[float, ...] = (0.9, 0.9), last: tuple[float, ...] | None = (0.9, 0.9), side=3, then=1
) -> str:
    """The table of two layers with kernels of given sides, whose maps follow edges as closely as is given."""
    spec = TensorSpec((1, 8, 8))
    text = f"conv 2 {side}x{side}, conv 2 {then}x{then}, flatten, dense 2"
    net = wrap(build(chain(spec.shape, text), seed=0).eval(), spec)
    given = {"conv1": first, **({"conv2": last} if last is not None else {})}
    follows = {
        p: tuple(PictureCorrelation(k, "edges", v) for k, v in enumerate(vs)) for p, vs in given.items()
    }
    seen = [FeatureMaps(place, torch.ones(2, 6, 6)) for place in ("conv1", "conv2")]
    figure = way.figure(net, seen, follows, {"conv1": "a", "conv2": "a"})
    return titled(figure) + visible(figure.body) if figure else ""


def answering(net: str | None) -> str:
    """The facts of a page of feature maps, of a network with names of classes and of one without."""
    loaded = load(net) if net else small(digits.SPEC)
    sample = Sample(digits.test().inputs([0])[0], None)
    maps = list(feature_maps(loaded, sample.input[None], ["output"]))
    return visible(features.page(loaded, sample, maps, strongest=2, command="x"))


def read_maps(words: bool) -> str:
    net = load("questions") if words else small()
    sample = open_sample("is it", net.input_spec) if words else Sample(torch.rand(3, 32, 32), None)
    return visible(features._input(net, sample, with_health=False).body)


def cropped(size: tuple[int, int]) -> str:
    found = crop.sentence(open_sample(Image.new("RGB", size), COLOUR), COLOUR)
    return told(found) if found else ""


def noted(size: tuple[int, int]) -> str:
    """The note on a sheet, which is in English; a page may have it in Chinese."""
    seen: list[Text] = []

    def noticed(key: str, **values: object) -> Text:
        seen.append(spoken(key, **values))
        return seen[-1]

    with patched((crop, "spoken", noticed)):
        assert crop.note(open_sample(Image.new("RGB", size), COLOUR), COLOUR) == "".join(
            t["en"] for t in seen
        )
    return told(*seen)


# --- units ---


@functools.cache
def portrait() -> Any:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", folder)
        return unit_report(load("digits"), "output:3", digits.test().take(range(30)), top_k=4, steps=2)


def standing(**changes: Any) -> Any:
    """A stand-in of the report of a unit with other results."""
    return SimpleNamespace(**{**vars(portrait()), **changes})


def state(dead=False, saturated=False) -> str:
    """The fact of a unit's state on its page."""
    entry = replace(portrait().entry, dead=dead, saturated=saturated)
    made = unit.page(replace(portrait(), entry=entry), load("digits"), data="digits", command="x")
    found = re.search("在这些输入上的状态(.*)", visible(made))
    assert found is not None
    return found[1]


def synthetic(known: bool) -> str:
    changes = {"percentile": 62.5} if known else {"percentile": None, "maximizing": None, "minimizing": None}
    figure = unit_figures.wanted(standing(**changes), digits.SPEC, "")
    return titled(figure) if figure else ""


def framed(high=(), low=()) -> str:
    """The synthetic inputs of a unit that reads a box of each of them; () for a unit that reads all."""
    both = {
        key: replace(getattr(portrait(), key), box=box)
        for key, box in (("maximizing", high), ("minimizing", low))
    }
    figure = unit_figures.wanted(standing(**both), digits.SPEC, "")
    assert figure is not None
    return titled(figure, "caption") + alts(figure.body)


def examples(of=unit_figures, labels=(3, 3, 3, 3), bottom=False, floor=False) -> str:
    """The title of the strongest inputs, of given classes; of texts without the texts."""
    top = tuple(replace(e, label=k) for e, k in zip(portrait().entry.top, labels, strict=True))
    sizes = torch.full((10,), 3)
    entry = replace(portrait().entry, top=top, class_sizes=sizes)
    low = [replace(one.example, value=0.0 if floor else k / 10) for k, one in enumerate(portrait().bottom)]
    lowest = tuple(replace(one, example=e) for one, e in zip(portrait().bottom, low, strict=True))
    with patched((unit_texts, "_line", lambda *_: "")):
        changed = replace(portrait(), entry=entry, bottom=lowest)
        return titled(of.patches(changed, digits.SPEC, "", bottom=bottom))


def ngrams(known: bool) -> str:
    one = SimpleNamespace(texts=("is it",), values=(2.5,), words=[[["is"], ["it"]]], gains=[[[1.0], [1.5]]])
    return titled(unit_texts.ngrams(standing(ngrams=(one, one) if known else None), ""))


def field(measured: bool) -> str:
    effective = SimpleNamespace(influence=torch.ones(28, 28), box=(), size=14.0, images=30, place="conv1")
    figure = unit_figures.field(standing(effective=effective if measured else None), digits.SPEC, "")
    return titled(figure) if figure else ""


def wanted(gradient: bool) -> str:
    made = replace(portrait().maximizing, value=1.25, no_gradient=not gradient)
    both = replace(portrait(), maximizing=made, minimizing=made)
    figure = unit_figures.wanted(both, digits.SPEC, "")
    assert figure is not None
    return visible(str(figure.body).replace("</p>", "\n"))


# --- trainings ---


def cells(truth: int, answer: int, count: int) -> str:
    found = evaluation([(truth, answer)] * count)
    images = ImageTensorDataset(
        torch.zeros(count, 1, 28, 28, dtype=torch.uint8), found.labels, found.classes, digits.SPEC
    )
    made = str(cell_images.galleries(found, images, cell_images.choose(found)))
    return visible(made.replace("</p>", "\n"))


MEASURED = {"en": "accuracy 91.00%", "zh": "正确率（accuracy）91.00%"}


def recipe(reduced=False, here=MEASURED, measured=True, cost="") -> str:
    found = replace(find_recipe("lecture-mnist"), cost=cost)
    found = found if measured else replace(found, measured=None)
    return visible(commands.known_results(found, here, reduced).body)


def curved(tested: bool) -> str:
    run = run_of(Path("runs"), Classification(), load("digits"), epochs([0.5, 0.4]), None, planned=2)
    done = [e if tested else replace(e, test_metrics={}) for e in run.epochs]
    (figure,) = training._curves(replace(run, epochs=done))
    return titled(figure) + "\n"


def rescaled(changes: int) -> str:
    run: Any = SimpleNamespace(lr_changes=[LRChange(2, 30, 60, 0.1, 0.05)] * changes)
    return told(*(spoken(key, **values) for key, values in training._rescaled(run)))


def found_rates(**suggested: float | None) -> str:
    """What is said of learning rates of the finder, by the setting that they are for."""
    curve = torch.linspace(0.1, 1, 20)
    found = [
        LRFinderResult(curve, curve, curve, 0.02, value, False, rate=rate)  # pyright: ignore[reportArgumentType]
        for rate, value in suggested.items()
    ]
    run: Any = SimpleNamespace(lr_finders=found)
    return told(*(spoken(key, **values) for key, values in training._found_rates(run)))


def kept(accuracies: tuple[float, ...]) -> str:
    """What is said of the epoch that is kept, the last of some with given accuracies of validation data."""
    done = [
        replace(epoch, validation_metrics={"accuracy": value, "loss": 0.25}, best=True)
        for epoch, value in zip(epochs([0.4] * len(accuracies)), accuracies, strict=True)
    ]
    run: Any = SimpleNamespace(epochs=done, setup=SimpleNamespace(task=Classification()))
    return told(*(spoken(key, **values) for key, values in training._chosen(run)))


def loss_of_the_title(temperature: float) -> str:
    found = replace(evaluation([(0, 0), (1, 0)], "ab"), temperature=temperature)
    run: Any = SimpleNamespace(tested=SimpleNamespace(evidence=found))
    return told(*(spoken(key, **values) for key, values in training._calibrated(run)))


def reliable(temperature: float, sure=0.9, right=90, total=100) -> str:
    found = evaluation([(0, 0)] * right + [(1, 0)] * (total - right), "ab")
    rows = torch.tensor([sure, 1 - sure]).repeat(total, 1)
    figure = calibration.of_run(replace(found, probabilities=rows, temperature=temperature), "")
    return titled(figure) + visible(figure.body)


def mistakes(classes: int, images=False) -> str:
    found = evaluation([(0, 1)] * 2 + [(1, 1)], [f"class {k}" for k in range(classes)])
    pictures = ImageTensorDataset(
        torch.zeros(3, 1, 28, 28, dtype=torch.uint8), found.labels, found.classes, digits.SPEC
    )
    return visible(confusion.of_run(found, "", pictures if images else None).body)


def accuracies(classes: int) -> str:
    names = [f"class {k}" for k in range(classes)]
    return visible(class_accuracy.of_run(evaluation([(k, k) for k in range(classes)], names), "").body)


def going_on(command: str) -> str:
    return visible(commands.going_on([command]).body)


def wrong_answers(of_texts=False, wrong=True) -> str:
    if of_texts:
        net = load("questions")
        image, names = open_sample("is it", net.input_spec).input, net.classes
    else:
        net, image, names = small(), torch.rand(3, 32, 32), ("a", "b")
    one = Answer(image, names[0], names[int(wrong)], 0.9, 0.1)
    figure = attributed_mistakes.of_run(net, [one], names, "")
    return titled(figure) if figure else ""


def copies(tests: tuple[int, ...], mirrored=False, held: tuple[int, ...] | None = None) -> str:
    """Ten test pictures, of which the first seven are right; some are copies, those of `held` of validation.

    Without `held` there is no validation part.
    """
    found = evaluation([(0, 0)] * 7 + [(0, 1)] * 3)
    images = ImageTensorDataset(
        torch.zeros(10, 1, 28, 28, dtype=torch.uint8), found.labels, found.classes, digits.SPEC
    )
    pairs = [
        NearDuplicate(test, 0, 0.98, mirrored, "validation" if test in (held or ()) else "train")
        for test in tests
    ]
    figure = duplicates.of_run(pairs, images, images, found, None if held is None else images)
    return titled(figure) + visible(figure.body) + alts(figure.body)


def copied(validation: int, test=0) -> str:
    """Titles on copies of training pictures among four of the validation part and four of the test."""
    spec = replace(COLOUR, shape=(3, 48, 48))
    noise = torch.randint(0, 255, (12, *spec.shape), generator=torch.Generator().manual_seed(0))
    parts = noise.to(torch.uint8).split(4)
    made = [
        ImageTensorDataset(
            torch.cat([parts[0][:count], part[count:]]),
            torch.zeros(4, dtype=torch.int64),
            ("a", "b"),
            spec,
        )
        for part, count in zip(parts, (0, validation, test), strict=True)
    ]
    run: Any = SimpleNamespace(setup=SimpleNamespace(train=made[0], validation=made[1]))
    figures, _ = training._duplicates(ClassifiedSamples(evaluation([(0, 0)] * 4, "ab"), made[2]), run)
    return "\n".join(map(titled, figures))


# --- tours ---


def subject(sample: Sample, net: Any = None) -> Any:
    return SimpleNamespace(sample=sample, net=net or load("digits"), data=None)


def board(*rows: str) -> Board:
    return Board.from_stones(np.array([[".XO".index(point) for point in row] for row in rows], np.int8))


APART = board("X.X..", ".....", "X.O..", ".....", ".....")
TOUCHING = board("XXX..", "..X..", "..XO.", ".....", ".....")


def halved(position: Board) -> str:
    (figure, _table) = go.design(subject(Sample(torch.zeros(1), position))).figures
    return titled(figure)


def policy(**probabilities: float) -> str:
    found = SimpleNamespace(labels=list(probabilities), probabilities=list(probabilities.values()))
    with patched((go, "classify", lambda *_, **__: found)):
        (figure,) = go.answer(subject(Sample(torch.zeros(1), APART))).figures
    return titled(figure, "caption", "alt")


def answered(label: str, share: float) -> Any:
    return SimpleNamespace(label=label, labels=[label], probabilities=[share])


def pitched(first: tuple[str, float], second: tuple[str, float]) -> str:
    answers = iter([answered(*first), answered(*second)])
    wave = torch.sin(torch.arange(800) / 5)[None]
    changes = ((sound, "classify", lambda *_, **__: next(answers)), (sound, "_drawn", lambda *_: ""))
    with patched(*changes):
        figure = sound.design(subject(Sample(wave, None))).figures[0]
    return titled(figure) + visible(figure.body)


def read(english: tuple[str, float], chinese: tuple[str, float]) -> str:
    """The answers for both sentences; a stand-in network answers, and nothing is attributed."""

    def classify(_net: object, sample: Sample, **_: object) -> Any:
        return answered(*(chinese if sample.original == "zh" else english))

    changes = (
        (chapters, "classify", classify),
        (chapters, "_heat", lambda *_: ""),
        (texts_tour, "in_chinese", lambda s: subject(Sample(torch.zeros(1), "zh"))),
    )
    with patched(*changes):
        figures = texts_tour.answer(subject(Sample(torch.zeros(1), "en"))).figures
    return "\n".join(map(titled, figures))


def heard(label: str, share: float) -> str:
    with patched(
        (chapters, "classify", lambda *_, **__: answered(label, share)), (chapters, "_heat", lambda *_: "")
    ):
        (figure,) = sound.answer(subject(Sample(torch.zeros(1), None))).figures
    return titled(figure)
