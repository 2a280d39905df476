"""The command as a whole: verbs found in a table, imported when called, and one door for every error."""

import contextlib
import io
import json
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from convscope import signals
from convscope.cli.core import failures, terminal
from convscope.cli.core.command import command, summary
from convscope.cli.core.results import as_json
from convscope.cli.core.words import check, check_order, wants_json, with_text
from convscope.cli.verbs import VERBS
from convscope.errors import ConvscopeError, Interrupted, UsageError, nearest

HELP = {"help_option_names": ["-h", "--help"]}


class Verbs(TyperGroup):
    """A group whose commands are imported only when they are called, so that help answers at once.

    A word may be a verb and the first word of others: `style photo.jpg` and `style train`.
    """

    def _names(self, ctx: typer.Context) -> dict[str, str]:
        """Word -> whole verb, at this level: `data` leads to the group of `data check`."""
        above = "" if ctx.parent is None else f"{self.name} "
        verbs = [verb for verb in VERBS if verb.startswith(above)]
        names: dict[str, str] = {}
        for verb in sorted(verbs, key=lambda verb: -len(verb)):  # `style` wins over `style train`
            names[verb[len(above) :].split()[0]] = verb
        return {word: names[word] for word in dict.fromkeys(v[len(above) :].split()[0] for v in verbs)}

    def list_commands(self, ctx: Any) -> list[str]:
        """The words at this level, in the table's order; in help, whole verbs."""
        return list(VERBS if ctx.parent is None and ctx.meta.get("convscope.listing") else self._names(ctx))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command behind a word: only its summary while help lists it."""
        names = self._names(ctx)
        if ctx.parent is None and ctx.meta.get("convscope.listing"):
            return TyperCommand(cmd_name, help=summary(cmd_name))
        if cmd_name not in names:
            return None
        verb = names[cmd_name]
        if ctx.parent is None and verb != cmd_name:
            return _group(cmd_name)
        if ctx.meta.get("convscope.listing"):
            return TyperCommand(cmd_name, help=summary(verb))
        app = typer.Typer(rich_markup_mode="rich", context_settings=HELP, add_completion=False)
        app.command(cmd_name)(command(verb))
        return typer.main.get_command(app)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the words name.

        Raises:
            UsageError: there is no such verb; the nearest are named.
        """
        if ctx.parent is None and len(args) > 1:
            if " ".join(args[:2]) in VERBS:
                return args[0], _group(args[0]), args[1:]
            _check_second_word(args[0], args[1])
        if not args[0].startswith("-") and args[0] not in self._names(ctx):
            word = " ".join([*([] if ctx.parent is None else [str(self.name)]), args[0]])
            raise UsageError("one of the verbs", received=word, hint=_nearest_verb(word))
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The help page; verbs are listed without importing them."""
        ctx.meta["convscope.listing"] = True
        super().format_help(ctx, formatter)


def _nearest_verb(word: str) -> str:
    return f"{nearest(word, VERBS, most=1)} See: convscope --help"


def _check_second_word(word: str, second: str) -> None:
    """What follows a verb that is also the first word of others: its own, or theirs mistyped."""
    if word not in VERBS or not second.isalpha():
        return
    inside = {verb.partition(" ")[2]: verb for verb in VERBS if verb.startswith(word + " ")}
    close = get_close_matches(second, inside, n=1)
    if close and not Path(second).exists():
        raise UsageError(
            "one of the verbs, or a file",
            received=f"{word} {second}",
            hint=f"Did you mean {inside[close[0]]}? See: convscope --help",
        )


def _group(word: str) -> Any:
    group = typer.Typer(cls=Verbs, rich_markup_mode="rich", context_settings=HELP, add_completion=False)
    inside = ", ".join(verb for verb in VERBS if verb.startswith(word + " "))
    group.callback(help=f"{summary(inside.split(', ')[0])} ({inside})", invoke_without_command=True)(
        _help_if_alone
    )
    made = typer.main.get_command(group)
    made.name = word
    return made


def _help_if_alone(ctx: typer.Context) -> None:
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"convscope {version('convscope')}")
        raise typer.Exit


def _top(
    version: bool = typer.Option(
        False, "--version", help="print the version", callback=_version, is_eager=True
    ),
) -> None:
    """Build a convolutional network, teach it, see what it has learned, and put it to work."""


def application() -> Any:
    """The whole command line."""
    app = typer.Typer(cls=Verbs, rich_markup_mode="rich", context_settings=HELP)
    app.callback()(_top)
    return typer.main.get_command(app)


def run(words: Sequence[str]) -> int:
    """Run one command line.

    Whatever goes wrong becomes a message and an exit code; a traceback is printed only with `--debug`.

    Returns:
        0 done, 1 failure, 2 usage, 3 bad input, 4 something missing, 130 interrupted.
    """
    words = list(words) or ["--help"]
    terminal.prepare()
    terminal.show_notes()
    try:
        check(words)
        check_order(words)
        return _answered(words) if wants_json(words) else _called(words)
    except BrokenPipeError:
        terminal.forget_stdout()
        return 0
    except SystemExit as end:
        if not isinstance(end.__context__, BrokenPipeError):
            raise
        terminal.forget_stdout()  # typer and rich end with 1 when nobody reads the help
        return 0
    except ConvscopeError as error:
        return _shown(error, words)
    except (Exception, KeyboardInterrupt) as error:  # the one place that catches everything
        return _shown(failures.explain(error, words), words)


def _called(words: list[str]) -> int:
    code = application().main(args=words, prog_name="convscope", standalone_mode=False)
    sys.stdout.flush()
    if code == Interrupted.exit_code:  # the parser's own answer to Ctrl-C, without a word; verbs raise
        raise Interrupted(signals.EXPECTED, hint=signals.HINT)
    return code if isinstance(code, int) else 0


def _answered(words: list[str]) -> int:
    """Run with `--json`: one document, also where the parser prints text, such as help and version."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = _called(with_text(words))
    text = said.getvalue()
    terminal.answer(text.rstrip("\n") if _is_document(text) else as_json({"text": text}))
    return code


def _is_document(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _shown(error: ConvscopeError, words: list[str]) -> int:
    try:
        return failures.show(error, words)
    except OSError as failure:  # stdout cannot be written
        terminal.tell(f"error: {failure}")
        return error.exit_code
