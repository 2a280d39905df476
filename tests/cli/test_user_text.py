"""Text of users is text: labels, class folders and file names are never markup, digits are ASCII."""

import io
import os
import warnings
from pathlib import Path

import pytest
from PIL import Image

from convscope import nets
from convscope.graph.chain import chain
from convscope.graph.spec import TensorSpec
from convscope.nets import describe

MARKUP = ("[/nope]", "[red]x", ":smile:", "[link=file:///etc]y", "<b>&", "\\[bold]", "[/]")


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A network, a folder of pictures and files whose every name is markup."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    module = nets.build(chain("1x8x8", f"conv 2 3x3, flatten, dense {len(MARKUP)}"), seed=0)
    nets.save(nets.wrap(module, TensorSpec((1, 8, 8)), MARKUP, name="[/nope]"), tmp_path / "net")
    for index, name in enumerate(label.replace("/", "|") for label in MARKUP):
        (tmp_path / "set" / name).mkdir(parents=True)
        for k in range(3):
            picture = Image.radial_gradient("L").resize((8, 8)).rotate(90 * k).crop((0, 0, 8 - index, 8))
            picture.save(tmp_path / "set" / name / f"[bold]{k}.png")
    Image.radial_gradient("L").resize((8, 8)).save(tmp_path / "[red].png")
    return tmp_path


COMMANDS = [
    ["describe", "net"],
    ["classify", "[red].png", "--net", "net", "--top", "7"],
    ["data", "check", "set"],
    ["look", "[red].png", "--net", "net"],
    ["look", "[red].png", "--net", "net", "--data", "set", "--images", "4"],
    ["visualize", "net", "output:[/nope]", "--steps", "1"],
    ["explain", "[red].png", "--net", "net", "--target", "output:[/nope]"],
    ["units", "net", "--data", "set"],
    ["unit", "net", "output:[/nope]", "--data", "set", "--steps", "1"],
    [
        "atlas",
        "net",
        "conv1",
        "--data",
        "set",
        "--layout",
        "pca",
        "--steps",
        "1",
        "--images",
        "16",
        "--per-image",
        "4",
    ],
    ["embed", "net", "conv1", "--data", "set", "--layout", "pca"],
    ["invert", "[red].png", "--net", "net", "--layer", "conv1", "--steps", "64"],
    ["caricature", "[red].png", "--net", "net", "--layer", "conv1", "--steps", "64"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[:2]))
def test_names_are_never_markup(convscope, odd: Path, words: list[str]) -> None:
    done = convscope(*words, "--quiet")
    assert done.code in (0, 3), done.err
    assert "fault" not in done.err and "Markup" not in done.err
    assert "😄" not in done.out and "\x1b" not in done.out


def test_every_label_is_shown_as_it_is(convscope, odd: Path) -> None:
    shown = convscope("classify", "[red].png", "--net", "net", "--top", len(MARKUP)).out
    assert all(label in shown for label in MARKUP)
    assert "[/nope]: " in convscope("describe", "net").out
    report = convscope("data", "check", "set").out
    assert all(label.replace("/", "|") in report for label in MARKUP)


def test_a_description_on_a_console_with_markup(odd: Path) -> None:
    from rich.console import Console

    console = Console(width=120, record=True, file=io.StringIO())
    console.print(describe(nets.load(odd / "net")))
    assert "[/nope]" in console.export_text()


@pytest.fixture
def not_text(tmp_path: Path) -> Path:
    """A folder with a class and files whose names are no UTF-8."""
    root = os.fsencode(tmp_path / "set")
    for name in (b"caf\xe9", b"plain"):
        os.makedirs(os.path.join(root, name))  # noqa: PTH103, PTH118
        for k in range(6):
            picture = Image.radial_gradient("L").resize((28, 28)).rotate(15 * k + 90 * (name == b"plain"))
            with open(os.path.join(root, name, b"\xff%d.png" % k), "wb") as file:  # noqa: PTH118, PTH123
                picture.save(file, "PNG")
    with open(os.path.join(root, b"plain", b"\xfebad.png"), "wb") as file:  # noqa: PTH118, PTH123
        file.write(b"no picture")
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ["data", "check", "set"],
        ["units", "mlp", "--data", "set"],
        ["unit", "lecture", "conv1:0", "--data", "set", "--steps", "1"],
        ["look", "--net", "lecture", "--data", "set", "--images", "4"],
        ["train", "flatten, dense 2", "set", "--epochs", "1", "--batch", "4"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_class_whose_name_is_not_utf_8(convscope, not_text: Path, words: list[str], monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(not_text / "cache"))
    words = ["conv 1 3x3, flatten, dense 2" if word == "flatten, dense 2" else word for word in words]
    done = convscope(*words, "--quiet", "--json")
    assert done.code in (0, 3), done.out
    assert "error" not in done.json
    if words[0] == "data":
        assert set(done.json["report"]["pictures"][""]) == {"caf\\udce9", "plain"}


def test_two_names_that_read_alike_are_refused_before_the_pass(
    convscope, not_text: Path, monkeypatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(not_text / "cache"))
    (not_text / "set" / "caf\\udce9").mkdir()
    done = convscope("units", "mlp", "--data", "set", "--quiet")
    assert done.code == 3 and "two folders that read as caf\\udce9" in done.err


LONG = "9" * 5000


@pytest.mark.parametrize(
    "words",
    [
        *(
            ["visualize", "lecture", place, "--steps", "1"]
            for place in (
                f"conv1:{LONG}",
                f"conv1#{LONG}:0",
                f"conv1:0@{LONG},1",
                f"conv1:0-{LONG}",
                f"{LONG}*conv1:0",
                "conv1:３",
                "conv1#１:0",
                "conv1:0@３,3",
                "conv1:0-３",
                "０.5*conv1:0",
                "conv1:²",
            )
        ),
        *(
            ["explain", "p.png", "--net", "lecture", "--target", target]
            for target in (LONG, "９", f"output:{LONG}")
        ),
        *(
            ["explain", "photo.png", "--net", "lecture", "--box", box]
            for box in ("1,2,９,9", f"1,2,{LONG},9")
        ),
        *(
            ["train", network, "digits"]
            for network in (
                "conv ３ 3x3, flatten, dense 10",
                "dropout ０.5, flatten, dense 10",
                f"conv {LONG} 3x3, flatten, dense 10",
                "dropout 1_0, flatten, dense 10",
            )
        ),
        *(
            ["train", "mlp", "digits", flag, value]
            for flag, value in (
                ("--epochs", "１"),
                ("--lr", "０.1"),
                ("--seed", LONG),
                ("--batch", LONG),
                ("--lr", "1e999"),
            )
        ),
        *(
            ["visualize", "lecture", "conv1:0", "--memory", amount]
            for amount in ("1e999", "４GB", LONG, "1e30GB")
        ),
        *(["describe", "lecture", "--input", text] for text in ("1x２８x28", LONG, f"1x{LONG}x28")),
        *(["classify", "p.png", "--net", "lecture", flag, "9" * 30] for flag in ("--top", "--batch")),
        ["atlas", "lecture", "conv2", "--data", "digits", "--images", "9" * 30],
        ["style", "apply", "photo.png", "--style", "wave:９"],
    ],
    ids=lambda words: " ".join(word[:12] for word in words),
)
def test_numbers_are_ascii_digits_of_bounded_length(convscope, tmp_path: Path, words: list[str]) -> None:
    Image.radial_gradient("L").resize((28, 28)).save(tmp_path / "p.png")
    Image.radial_gradient("L").convert("RGB").save(tmp_path / "photo.png")
    done = convscope(*words, "--quiet")
    assert done.code == 2 and done.err.startswith("error: "), done.err


def test_a_dark_picture_is_said_once(convscope, tmp_path: Path) -> None:
    import numpy as np

    values = np.random.default_rng(0).integers(0, 2**14, (28, 28)).astype(np.uint16)
    for name in ("a.png", "b.png"):
        Image.fromarray(values).save(tmp_path / name)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        done = convscope("classify", "a.png", "b.png", "--net", "lecture", "--quiet")
    assert done.code == 0 and done.err.count("note: ") == 1 and "the lower 14" in done.err
