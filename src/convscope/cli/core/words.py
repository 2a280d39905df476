"""Read a command line before it is parsed, so that errors are reported in the form asked for."""

from collections.abc import Iterator, Sequence
from typing import Any

from convscope.errors import ConvscopeError, UsageError
from convscope.jobs.registry import JOBS, schema_for


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
    known = {*flags_of(verb, words), "--help"}
    for flag, value in pairs(words):
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
    return any("--debug" in (flag, value) for flag, value in pairs(words))


def check(words: Sequence[str]) -> None:
    """Refuse a flag whose value is missing, so that the next flag, or `--`, would be taken for it.

    Args:
        words: arguments of the command line.

    Raises:
        UsageError: a value is missing; the message names the flag and what follows it.
    """
    verb = verb_of(words)
    for flag, value in pairs(words):
        if value is not None and (value in ("--", "-h", "--help") or value in flags_of(verb, words)):
            raise UsageError(
                f"a value after {flag}", received=value, hint=f"Write {flag}={value} if that is the value."
            )


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split a command line into arguments, those after `--` too, and flags with their values.

    Args:
        words: arguments of the command line, the verb first.

    Returns:
        The arguments after the verb, and the flags with their values.
    """
    arguments: list[str] = []
    options: list[str] = []
    for word, value in pairs(words):
        if value is None and not word.startswith("-"):
            arguments.append(word)
        else:
            options += [word] if value is None else [word, value]
    read = len(verb_of(words).split()) + len(arguments) + len(options)
    return arguments + list(words[read + 1 :]), options


def pairs(words: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Split the words between the verb and `--` into flags with their values and other words.

    Args:
        words: arguments of the command line.

    Yields:
        A flag that takes a value, with that value; any other word with None.
    """
    verb = verb_of(words)
    flags, position = flags_of(verb, words), len(verb.split())
    while position < len(words) and words[position] != "--":
        word = words[position]
        valued = flags.get(word, False) and position + 1 < len(words)
        yield word, words[position + 1] if valued else None
        position += 2 if valued else 1


def flags_of(verb: str, words: Sequence[str] = ()) -> dict[str, bool]:
    """Return the flags of a verb, each with whether a value follows.

    Args:
        verb: a verb, or an empty text.
        words: arguments of the command line, some of which may decide which flags there are.

    Returns:
        As `command.flags`; empty for an unknown verb, or one whose module cannot be imported.
    """
    from convscope.cli.core.command import flags

    schema = schema_of(verb, words)
    return {} if schema is None else flags(verb, schema)


def schema_of(verb: str, words: Sequence[str] = ()) -> Any:
    """Return the schema of a verb.

    Args:
        verb: a verb, or an empty text.
        words: arguments of the command line, some of which may decide: the task of a training.

    Returns:
        A subclass of `Recipe`; None for an unknown verb, or one whose module cannot be imported.
    """
    if not verb:
        return None
    from convscope.cli.core.command import load

    try:
        module = load(verb)
    except (
        Exception
    ):  # whatever a broken installation raises; it is raised again, and reported, when the verb runs
        return None
    try:
        return schema_for(verb, dict(_deciding(words, getattr(module, "SCHEMA_SETTINGS", ()))))
    except ConvscopeError:  # raised again when the recipe is made
        return module.schema


def _deciding(words: Sequence[str], settings: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the settings that decide about a verb's schema, as far as the command line names them."""
    for position, word in enumerate(words):
        flag, equals, value = word.partition("=")
        name = flag[2:].replace("-", "_")
        if flag.startswith("--") and name in settings and (equals or position + 1 < len(words)):
            yield name, value if equals else words[position + 1]
