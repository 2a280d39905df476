"""A TOML file accepts what the flag accepts, and refuses what it refuses with the same words."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from convscope import jobs
from convscope.cli.core import command
from convscope.errors import ConvscopeError
from convscope.jobs import JOBS
from convscope.jobs.registry import load
from convscope.recipe import GIVEN, AtLeast, Below, Recipe
from convscope.recipe.fields import field_form

LEAST: dict[str, dict[str, Any]] = {
    "describe": {"net": "lecture"},
    "export": {"net": "lecture"},
    "push": {"net": "lecture", "address": "anna/small"},
    "classify": {"images": ["a.png"]},
    "visualize": {"net": "lecture", "places": ["conv1:0"]},
    "explain": {"image": "a.png"},
    "units": {"net": "lecture", "data": "digits"},
    "unit": {"net": "lecture", "place": "conv1:0", "data": "digits"},
    "atlas": {"net": "lecture", "layer": "conv2", "data": "digits"},
    "embed": {"net": "lecture", "layer": "conv2", "data": "digits"},
    "factors": {"images": ["a.png"], "layer": "conv2"},
    "caricature": {"image": "a.png"},
    "invert": {"image": "a.png"},
    "style": {"content": "a.png", "style": ["b.png"]},
    "style apply": {"photo": "a.png"},
    "style train": {"photographs": "pictures", "style": ["b.png"]},
    "style add": {"photographs": "pictures", "style": ["b.png"]},
    "dream": {"photo": "a.png"},
    "data check": {"folder": "pictures"},
    "replay": {"file": "a.png"},
}
"""What each verb needs; nothing for the others."""
TOGETHER: dict[tuple[str, str], dict[str, Any]] = {
    ("visualize", "stops"): {"journey": True, "places": []},
    ("visualize", "start"): {},
    ("train", "reduced"): {"recipe": "lenet5"},
    ("style", "style_weight"): {"style": ["b.png", "c.png"]},
    ("style", "guide"): {"style_guide": ["g.png"]},
    ("style", "style_guide"): {"guide": "g.png"},
}
"""Settings that others need, where the rules do not say it."""
SCALARS = [
    "1",
    "16",
    "96",
    "3.0",
    "3.5",
    "0.5",
    "1.5",
    "-1",
    "1e400",
    "true",
    "1979-05-27",
    "9223372036854775807",
]
SCALARS += ['""', '"96x128"', '"digits"', '"classification"', '"4GB"', '"3x9x9"', '"saliency"', '"1,2,3,4"']
LISTS = ["[96, 128]", '["a", "b"]', '["16", 4]', "[1, 2, 3]", "[0.5, 2]"]


class Parsed(Exception):
    """What a command would run."""


@pytest.fixture(autouse=True)
def only_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(recipe: Any, *_args: Any, **_kwargs: Any) -> None:
        raise Parsed(recipe)

    monkeypatch.setattr(jobs, "run", run)


def outcome(verb: str, values: dict[str, Any], config: str | None = None) -> Any:
    """The recipe, or the words of the refusal."""
    shell = {"config": config, "out": None, "json": False, "quiet": True, "debug": False}
    try:
        command.perform(verb, {**values, **shell})
    except Parsed as parsed:
        return parsed.args[0]
    except ConvscopeError as error:
        return error.expected, error.received, error.hint
    raise AssertionError("nothing was run")


def as_flags(literal: Any, form: Any) -> Any:
    """What typer hands over for the words that a TOML literal is written with."""
    if isinstance(literal, list):
        texts = [as_text(entry) for entry in literal]
        return texts if form.repeats else texts[0] if len(texts) == 1 else texts
    return [as_text(literal)] if form.repeats else as_text(literal)


def as_text(literal: str) -> str:
    return json.loads(literal) if literal.startswith('"') else literal


def candidates(form: Any) -> Iterator[Any]:
    if form.switch:
        yield from ("true", "false")
        return
    yield from SCALARS
    yield from (json.dumps(choice) for choice in form.choices)
    if form.repeats:
        yield from ([part.strip() for part in text.strip("[]").split(",")] for text in LISTS)


def context(verb: str, name: str) -> dict[str, Any]:
    """What else is set, so that the field has an effect."""
    schema, found = load(verb).schema, dict(LEAST.get(verb, {}))
    for rule in schema.rules():
        if rule.field == name and (verb, name) not in TOGETHER:
            other, wanted = rule.others[0]
            if isinstance(wanted, Below):  # the default is
                continue
            value = wanted[0] if isinstance(wanted, tuple) else wanted
            value = wanted.least if isinstance(wanted, AtLeast) else value
            found[other] = (
                (5 if "zoom" in other or "weight" in other else "digits") if value is GIVEN else value
            )
    found |= TOGETHER.get((verb, name), {})
    return {key: value for key, value in found.items() if key != name and value is not None}


def as_toml(values: dict[str, Any]) -> str:
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


FIELDS = [
    (verb, name)
    for verb in JOBS
    for name in load(verb).schema.model_fields
    if verb == "look" or name not in Recipe.model_fields  # which all of them have
]


@pytest.mark.parametrize(("verb", "name"), FIELDS)
def test_flag_and_file_agree(verb: str, name: str, tmp_path: Path) -> None:
    form = field_form(load(verb).schema.model_fields[name])
    assert form is not None, "only a file can hold it"
    rest, file, accepted = context(verb, name), tmp_path / "a.toml", 0
    for literal in candidates(form):
        written = f"[{', '.join(literal)}]" if isinstance(literal, list) else literal
        file.write_text(as_toml(rest) + f"{name} = {written}\n".replace("1e400", "inf"))
        by_file = outcome(verb, {}, str(file))
        given = {"true": True, "false": False}[literal] if form.switch else as_flags(literal, form)
        text = json.dumps(rest)
        by_flag = outcome(verb, {**json.loads(text), name: as_inf(given)})
        if (
            isinstance(by_file, tuple) and isinstance(by_flag, tuple) and "--config" in by_file[2]
        ):  # the command goes on with the file
            by_file, by_flag = by_file[:2], by_flag[:2]
        assert by_flag == by_file, written
        accepted += not isinstance(by_file, tuple)
    assert accepted or (verb, name) in NEVER, "no value of this field was tried that is accepted"


NEVER: set[tuple[str, str]] = set()


def as_inf(given: Any) -> Any:
    """TOML writes infinity in a word."""
    if isinstance(given, list):
        return [as_inf(entry) for entry in given]
    return "inf" if given == "1e400" else given


def test_the_forms_of_a_size(tmp_path: Path) -> None:
    sizes = []
    for text in ("96", "[96]", '"96"', "[96, 96]", '"96x96"', '"96,96"', '["96", 96]', '["96x96"]'):
        (tmp_path / "a.toml").write_text(f'net = "lecture"\nplaces = "conv1:0"\nsize = {text}\n')
        sizes.append(outcome("visualize", {}, str(tmp_path / "a.toml")).size)
    assert sizes == [[96]] * 3 + [[96, 96]] * 5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('net = "lecture"\nplaces = "a"\njourney = "yes"', "journey is true or false"),
        ('net = "lecture"\nplaces = "a"\nout = "x"', "--out in the command"),
        ('net = "lecture"\nplaces = "a"\ncanvas = "Fourier"', "Did you mean fourier?"),
        ('net = "lecture"\nplaces = "a"\nsave_step = 3', "Did you mean save_steps"),
    ],
)
def test_what_a_file_cannot_hold(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a.toml").write_text(text)
    assert words in " ".join(outcome("visualize", {}, str(tmp_path / "a.toml")))


def test_a_file_may_write_names_like_flags(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('image = "a.png"\nnet = "lecture"\ntop-channels = 3\n')
    assert outcome("look", {}, str(tmp_path / "a.toml")).top_channels == 3
