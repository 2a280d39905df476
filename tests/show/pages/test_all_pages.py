"""Every kind of page: both languages say all, pictures are named, contents lead on, it fits a phone."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from PIL import Image
from tests.learn.runs.parts import write_run
from tests.show.browser import measured
from tests.show.pages.test_training_page import epochs, frozen_parts, run_of
from tests.show.pages.test_units_page import page_of as units_page_of
from torch import nn

from convscope import nets, worlds
from convscope.graph.spec import TensorSpec
from convscope.learn import Classification, compare_runs
from convscope.see import atlas as make_atlas
from convscope.see import feature_maps, filters, layer_health, unit_report
from convscope.see.attribution import compare_methods, explain
from convscope.show import graphs
from convscope.show.pages import atlas, features, runs, training, unit
from convscope.show.pages.explanation import page as explanation_page
from convscope.show.report.i18n import texts
from convscope.show.report.recipe import TourRecipe, World
from convscope.show.report.tour import iter_tour
from convscope.worlds.datasets import digits

CHINESE = re.compile(r"[\u4e00-\u9fff]")
WORDS = re.compile(r"\b[A-Za-z]{2,} +[A-Za-z]{2,} +[A-Za-z]{2,}")
VOID = {"meta", "link", "img", "input", "br", "hr", "wbr"}
SILENT = {"script", "style", "pre", "code", "noscript", "datalist"}
"""Elements whose text nobody reads as a sentence."""


class Reader(HTMLParser):
    """What of a page is seen, by language, and what is named."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.counts = {"en": 0, "zh": 0}
        self.words: dict[str | None, list[str]] = {"en": [], "zh": [], None: []}
        self.ids: list[str] = []
        self.contents: list[str] = []
        self.titles = {"h2": 0, "h3": 0}
        self.named: list[dict[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if found.get("lang") in self.counts and tag != "html" and found.get("class") != "always":
            self.counts[found["lang"]] += 1
        if found.get("id"):
            self.ids.append(found["id"])
        if tag == "a" and any("contents" in (a.get("class") or "") for _, a in self.open):
            self.contents.append(found["href"][1:])
        if tag in self.titles and any(t == "main" for t, _ in self.open):
            self.titles[tag] += 1
        if "alt" in found or "aria-label" in found or "placeholder" in found or tag == "img":
            self.named.append(found)
        if tag not in VOID:
            self.open.append((tag, found))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if not data.strip() or any(t in SILENT or a.get("translate") == "no" for t, a in self.open):
            return
        tag, attributes = self.open[-1]
        if tag in ("title", "option") and attributes.get("data-zh"):  # the script puts in the language's text
            assert CHINESE.search(attributes["data-zh"]) and attributes["data-en"] == data.strip()
            return
        language = next((a["lang"] for t, a in reversed(self.open) if a.get("lang") and t != "html"), None)
        self.words[language].append(data.strip())


def _digit_net() -> tuple[nets.Net, worlds.Sample]:
    net = nets.load("digits")
    sample = worlds.world_of(net.input_spec).example(net.input_spec)
    assert sample is not None
    return net, sample


def _look(net: nets.Net, sample: worlds.Sample, **more) -> str:
    layers = list(feature_maps(net, sample.input[None], features.changing_layers(net)))
    return features.page(net, sample, layers, strongest=4, command="convscope look x", **more)


def _look_at_digits() -> str:
    net, sample = _digit_net()
    names = features.changing_layers(net)
    health = layer_health(net, digits.test().take(range(8)), names)
    return _look(
        net, sample, health=health, kernels=[filters(net, "conv1"), filters(net, "conv2", show="mean")]
    )


def _look_at_a_signal() -> str:
    net = nets.wrap(
        nn.Sequential(
            nn.Conv1d(2, 5, 7), nn.ReLU(), nn.Conv1d(5, 6, 5, stride=2), nn.Flatten(), nn.Linear(132, 3)
        ),
        TensorSpec((2, 54)),
        name="signals",
    )
    return _look(net, worlds.Sample(torch.rand(2, 54), None))


def _look_at_a_photo() -> str:
    net = nets.load("torchvision/resnet18", seed=0)
    photo = Image.effect_mandelbrot((300, 200), (-2, -1, 1, 1), 40).convert("RGB")
    sample = worlds.open_sample(photo, net.input_spec)
    return _look(net, sample)


def _explained() -> str:
    net, sample = _digit_net()
    methods = ("saliency", "gradcam", "occlusion")
    made = [
        explain(net, sample.input, m, [2, 7], checks=("deletion", "drop", "completeness")) for m in methods
    ]
    return explanation_page.page(made, "convscope explain x --compare", compare_methods(made))


def _unit() -> str:
    net = nets.load("digits")
    report = unit_report(net, "output:3", digits.test().take(range(30)), top_k=4, steps=2)
    return unit.page(report, net, data="digits", command="convscope unit x")


def _unit_of_words(place: str = "conv3:7") -> str:
    data = worlds.open("phrases").take(range(60))
    net = nets.with_vocabulary(nets.load("kim_cnn_50"), data.spec, data.classes, seed=0)
    report = unit_report(net, place, data.with_spec(data.spec), top_k=4)
    return unit.page(report, net, data="phrases", command="convscope unit x")


def _atlas() -> str:
    net, data = nets.load("digits"), digits.test().take(range(60))
    made = make_atlas(net, "conv2", data, images=60, grid=3, steps=2, layout="pca")
    return atlas.page(made, net, data, command="convscope atlas x")


def _graph() -> str:
    net = nets.load("digits")
    description = nets.describe(net)
    tree = graphs.tree(description)
    cards = graphs.cards(tree, {n: type(m).__name__ for n, m in net.module.named_modules()})
    return graphs.page(description, tree, cards, tree.readable(), command="convscope describe x")


def _units() -> str:
    return units_page_of(nets.load("digits"), digits.test().take(range(40)))


def _trained() -> str:
    net, data, task = nets.load("digits"), digits.test().take(range(60)), Classification()
    task.prepare(net, data, None)
    tested = task.evaluate(net, data, nets.ExecutionConfig())
    run = run_of(Path("runs"), task, net, epochs([0.9, 0.5]), tested, data=data)
    return training.page(replace(run, frozen=frozen_parts()))


def _runs() -> str:
    with TemporaryDirectory() as folder:
        places = [write_run(Path(folder, name), (0.5, 0.9), seed=k) for k, name in enumerate("abc")]
        return runs.page(compare_runs(*places), "convscope runs a b c --out compare.html")


def _tour_of(world: World) -> str:
    with TemporaryDirectory() as folder:
        for _step in iter_tour(TourRecipe(world=world), Path(folder)):
            pass
        return (Path(folder) / "report.html").read_text()


KINDS: dict[str, Callable[[], str]] = {
    "look": _look_at_digits,
    "look at a signal": _look_at_a_signal,
    "look at a photo": _look_at_a_photo,
    "explain": _explained,
    "unit": _unit,
    "unit_text of words": _unit_of_words,
    "unit_text of a deeper one": lambda: _unit_of_words("output:1"),
    "atlas": _atlas,
    "graph": _graph,
    "units": _units,
    "trained": _trained,
    "runs": _runs,
    "go": lambda: _tour_of("go"),
    "sound": lambda: _tour_of("sound"),
    "text": lambda: _tour_of("text"),
}
"""Every kind of page but the tour, which conftest.py has; the first word is the prefix of its texts."""


@pytest.fixture(scope="module")
def pages(page, tmp_path_factory) -> Iterator[dict[str, str]]:
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    yield {"tour": page, **{kind: make() for kind, make in KINDS.items()}}
    patch.undo()


def test_every_kind_of_page_is_checked(pages):
    written = {key.partition(".")[0] for key in texts() if key.partition(".")[2] == "standfirst"}
    assert written == {kind.partition(" ")[0] for kind in pages}


@pytest.mark.parametrize("kind", ["tour", *KINDS])
def test_both_languages_say_everything(pages, kind):
    seen = Reader(pages[kind])
    assert seen.counts["en"] == seen.counts["zh"] > 10
    assert [words for words in seen.words[None] if WORDS.search(words)] == []
    assert [words for words in seen.words["en"] if CHINESE.search(words)] == []
    assert [words for words in seen.words["zh"] if WORDS.search(words)] == []
    assert not re.search(r"\{[a-z_]+\}|\bNone\b|\bnan\b", " ".join(seen.words["zh"] + seen.words[None]))


@pytest.mark.parametrize("kind", ["tour", *KINDS])
def test_every_picture_and_control_is_named_in_both_languages(pages, kind):
    for found in Reader(pages[kind]).named:
        name = found.get("alt") or found.get("aria-label") or found.get("placeholder")
        assert name, found
        assert name == found.get("data-en"), found
        assert CHINESE.search(found.get("data-zh") or ""), found


@pytest.mark.parametrize("kind", ["tour", *KINDS])
def test_contents_lead_to_every_part(pages, kind):
    seen = Reader(pages[kind])
    assert len(seen.ids) == len(set(seen.ids))
    assert set(seen.contents) <= set(seen.ids)
    assert len(seen.contents) > 1 or max(seen.titles.values()) < 2


def test_a_missing_translation_is_found():
    page = (
        '<html lang="en"><main><p lang="en">One</p><p lang="zh">一</p><p>Not a word of it</p></main></html>'
    )
    seen = Reader(page)
    assert seen.counts == {"en": 1, "zh": 1} and WORDS.search(seen.words[None][0])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tour", *KINDS])
@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_it_fits_phone_and_desk_in_a_real_browser(pages, tmp_path, kind, width, scheme):
    found = measured(pages[kind], tmp_path, width, scheme)
    assert found["width"] == width
    assert found["overflow"] <= 0, found["culprits"]
    assert found["errors"] == [] and found["requests"] == [] and found["named"] == []
    assert found["language"] == "zh" and found["hidden"]
    assert CHINESE.search(found["title"])
