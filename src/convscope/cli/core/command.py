"""Build the terminal command of a verb from its schema.

Fields named in `Recipe.positional` become arguments, all others flags; descriptions become help. Values of
flags override those of the TOML file, which override the defaults; only the schema validates.
"""

import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel

from convscope import jobs
from convscope.cli import tables
from convscope.cli.core.arguments import check_missing
from convscope.cli.core.shell import Shell
from convscope.errors import Interrupted, UsageError
from convscope.jobs.registry import JOBS, load, schema_for
from convscope.recipe import Recipe
from convscope.recipe.fields import field_form, flag_of, limits
from convscope.system import processes, signals


def flags(verb: str, schema: Any) -> dict[str, bool]:
    """Return every flag of a verb, and whether a value follows it.

    Args:
        verb: a key of `JOBS`.
        schema: the subclass of `Recipe` that the command line has chosen.

    Returns:
        Flag with its dashes -> whether it takes a value; switches come with their `--no-` form.
    """
    found = {f"--{name}": kind is not bool for name, (kind, _default, _help) in SHELL_FLAGS.items()}
    for name, field in _all_fields(verb, schema).items():
        form, flag = field_form(field), flag_of(name)
        if form is not None and name not in schema.positional:
            found |= {flag: False, f"--no-{flag[2:]}": False} if form.switch else {flag: True}
    return found


def command(verb: str, schema: Any) -> Callable[..., int]:
    """Build the function whose signature typer reads as the verb's command line.

    Args:
        verb: a key of `JOBS`.
        schema: the subclass of `Recipe` that the command line has chosen.

    Returns:
        A function of keyword arguments, one for each field that the command line can hold and each of
        `SHELL_FLAGS`. It runs the verb and returns its exit code, and raises `Interrupted` on Ctrl-C. Its
        docstring is the help.
    """
    module = load(verb)

    def call(**given: Any) -> int:
        try:
            return perform(verb, given)
        except KeyboardInterrupt as stop:  # before typer, which would exit without a message
            raise Interrupted(signals.EXPECTED, hint=signals.HINT) from stop

    parameters = [*_fields(verb, schema), *_shell_flags()]
    call.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess]
    call.__annotations__ = {p.name: p.annotation for p in parameters}
    below = [other for other in JOBS if other.startswith(f"{verb} ")]
    also = f"\n\nSee also: convscope {', convscope '.join(below)}." if below else ""
    call.__doc__ = _escaped(inspect.cleandoc(str(inspect.getdoc(module))) + also)
    return call


def perform(verb: str, given: dict[str, Any]) -> int:
    """Merge file and flags into a recipe, run its job, and show the result.

    Args:
        verb: a key of `JOBS`.
        given: values by name of field or of `SHELL_FLAGS`; all of the latter are required, and removed from
            it. None and empty lists count as not given.

    Returns:
        The exit code of the result.

    Raises:
        UsageError: a setting is wrong, the file is for another verb, or `--out` is taken or not writable.
        DataError: the TOML file is missing or damaged.
        MissingError: the device is not there.
    """
    config, out, _debug = (given.pop(name) for name in ("config", "out", "debug"))
    quiet = given.pop("quiet") or processes.rank() > 0  # of several processes one speaks
    shell = Shell(json=given.pop("json"), quiet=quiet)
    values = _from_file(verb, load(verb).schema, config) if config else {}
    given = {name: value for name, value in given.items() if value not in (None, [], ())}
    given = _placed(load(verb).schema, given, values)
    values.update(given)
    check_missing(verb, given, values, config)
    recipe = _parsed(verb, schema_for(verb, values), values)
    dialogue = shell.dialogue(tables.turn)
    with shell.at_work():
        document = shell.follow(jobs.run(recipe, out or None, log=shell.log, dialogue=dialogue))
    if document is None:  # another process answers
        return 0
    shell.answer(document, partial(tables.table, verb))
    return tables.exit_code(verb, document)


def _parsed(verb: str, schema: type[Recipe], values: dict[str, Any]) -> Recipe:
    """Validate the settings; an error names the help of the verb, which Python's callers have no use for."""
    try:
        return schema.parse(values)
    except UsageError as error:
        hint = f"{error.hint} See: convscope {verb} --help".strip()
        raise UsageError(error.expected, received=error.received, hint=hint) from None


def _placed(schema: Any, given: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Return values by field, the arguments in the places that they have beside these flags and this file."""
    flagged = {name for name, value in (values | given).items() if value} - set(schema.positional)
    places = schema.positional_fields(flagged)
    words = [given[name] for name in schema.positional if name in given]
    if places == schema.positional or len(words) > len(places):
        return given
    others = {name: value for name, value in given.items() if name not in schema.positional}
    return {**others, **dict(zip(places, words, strict=False))}


def _from_file(verb: str, schema: Any, path: str) -> dict[str, Any]:
    """Read the values of a TOML file, without its `verb`.

    Args:
        verb: the verb that was called.
        schema: its schema.
        path: the file.

    Returns:
        Values by field, not validated.

    Raises:
        UsageError: the file is for another verb.
        DataError: the file is missing or damaged.
    """
    values = schema.read(Path(path))
    elsewhere = [f"--{name}" for name in SHELL_FLAGS if name in values and name not in schema.model_fields]
    if elsewhere:
        raise UsageError(
            f"settings in {path}",
            received=f"{elsewhere[0][2:]}, which belongs to the command",
            hint=f"Take it out of the file, and give {elsewhere[0]} in the command.",
        )
    named = values.pop("verb", verb)
    if named != verb:
        raise UsageError(
            f"a recipe for '{verb}' in {path}",
            received=f"one for '{named}'",
            hint=f"Run: convscope {named} --config {path}",
        )
    return values


def _all_fields(verb: str, schema: Any) -> dict[str, Any]:
    """Return the fields of a schema, and those that only the verb's own has, which `schema_for` refuses."""
    return {**load(verb).schema.model_fields, **schema.model_fields}


def _fields(verb: str, schema: Any) -> list[inspect.Parameter]:
    """Return one parameter for each field that the command line can hold, positional ones first."""
    fields = _all_fields(verb, schema)
    ordered = [*schema.positional, *(name for name in fields if name not in schema.positional)]
    found = [_parameter(name, fields[name], name in schema.positional) for name in ordered]
    return [parameter for parameter in found if parameter is not None]


def _parameter(name: str, field: Any, positional: bool) -> inspect.Parameter | None:
    """Return a field as typer's parameter, text or a switch; the schema converts texts to numbers.

    Args:
        name: name of the field.
        field: pydantic's description of it.
        positional: whether it is an argument, not a flag.

    Returns:
        The parameter; None if only a file can hold the field, or a flag of every verb has its name.
    """
    form = field_form(field)
    if form is None or name in SHELL_FLAGS:
        return None
    options: dict[str, Any] = {"help": _help(field), "show_default": False}
    if form.choices:
        options["autocompletion"] = lambda incomplete: [c for c in form.choices if c.startswith(incomplete)]
    if positional:
        metavar = name.upper() + ("..." if form.repeats else "")
        default = typer.Argument(None, metavar=metavar if field.is_required() else f"[{metavar}]", **options)
    else:
        flag = flag_of(name)
        metavar = None if form.switch else "|".join(form.choices) or form.word
        default = typer.Option(
            None, f"{flag}/--no-{flag[2:]}" if form.switch else flag, metavar=metavar, **options
        )
    annotation = (bool if form.switch else list[str] if form.repeats else str) | None
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _help(field: Any) -> str:
    """Return the help of a field: its description, its limits and its default."""
    words = [field.description or "", *limits(field)]
    text = ", ".join(filter(None, words))
    default = _default(field)
    return _escaped(f"{text} [default: {default}]" if default else text)


def _default(field: Any) -> str:
    """Return the default of a field as text; empty if there is none worth showing."""
    if field.is_required():
        return ""
    value = field.get_default(call_default_factory=True)
    if value is None or isinstance(value, BaseModel) or value in ((), [], ""):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _escaped(text: str) -> str:
    """Escape rich's markup in a text."""
    from rich.markup import escape

    return escape(text)


SHELL_FLAGS: dict[str, tuple[Any, Any, str]] = {
    "config": (str | None, None, "a TOML file with these settings; flags given here win"),
    "out": (str | None, None, "where the result goes; what exists is never overwritten"),
    "json": (bool, False, "one JSON document on stdout; progress goes to stderr"),
    "quiet": (bool, False, "no progress"),
    "debug": (bool, False, "show the traceback of a fault"),
}
"""Flags of every verb: type, default, help."""


def _shell_flags() -> list[inspect.Parameter]:
    """Return `SHELL_FLAGS` as typer's parameters."""
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=kind,
            default=typer.Option(default, f"--{name}", help=text, rich_help_panel="Options of every verb"),
        )
        for name, (kind, default, text) in SHELL_FLAGS.items()
    ]
