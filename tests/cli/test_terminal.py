"""Text of users reaches the terminal as text, whichever verb prints it and however it ends."""

import io
import itertools
import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from PIL import Image
from tests.cli.test_bad_inputs import SOUND
from tests.test_printable import obeyed

from convscope.cli.core import terminal
from convscope.cli.core.progress import live, plain
from convscope.jobs import JOBS

HOSTILE = {
    "colour": "a\x1b[31mb",
    "title": "a\x1b]0;owned\x07b",
    "clipboard": "a\x1b]52;c;bHM=\x1b\\b",
    "one character": "a\x9b2Jb",
    "direction": "a\u202egnp.exe",
    "isolate": "a\u2066b\u2069",
    "line": "a\nINJECTED: b",
    "return": "a\rINJECTED",
    "back": "a\x08\x08\x08INJECTED",
    "delete": "a\x7fb",
    "separator": "a\u2028INJECTED",
    "hidden": "a\u200bb",
    "tag": "a\U000e0041b",
    "bytes": "a\udcffb",
}
ALL = "".join(HOSTILE.values())
WAYS: dict[str, Callable[[list[str], str], list[str]]] = {
    "argument": lambda words, text: [*words[:-1], text] if words else [text],
    "surplus": lambda words, text: [*words, text],
    "setting": lambda words, text: [*words, "--seed", text],
    "file": lambda words, text: [*words, "--config", text],
    "place": lambda words, text: [*words, "--out", f"file/{text}"],
    "flag": lambda words, text: [*words, f"--{text}"],
}
"""Where a hostile text stands in a command line that is refused, and is told what it holds."""


def verify_shown(text: str) -> None:
    lines = text.split("\n")
    assert not [c for line in lines for c in line if obeyed(c)]
    assert not [line for line in lines if line.startswith("INJECTED")]


def verify_answer(done) -> None:
    assert done.code != 1, done.err
    verify_shown(done.out)
    verify_shown(done.err)


@pytest.fixture
def here(tmp_path: Path, convscope) -> Path:
    (tmp_path / "file").write_text("x")
    return tmp_path


def verify_refusals(convscope, verb: str, texts: Iterable[str]) -> int:
    tried = 0
    for (name, way), text, form in itertools.product(WAYS.items(), texts, ([], ["--json"])):
        if name == "argument" and not SOUND[verb]:
            continue
        done = convscope(*verb.split(), *way(SOUND[verb], text), *form, "--quiet")
        verify_answer(done)
        assert not form or json.loads(done.out)
        tried += 1
    return tried


@pytest.mark.parametrize("verb", JOBS)
def test_a_refusal_shows_hostile_words_as_text(convscope, here: Path, verb: str) -> None:
    assert verify_refusals(convscope, verb, [ALL]) >= 10


@pytest.mark.exhaustive
@pytest.mark.parametrize("verb", JOBS)
def test_every_hostile_word_in_every_place_of_every_verb(convscope, here: Path, verb: str) -> None:
    tried = verify_refusals(convscope, verb, HOSTILE.values())
    print(f"{verb}: {tried} tried, {tried} held")


@pytest.fixture
def hostile(here: Path) -> Path:
    """A network whose labels are hostile, a folder whose classes are, and a picture whose name is."""
    from convscope import nets
    from convscope.graph.spec import TensorSpec

    texts = [HOSTILE["title"] + HOSTILE["direction"], HOSTILE["line"] + HOSTILE["one character"] + "\udcfe"]
    labels = [text.encode("utf-8", "replace").decode() for text in texts]
    net = nets.build(nets_graph())
    nets.save(nets.wrap(net, TensorSpec((1, 12, 12)), labels, name="net"), here / "net")
    for number, name in enumerate(texts):
        (here / "data" / name).mkdir(parents=True)
        for shade in range(10):
            image = Image.new("L", (12, 12), 20 * shade + 9 * (number + 1))
            image.save(here / "data" / name / f"{shade}{HOSTILE['colour']}.png")
    Image.new("L", (12, 12), 3).save(here / f"p{ALL.replace('/', '')[:60]}.png")
    return here


def nets_graph():
    from convscope.graph.chain import chain

    return chain("1x12x12", "conv 2 3x3, relu, flatten, dense 2")


SHOWING = {
    "classify": ["{picture}", "--net", "net"],
    "look": ["{picture}", "--net", "net", "--data", "data"],
    "explain": ["{picture}", "--net", "net", "--method", "saliency"],
    "units": ["net", "--data", "data"],
    "unit": ["net", "output:0", "--data", "data", "--steps", "1"],
    "atlas": ["net", "conv1", "--data", "data", "--layout", "pca", "--steps", "1", "--grid", "2"],
    "embed": ["net", "conv1", "--data", "data", "--layout", "pca"],
    "data check": ["data"],
    "train": ["conv 2 3x3, relu, globalavgpool, dense 2", "data", "--epochs", "1", "--precision", "fp32"],
    "describe": ["net"],
}
"""Verbs that print labels, classes or names of files in their answers."""


@pytest.mark.parametrize("verb", SHOWING)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
def test_an_answer_shows_hostile_labels_as_text(convscope, hostile: Path, monkeypatch, verb: str) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(hostile / "cache"))
    picture = next(path for path in hostile.glob("p*.png"))
    words = [word.format(picture=picture.name) for word in SHOWING[verb]]
    out = [] if verb == "units" else ["--out", f"out-{HOSTILE['title']}"]
    done = convscope(*verb.split(), *words, *out)
    verify_answer(done)
    assert done.code in (0, 3), done.err
    as_json = convscope(*verb.split(), *words)
    verify_answer(as_json)
    document = convscope(*verb.split(), *words, "--json")
    verify_answer(document)
    assert document.json["verb"] == verb


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("name", HOSTILE)
def test_a_moving_bar_shows_hostile_notes_as_text(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with live(f"[red]{HOSTILE[name]}") as bar:
        bar.update(1.0, f"[/nope] {HOSTILE[name]}")
    shown = screen.getvalue()
    assert HOSTILE[name] not in shown
    assert "[/nope]" in shown and "[red]" in shown
    assert not [c for c in shown if obeyed(c) and c not in "\x1b\r\n"]
    assert "\x1b]" not in shown


@pytest.mark.parametrize("name", HOSTILE)
def test_plain_progress_shows_hostile_notes_as_text(capsys: pytest.CaptureFixture[str], name: str) -> None:
    with plain(HOSTILE[name]) as lines:
        lines.update(1.0, HOSTILE[name])
    verify_shown(capsys.readouterr().err)


def test_rich_keeps_its_own_colours_and_nothing_else() -> None:
    from rich.text import Text

    stream = io.StringIO()
    console = terminal.console(file=stream, force_terminal=True, color_system="standard")
    console.print(Text("a\x1b[32mb\u202e", "red"))
    assert stream.getvalue() == "\x1b[31ma\\x1b[32mb\\u202e\x1b[0m\n"


def test_a_traceback_shows_hostile_text_as_text(convscope) -> None:
    done = convscope("nets", ALL, "--debug")
    assert "Traceback" in done.err
    assert not [c for c in done.err if obeyed(c) and c != "\n"]


def test_an_answer_with_names_that_are_no_text_can_be_saved(convscope, tmp_path: Path) -> None:
    for name in ("a\udcff", "b"):
        os.makedirs(tmp_path / "data" / name)  # noqa: PTH103
        for shade in (1, 2):
            Image.new("L", (4, 4), shade + 10 * len(name)).save(tmp_path / "data" / name / f"{shade}.png")
    done = convscope("data", "check", "data", "--out", "report.json")
    assert done.code == 0, done.err
    assert json.loads((tmp_path / "report.json").read_text("utf-8"))["report"]["total"] == 4
