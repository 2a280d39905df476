"""What the fields of a schema take: one conversion of values from a command line, a TOML file or Python.

A command line has texts alone. So that it and a file accept the same, every number, date and path is
converted to the text that a flag would hold, and a single value to a list where one is taken; the schema
validates those.
"""

import datetime
import numbers
import os
import types
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin


def flag_of(name: str) -> str:
    """Return the terminal's flag of a field.

    Args:
        name: of the field; a trailing `_`, which keeps it from being a keyword of Python, is left out.

    Returns:
        The flag with its dashes: `--batch-size`.
    """
    return "--" + name.rstrip("_").replace("_", "-")


@dataclass(frozen=True)
class Takes:
    """What a text names: an annotation of a field's type, read by the hints of the command line.

    Attributes:
        noun: what it names, with its article.
        example: a value of it, for a command.
    """

    noun: str
    example: str


Picture = Annotated[str, Takes("a picture", "photo.jpg")]
Painting = Annotated[str, Takes("a painting", "painting.jpg")]
NetworkName = Annotated[str, Takes("a network", "efficientnet_lite0")]
LayerName = Annotated[str, Takes("a layer", "LAYER")]
UnitName = Annotated[str, Takes("a unit", "output:3")]
DataName = Annotated[str, Takes("a data set", "digits")]
StyleName = Annotated[str, Takes("a style", "wave")]
FolderName = Annotated[str, Takes("a folder of pictures", "photographs")]
HubName = Annotated[str, Takes("a name on the Hub", "OWNER/NAME")]
ResultFile = Annotated[str, Takes("a result", "runs/picture.png")]


@dataclass(frozen=True)
class Form:
    """Form of a field on the command line.

    Attributes:
        word: placeholder of the value in help.
        choices: the values allowed; empty if they are not enumerated.
        switch: whether it is a flag without a value, with a `--no-` form.
        repeats: whether it can be given several times.
        takes: what the text names; None if nothing is known about it.
    """

    word: str = "TEXT"
    choices: tuple[str, ...] = ()
    switch: bool = False
    repeats: bool = False
    takes: Takes | None = None


WORDS: dict[Any, str] = {int: "INTEGER", float: "NUMBER", str: "TEXT", Path: "PATH"}
"""Placeholder of a value of each plain type."""
LIMITS = {"gt": "above", "lt": "below", "ge": "at least", "le": "at most"}
"""pydantic's limits of a number, in words."""
KINDS = {"INTEGER": "a whole number", "NUMBER": "a number", "TEXT": "a text", "PATH": "a path"}


def form_of(annotation: Any) -> Form | None:
    """Return the command-line form of a type annotation.

    Args:
        annotation: the type of a field.

    Returns:
        The form; None if only a file can hold the type (tables, nested recipes).
    """
    if annotation is bool:
        return Form(switch=True)
    if annotation in WORDS:
        return Form(WORDS[annotation])
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        found = form_of(inner[0])
        named = [mark for mark in inner[1:] if isinstance(mark, Takes)]
        return replace(found, takes=named[0]) if found and named else found
    if origin is Literal:
        return Form(choices=tuple(map(str, inner)))
    if origin in (Union, types.UnionType):
        forms = [form_of(part) for part in inner if part is not type(None)]
        if len(forms) == 1:
            return forms[0]
        choices = tuple(c for form in forms if form for c in form.choices)
        words = "|".join(dict.fromkeys(form.word for form in forms if form and not form.choices))
        return None if None in forms else Form("|".join(filter(None, ["|".join(choices), words])))
    if origin in (list, tuple) and inner:
        element = form_of(inner[0])
        return element and replace(element, repeats=True)
    return None


def field_form(field: Any) -> Form | None:
    """Return the command-line form of a field.

    Args:
        field: pydantic's description of the field, which keeps the annotations of its type apart.

    Returns:
        As `form_of`.
    """
    found = form_of(field.annotation)
    named = [mark for mark in field.metadata if isinstance(mark, Takes)]
    return replace(found, takes=named[0]) if found and named else found


def describe_field(name: str, field: Any, *, positional: bool = False) -> dict[str, Any]:
    """Describe a field for a form: what a page needs to ask for its value.

    Args:
        name: name of the field.
        field: pydantic's description of it.
        positional: whether the terminal takes it without a flag.

    Returns:
        JSON-ready: `name`, `title` and `flag` (the name in words and for the terminal), `type` (`switch`,
        `choice`, `integer`, `number`, `text`, or `table` for what only a file can hold), `choices` or None,
        `default`, `required`, `minimum` and `maximum` (inclusive unless `exclusive` names them), `repeats`,
        `help`, `positional` and `takes` (what a text names: `a picture`) or None.
    """
    form = field_form(field)
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    bounds = {
        key: limit
        for rule in field.metadata
        for key in LIMITS
        if (limit := getattr(rule, key, None)) is not None and abs(limit) < 2**53
    }
    words = form.word.split("|") if form else []
    types = {"INTEGER": "integer", "NUMBER": "number"}
    plain = types.get(words[0], "text") if len(words) == 1 else "text"
    return {
        "name": name,
        "title": name.rstrip("_").replace("_", " "),
        "flag": flag_of(name),
        "type": "table" if form is None else "switch" if form.switch else "choice" if form.choices else plain,
        "choices": list(form.choices) if form and form.choices else None,
        "default": _plain(default),
        "required": field.is_required(),
        "minimum": bounds.get("ge", bounds.get("gt")),
        "maximum": bounds.get("le", bounds.get("lt")),
        "exclusive": [side for key, side in (("gt", "minimum"), ("lt", "maximum")) if key in bounds],
        "repeats": form is not None and form.repeats,
        "help": field.description or "",
        "positional": positional,
        "takes": form.takes.noun if form and form.takes else "a path" if words == ["PATH"] else None,
    }


def _plain(value: Any) -> Any:
    """Return a default as JSON has it: a tuple as a list, what JSON does not know as text."""
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def converted(name: str, value: Any, form: Form | None) -> Any:
    """Convert a value to what the command line would hand over for it.

    Args:
        name: name of the field, for the message.
        value: the value, from a command line, a file or Python.
        form: form of the field; None for fields that only a file can hold.

    Returns:
        Texts for numbers, dates and paths; a list where the field repeats; anything else unchanged, for the
        schema to refuse.

    Raises:
        ValueError: a switch is neither true nor false.
    """
    if form is None or value is None:
        return value
    if form.switch:
        if not isinstance(value, bool):
            raise ValueError(f"{name} is true or false, and not {as_text(value)!r:.80}")
        return value
    if form.repeats:
        values = value if isinstance(value, list | tuple) else [value]
        return [as_text(entry) for entry in values]
    return as_text(value)


def as_text(value: Any) -> Any:
    """Return the text that a flag would hold for a value.

    Args:
        value: a value from a command line, a file or Python.

    Returns:
        The text of a number, a date, a path, true or false; anything else unchanged.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    try:
        if isinstance(value, numbers.Integral):
            return int.__repr__(int(value))
        return float.__repr__(float(value)) if isinstance(value, numbers.Real) else value
    except (ValueError, OverflowError):  # thousands of digits, which pydantic refuses
        return value


def in_words(field: Any) -> str:
    """Say what a field takes, for a message.

    Args:
        field: pydantic's description of the field.

    Returns:
        A phrase such as `a whole number, at least 0, at most 100` or `fourier, pixels or cppn`.
    """
    form = field_form(field)
    if form is None:
        return "a table"
    if form.switch:
        return "true or false"
    if form.choices:
        return one_of(form.choices)
    words = [KINDS.get(word, word) for word in form.word.split("|")]
    phrase = form.takes.noun if form.takes and not form.repeats else one_of(words)
    if form.repeats:
        phrase = f"one or more of: {form.takes.noun if form.takes else phrase}"
    return ", ".join([phrase, *limits(field), *_lengths(field, form)])


def limits(field: Any) -> list[str]:
    """Return the numeric limits of a field in words.

    Args:
        field: pydantic's description of the field.

    Returns:
        Phrases such as `at least 1`; without the range of a whole number (2**53 or more).
    """
    found = [(word, getattr(rule, key, None)) for rule in field.metadata for key, word in LIMITS.items()]
    ordered = sorted(found, key=lambda entry: list(LIMITS.values()).index(entry[0]))
    return [f"{word} {_number(most)}" for word, most in ordered if most is not None and abs(most) < 2**53]


def _number(value: float) -> str:
    """Return a limit as it is read best: whole numbers in groups of three digits."""
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def _lengths(field: Any, form: Form) -> list[str]:
    """Return the limits of a field's length in words."""
    found = {key: getattr(rule, key, None) for rule in field.metadata for key in ("min_length", "max_length")}
    if not form.repeats:
        return ["not empty"] if found.get("min_length") else []
    return [f"at most {found['max_length']}"] if found.get("max_length") else []


def one_of(words: "tuple[str, ...] | list[str]") -> str:
    """Return alternatives as a phrase.

    Args:
        words: the alternatives, at least one.

    Returns:
        `a`, `a or b`, `a, b or c`.
    """
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
