"""Titles that claim something: each claim is made false, and another text stands there."""

import re

import pytest
import torch

from convscope.nets import load
from convscope.see import unit_report
from convscope.show.pages import unit
from convscope.show.report.figure import Figure
from convscope.show.report.figures.training import confusion, curves
from convscope.show.report.figures.training.curves import History
from convscope.show.report.i18n import LANGUAGES, plain
from convscope.worlds import ImageTensorDataset
from convscope.worlds.datasets import digits


def titles(figure: Figure) -> str:
    """The title in every language, all placeholders filled."""
    return " | ".join(plain(figure.title, language, **figure.values) for language in LANGUAGES)


def mistakes(*pairs: tuple[int, int, int]) -> Figure:
    counts = (torch.eye(3, dtype=torch.int64) * 10).tolist()
    for truth, answer, count in pairs:
        counts[truth][answer] = count
    return confusion.figure(counts, ["zero", "one", "two"], "convscope train")


def test_the_most_frequent_mistake_is_named_only_if_there_is_one() -> None:
    assert "one taken for two (3 of 5)" in titles(mistakes((1, 2, 3), (0, 1, 2)))
    tied = titles(mistakes((1, 2, 2), (0, 1, 2), (2, 0, 1)))
    assert "taken for" not in tied and "2 kinds of mistakes are equally frequent (2 of 5 each)" in tied


def test_a_difference_that_chance_can_make_is_called_that() -> None:
    def title(printed: float, relu: float, tested: int) -> str:
        return titles(curves.figure(History([1.0], [printed]), History([1.0], [relu]), tested, "train"))

    assert "chance" in title(0.03, 0.02, 1000) and "运气" in title(0.03, 0.02, 1000)
    assert "chance" not in title(0.03, 0.02, 10_000)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory):
    """The page of a unit over digits with given classes, as text without tags."""
    net, data = load("digits"), digits.test().take(range(60))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))

        def made(labels: torch.Tensor) -> str:
            named = ImageTensorDataset(data.images, labels, [f"class {k}" for k in range(10)], data.spec)
            report = unit_report(net, "output:3", named, top_k=9, steps=2)
            return re.sub(r"<[^>]+>", "", unit.page(report, net, data="digits", command="convscope unit"))

        yield made, data.labels


def test_a_class_of_the_top_images_is_named_only_beyond_chance(page) -> None:
    made, labels = page
    right = made(labels)
    found = re.search(r"highest peaks: (\d) are class 3, which has ([\d.]+)%", right)
    assert found and int(found[1]) >= 4
    assert float(found[2]) == pytest.approx(100 * float((labels == 3).float().mean()), rel=0.01)
    assert "class 3 has the highest mean peak" in right
    mixed = made(torch.randperm(60, generator=torch.Generator().manual_seed(1)) % 10)
    assert "no single class leads them by more than chance would give" in mixed
    assert "No class stands out by its mean peak" in mixed and "has the highest mean peak" not in mixed
