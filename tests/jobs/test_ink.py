"""Every verb draws digits alike: black ink on white paper, in files that can be inputs again."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convscope.cli.core import app
from convscope.graph import TensorSpec
from convscope.nets import load
from convscope.show.images.input_image import kind, opaque
from convscope.worlds import digits, open_sample

VERBS = {
    "look": (["look", "digit.png", "--net", "digits", "--places", "relu1"], "input.png"),
    "dream": (["dream", "digit.png", "--net", "digits", "--layer", "relu2", "--steps", "1"], "dream.png"),
    "caricature": (["caricature", "digit.png", "--net", "digits", "--layer", "relu2"], "relu2.png"),
    "invert": (["invert", "digit.png", "--net", "digits", "--layer", "relu1", "--steps", "32"], "relu1.png"),
}
"""Verb -> words of a command about a digit, and the file whose ink must lie where the digit's does."""


@pytest.fixture(autouse=True)
def digit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    monkeypatch.chdir(tmp_path)
    pixels = digits.test().pixels([2])[0]
    Image.fromarray(pixels[0].numpy()).save("digit.png")
    return pixels[0].float() / 255


def ink(path: Path) -> torch.Tensor:
    return 1 - torch.from_numpy(np.asarray(Image.open(path).convert("L"), dtype=np.float32)) / 255


@pytest.mark.parametrize("verb", VERBS)
def test_ink_is_black_where_the_digit_was_written(verb: str, digit: torch.Tensor, tmp_path: Path) -> None:
    words, name = VERBS[verb]
    assert app.run([*words, "--out", "made", "--quiet"]) == 0
    made = ink(tmp_path / "made" / name)
    assert torch.corrcoef(torch.stack([made.flatten(), digit.flatten()]))[0, 1] > 0.3


def test_a_visualization_read_as_ink_has_the_score_it_was_saved_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["visualize", "digits", "output:7", "--steps", "32", "--out", "made", "--json"]
    assert app.run(words) == 0
    (entry,) = json.loads(capsys.readouterr().out)["pictures"]
    image = ink(tmp_path / "made" / entry["picture"])[None, None]
    with torch.no_grad():
        logits = load("digits").module(image)[0]
    assert float(logits[7]) == pytest.approx(entry["score"], rel=0.02)


def test_a_digit_saved_in_black_on_white_is_the_same_input_again() -> None:
    pixels = digits.test().pixels(list(range(100))).float() / 255
    assert all(torch.equal(open_sample(opaque(x, digits.SPEC), digits.SPEC).input, x) for x in pixels)


def test_grey_photographs_are_no_ink() -> None:
    spec = TensorSpec((1, 8, 8))
    white = opaque(torch.ones(1, 8, 8), spec)
    assert white.mode == "L" and white.getextrema() == (255, 255) and kind(spec) == "photo"
    assert opaque(torch.ones(1, 28, 28), digits.SPEC).getextrema() == (0, 0) and kind(digits.SPEC) == "ink"
