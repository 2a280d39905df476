"""Folders of images for networks of digits: read as single files are, and refused where they are none."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

import convscope as cs
from convscope.errors import DataError
from convscope.graph.spec import DIGIT, TensorSpec
from convscope.worlds.datasets import digits

SPEC = TensorSpec((1, 28, 28), kind=DIGIT)


def drawn(path: Path, number: int) -> None:
    """Save a stroke in dark ink on light paper."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("L", (90, 120), 235)
    ImageDraw.Draw(picture).line((20, 15, 60 - number, 100), fill=20, width=9)
    picture.save(path)


def foliage(path: Path, seed: int) -> None:
    """Save a picture in colour without anything drawn on paper."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(60, 200, (64, 80, 3), np.uint8)).save(path)


def test_files_are_read_as_single_files_are(tmp_path: Path) -> None:
    for number in range(4):
        drawn(tmp_path / "one" / f"{number}.png", number)
    Image.fromarray((digits.test().pixels([0])[0, 0]).numpy()).save(tmp_path / "one" / "4.png")
    data = cs.worlds.require_labelled(cs.worlds.open(tmp_path, spec=SPEC))
    found = data.inputs(range(5), SPEC)
    for number, image in enumerate(found):
        alone = cs.worlds.open_sample(tmp_path / "one" / f"{number}.png", SPEC).input
        torch.testing.assert_close(image, alone, atol=0.5 / 255 + 1e-6, rtol=0)
    assert torch.equal(found[4], digits.test().inputs([0])[0])
    assert data.problems == ()


def test_a_folder_of_photographs_is_refused_with_some_names(tmp_path: Path) -> None:
    for number in range(6):
        foliage(tmp_path / "tree" / f"{number}.png", number)
    with pytest.raises(DataError, match="one digit each") as refused:
        cs.worlds.require_labelled(cs.worlds.open(tmp_path, spec=SPEC))
    assert "6 of 6" in refused.value.received and "0.png" in refused.value.received
    assert "..." in refused.value.received and "network of photographs" in refused.value.hint
    with pytest.raises(DataError, match="one digit each"):
        cs.worlds.open_all(tmp_path, spec=cs.load("digits").input_spec)
    assert len(cs.worlds.open(tmp_path)) == 6  # for networks of photographs


def test_single_ones_are_left_out_and_named(tmp_path: Path) -> None:
    for number in range(5):
        drawn(tmp_path / "one" / f"{number}.png", number)
    foliage(tmp_path / "one" / "5.png", 0)
    data = cs.worlds.require_labelled(cs.worlds.open(tmp_path, spec=SPEC))
    data.inputs(range(6), SPEC)
    (problem,) = data.problems
    assert (
        problem.path.endswith("5.png") and problem.kind == "no digit" and "even background" in problem.reason
    )
    assert torch.equal(data.inputs([5], SPEC), data.inputs([0], SPEC))  # as for damaged files
