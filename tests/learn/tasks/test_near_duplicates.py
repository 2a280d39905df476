"""Copies of photographs between training and test part, found by their thumbnails."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from convscope import nets
from convscope.graph import chain
from convscope.learn import (
    Classification,
    ClassificationRecipe,
    Epoch,
    EvalResult,
    Evaluation,
    TrainingSetup,
    duplicates_of_parts,
    evaluate,
    near_duplicates,
)
from convscope.show.pages import training
from convscope.show.report.figures.training import duplicates
from convscope.worlds import ImageFolder, ImageTensorDataset
from convscope.worlds.datasets import digits


def stack(pictures: list[Image.Image]) -> ImageTensorDataset:
    arrays = [np.asarray(picture.convert("RGB").resize((96, 96))) for picture in pictures]
    images = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()
    labels = torch.arange(len(pictures)) % 2
    return ImageTensorDataset(images, labels, ("a", "b"))


@pytest.fixture
def photos(shared_data: Path) -> list[Image.Image]:
    paths = sorted((shared_data / "flowers" / "train").glob("*/*"))[::20]
    return [Image.open(path).convert("RGB") for path in paths]


def compressed(picture: Image.Image) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=25)
    return Image.open(file)


CHANGES = {
    "compressed": compressed,
    "smaller": lambda picture: picture.resize((60, 60)),
    "brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.2),
    "mirrored": ImageOps.mirror,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_is_found_and_nothing_else(photos: list[Image.Image], change: str) -> None:
    train, others = photos[:12], photos[12:]
    test = stack([*others, CHANGES[change](train[5])])
    found = near_duplicates(stack(train), test)
    assert found is not None and [(pair.test, pair.train) for pair in found] == [(len(others), 5)]
    assert found[0].mirrored == (change == "mirrored") and 0.97 <= found[0].correlation <= 1


def test_plain_areas_and_digits_are_not_compared() -> None:
    white = [Image.new("RGB", (96, 96), "white"), Image.new("RGB", (96, 96), "grey")]
    assert near_duplicates(stack(white), stack(white)) == ()
    few = digits.test().take(range(10))
    assert near_duplicates(few, few) is None


def test_a_faint_pattern_is_no_content() -> None:
    """What a sensor leaves on a plain wall is the same in every photograph of it."""
    ramp = np.linspace(120, 126, 96, dtype=np.uint8)
    faint = Image.fromarray(np.repeat(ramp[None], 96, 0))
    assert near_duplicates(stack([faint, faint]), stack([faint])) == ()


def test_similar_pictures_are_not_the_same(photos: list[Image.Image]) -> None:
    """One photograph with another's shadow in it: thumbnails that correlate, but by less than copies do."""
    first, second = (np.asarray(p.convert("L").resize((96, 96)), np.float64) for p in photos[:2])
    alone, mixed = (Image.fromarray(x.astype(np.uint8)) for x in (first, 0.85 * first + 0.15 * second))
    small = [np.asarray(x.resize((32, 32), Image.Resampling.BOX)).ravel() for x in (alone, mixed)]
    assert 0.8 < np.corrcoef(*small)[0, 1] < 0.96
    assert near_duplicates(stack([alone, alone]), stack([mixed])) == ()


def test_a_report_names_the_files_of_a_pair(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for part, names in (("train", ("x.png", "y.png")), ("test", ("z.png",))):
        for label in ("a", "b"):
            folder = tmp_path / part / label
            folder.mkdir(parents=True)
            for name in names:
                pixels = random.integers(0, 255, (6, 6, 3), dtype=np.uint8)
                Image.fromarray(pixels).resize((96, 96)).save(folder / f"{label}{name}")
    same = tmp_path / "train" / "b" / "by.png"
    same.write_bytes((tmp_path / "test" / "a" / "az.png").read_bytes())
    train, test = (ImageFolder(tmp_path, part) for part in ("train", "test"))
    (pair,) = near_duplicates(train, test) or ()
    found = Evaluation(("a", "b"), test.labels, torch.eye(2), torch.ones(2))
    text = str(duplicates.of_run((pair,), train, test, found).body)
    assert "a (az.png)" in text and "b (by.png)" in text
    memory = stack([Image.open(same), Image.open(tmp_path / "train" / "a" / "ax.png")])
    assert "png" not in str(duplicates.of_run((pair,), memory.take([0, 0, 0, 1]), memory, found).body)


def test_twins_in_the_validation_part_are_found_with_the_part_they_lie_in(photos: list[Image.Image]) -> None:
    """Planted: test 6 in both parts, test 7 in the validation part only; validation 3 is learned from."""
    train, held, others = photos[:8], photos[8:11], photos[11:17]
    validation = stack([*held, compressed(train[2]), CHANGES["brighter"](train[5])])
    test = stack([*others, compressed(train[5]), ImageOps.mirror(held[1])])
    found = duplicates_of_parts(stack(train), test, validation)
    assert found is not None
    assert {(pair.test, pair.part, pair.train, pair.mirrored) for pair in found.test} == {
        (6, "train", 5, False),
        (7, "validation", 1, True),
    }
    assert {(pair.test, pair.part, pair.train) for pair in found.validation} == {
        (3, "train", 2),
        (4, "train", 5),
    }
    correlations = [pair.correlation for pair in found.test]
    assert correlations == sorted(correlations, reverse=True)
    assert near_duplicates(stack(train), test) == tuple(p for p in found.test if p.part == "train")
    alone = duplicates_of_parts(stack(train), test)
    assert alone is not None and [pair.test for pair in alone.test] == [6] and alone.validation == ()


def test_a_report_says_in_which_part_the_twin_lies(photos: list[Image.Image], tmp_path: Path) -> None:
    train, validation = stack(photos[:4]), stack([*photos[4:6], compressed(photos[1])])
    test = stack([*photos[6:9], compressed(photos[5]), compressed(photos[2])])
    net = nets.wrap(nets.build(chain("3x96x96", "avgpool 8, flatten, dense 2"), seed=0), train.spec)
    setup = TrainingSetup(net, Classification(), train, test, validation=validation)
    found = evaluate(net, test)
    tested = EvalResult(found.metrics, evidence=found)
    done = [Epoch(1, 1, {"loss": 1.0}, {"loss": 1.0}, 1.0, 1.0, 0.1, "fp32", "contiguous")]
    recipe = ClassificationRecipe(network="small", epochs=1)
    page = training.page(training.TrainedRun(recipe, setup, done, tested, tmp_path))
    figure = page.partition('<figure id="trained-duplicates"')[2].partition("</figure>")[0]
    assert "2 of 5 test pictures are nearly the same as a training picture" in figure
    assert "1 lies in the part that was learned from and 1 in the validation part" in figure
    assert figure.count("· learned from") == 1 and figure.count("· chosen by") == 1
    chosen = page.partition('<figure id="trained-chosen_duplicates"')[2].partition("</figure>")[0]
    assert "1 of 3 pictures to choose by is nearly the same as one that was learned from" in chosen
