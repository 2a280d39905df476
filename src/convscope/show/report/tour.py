"""The tour: train the lecture's network on real digits, visualise what it learned, write one page.

The page is rewritten after every chapter, so that a tour that is stopped leaves its finished chapters.
"""

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch

from convscope.errors import Interrupted
from convscope.graph import Graph, costs, totals
from convscope.learn import (
    ClassificationRecipe,
    Epoch,
    Evaluation,
    TrainProgress,
    find_device,
    iter_train,
)
from convscope.nets import Net, load, save
from convscope.recipe.result import Result
from convscope.show import html
from convscope.show.images import input_image, png
from convscope.show.report import chapters, worked_examples
from convscope.show.report.figure import Section
from convscope.show.report.i18n import plain
from convscope.show.report.recipe import TourRecipe
from convscope.show.report.report import Report, render
from convscope.show.report.worlds.tour import find_tour, iter_sections
from convscope.system.counting import counted, percent_right
from convscope.system.files import write_text
from convscope.system.progress import Progress, last_result
from convscope.worlds.datasets import digits

NETWORKS = ("lecture", "lecture-relu")
CHAPTERS = ("why", "convolution", "neuron", "network", "training", "seen")
DIGIT = "digit.png"
"""File name of the digit whose way through the network is shown."""
EVALUATION = """\
import convscope as cs
from convscope.worlds import digits
found = cs.learn.evaluate(cs.load({folder!r}), digits.test())"""
BEGINS = {"why": 0.0, "convolution": 0.02, "neuron": 0.03, "network": 0.04, "training": 0.05, "seen": 0.65}
"""Estimated share of the tour's duration that has passed when a chapter begins."""


@dataclass(frozen=True)
class TourResult(Result):
    """The report of a tour, as far as it has come.

    Attributes:
        report: the HTML file.
        chapters: keys of the finished chapters, in their order.
        models: folders of the trained networks.
        seconds: duration of the tour.
        accuracy: test accuracy of each network by name, 0 to 1.
    """

    report: Path
    chapters: tuple[str, ...]
    models: tuple[Path, ...]
    seconds: float
    accuracy: dict[str, float]


@dataclass
class TourState:
    """State of a running tour.

    Attributes:
        recipe: all settings.
        folder: where results are written.
        shown: where readers will find them; differs from `folder` while results are moved into place at the
            end.
        started: reading of the monotonic clock at the beginning.
        sections: finished chapters.
        nets: trained networks by name.
        epochs: training history of each network.
        evaluations: test results of each trained network.
    """

    recipe: TourRecipe
    folder: Path
    shown: Path
    started: float = field(default_factory=time.monotonic)
    sections: list[Section] = field(default_factory=list)
    nets: dict[str, Net] = field(default_factory=dict)
    epochs: dict[str, list[Epoch]] = field(default_factory=dict)
    evaluations: dict[str, Evaluation] = field(default_factory=dict)

    @cached_property
    def digit(self) -> torch.Tensor:
        """The digit whose way through the network is shown, `[1 28 28]` in [0, 1]."""
        return worked_examples.digit(self.recipe.digit)

    @property
    def seconds(self) -> float:
        """Seconds since the tour began."""
        return time.monotonic() - self.started

    @property
    def accuracy(self) -> dict[str, float]:
        """Test accuracy of each trained network by name, 0 to 1."""
        return {name: found.accuracy for name, found in self.evaluations.items()}

    def result(self) -> TourResult:
        """Return what there is so far."""
        models = tuple(self.shown / name for name in self.nets)
        chapters = tuple(CHAPTERS[: len(self.sections)])
        return TourResult(self.shown / "report.html", chapters, models, self.seconds, self.accuracy)


def tour(recipe: TourRecipe, folder: Path) -> TourResult:
    """Train two networks on digits, visualise what they learned, and write an illustrated report.

    Args:
        recipe: all settings that decide the result.
        folder: where to write; made if missing.

    Returns:
        Where the report is, and what the networks have learned.

    Raises:
        Interrupted: the user stopped the tour; finished chapters are in `folder`.
    """
    return last_result(iter_tour(recipe, folder), "a tour")


def iter_tour(
    recipe: TourRecipe, folder: Path, *, shown: Path | None = None
) -> Iterator[Progress[TourResult]]:
    """Run the tour, yielding after each chapter and step.

    Trains two networks, computes all figures and writes `folder/report.html`, the digit that is followed
    through the network, and a model folder for each network.

    Args:
        recipe: all settings that decide the result.
        folder: where to write; made if missing.
        shown: the folder that the page names in its commands, if it is not `folder`.

    Yields:
        The progress with what is written so far.

    Raises:
        Interrupted: the user stopped the tour; finished chapters are in `folder`.
    """
    state = TourState(recipe, folder, shown or folder)
    folder.mkdir(parents=True, exist_ok=True)
    if recipe.world != "image":
        yield from _of_world(state)
        return
    png.save(input_image.opaque(state.digit, digits.SPEC), folder / DIGIT)
    try:
        for key in CHAPTERS:
            yield Progress(BEGINS[key], plain(f"{key}.title"), state.result)
            yield from _CHAPTERS[key](state)
            _write(state)
    except KeyboardInterrupt:
        raise Interrupted(
            "the tour to run to its end",
            received="a stop",
            hint=f"{len(state.sections)} of {counted(len(CHAPTERS), 'chapter')}: "
            f"{state.shown / 'report.html'}.",
        ) from None
    done = state.result()
    yield Progress(1.0, str(done.report), lambda: done)


Steps = Generator[Progress[TourResult], None, None]


def _of_world(state: TourState) -> Steps:
    """Write the tour of another world."""
    tour = find_tour(state.recipe.world)
    steps = iter_sections(tour, state.recipe, state.folder, state.shown, lambda: state.seconds)
    keys: tuple[str, ...] = ()

    def result() -> TourResult:
        return TourResult(state.shown / "report.html", keys, (), state.seconds, {})

    for step in steps:
        keys = tuple(section.key for section in step.result())
        yield Progress(step.fraction, step.message, result)
    yield Progress(1.0, str(state.shown / "report.html"), result)


def _why(state: TourState) -> Steps:
    state.sections.append(chapters.why(_graph(), state.digit, state.recipe.digit))
    yield from ()


def _convolution(state: TourState) -> Steps:
    state.sections.append(chapters.convolution(state.digit, state.recipe.digit))
    yield from ()


def _neuron(state: TourState) -> Steps:
    state.sections.append(chapters.neuron())
    yield from ()


def _network(state: TourState) -> Steps:
    state.sections.append(chapters.network(_graph()))
    yield from ()


def _training(state: TourState) -> Steps:
    train, test = digits.train(), digits.test()
    span = BEGINS["seen"] - BEGINS["training"]
    for index, name in enumerate(NETWORKS):
        recipe = _recipe(state, name)
        net = state.nets[name] = load(name, seed=state.recipe.seed).to(find_device(state.recipe.device))
        for event in iter_train(net, train, test, recipe):
            done = BEGINS["training"] + span * (index + event.done) / len(NETWORKS)
            if isinstance(event, Epoch):
                state.epochs.setdefault(name, []).append(event)
            yield Progress(done, _news(name, event), state.result)
        save(net.to("cpu"), state.folder / name)
        state.evaluations[name] = _evaluation(state.epochs[name])
    printed, relu = (state.epochs[name] for name in NETWORKS)
    evaluation = EVALUATION.format(folder=str(state.shown / NETWORKS[1]))
    commands = (
        "\n".join(_recipe(state, name).command() for name in NETWORKS),
        f"{evaluation}\nprint(found.confusion)",
        f"{evaluation}\nworst = found.hardest({chapters.HARDEST})\n"
        "print(worst, found.labels[worst], *found.probabilities[worst].max(1))",
    )
    section = chapters.training(
        printed, relu, state.evaluations[NETWORKS[1]], test, commands, f"{len(train):,}"
    )
    state.sections.append(section)


def _evaluation(epochs: Sequence[Epoch]) -> Evaluation:
    """Return the evaluation behind the test metrics of the last epoch."""
    tested = epochs[-1].tested
    if tested is None:
        raise TypeError("a tour tests after each epoch")
    return tested.evidence


def _seen(state: TourState) -> Steps:
    name = NETWORKS[1]
    subject = chapters.Subject(
        state.nets[name],
        digits.test(),
        state.digit,
        state.recipe.steps,
        state.recipe.seed,
        str(state.shown / name),
        str(state.shown / DIGIT),
    )
    begin = BEGINS["seen"]
    for step in chapters.seen(subject):
        yield Progress(begin + (1 - begin) * step.fraction, f"Looking inside: {step.message}", state.result)
        section = step.result()
        if section is not None:
            state.sections.append(section)


def _news(network: str, event: Epoch | TrainProgress) -> str:
    accuracy = event.test_metrics.get("accuracy") if isinstance(event, Epoch) else None
    return (
        f"{network}: learning"
        if accuracy is None
        else f"{network}: {percent_right(accuracy)}% of test digits right"
    )


_CHAPTERS = {
    "why": _why,
    "convolution": _convolution,
    "neuron": _neuron,
    "network": _network,
    "training": _training,
    "seen": _seen,
}


def _recipe(state: TourState, name: str) -> ClassificationRecipe:
    recipe = state.recipe
    return ClassificationRecipe(
        network=name, data="digits", epochs=recipe.epochs, seed=recipe.seed, device=recipe.device
    )


def _graph() -> Graph:
    graph = load(NETWORKS[0]).graph
    if graph is None:
        raise TypeError("the lecture's network has a graph")
    return graph


def _write(state: TourState) -> None:
    """Write the page with the chapters finished so far, atomically."""
    accuracy = state.accuracy
    facts = [
        ("tour.fact.parameters", f"{totals(costs(_graph())).parameters:,}"),
        ("tour.fact.digits", f"{len(digits.train()):,}"),
    ]
    for name, key in zip(NETWORKS, ("tour.fact.accuracy", "tour.fact.relu"), strict=True):
        if name in accuracy:
            facts.append((key, f"{percent_right(accuracy[name])}%"))
    values = {
        **html.made_with(),
        "seconds": round(state.seconds),
        "seed": state.recipe.seed,
        "folder": NETWORKS[1],
        "train": f"{len(digits.train()):,}",
        "test": f"{len(digits.test()):,}",
    }
    unfinished = len(state.sections) < len(CHAPTERS)
    page = render(Report(tuple(state.sections), state.recipe.command(), "tour", facts, values, unfinished))
    write_text(state.folder / "report.html", page)
