"""A unit beyond the last one is answered alike by every verb, and settings that do not fit in words."""

import re
from pathlib import Path

import pytest
from PIL import Image

DATA = ("--data", "digits")
WORDS = {
    "visualize": ("digits", "conv2:99"),
    "unit": ("digits", "conv2:99", *DATA),
    "atlas": ("digits", "conv2:99", *DATA, "--layout", "pca"),
    "embed": ("digits", "conv2:99", *DATA, "--layout", "pca"),
    "explain": ("digit.png", "--net", "digits", "--target", "conv2:99"),
    "caricature": ("digit.png", "--net", "digits", "--layer", "conv2:99"),
    "invert": ("digit.png", "--net", "digits", "--layer", "conv2:99"),
    "factors": ("digit.png", "--net", "digits", "--layer", "conv2:99"),
    "dream": ("digit.png", "--net", "digits", "--layer", "conv2:99"),
    "train": ("lecture-relu", "digits", "--epochs", "1", "--freeze", "conv2:99"),
}


@pytest.mark.parametrize("verb", WORDS)
def test_which_unit_is_the_last_one(convscope, tmp_path: Path, verb: str) -> None:
    paper = Image.new("L", (28, 28), 255)
    paper.paste(0, (12, 4, 16, 24))
    paper.save(tmp_path / "digit.png")
    done = convscope(verb, *WORDS[verb])
    assert done.code == 2, done.err
    assert re.search(r"next: They are counted from 0: conv2:\d+ is the last one", done.err), done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--config", "nope.toml"), ("no file nope.toml", "next: Check the path")),
        (
            ("--config", "size.toml"),
            ("(1, 28, 28), the only size that digits takes", "Leave size (--size) out, or give 28"),
        ),
        (("--size", "96"), ("(1, 28, 28), the only size that digits takes", "received (1, 96, 96)")),
    ],
)
def test_settings_that_do_not_fit(convscope, tmp_path: Path, words: tuple[str, ...], said) -> None:
    (tmp_path / "size.toml").write_text("size = 96\n")
    done = convscope("visualize", "digits", "output:3", "--steps", "1", *words)
    assert done.code in (2, 3) and all(part in done.err for part in said), done.err
    assert "mat1" not in done.err and "[Errno" not in done.err
