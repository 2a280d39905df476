"""Reports for all tests of this room: one with an untrained network, and one from a whole short tour."""

from pathlib import Path

import pytest

from convscope.learn import Epoch, evaluate
from convscope.nets import load, save
from convscope.show.report import chapters, i18n, worked_examples
from convscope.show.report.figure import Section
from convscope.show.report.recipe import TourRecipe
from convscope.show.report.report import Report, render
from convscope.show.report.tour import EVALUATION, iter_tour
from convscope.system.progress import last_result
from convscope.worlds.datasets import digits
from convscope.worlds.images.photos import to_pil

NUMBER = 7
VALUES = {
    "version": "1",
    "torch": "2",
    "date": "2026-11-22",
    "seconds": 9,
    "seed": 0,
    "folder": "lecture-relu",
    "train": "8,000",
    "test": "2,000",
}
FACTS = tuple((f"tour.fact.{name}", "1") for name in ("parameters", "digits", "accuracy", "relu"))


class Watched(dict):
    """Texts that remember which were read."""

    def __init__(self, texts) -> None:
        super().__init__(texts)
        self.read: set[str] = set()

    def __getitem__(self, key):
        self.read.add(key)
        return super().__getitem__(key)


def _epochs(count: int) -> list[Epoch]:
    return [
        Epoch(
            i + 1,
            count,
            {"loss": 1.0 / (i + 1), "accuracy": 0.9},
            {"loss": 0.2, "accuracy": 0.9 + 0.01 * i},
            1.0,
            1000.0,
            1e-3,
            "fp32",
            "contiguous",
        )
        for i in range(count)
    ]


def _sections(folder: Path) -> list[Section]:
    net, data, digit = load("lecture-relu", seed=0), digits.test(), worked_examples.digit(NUMBER)
    save(net, folder / "lecture-relu")
    to_pil(digit).save(folder / "digit.png")
    where = EVALUATION.format(folder=str(folder / "lecture-relu"))
    lines = ("convscope train x", f"{where}\nprint(found.confusion)", f"{where}\nworst = found.hardest(12)")
    subject = chapters.Subject(
        net,
        data,
        digit,
        steps=2,
        seed=0,
        folder=str(folder / "lecture-relu"),
        picture=str(folder / "digit.png"),
    )
    seen = chapters.seen(subject)
    sections = [
        chapters.why(net.graph, digit, NUMBER),
        chapters.convolution(digit, NUMBER),
        chapters.neuron(),
        chapters.network(load("lecture").graph),
        chapters.training(_epochs(3), _epochs(3), evaluate(net, data), data, lines, "8,000"),
    ]
    return [*sections, last_result(seen, "the last chapter")]


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """The sections, the page, and the keys of the texts that were read to make it."""
    watched, original = Watched(i18n.texts()), i18n.texts
    patch = pytest.MonkeyPatch()
    patch.setattr(i18n, "texts", lambda: watched)
    try:
        sections = _sections(tmp_path_factory.mktemp("made"))
        page = render(Report(tuple(sections), "convscope tour", "tour", FACTS, VALUES, unfinished=True))
    finally:
        patch.undo()
    assert i18n.texts is original
    return sections, page, watched.read


@pytest.fixture(scope="session")
def page(made):
    return made[1]


@pytest.fixture(scope="session")
def figures(made):
    """The figures by key."""
    return {figure.key: figure for section in made[0] for figure in section.figures}


@pytest.fixture(scope="session")
def toured(tmp_path_factory):
    """A whole tour, short but real: its recipe, its folder and what it told."""
    recipe, folder = (
        TourRecipe(epochs=1, steps=4, digit=5, device="cpu"),
        tmp_path_factory.mktemp("toured") / "tour",
    )
    return recipe, folder, list(iter_tour(recipe, folder))
