"""Docstrings of public functions name every argument, and what comes back."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "src" / "convscope"
ROOMS = ["graph", "nets", "worlds", "learn", "see", "use", "show", "lab", "cli"]
ROOT_FILES = [path.name for path in sorted(SOURCE.glob("*.py"))]
READ_AS_ATTRIBUTES = {"property", "cached_property", "setter", "override"}
"""Decorators of methods that have no arguments, or whose base class documents them."""


def incomplete(function: ast.FunctionDef) -> Iterator[str]:
    """What the docstring of a function lacks."""
    text = ast.get_docstring(function) or ""
    given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    given += [more for more in (function.args.vararg, function.args.kwarg) if more is not None]
    names = [a.arg for a in given if a.arg not in ("self", "cls") and not a.arg.startswith("_")]
    section = text.partition("Args:")[2]
    missing = [name for name in names if not re.search(rf"^\s*\*{{0,2}}{name}:", section, re.MULTILINE)]
    if missing:
        yield f"Args: {', '.join(missing)}"
    nothing = isinstance(function.returns, ast.Constant) and function.returns.value is None
    if names and function.returns is not None and not nothing and not re.search("Returns:|Yields:", text):
        yield "Returns or Yields"


def public(path: Path) -> Iterator[ast.FunctionDef]:
    """Functions, and methods of classes, whose names have no underscore in front."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        inside = node.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_") else [node]
        for found in inside:
            if isinstance(found, ast.FunctionDef) and not found.name.startswith("_"):
                names = {getattr(d, "id", getattr(d, "attr", "")) for d in found.decorator_list}
                if not names & READ_AS_ATTRIBUTES:
                    yield found


@pytest.mark.parametrize("room", [*ROOMS, *ROOT_FILES])
def test_every_argument_and_result_is_documented(room: str) -> None:
    place = SOURCE / room
    files = [place] if place.is_file() else sorted(place.rglob("*.py"))
    assert files
    found = [
        f"{path.relative_to(SOURCE)}:{function.lineno} {function.name}: {what}"
        for path in files
        for function in public(path)
        for what in incomplete(function)
    ]
    assert found == []


def test_the_check_sees_what_is_missing() -> None:
    (function,) = ast.parse('def f(a, b) -> int:\n    """Return.\n\n    Args:\n        a: one.\n    """').body
    assert isinstance(function, ast.FunctionDef)
    assert list(incomplete(function)) == ["Args: b", "Returns or Yields"]
