"""What the terminal shows of the documents of jobs.

A verb's module here has `table(document)`, which returns something that rich prints, and may have
`exit_code(document)`. A job without one is shown by `cli.tables.generic`, and ends with 0.
"""

import importlib
from typing import Any

TABLES: dict[str, str] = {
    "tour": "program.tour",
    "nets": "network.nets",
    "describe": "network.describe",
    "train": "network.train",
    "classify": "input.classify",
    "look": "input.look",
    "visualize": "network.visualize",
    "explain": "input.explain",
    "units": "network.units",
    "unit": "network.unit",
    "atlas": "network.atlas",
    "factors": "input.factors",
    "caricature": "input.reconstruction",
    "invert": "input.reconstruction",
    "style": "style.style",
    "style train": "network.train",
    "style add": "network.train",
    "style apply": "style.apply",
    "dream": "input.dream",
    "data check": "program.data_check",
    "replay": "program.replay",
    "doctor": "program.doctor",
}
"""Verb -> the module that shows its document."""


def table(verb: str, document: dict[str, Any]) -> Any:
    """Return a document in a form for people.

    Args:
        verb: the verb that has made it.
        document: the result.

    Returns:
        A text, or something else that rich prints.
    """
    return _module(verb).table(document)


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
    return importlib.import_module(f"convscope.cli.tables.{TABLES.get(verb, 'generic')}")
