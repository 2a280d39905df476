"""One contract: every verb about an input or a network does its work in every world, or says why it can't."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pytest

from convscope import worlds
from convscope.cli.core import app
from convscope.nets import load
from convscope.worlds.datasets import digits


@dataclass(frozen=True)
class Case:
    """What a verb gets in a world.

    Attributes:
        net: a network that ships.
        source: an input: the name of a file, or a text.
        data: a data set: the name of a folder, a file or a bundled set.
        layer: a layer with maps.
    """

    net: str
    source: str
    data: str
    layer: str


def _digits(folder: Path) -> Case:
    shown = worlds.render(digits.test().inputs([0])[0], load("digits").input_spec)
    shown.getchannel("A").point(lambda ink: 255 - ink).resize((112, 112)).save(folder / "two.png")
    return Case("digits", "two.png", "digits", "relu2")


def _sounds(folder: Path) -> Case:
    spoken = files("convscope.worlds").joinpath("data", "spoken")
    for digit in range(10):
        (folder / "words" / str(digit)).mkdir(parents=True)
        for copy in range(6):
            shutil.copy(str(spoken.joinpath(f"{digit}.wav")), folder / "words" / str(digit) / f"{copy}.wav")
    return Case("spoken-digits", "words/7/0.wav", "words", "relu1")


def _texts(folder: Path) -> Case:
    lines = [f"statement\ti like number {k}\nquestion\tdo you like number {k}\n" for k in range(12)]
    (folder / "lines.tsv").write_text("".join(lines))
    return Case("questions", "do you have time", "lines.tsv", "relu1")


def _games(folder: Path) -> Case:
    from convscope.worlds.go import read_games

    board = read_games("go-9x9").board(0, 20)
    to_play = "black" if board.to_play == 1 else "white"
    (folder / "position.txt").write_text(f"{board}\n{to_play} to play\n")
    return Case("go-9x9", "position.txt", "go-9x9", "block1_relu2")


CASES: dict[str, Callable[[Path], Case]] = {"digit": _digits, "sound": _sounds, "text": _texts, "go": _games}
VERBS: dict[str, Callable[[Case], list[str]]] = {
    "describe": lambda c: [c.net],
    "classify": lambda c: [c.source, "--net", c.net],
    "look": lambda c: [c.source, "--net", c.net, "--places", c.layer],
    "explain": lambda c: [c.source, "--net", c.net, "--method", "saliency"],
    "visualize": lambda c: [c.net, f"{c.layer}:0", "--steps", "2"],
    "unit": lambda c: [c.net, f"{c.layer}:0", "--data", c.data, "--steps", "2"],
    "units": lambda c: [c.net, "--places", c.layer, "--data", c.data],
    "factors": lambda c: [c.source, "--net", c.net, "--layer", c.layer, "--count", "2", "--steps", "1"],
    "atlas": lambda c: [c.net, c.layer, "--data", c.data, "--images", "20", "--steps", "1", "--grid", "2"],
    "embed": lambda c: [c.net, c.layer, "--data", c.data, "--images", "20", "--layout", "pca"],
    "caricature": lambda c: [c.source, "--net", c.net, "--layer", c.layer, "--steps", "2"],
    "invert": lambda c: [c.source, "--net", c.net, "--layer", c.layer, "--steps", "2"],
    "train": lambda c: [c.net, c.data, "--epochs", "1", "--samples", "48"],
}
MISSED = {"caricature", "invert"}
"""Verbs that end with 1 where two steps have not reached what they aim at; the result is there."""
REFUSED = {
    ("text", "factors"): "looks at one picture",
    ("text", "atlas"): "looks at one picture",
    ("text", "caricature"): "tokens: they are discrete",
    ("text", "invert"): "tokens: they are discrete",
}
"""What cannot be done, and what is said: drawings of what has none, and gradients to what is discrete."""


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Case]]:
    pytest.importorskip("numba")
    found = {}
    for world, prepare in CASES.items():
        folder = tmp_path_factory.mktemp(world)
        found[world] = (folder, prepare(folder))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("world", CASES)
def test_every_verb_works_in_every_world(cases, monkeypatch, capsys, world: str, verb: str) -> None:
    folder, case = cases[world]
    monkeypatch.chdir(folder)
    words = [*VERBS[verb](case), *(["--task", "go"] if (world, verb) == ("go", "train") else [])]
    code = app.run([verb, *words, "--quiet", "--out", f"out-{verb}"])
    out, err = capsys.readouterr()
    if (world, verb) in REFUSED:
        assert code == 2 and REFUSED[world, verb] in err and "next:" in err
        assert not (folder / f"out-{verb}").exists()
        return
    assert code in ((0, 1) if verb in MISSED else (0,)), err
    assert out.strip() and "fault" not in err
    assert (folder / f"out-{verb}").exists()


def test_every_world_with_a_network_that_ships_has_a_case() -> None:
    """Worlds of plain arrays have none, and pictures are tried by every other test of the terminal."""
    assert set(CASES) == set(worlds.WORLDS) - {"image", "spectrogram", "signal", "vector", "tensor"}
