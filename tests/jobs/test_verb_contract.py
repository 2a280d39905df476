"""What holds for every verb holds for one that is one file (`letters.py`) and one line in a table."""

import json
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from PIL import Image
from tests.jobs import letters

from convscope.cli.core import app, progress
from convscope.jobs import JOBS

VERBS = {
    "letters": (["hello"], "shade = 7\n", ("shade", 7)),
    "describe": (["lecture"], 'input = "1x28x28"\n', ("input", "1x28x28")),
    "nets": (["resnet18"], 'word = "vgg"\n', ("word", "resnet18")),
    "visualize": (["lecture", "conv1:0", "--steps", "2"], "seed = 3\n", ("seed", 3)),
    "look": (["--net", "digits", "--places", "relu2"], "top_channels = 2\n", ("top_channels", 2)),
    "doctor": ([], 'device = "cpu"\n', ("device", "cpu")),
}
"""Verb -> words of a sound command, a line of a file of settings, and the setting it holds."""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setitem(sys.modules, "letters", letters)
    monkeypatch.setattr(letters, "__spec__", ModuleSpec("letters", None, origin=letters.__file__))
    monkeypatch.setitem(JOBS, "letters", "letters")  # the one line
    return tmp_path


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]):
    def run(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = app.run([str(word) for word in words])
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.mark.parametrize("verb", VERBS)
def test_its_help_is_there_and_the_list_names_it(call, verb: str) -> None:
    code, out, err = call(verb, "--help")
    assert (code, err) == (0, "") and f"Usage: convscope {verb}" in out
    assert "--json" in out and "--config" in out
    assert verb in call("--help")[1]


@pytest.mark.parametrize("verb", VERBS)
def test_json_is_one_document_with_its_recipe(call, verb: str) -> None:
    code, out, _ = call(verb, *VERBS[verb][0], "--json")
    document = json.loads(out)
    assert code == 0 and document["verb"] == verb and VERBS[verb][2][0] in document["recipe"]
    assert call(verb, *VERBS[verb][0])[1].strip()


@pytest.mark.parametrize("verb", VERBS)
def test_its_result_goes_where_it_is_told_and_never_over_another(call, place: Path, verb: str) -> None:
    assert call(verb, *VERBS[verb][0], "--out", "deep/made")[0] == 0
    before = {p: p.read_bytes() for p in (place / "deep").rglob("*") if p.is_file()}
    assert before and not [p for p in before if p.name.startswith(".")]
    code, _, err = call(verb, *VERBS[verb][0], "--out", "deep/made")
    assert code == 2 and "does not exist yet" in err
    assert {p: p.read_bytes() for p in (place / "deep").rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("verb", VERBS)
def test_a_file_of_settings_is_read_and_a_wrong_one_refused(call, place: Path, verb: str) -> None:
    words, line, (name, value) = VERBS[verb]
    (place / "a.toml").write_text(f'verb = "{verb}"\n{line}')
    code, out, _ = call(verb, *words, "--config", "a.toml", "--json")
    assert code == 0 and json.loads(out)["recipe"][name] == value
    (place / "b.toml").write_text("frobnicate = 1\n")
    code, out, _ = call(verb, *words, "--config", "b.toml", "--json")
    assert code == json.loads(out)["error"]["exit_code"] == 2


@pytest.mark.parametrize("verb", VERBS)
def test_its_result_can_be_made_again(call, place: Path, verb: str) -> None:
    first = json.loads(call(verb, *VERBS[verb][0], "--json", "--out", "first")[1])
    source = next(iter(sorted(place.glob("first/*.png"))), None)
    if source is None:
        source = place / "first" / "net.json"
    if not source.exists():
        source = (place / "first").rename(place / "first.json")
    code, out, _ = call("replay", source, "--json", "--out", "second")
    again = json.loads(out)
    assert code == 0 and again["replayed"]["verb"] == verb
    assert again["replayed"]["same_picture"] is (True if source.suffix == ".png" else None)
    assert set(first) - {"out"} <= set(again)
    assert call("replay", source)[1].strip()


@pytest.mark.parametrize("verb", ["letters", "visualize", "doctor"])
def test_ctrl_c_between_two_steps_ends_it_with_130_and_nothing_half_written(
    call, place: Path, monkeypatch, verb: str
) -> None:
    def update(self: object, fraction: float, message: str = "", left: float | None = None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(progress.Lines, "update", update)
    code, out, err = call(verb, *VERBS[verb][0], "--out", "kept")
    assert (code, out) == (130, "") and "stopped" in err and "Traceback" not in err
    assert not [p for p in place.rglob("*") if p.name.startswith(".")]
    assert (place / "kept").exists() == (verb != "doctor")
    code, out, _ = call(verb, *VERBS[verb][0], "--json")
    assert json.loads(out)["error"]["exit_code"] == code == 130


def test_what_a_stopped_one_keeps_is_readable(call, place: Path, monkeypatch) -> None:
    whole, seen = progress.Lines.update, []

    def update(self: progress.Lines, fraction: float, message: str = "", left: float | None = None) -> None:
        seen.append(message)
        if len(seen) == 3:
            raise KeyboardInterrupt
        whole(self, fraction, message, left)

    monkeypatch.setattr(progress.Lines, "update", update)
    code, _, err = call("letters", "hello", "--out", "kept")
    assert code == 130 and "stopped at letter 3 in kept" in err
    with Image.open("kept/letters.png") as image:
        assert image.size == (8 * 3, 8)  # h, e, l


@pytest.mark.parametrize("verb", ["describe", "nets", "recipes", "runs"])
def test_settings_without_effect_are_refused(call, verb: str) -> None:
    """Nothing is drawn at random there, and nothing computed on a device."""
    words = ["lecture"] if verb == "describe" else []
    assert call(verb, *words, "--seed", "1")[0] == 2
    assert call(verb, *words, "--device", "cpu")[0] == 2
