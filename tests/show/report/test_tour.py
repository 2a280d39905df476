import re
import shlex

import pytest
import torch

from convscope.cli.core.app import run
from convscope.errors import Interrupted
from convscope.learn import evaluate
from convscope.nets import load
from convscope.show.report.i18n import plain
from convscope.show.report.recipe import TourRecipe
from convscope.show.report.tour import CHAPTERS, iter_tour
from convscope.worlds.datasets import digits

pytestmark = pytest.mark.slow

FIGURES = [
    "why-properties",
    "why-parameters",
    "convolution-steps",
    "convolution-strides",
    "convolution-turned",
    "convolution-sparse",
    "convolution-padding",
    "convolution-pooling",
    "neuron-sigmoid",
    "neuron-other",
    "network-layers",
    "training-curves",
    "training-confusion",
    "training-hardest",
    "seen-filters",
    "seen-maps",
    "seen-degrees",
    "seen-wanted",
    "seen-neurons",
    "seen-outputs",
    "seen-fooled",
]
TIMES = re.compile(r"(in|用时) \d+ (seconds|秒)")


def test_a_stop_keeps_the_chapters_so_far(tmp_path):
    events = iter_tour(TourRecipe(), tmp_path / "t", shown=tmp_path / "later")
    for event in events:
        if event.message == plain("training.title"):
            assert event.result().chapters == CHAPTERS[:4]
            break
    with pytest.raises(Interrupted, match=r"4 of 6 chapters: .*later"):
        events.throw(KeyboardInterrupt)
    page = (tmp_path / "t" / "report.html").read_text("utf-8")
    assert "stopped before its end" in page
    assert [key for key in CHAPTERS if f'<section id="{key}"' in page] == list(CHAPTERS[:4])


def test_the_tour_from_end_to_end(toured):
    recipe, folder, events = toured
    shares = [event.fraction for event in events]
    assert shares == sorted(shares) and shares[-1] == 1
    messages = [event.message for event in events]
    assert all(messages)
    titles = [plain(f"{key}.title") for key in CHAPTERS]
    assert [message for message in messages if message in titles] == titles
    assert {"lecture: learning", "lecture-relu: learning"} <= set(messages)
    made = events[-1].result()
    assert made.chapters == CHAPTERS and made.report == folder / "report.html"
    assert min(made.accuracy.values()) > 0.9
    page = (folder / "report.html").read_text("utf-8")
    assert re.findall(r'<section id="(\w+)"', page) == list(CHAPTERS)
    assert re.findall(r'<figure id="([\w-]+)"', page) == FIGURES
    assert "stopped before its end" not in page
    for words in (
        "What did each layer learn?",
        "每一层学到了什么？",
        recipe.command(),
        f"l.digit({recipe.digit})",
    ):
        assert words in page
    for name, share in made.accuracy.items():
        assert f"{100 * share:.1f}%" in page
        assert evaluate(load(folder / name), digits.test()).accuracy == share


def test_the_network_lies_as_it_was_trained(toured):
    _, folder, _ = toured
    assert load(folder / "lecture-relu").graph == load("lecture-relu").graph
    trained = load(folder / "lecture-relu").module.get_parameter("conv1.weight")
    assert not torch.equal(trained, load("lecture-relu", seed=0).module.get_parameter("conv1.weight"))


@pytest.mark.exhaustive
def test_the_whole_tour_repeats_bit_by_bit(toured, tmp_path):
    recipe, folder, _ = toured
    list(iter_tour(recipe, tmp_path / "again", shown=folder))
    pages = [(f / "report.html").read_text("utf-8") for f in (folder, tmp_path / "again")]
    assert TIMES.sub("", pages[0]) == TIMES.sub("", pages[1])
    for name in ("lecture", "lecture-relu"):
        first, second = (f / name / "model.safetensors" for f in (folder, tmp_path / "again"))
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.exhaustive
def test_the_commands_of_the_curves_train_the_same_networks(toured, tmp_path):
    _, folder, _ = toured
    page = (folder / "report.html").read_text("utf-8")
    lines = re.findall(r"^(?:.*<pre>)?(convscope train [^<\n]+)", page, re.MULTILINE)
    assert len(lines) == 2
    for line in lines:
        name = shlex.split(line)[2]
        assert run([*shlex.split(line)[1:], "--out", str(tmp_path / name), "--quiet"]) == 0
        ours, again = (load(f / name).module.state_dict().values() for f in (folder, tmp_path))
        assert all(torch.equal(a, b) for a, b in zip(ours, again, strict=True))
