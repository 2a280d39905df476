"""Read a command line before it is parsed, so that errors are reported in the form asked for."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from convscope.errors import UsageError
from convscope.jobs.registry import JOBS


def verb_of(words: Sequence[str]) -> str:
    """Return the verb that a command line begins with.

    Args:
        words: arguments of the command line.

    Returns:
        A key of `JOBS`, of two words or one; empty if there is none.
    """
    return next((verb for verb in (" ".join(words[:2]), *words[:1]) if verb in JOBS), "")


def wants_json(words: Sequence[str]) -> bool:
    """Return whether `--json` is given before the `--` that ends the flags.

    Without a verb, or with an unknown flag, the end of the flags is uncertain: `--json` anywhere counts.

    Args:
        words: arguments of the command line.

    Returns:
        True if it is given.
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
    """Remove `--json` if no verb is named, so that the parser prints help or version as text.

    Args:
        words: arguments of the command line.

    Returns:
        The arguments; `--help` if none are left.
    """
    rest = [word for word in words if word != "--json"]
    return list(words) if verb_of(words) or verb_of(rest) else rest or ["--help"]


def wants_traceback(words: Sequence[str]) -> bool:
    """Return whether `--debug` is given before the `--` that ends the flags.

    Args:
        words: arguments of the command line.

    Returns:
        True if it is given.
    """
    return any("--debug" in (flag, value) for flag, value in _pairs(words))


def check(words: Sequence[str]) -> None:
    """Refuse a flag whose value is missing, so that the next flag, or `--`, would be taken for it.

    Args:
        words: arguments of the command line.

    Raises:
        UsageError: a value is missing; the message names the flag and what follows it.
    """
    verb = verb_of(words)
    for flag, value in _pairs(words):
        if value is not None and (value in ("--", "-h", "--help") or value in _flags(verb)):
            raise UsageError(
                f"a value after {flag}", received=value, hint=f"Write {flag}={value} if that is the value."
            )


def check_order(words: Sequence[str]) -> None:
    """Refuse a network in the place of an input: verbs about an input take their network as `--net`.

    Args:
        words: arguments of the command line.

    Raises:
        UsageError: the first argument names a network, not an input; the hint is the right command.
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
    """Split a command line into arguments, those after `--` too, and flags with their values.

    Args:
        words: arguments of the command line, the verb first.

    Returns:
        The arguments after the verb, and the flags with their values.
    """
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
    """Return the placeholder of the input that a verb about an input requires.

    Args:
        verb: a verb, or an empty text.

    Returns:
        One word, such as `IMAGES`; an empty list if the input is optional; None for verbs not about an input.
    """
    from convscope.recipe import OnInput

    schema = _schema(verb)
    if schema is None or not issubclass(schema, OnInput):
        return None
    name = schema.positional[0]
    return [name.upper()] if schema.model_fields[name].is_required() else []


def _is_network(word: str) -> bool:
    """Return whether a word names a network, or the folder of a saved one."""
    from convscope import nets

    return nets.is_network(word)


def _ordered(verb: str, inputs: list[str], options: list[str]) -> str:
    """Return one command line: inputs, then flags; the reverse if an input looks like a flag.

    Args:
        verb: the verb.
        inputs: its arguments.
        options: its flags with their values.

    Returns:
        The command, quoted for a shell.
    """
    words = [*inputs, *options]
    if any(word.startswith("-") for word in inputs):
        words = [*options, "--", *inputs]
    return shlex.join(["convscope", *verb.split(), *words])


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Split the words between the verb and `--` into flags with their values and other words.

    Args:
        words: arguments of the command line.

    Yields:
        A flag that takes a value, with that value; any other word with None.
    """
    verb = verb_of(words)
    flags, position = _flags(verb), len(verb.split())
    while position < len(words) and words[position] != "--":
        word = words[position]
        valued = flags.get(word, False) and position + 1 < len(words)
        yield word, words[position + 1] if valued else None
        position += 2 if valued else 1


def _flags(verb: str) -> dict[str, bool]:
    """Return the flags of a verb, each with whether a value follows.

    Args:
        verb: a verb, or an empty text.

    Returns:
        As `command.flags`; empty for an unknown verb, or one whose module cannot be imported.
    """
    from convscope.cli.core.command import flags

    return {} if _schema(verb) is None else flags(verb)


def _schema(verb: str) -> Any:
    """Return the schema of a verb; None for an unknown one, or one whose module cannot be imported."""
    if not verb:
        return None
    from convscope.cli.core.command import load

    try:
        return load(verb).schema
    except (
        Exception
    ):  # whatever a broken installation raises; it is raised again, and reported, when the verb runs
        return None
