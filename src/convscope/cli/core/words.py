"""What a command line asks for, read before it is parsed: errors are answered in the form asked for."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from convscope.cli.verbs import VERBS
from convscope.errors import UsageError


def verb_of(words: Sequence[str]) -> str:
    """Return the verb that a command line begins with; empty where it is none."""
    return next((verb for verb in (" ".join(words[:2]), *words[:1]) if verb in VERBS), "")


def wants_json(words: Sequence[str]) -> bool:
    """Whether `--json` is given: anywhere but behind the `--` that ends the flags.

    Where the line is wrong so that its end of flags cannot be told, `--json` anywhere counts.
    """
    verb = verb_of(words)
    known = {*_flags(verb), "--help"}
    for flag, value in _pairs(words):
        if "--json" in (flag.partition("=")[0], value):
            return True
        if flag.startswith("--") and flag.partition("=")[0] not in known:
            return "--json" in words
    return not verb and "--json" in words


def with_text(words: Sequence[str]) -> list[str]:
    """Return the words without `--json` where no verb is named, and help or version is printed as text."""
    rest = [word for word in words if word != "--json"]
    return list(words) if verb_of(words) or verb_of(rest) else rest or ["--help"]


def wants_traceback(words: Sequence[str]) -> bool:
    """Whether `--debug` is given."""
    return any("--debug" in (flag, value) for flag, value in _pairs(words))


def check(words: Sequence[str]) -> None:
    """Refuse a flag whose value is missing, so that the next flag, or `--`, would be taken for it.

    Raises:
        UsageError: the flag and what follows it are named.
    """
    verb = verb_of(words)
    for flag, value in _pairs(words):
        if value is not None and (value in ("--", "-h", "--help") or value in _flags(verb)):
            raise UsageError(
                f"a value after {flag}", received=value, hint=f"Write {flag}={value} if that is the value."
            )


def check_order(words: Sequence[str]) -> None:
    """Refuse a network in the place of an input: verbs about an input take their network as `--net`.

    Raises:
        UsageError: the first argument names a network, and is no input; the hint is the right command.
    """
    verb = verb_of(words)
    arguments, options = _split(words)
    flags = {word.partition("=")[0] for word, _ in _pairs(words) if word.startswith("-")}
    if (
        not arguments or "--net" in flags or not flags <= set(_flags(verb))
    ):  # help, and what the parser refuses
        return
    required = _input_required(verb)
    if required is None or not _is_network(arguments[0]):
        return
    network, *inputs = arguments
    inputs = inputs or required
    raise UsageError(
        f"an input first: convscope {verb} takes its network as --net",
        received=f'"{network}" is no file but the name of a network'
        if not Path(network).exists()
        else f'"{network}" is no input but the folder of a saved network',
        hint=f"Write: {_ordered(verb, inputs, ['--net', network, *options])}",
    )


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The arguments of a command line, those after `--` too, and its flags with their values."""
    arguments: list[str] = []
    options: list[str] = []
    for word, value in _pairs(words):
        if value is None and not word.startswith("-"):
            arguments.append(word)
        else:
            options += [word] if value is None else [word, value]
    read = len(verb_of(words).split()) + len(arguments) + len(options)
    return arguments + list(words[read + 1 :]), options


def _input_required(verb: str) -> list[str] | None:
    """What stands for the input that a verb needs: nothing where it needs none; None for other verbs."""
    from convscope.recipe import OnInput

    schema = _schema(verb)
    if schema is None or not issubclass(schema, OnInput):
        return None
    name = schema.positional[0]
    return [name.upper()] if schema.model_fields[name].is_required() else []


def _is_network(word: str) -> bool:
    from convscope import nets

    return nets.is_network(word)


def _ordered(verb: str, inputs: list[str], options: list[str]) -> str:
    """One command line: inputs, then flags; the other way round where an input looks like a flag."""
    words = [*inputs, *options]
    if any(word.startswith("-") for word in inputs):
        words = [*options, "--", *inputs]
    return shlex.join(["convscope", *verb.split(), *words])


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Each flag that takes a value with that value, every other word alone, up to the `--` that ends them."""
    verb = verb_of(words)
    flags, position = _flags(verb), len(verb.split())
    while position < len(words) and words[position] != "--":
        word = words[position]
        valued = flags.get(word, False) and position + 1 < len(words)
        yield word, words[position + 1] if valued else None
        position += 2 if valued else 1


def _flags(verb: str) -> dict[str, bool]:
    """Flag -> whether a value follows; of an unknown verb, or one whose file cannot be imported, none."""
    from convscope.cli.core.command import flags

    return {} if _schema(verb) is None else flags(verb)


def _schema(verb: str) -> Any:
    """The schema of a verb; None of an unknown one, or of one whose file cannot be imported."""
    if not verb:
        return None
    from convscope.cli.core.command import load

    try:
        return load(verb).schema
    except (
        Exception
    ):  # whatever a broken installation raises; it is raised again, and told, when the verb runs
        return None
