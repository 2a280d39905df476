"""What is said and drawn of a photograph of which a network sees a part, by boxes that are known exactly."""

import re

import numpy as np
import pytest
from PIL import Image

from convscope.graph import TensorSpec, chain
from convscope.jobs import pictures
from convscope.jobs.input import explain as job
from convscope.nets import build, wrap
from convscope.see.attribution import ExplainRecipe, explain
from convscope.show.pages import crop
from convscope.show.pages.explanation.page import page
from convscope.show.pages.explanation.text import where
from convscope.worlds import open_sample

SPEC = TensorSpec((3, 32, 32), kind="image", value_range=(0.0, 1.0))


def photo(width: int, height: int):
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return open_sample(Image.fromarray(noise), SPEC)


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (
            (80, 40),
            "The network sees 50 % of the picture, which is cropped: cut off are 25 % at the left and as",
        ),
        (
            (40, 160),
            "The network sees 25 % of the picture, which is cropped: cut off are 38 % at the top and as",
        ),
    ],
)
def test_the_edges_that_are_cut_off_are_named(size, said):
    text = crop.sentence(photo(*size), SPEC)
    assert text["en"].startswith(said)
    assert said.split()[3] in text["zh"] and "裁去" in text["zh"]


def test_nothing_is_said_of_what_is_seen_whole():
    assert crop.sentence(photo(64, 64), SPEC) is None and crop.note(photo(64, 64), SPEC) == ""
    assert pictures.said_of_crops([photo(64, 64)], SPEC) == {"said": [], "said_zh": []}
    grey = TensorSpec((1, 28, 28), kind="digit", value_range=(0.0, 1.0))
    stroke = np.zeros((28, 28), np.uint8)
    stroke[6:22, 12:15] = 255
    drawn = open_sample(stroke, grey)
    assert crop.sentence(drawn, grey) is None


def test_of_several_pictures_the_cropped_ones_are_counted():
    said = pictures.said_of_crops([photo(64, 64), photo(80, 40), photo(40, 160)], SPEC)
    assert said["said"] == ["2 of the 3 pictures are cropped: the network sees 25 % – 50 % of them."]


def test_places_are_those_of_the_part_that_is_seen():
    heat = np.zeros((30, 30))
    heat[:5, 12:18] = 1
    assert "of the part that the network sees, on" in where(heat, cropped=True)["en"]
    assert "网络所见部分" in where(heat, cropped=True)["zh"]
    assert "of the picture, on" in where(heat)["en"]


class Folder:
    """Takes what a job saves."""

    def save_image(self, *_) -> None: ...


def test_an_explanation_says_it_in_the_terminal_and_on_the_page():
    text = "conv 4 3x3, relu, globalavgpool, dense 2"
    net = wrap(build(chain(SPEC.shape, text), seed=0).eval(), SPEC)
    recipe = ExplainRecipe(image="x.png", net="net", method=["gradcam"], checks=False)
    for sample, cropped in ((photo(80, 40), True), (photo(64, 64), False)):
        made = [explain(net, sample.input[None], "gradcam", [0, 1])]
        said = job._save(job._Made(made), recipe, Folder(), sample)["said"]
        assert sum("sees 50 % of the picture" in line for line in said) == cropped
        assert all(("the part that" in line) == cropped for line in said if "half of the positive" in line)
        shown = page(made, "make", sample=sample)
        assert ("sees 50 % of the picture" in shown) == cropped
        frames = re.findall(r'<path d="(M[^"]*)" class="window"', shown)
        assert frames == (["M56 0H168V112H56Z"] * 2 if cropped else [])
