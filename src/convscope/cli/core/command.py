"""From a verb's schema to a command of the terminal.

Fields named in `Recipe.positional` become arguments, all others flags; descriptions become help. Flags that
were not given leave the TOML file's values, and the file leaves the defaults; the schema alone validates.
"""

import ast
import importlib
import importlib.util
import inspect
import types
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, Union, get_args, get_origin

import typer
from pydantic import BaseModel

from convscope import signals
from convscope.cli.core.results import free
from convscope.cli.core.shell import Shell, VerbResult
from convscope.cli.verbs import VERBS
from convscope.errors import Interrupted, UsageError


class Verb(Protocol):
    """What a file in `cli/verbs` offers. Its docstring is the help."""

    schema: Any
    """A subclass of `Recipe`."""
    run: Callable[[Any, Shell], VerbResult]
    """From a recipe to what comes out of it."""


def summary(verb: str) -> str:
    """The first line of a verb's docstring, read without importing it."""
    spec = importlib.util.find_spec(VERBS[verb])
    text = ast.get_docstring(ast.parse(Path(str(spec and spec.origin)).read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


def load(verb: str) -> Verb:
    """The module that does a verb."""
    return importlib.import_module(VERBS[verb])  # pyright: ignore[reportReturnType]


def flags(verb: str) -> dict[str, bool]:
    """Return every flag of a verb, and whether a value follows it."""
    found = {f"--{name}": kind is not bool for name, (kind, _default, _help) in SHELL_FLAGS.items()}
    schema = load(verb).schema
    for name, field in schema.model_fields.items():
        form, word = _form(field.annotation), name.replace("_", "-")
        if form is not None and name not in schema.positional:
            found |= {f"--{word}": False, f"--no-{word}": False} if form.switch else {f"--{word}": True}
    return found


def command(verb: str) -> Callable[..., int]:
    """A function whose signature typer reads as the verb's command line."""
    module = load(verb)

    def call(**given: Any) -> int:
        try:
            return perform(verb, module, given)
        except KeyboardInterrupt as stop:  # before typer sees it, which would leave without a word
            raise Interrupted(signals.EXPECTED, hint=signals.HINT) from stop

    parameters = [*_fields(module.schema), *_shell_flags()]
    call.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess]
    call.__annotations__ = {p.name: p.annotation for p in parameters}
    below = [other for other in VERBS if other.startswith(f"{verb} ")]
    also = f"\n\nSee also: convscope {', convscope '.join(below)}." if below else ""
    call.__doc__ = _escaped(inspect.cleandoc(str(inspect.getdoc(module))) + also)
    return call


def perform(verb: str, module: Verb, given: dict[str, Any]) -> int:
    """Merge file and flags into a recipe, run the verb, show its answer."""
    from convscope.cli.core import inputs

    config, out = given.pop("config"), given.pop("out")
    shell = Shell(out=Path(out) if out else None, json=given.pop("json"), quiet=given.pop("quiet"))
    given.pop("debug")
    values = _from_file(verb, module.schema, config) if config else {}
    values.update({name: value for name, value in given.items() if value not in (None, [], ())})
    recipe = module.schema.parse(values)
    if shell.out is not None:
        free(shell.out)
    with shell.at_work():
        inputs.require_device(recipe)
        answer = module.run(recipe, shell)
    shell.answer({"verb": verb, "recipe": recipe.model_dump(mode="json"), **answer.data}, answer.render)
    return answer.code


def _from_file(verb: str, schema: Any, path: str) -> dict[str, Any]:
    values = schema.read(Path(path))
    named = values.pop("verb", verb)
    if named != verb:
        raise UsageError(
            f"a recipe for '{verb}' in {path}",
            received=f"one for '{named}'",
            hint=f"Run: convscope {named} --config {path}",
        )
    return values


def _fields(schema: Any) -> list[inspect.Parameter]:
    ordered = [*schema.positional, *(n for n in schema.model_fields if n not in schema.positional)]
    found = [_parameter(name, schema.model_fields[name], name in schema.positional) for name in ordered]
    return [parameter for parameter in found if parameter is not None]


def _parameter(name: str, field: Any, positional: bool) -> inspect.Parameter | None:
    """One field as typer sees it: text or a switch. The schema makes numbers of it."""
    form = _form(field.annotation)
    if form is None or name in SHELL_FLAGS:
        return None
    options: dict[str, Any] = {"help": _help(field), "show_default": False}
    if form.choices:
        options["autocompletion"] = lambda incomplete: [c for c in form.choices if c.startswith(incomplete)]
    if positional:
        metavar = name.upper() + ("..." if form.repeats else "")
        default = typer.Argument(None, metavar=metavar if field.is_required() else f"[{metavar}]", **options)
    else:
        flag = "--" + name.replace("_", "-")
        metavar = None if form.switch else "|".join(form.choices) or form.word
        default = typer.Option(
            None, f"{flag}/--no-{flag[2:]}" if form.switch else flag, metavar=metavar, **options
        )
    annotation = (bool if form.switch else list[str] if form.repeats else str) | None
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


@dataclass(frozen=True)
class _Form:
    """How a field is written on the command line."""

    word: str = "TEXT"
    choices: tuple[str, ...] = ()
    switch: bool = False
    repeats: bool = False


def _form(annotation: Any) -> _Form | None:
    """The form of a type; None when only a file can hold it (tables, nested recipes)."""
    if annotation is bool:
        return _Form(switch=True)
    if annotation in (int, float, str, Path):
        return _Form({int: "INTEGER", float: "NUMBER", str: "TEXT", Path: "PATH"}[annotation])
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _form(inner[0])
    if origin is Literal:
        return _Form(choices=tuple(map(str, inner)))
    if origin in (Union, types.UnionType):
        forms = [_form(part) for part in inner if part is not type(None)]
        if len(forms) == 1:
            return forms[0]
        choices = tuple(c for form in forms if form for c in form.choices)
        words = "|".join(dict.fromkeys(form.word for form in forms if form and not form.choices))
        return None if None in forms else _Form("|".join(filter(None, ["|".join(choices), words])))
    if origin in (list, tuple) and inner:
        element = _form(inner[0])
        return element and replace(element, repeats=True)
    return None


def _help(field: Any) -> str:
    limits = [(word, _limit(field, rule)) for rule, word in LIMITS.items()]
    words = [field.description or "", *(f"{word} {limit:g}" for word, limit in limits if limit is not None)]
    text = ", ".join(filter(None, words))
    default = _default(field)
    return _escaped(f"{text} [default: {default}]" if default else text)


LIMITS = {"gt": "above", "lt": "below", "ge": "at least", "le": "at most"}


def _default(field: Any) -> str:
    if field.is_required():
        return ""
    value = field.get_default(call_default_factory=True)
    if value is None or isinstance(value, BaseModel) or value in ((), [], ""):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _limit(field: Any, name: str) -> Any:
    found = [getattr(rule, name) for rule in field.metadata if getattr(rule, name, None) is not None]
    return found[0] if found and abs(found[0]) < 2**53 else None


def _escaped(text: str) -> str:
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
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=kind,
            default=typer.Option(default, f"--{name}", help=text, rich_help_panel="Options of every verb"),
        )
        for name, (kind, default, text) in SHELL_FLAGS.items()
    ]
