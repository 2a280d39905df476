"""Read the named recipes: settings of a training as a TOML file, with source, results and cost.

A new one is one file in `data/`. Needs no torch.
"""

import shlex
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from convscope.errors import DataError, UsageError, nearest
from convscope.recipe import real_number
from convscope.recipe.fields import as_text
from convscope.system.files import read_toml

SUFFIX = ".toml"
TEXTS = ("title", "summary", "source")
"""Texts that every file has."""
PARTS = ("published", "measured", "cost", "settings", "reduced")
RESERVED = ("recipe", "reduced", "resume", "device")
"""Settings that belong to a command, not to a recipe."""


@dataclass(frozen=True)
class PublishedResult:
    """Hold a result from the literature.

    Attributes:
        what: the quantity, with data and conditions.
        value: as published, with its unit.
        source: where it is published.
    """

    what: str
    value: str
    source: str


@dataclass(frozen=True)
class MeasuredResult:
    """Hold what this package measured with the recipe.

    Attributes:
        value: what came out, with data, number of seeds and their spread.
        seconds: processor seconds of the whole command, in one thread.
        machine: processor and versions.
        results: the repository's file that holds the runs behind the value; empty where there is none.
    """

    value: str
    seconds: float
    machine: str
    results: str = ""


@dataclass(frozen=True)
class NamedRecipe:
    """Hold the settings of a training that ships under a name.

    Attributes:
        name: as `--recipe` takes it; that of the file.
        title: a few words for lists.
        summary: what is trained, and what it shows.
        source: the paper.
        published: results from the literature, which are never ours.
        measured: what this package measured; None where it was not trained to the end.
        settings: the settings that differ from their defaults, by field.
        reduced: settings of a run of seconds, which replace those of `settings`; it shows that the recipe
            works, not how good it is.
        cost: what a training to the end would take and how that was extrapolated, in words; empty where it
            was measured, or is not known.
    """

    name: str
    title: str
    summary: str
    source: str
    published: tuple[PublishedResult, ...]
    measured: MeasuredResult | None
    settings: Mapping[str, Any]
    reduced: Mapping[str, Any] = field(default_factory=dict)
    cost: str = ""

    def values(self, reduced: bool = False) -> dict[str, Any]:
        """Return the settings, not validated.

        Args:
            reduced: whether those of the reduced run.

        Returns:
            Values by field.
        """
        return {**self.settings, **(self.reduced if reduced else {})}

    def to_json(self) -> dict[str, Any]:
        """Return everything, JSON-ready."""
        return asdict(self)


def recipe_names() -> tuple[str, ...]:
    """Return the names of all recipes, in alphabetical order."""
    found = (Path(entry.name) for entry in _folder().iterdir())
    return tuple(sorted(path.stem for path in found if path.suffix == SUFFIX))


def find_recipe(name: str) -> NamedRecipe:
    """Read the recipe of a name.

    Args:
        name: one of `recipe_names`.

    Returns:
        The recipe.

    Raises:
        UsageError: there is none of that name.
        DataError: its file is damaged.
    """
    names = recipe_names()
    if name not in names:
        hint = f"{nearest(name, names)} See: convscope recipes"
        if name.endswith(SUFFIX) or "/" in name:
            hint = f"A file of settings is read with --config: --config {shlex.quote(name)}"
        raise UsageError("the name of a recipe", received=name, hint=hint.strip())
    with as_file(_folder() / f"{name}{SUFFIX}") as path:
        return read_recipe(path)


def read_recipe(path: Path) -> NamedRecipe:
    """Read a recipe from a file, and check all names in it.

    Args:
        path: the file, `NAME.toml`.

    Returns:
        The recipe. Values of settings are validated by the task's schema, when it is used.

    Raises:
        DataError: the file is missing or no TOML, has a key that there is not, or lacks one; the message
            names file and key.
    """
    try:
        values = read_toml(path)
    except (OSError, ValueError) as error:
        raise DataError(f"a TOML file at {path}", received=str(error)) from None
    _check_keys(values, (*TEXTS, *PARTS), path)
    texts = {name: _text(values, name, path) for name in TEXTS}
    published = values.get("published", [])
    if not isinstance(published, list):
        raise DataError(f"a list of tables as published, in {path}", received=type(published).__name__)
    keys = tuple(PublishedResult.__dataclass_fields__)
    results = [_table(entry, "published", keys, path) for entry in published]
    settings, reduced = (_settings(values, part, path) for part in ("settings", "reduced"))
    _check_settings({**settings, **reduced}, path)
    return NamedRecipe(
        path.stem,
        **texts,
        published=tuple(
            PublishedResult(**{key: _text(entry, key, path) for key in keys}) for entry in results
        ),
        measured=_measured(values["measured"], path) if "measured" in values else None,
        settings=settings,
        reduced=reduced,
        cost=_text(values, "cost", path) if "cost" in values else "",
    )


def _measured(values: Any, path: Path) -> MeasuredResult:
    """Return what was measured."""
    needed = tuple(f.name for f in fields(MeasuredResult) if f.default is MISSING)
    found = _table(values, "measured", needed, path, optional=("results",))
    seconds = real_number(str(as_text(found["seconds"])))
    if seconds is None or seconds <= 0:
        raise DataError(f"measured.seconds above 0, in {path}", received=str(found["seconds"]))
    results = _text(found, "results", path) if "results" in found else ""
    return MeasuredResult(_text(found, "value", path), seconds, _text(found, "machine", path), results)


def _folder() -> Any:
    return files("convscope.learn.recipes") / "data"


def _check_keys(values: Mapping[str, Any], known: tuple[str, ...], path: Path, part: str = "") -> None:
    """Refuse keys that there are not, with the file and the nearest."""
    for key in values:
        if key not in known:
            raise DataError(
                f"keys that there are, in {path}", received=f"{part}{key}", hint=nearest(key, known)
            )


def _text(values: Mapping[str, Any], key: str, path: Path) -> str:
    """Return a text of a table."""
    found = values.get(key)
    if not isinstance(found, str) or not found.strip():
        raise DataError(f"a text {key} in {path}", received="none" if found is None else repr(found)[:80])
    return " ".join(found.split())


def _table(
    values: Any, part: str, known: tuple[str, ...], path: Path, optional: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return a table that has all the known keys, and of others at most the optional ones."""
    if not isinstance(values, dict):
        raise DataError(f"a table {part} in {path}", received="none" if values is None else repr(values)[:80])
    _check_keys(values, (*known, *optional), path, f"{part}.")
    missing = [key for key in known if key not in values]
    if missing:
        raise DataError(f"{part}.{missing[0]} in {path}", received="none")
    return values


def _settings(values: Mapping[str, Any], part: str, path: Path) -> dict[str, Any]:
    """Return the settings of a part, named as fields."""
    found = values.get(part)
    if not isinstance(found, dict) or not found:
        raise DataError(f"a table {part} in {path}", received="none" if found is None else repr(found)[:80])
    return {name.replace("-", "_"): value for name, value in found.items()}


def _check_settings(settings: Mapping[str, Any], path: Path) -> None:
    """Refuse settings that the recipe's task does not have."""
    from convscope.learn.recipe import ClassificationRecipe
    from convscope.learn.tasks.registry import find_schema

    schema = find_schema(str(settings["task"])) if "task" in settings else ClassificationRecipe
    known = tuple(name for name in schema.model_fields if name not in RESERVED)
    _check_keys(settings, known, path, "settings.")
