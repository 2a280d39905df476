"""One small report for all tests of this room: every chapter, with an untrained network."""

import pytest
import torch

from convscope.learn import Epoch, Evaluation
from convscope.nets import load
from convscope.show import chapters, words
from convscope.show.figure import Section
from convscope.show.report import Report, render
from convscope.worlds import digits, scaled

VALUES = {"version": "1", "torch": "2", "date": "2026-11-22", "seconds": 9, "seed": 0,
          "folder": "lecture-relu", "train": "8,000", "test": "2,000"}  # fmt: skip
FACTS = tuple((f"page.fact.{name}", "1") for name in ("parameters", "digits", "accuracy", "relu"))


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
        Epoch(i + 1, count, 1.0 / (i + 1), 0.9, 0.2, 0.9 + 0.01 * i, 1.0, 1000.0, 1e-3, "fp32", "contiguous")
        for i in range(count)
    ]


def _sections() -> list[Section]:
    net, data = load("lecture-relu", seed=0), digits.test().take(range(60))
    digit = scaled(data.batch([0]), data.contract)[0]
    chances = torch.rand(60, 10, generator=torch.Generator().manual_seed(0)).softmax(1)
    losses = -chances[torch.arange(60), data.labels].log()
    evaluation = Evaluation(data.classes, data.labels, chances, losses)
    seen = chapters.seen(chapters.Subject(net, data, digit, steps=1, seed=0, folder="runs/x/lecture-relu"))
    sections = [chapters.why(net.graph, digit), chapters.convolution(digit), chapters.neuron(),
                chapters.network(load("lecture").graph, "convscope describe lecture"),
                chapters.training(_epochs(3), _epochs(3), evaluation, data, ("convscope train x", "python"),
                                  "8,000")]  # fmt: skip
    while True:
        try:
            next(seen)
        except StopIteration as end:
            return [*sections, end.value]


@pytest.fixture(scope="session")
def made():
    """The sections, the page, and the keys of the texts that were read to make it."""
    watched, original = Watched(words.texts()), words.texts
    patch = pytest.MonkeyPatch()
    patch.setattr(words, "texts", lambda: watched)
    try:
        sections = _sections()
        page = render(Report(tuple(sections), "convscope tour", FACTS, VALUES, unfinished=True))
    finally:
        patch.undo()
    assert words.texts is original
    return sections, page, watched.read


@pytest.fixture(scope="session")
def page(made):
    return made[1]
