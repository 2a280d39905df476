"""What the terminal shows of the documents of jobs.

A verb's module, at the same path as its job's, has `table(document)`, which returns something that rich
prints, and may have `exit_code(document)`; that of a job that talks has `turn(document)` as well, for what it
says meanwhile. A job without one is shown by `cli.tables.generic`, and ends
with 0.
"""

import importlib
import importlib.util
from typing import Any

from convscope.jobs import JOBS

TABLES: dict[str, str] = {
    "lab": "program.lab",
    "caricature": "input.reconstruction",
    "invert": "input.reconstruction",
    "style train": "network.train",
    "style add": "network.train",
}
"""Verbs whose job lies in another room, or whose documents are shown by the table of others; the
tables of all others lie where their jobs lie."""
PREFIX = "convscope.jobs."


def table(verb: str, document: dict[str, Any]) -> Any:
    """Return a document in a form for people.

    Args:
        verb: the verb that has made it.
        document: the result.

    Returns:
        A text, or something else that rich prints; None where nothing is left to say.
    """
    return _module(verb).table(document)


def turn(document: dict[str, Any]) -> Any:
    """Return what a job shows while it talks, in a form for people.

    Args:
        document: what it shows; its `verb` is the one that talks.

    Returns:
        A text, or something else that rich prints.
    """
    return _module(document["verb"]).turn(document)


def exit_code(verb: str, document: dict[str, Any]) -> int:
    """Return the exit code of a result.

    Args:
        verb: the verb that has made it.
        document: the result.

    Returns:
        0, unless the result is negative, such as a check that fails.
    """
    found = getattr(_module(verb), "exit_code", None)
    return 0 if found is None else found(document)


def _module(verb: str) -> Any:
    job = JOBS.get(verb, "")
    path = TABLES.get(verb) or (job.removeprefix(PREFIX) if job.startswith(PREFIX) else "")
    name = f"convscope.cli.tables.{path}"
    known = bool(path) and importlib.util.find_spec(name) is not None
    return importlib.import_module(name if known else "convscope.cli.tables.generic")
