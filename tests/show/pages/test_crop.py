"""What is said and drawn of a photograph of which a network sees a part, by boxes that are known exactly."""

import re
from pathlib import Path

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
from convscope.worlds import JoinedSamples, open_sample
from convscope.worlds.datasets import digits
from convscope.worlds.images.datasets.folder import ImageFolder

SPEC = TensorSpec((3, 32, 32), kind="image", value_range=(0.0, 1.0))


def photo(width: int, height: int):
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return open_sample(Image.fromarray(noise), SPEC)


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (
            (80, 40),
            "The network sees 50% of the picture, which is cropped: cut off are 25% at the left and as",
        ),
        (
            (40, 160),
            "The network sees 25% of the picture, which is cropped: cut off are 38% at the top and as",
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
    assert said["said"] == ["2 of the 3 pictures are cropped: the network sees 25% – 50% of them."]


def folder(root: Path, sizes: list[tuple[int, int]]) -> ImageFolder:
    for number, (width, height) in enumerate(sizes):
        (root / "class").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (width, height)).save(root / "class" / f"{number:03}.png")
    return ImageFolder(root, None, SPEC)


def test_of_a_data_set_the_files_are_counted_by_their_headers(tmp_path):
    some = folder(tmp_path / "some", [(80, 40), (40, 40), (40, 160)])
    said = pictures.said_of_data(some)["said"]
    assert said == ["2 of the 3 pictures are cropped: the network sees 25% – 50% of them."]
    both = JoinedSamples({"train": some, "test": folder(tmp_path / "wide", [(80, 40)])}, "both")
    assert pictures.said_of_data(both)["said"][0].startswith("3 of the 4 pictures")
    every = folder(tmp_path / "every", [(80, 40), (40, 80)])
    assert pictures.said_of_data(every)["said"] == [
        "Each of the 2 pictures is cropped: the network sees 50% of it."
    ]
    many = folder(tmp_path / "many", [(80, 40)] + [(40, 40)] * 104)
    (line,) = pictures.said_of_data(many)["said"]
    assert line.startswith("Of 100 pictures whose size was read, 1 is cropped: the network sees 50%")
    assert pictures.said_of_data(folder(tmp_path / "whole", [(40, 40)] * 2))["said"] == []
    assert pictures.said_of_data(digits.test())["said"] == []


def test_a_file_that_lies_on_its_side_is_cropped_as_it_is_seen(tmp_path):
    (tmp_path / "class").mkdir()
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (160, 40)).save(tmp_path / "class" / "a.jpg", exif=turned)
    (line,) = pictures.said_of_data(ImageFolder(tmp_path, None, SPEC))["said"]
    assert "38% at the top" in line
    (same,) = pictures.said_of_crops([open_sample(tmp_path / "class" / "a.jpg", SPEC)], SPEC)["said"]
    assert line == same


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
        assert sum("sees 50% of the picture" in line for line in said) == cropped
        assert all(("the part that" in line) == cropped for line in said if "half of the positive" in line)
        shown = page(made, "make", sample=sample)
        assert ("sees 50% of the picture" in shown) == cropped
        frames = re.findall(r'<path d="(M[^"]*)" class="window"', shown)
        assert frames == (["M56 0H168V112H56Z"] * 2 if cropped else [])
