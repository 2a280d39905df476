"""The tour of a world: chapters on any network and input, written one by one."""

import re
from pathlib import Path

import pytest

from convscope import nets
from convscope.errors import Interrupted
from convscope.jobs import run
from convscope.nets import record
from convscope.show.report import i18n
from convscope.show.report.figure import Section
from convscope.show.report.recipe import TourRecipe
from convscope.show.report.worlds import chapters
from convscope.show.report.worlds import tour as world_tour
from convscope.show.report.worlds.subject import Subject, WorldTour
from convscope.worlds import Sample
from convscope.worlds.datasets import digits

CHAPTERS = ("input", "layers", "maps", "units", "answer")
TEXTS = {
    "stand.title": {"en": "A stand-in", "zh": "替身"},
    "stand.standfirst": {"en": "Of {net}.", "zh": "关于 {net}。"},
    "stand.made": {"en": "In {seconds} s.", "zh": "用时 {seconds} 秒。"},
    "stand.fact.parameters": {"en": "parameters", "zh": "参数"},
    "stand.partial": {"en": "Unfinished.", "zh": "未完成。"},
    **{f"stand.{c}.title": {"en": f"On {c}", "zh": "章"} for c in CHAPTERS},
    **{f"stand.{c}.figure.title": {"en": f"Figure of {c}", "zh": "图"} for c in CHAPTERS},
    "stand.input.figure.alt": {"en": "the input", "zh": "输入"},
    "stand.answer.figure.heat": {"en": "the heat", "zh": "热图"},
}


def prepare(recipe: TourRecipe, folder: Path) -> Subject:
    net, data = nets.load("digits"), digits.test().take(range(40))
    return Subject(net, Sample(data.inputs([0])[0], None), data, recipe, folder / "seven.png")


def section(key: str, made) -> Section:
    return Section(f"stand.{key}", (made,))


STAND_IN = WorldTour(
    "stand",
    prepare,
    (
        lambda s: section("input", chapters.input_figure("stand.input.figure", s, "")),
        lambda s: section("layers", chapters.layer_table("stand.layers.figure", s, "")),
        lambda s: section("maps", chapters.maps_figure("stand.maps.figure", s, ["conv1", "relu2"], "")),
        lambda s: section(
            "units", chapters.examples_figure("stand.units.figure", s, ["conv1:0", "conv2:3"], "", count=3)
        ),
        lambda s: section("answer", chapters.answer_figure("stand.answer.figure", s, "", "integrated")),
    ),
)


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convscope.show.report.tour.find_tour", lambda world: STAND_IN)
    everything = {**i18n.texts(), **TEXTS}
    for module in ("report.i18n", "report.report", "html"):
        monkeypatch.setattr(f"convscope.show.{module}.texts", lambda: everything)


def test_chapters_are_computed_and_written(tmp_path: Path) -> None:
    document = run(TourRecipe(world="sound"), tmp_path / "out")
    for _ in document:
        pass
    page = (tmp_path / "out" / "report.html").read_text()
    for chapter in CHAPTERS:
        assert f"On {chapter}" in page and f"Figure of {chapter}" in page
    net = nets.load("digits")
    answer = int(net(digits.test().inputs([0])).argmax())
    assert f'<th scope="row">{net.classes[answer]}</th>' in page
    assert "Unfinished" not in page
    inputs = digits.test().inputs(range(40))
    shown = iter(re.findall(r'alt="example (\d+), ', page))
    for layer, unit in (("conv1", 0), ("conv2", 3)):
        (activations,) = record(net, inputs, [layer]).values()
        best = activations[:, unit].amax((1, 2)).argsort(descending=True)[:3]
        assert [int(next(shown)) for _ in range(3)] == best.tolist()
    assert next(shown, None) is None
    assert f">{sum(p.numel() for p in net.module.parameters()):,}<" in page


def test_a_stop_leaves_the_finished_chapters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_args: object, **_kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(chapters, "maps_figure", stop)
    steps = world_tour.iter_sections(STAND_IN, TourRecipe(world="sound"), tmp_path, tmp_path, lambda: 1.0)
    with pytest.raises(Interrupted, match="2 of 5 chapters"):
        list(steps)
    assert "Unfinished" in (tmp_path / "report.html").read_text()
