"""The page of attributions: which method its sentences speak of, and what its captions say is shown."""

import html
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from convscope.jobs.input import explain as job
from convscope.nets import load
from convscope.see.attribution import ExplainRecipe, MethodComparison, explain
from convscope.see.attribution.metrics.average_drop import average_drop
from convscope.see.attribution.metrics.deletion_insertion import curves
from convscope.show.images.heatmap import enlarged
from convscope.show.pages.explanation.attribution import heat_over
from convscope.show.pages.explanation.page import page
from convscope.worlds.datasets import digits

METHODS = ("gradcam", "gradcam++", "saliency")


@pytest.fixture(scope="module")
def made():
    net = load("digits")
    image = digits.test().pixels([0])[:1].float() / 255
    return [explain(net, image, method, checks=("deletion",)) for method in METHODS]


def compared(blur, mean, margin=0.01) -> MethodComparison:
    """The same methods with given scores; random heatmaps score 0."""
    both = {"blur": 0.0, "mean": 0.0}
    alike = tuple(tuple(1.0 for _ in METHODS) for _ in METHODS)
    scores = {"blur": blur, "mean": mean}
    return MethodComparison(
        METHODS, scores, both, dict.fromkeys(both, margin), (None,) * 3, alike, (0.21, 0.14)
    )


class Folder:
    """What the job saves, by name."""

    def __init__(self) -> None:
        self.pages, self.place = {}, "here"

    def save_image(self, image, name, *_) -> None: ...

    def save_page(self, page, name, _) -> None:
        self.pages[name] = page


def visible(text: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", text))


def test_a_card_is_coloured_by_the_test_that_decides_its_badge(made):
    """Its chance level is that of the comparison's random maps; words are spoken of beside texts alone."""
    drawn = page(made, "x", [compared((0.9, 0.2, 0.9), (0.9, 0.9, 0.2), margin=0.5)])
    cards = re.findall(r"<article>.*?</article>", drawn, re.DOTALL)
    assert len(cards) == 3
    for card in cards:
        chance = "badge-chance" in card
        kinds = re.findall(r'<li class="(good|bad)">(?:(?!</li>).)*?(insertion|deletion) ', card)
        assert kinds == [("bad" if chance else "good", name) for name in ("insertion", "deletion")]
        assert "(chance 0.21)" in card and "(chance 0.14)" in card
    assert sum("badge-chance" in card for card in cards) == 2
    assert "mean colour" in visible(drawn) and "unknown" not in visible(drawn)


@pytest.mark.parametrize("first", range(3))
@pytest.mark.parametrize("passes", [True, False])
def test_terminal_and_page_speak_of_the_same_method(made, first, passes):
    """Also where no map passes, so that none is best, and under another baseline than that of the metrics."""
    mean = tuple(0.9 if k == first else 0.1 for k in range(3))
    scores = compared((0.2, 0.2, 0.2), mean, margin=0.01 if passes else 5.0)
    recipe = ExplainRecipe(image="x.png", net="digits", compare=True, method=list(METHODS))
    folder = Folder()
    said = job._save(job._Made(made, (scores,)), recipe, folder)["said"]
    (told,) = (line for line in said if line.startswith("By "))
    assert told.startswith(f"By {made[first].method.title}")
    assert told in visible(folder.pages["index.html"])


def test_a_slider_is_told_of_only_where_one_is_shown(made):
    drawn, none = (page(made, "make", [compared((0.5,) * 3, (0.5,) * 3, margin)]) for margin in (0.01, 5.0))
    figures = [re.search(r'<figure id="explain-figure.*?</figure>', text, re.S)[0] for text in (drawn, none)]
    assert [figure.count('type="range"') for figure in figures] == [2, 0]
    assert ["slider" in visible(figure) for figure in figures] == [True, False]
    assert all("the input as the network gets it" in visible(figure) for figure in figures)
    assert not any("Left" in visible(figure) for figure in figures)


def test_heat_of_a_layer_is_enlarged_without_creases():
    """Linear interpolation bends only at the positions of the layer; a smooth curve bends less."""
    coarse = torch.tensor([[0.0, 0.0, 1.0, 0.0, 0.0]]).repeat(5, 1)
    spec = SimpleNamespace(kind="image")
    whole = SimpleNamespace(inputs=[torch.zeros(1, 3, 80, 80)])
    task = SimpleNamespace(net=SimpleNamespace(input_spec=spec), whole=whole)
    explanation: Any = SimpleNamespace(heatmap=coarse[None], task=task, cam=None)
    drawn = heat_over(explanation, 0, Image.new("RGB", (80, 80)))
    linear = torch.nn.functional.interpolate(coarse[None, None], (80, 80), mode="bilinear")[0, 0].numpy()
    bend, straight = (np.abs(np.diff(values[40], 2)).max() for values in (drawn, linear))
    assert bend < 0.6 * straight
    assert drawn.min() >= 0 and drawn.max() <= 1


def test_what_is_drawn_is_not_what_is_measured():
    """The map is drawn by splines; metrics, JSON and `heatmap` have it interpolated linearly, as ever."""
    net, image = load("digits"), digits.test().pixels([0])[:1].float() / 255
    for method in ("gradcam", "layercam", "scorecam"):
        found = explain(net, image, method, layer="relu2", checks=("deletion", "drop"))
        assert found.cam is not None
        linear = torch.nn.functional.interpolate(found.cam, (28, 28), mode="bilinear")[:, 0]
        drawn = heat_over(found, 0, Image.new("RGB", (28, 28)))
        assert torch.equal(found.heatmap, linear)
        assert np.abs(drawn - linear[0].numpy()).max() > 0.02 * float(linear.max())
        assert np.allclose(drawn, enlarged(found.cam[0, 0], (28, 28)))
        checked = found.faithfulness[0]
        assert checked.deletion_insertion and checked.average_drop
        measured = curves(found.task, [linear])[0]
        assert checked.deletion_insertion.curves.deletion == measured.deletion
        assert checked.deletion_insertion.curves.insertion == measured.insertion
        assert checked.average_drop.drop == average_drop(found.task, [linear])[0].drop


@pytest.mark.parametrize("method", ["saliency", "occlusion"])
def test_maps_of_single_positions_are_drawn_as_they_are(method):
    found = explain(load("digits"), digits.test().pixels([0])[:1].float() / 255, method)
    assert found.cam is None
    assert np.array_equal(heat_over(found, 0, Image.new("RGB", (28, 28))), found.heatmap[0].numpy())
