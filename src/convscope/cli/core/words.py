"""What a command line asks for, read before it is parsed: errors are answered in the form asked for."""

from collections.abc import Iterator, Sequence

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
    if not verb:
        return {}
    from convscope.cli.core.command import flags

    try:
        return flags(verb)
    except (
        Exception
    ):  # whatever a broken installation raises; it is raised again, and told, when the verb runs
        return {}
