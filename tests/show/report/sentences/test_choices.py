"""Every sentence that code chooses by a condition has a test that makes it false and sees it go."""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

from convscope.show.report.i18n import texts

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("show", "jobs", "learn/runs", "cli")
"""Where texts are looked up by their keys."""
HOLE = "\0"
"""Stands for a formatted value in the pattern of an f-string."""


def branches(node: ast.AST) -> list[ast.AST]:
    """Parts of a node that run, or count, only under its condition."""
    match node:
        case ast.If():
            return [*node.body, *node.orelse]
        case ast.IfExp():
            return [node.body, node.orelse]
        case ast.Match():
            return [part for case in node.cases for part in case.body]
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() if any(g.ifs for g in node.generators):
            return [node.elt]
        case ast.Call():
            return [word.value for word in node.keywords if word.arg == "finding"]
        case ast.FunctionDef():
            ends = [part.value for part in ast.walk(node) if isinstance(part, ast.Return) and part.value]
            return list(ends) if len(ends) > 1 else []
    return []


def pattern(node: ast.AST) -> str | None:
    """The text of a string constant or f-string, with a hole for each formatted value."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(pattern(p) or HOLE for p in node.values)
    return None


def strings(node: ast.AST) -> Iterator[str]:
    """All strings and f-strings of a tree; the pieces of an f-string are no strings of their own."""
    found = pattern(node)
    if found is not None:
        yield found
    for child in ast.iter_child_nodes(node):
        if isinstance(node, ast.JoinedStr) and isinstance(child, ast.Constant):
            continue
        yield from strings(child)


def resolved(name: str, module: frozenset[str]) -> set[str]:
    """The keys of texts that a string of a module can mean.

    A whole key, the key of a figure, the end of a key behind `said(...)`, or a word that is put into an
    f-string of the same module or behind the key of a figure.
    """
    if HOLE in name:
        whole = re.compile(rf"(explain\.)?{re.escape(name).replace(HOLE, '[a-z]+')}")
        return {key for key in texts() if whole.fullmatch(key)} if f"_{HOLE}" in name else set()
    if "." in name:
        return {key for key in (name, f"explain.{name}", f"{name}.title") if key in texts()}
    filled = {other.replace(HOLE, name, 1) for other in module if other.count(HOLE) == 1}
    behind = {f"{other}.{name}" for other in module if "." in other and HOLE not in other}
    several = [other for other in module if other.count(HOLE) == 2]
    both = {other.replace(HOLE, name, 1).replace(HOLE, end) for other in several for end in module}
    both |= {other[::-1].replace(HOLE, name[::-1], 1)[::-1].replace(HOLE, end) for other in several for end in module}
    return {key for key in texts() if key in filled | behind | both or key.removeprefix("explain.") in filled}


@functools.cache
def chosen() -> dict[str, str]:
    """Keys of texts that stand under a condition somewhere, with the file."""
    found: dict[str, str] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / "src" / "convscope" / package).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            module = frozenset(strings(tree))
            names = {
                s for node in ast.walk(tree) for part in branches(node) for s in strings(part)
            }
            for name in names:
                for key in resolved(name, module):
                    found.setdefault(key, path.relative_to(ROOT / "src" / "convscope").as_posix())
    return found
