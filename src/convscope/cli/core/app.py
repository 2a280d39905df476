"""The command line as a whole: find a verb, import it only when it is called, and handle every error."""

import contextlib
import io
import json
import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from convscope.cli.core import failures, terminal
from convscope.cli.core.arguments import check_arguments
from convscope.cli.core.command import command
from convscope.cli.core.words import check, schema_of, wants_json, with_text
from convscope.errors import ConvscopeError, Interrupted, UsageError, nearest
from convscope.jobs.output.results import as_json
from convscope.jobs.registry import JOBS, VERB_ALIASES, load, summary
from convscope.system import processes, signals

HELP = {"help_option_names": ["-h", "--help"]}


class Verbs(TyperGroup):
    """Command group that imports a verb's module only when that verb is called, so that help is fast.

    A word may be a verb and the first word of others: `style photo.jpg` and `style train`.
    """

    def _names(self, ctx: typer.Context) -> dict[str, str]:
        """Return the words accepted at this level, each with its whole verb.

        Args:
            ctx: the parser's context; without a parent at the top level.

        Returns:
            Word -> verb, in the table's order; `data` leads to `data check`, `style` to `style` itself.
        """
        above = "" if ctx.parent is None else f"{self.name} "
        verbs = [verb for verb in JOBS if verb.startswith(above)]
        names: dict[str, str] = {}
        for verb in sorted(verbs, key=lambda verb: -len(verb)):  # `style` wins over `style train`
            names[verb[len(above) :].split()[0]] = verb
        return {word: names[word] for word in dict.fromkeys(v[len(above) :].split()[0] for v in verbs)}

    def list_commands(self, ctx: Any) -> list[str]:
        """List the words accepted at this level, in the table's order.

        Args:
            ctx: the parser's context.

        Returns:
            First words of the verbs; whole verbs while the top level's help page is written.
        """
        return list(JOBS if ctx.parent is None and ctx.meta.get("convscope.listing") else self._names(ctx))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of a word; while help is written, a stand-in with only its summary.

        Args:
            ctx: the parser's context.
            cmd_name: one word of the command line; a whole verb while the top level's help page is written.

        Returns:
            A command or a group of the parser; None if there is none of that name.
        """
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
        app.command(cmd_name)(command(verb, _schema(verb, ctx)))
        return typer.main.get_command(app)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the arguments name, and the arguments that follow it.

        Args:
            ctx: the parser's context.
            args: the arguments at this level, at least one.

        Returns:
            Name of the command, the command, and the remaining arguments.

        Raises:
            UsageError: there is no such verb; the hint names the nearest.
        """
        if ctx.parent is None and " ".join(args[:2]) in JOBS and len(args) > 1:
            return args[0], _group(args[0]), args[1:]
        if not args[0].startswith("-") and args[0] not in self._names(ctx):
            word = " ".join([*([] if ctx.parent is None else [str(self.name)]), args[0]])
            raise UsageError("one of the verbs", received=word, hint=_nearest_verb(word))
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help page; verbs are listed without importing them.

        Args:
            ctx: the parser's context.
            formatter: the parser's formatter, which the page is written to.
        """
        ctx.meta["convscope.listing"] = True
        super().format_help(ctx, formatter)


def _schema(verb: str, ctx: Any) -> Any:
    """Return the schema of a verb as the command line decides it; an import that fails is reported."""
    return schema_of(verb, ctx.find_root().obj or ()) or load(verb).schema


def _nearest_verb(word: str) -> str:
    return f"{nearest(word, JOBS, most=1, aliases=VERB_ALIASES)} See: convscope --help"


def _group(word: str) -> Any:
    """Return the command group of the verbs that begin with a word.

    Args:
        word: the first word, such as `data`.

    Returns:
        A group of the parser, which prints its help when called alone.
    """
    group = typer.Typer(cls=Verbs, rich_markup_mode="rich", context_settings=HELP, add_completion=False)
    inside = ", ".join(verb for verb in JOBS if verb.startswith(word + " "))
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
    """Build the command line of all verbs.

    Returns:
        The parser's top-level command.
    """
    app = typer.Typer(cls=Verbs, rich_markup_mode="rich", context_settings=HELP)
    app.callback()(_top)
    return typer.main.get_command(app)


def run(words: Sequence[str]) -> int:
    """Run one command line and return its exit code.

    Every exception becomes a message and an exit code; a traceback is printed only with `--debug`.

    Args:
        words: arguments of the command line, without the program's name; help is printed if there are none,
            and by `help` before a verb.

    Returns:
        0 done, 1 failure, 2 usage, 3 bad input, 4 something missing, 130 interrupted.
    """
    words = list(words) or ["--help"]
    if words[0] == "help":
        words = [*words[1:], "--help"]
    terminal.prepare()
    terminal.show_notes()
    try:
        check(words)
        check_arguments(words)
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
    """Parse the command line and run its verb.

    Args:
        words: arguments of the command line.

    Returns:
        The exit code of the verb; 0 for help and version.

    Raises:
        Interrupted: the parser was interrupted.
    """
    code = application().main(args=words, obj=words, prog_name="convscope", standalone_mode=False)
    sys.stdout.flush()
    if code == Interrupted.exit_code:  # the parser returns this on Ctrl-C, without a message; verbs raise
        raise Interrupted(signals.EXPECTED, hint=signals.HINT)
    return code if isinstance(code, int) else 0


def _answered(words: list[str]) -> int:
    """Run with `--json`: print one document, also where the parser prints text, such as help and version.

    Args:
        words: arguments of the command line.

    Returns:
        The exit code.
    """
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = _called(with_text(words))
    text = said.getvalue()
    if not text:  # another process answers
        return code
    terminal.answer(text.rstrip("\n") if _is_document(text) else as_json({"text": text}))
    return code


def _is_document(text: str) -> bool:
    """Return whether a text is a JSON object."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _shown(error: ConvscopeError, words: list[str]) -> int:
    """Print an error and return its exit code, also if stdout cannot be written."""
    if processes.rank() and isinstance(error, Interrupted):  # the first process says it
        return error.exit_code
    try:
        return failures.show(error, words)
    except OSError as failure:  # stdout cannot be written
        terminal.tell(f"error: {failure}")
        return error.exit_code
