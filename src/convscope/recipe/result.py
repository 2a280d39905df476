"""What public functions return: results that print in a line, show themselves and save themselves."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import fields
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import Any

from convscope.errors import DataError, UsageError, nearest
from convscope.recipe import Recipe, stamp, versions
from convscope.system.files import create_file

DRAWN_BY = "convscope.show.results"
"""The module that draws results. It is imported when the first is shown: what computes draws nothing."""
LONGEST = 120
"""Characters after which fields are left out of a result's text."""
SUFFIXES = (".png", ".html", ".npz")
"""Endings of the files that results are saved to."""
ELSEWHERE = "Write to another folder, or change the permissions of this one."
"""What to do where a result cannot be written."""
MOST_NUMBERS = 6
"""Most numbers of a vector that stand in a result's text; a longer one is its shape."""
TITLE = 30
"""Most characters of a text within a result's text."""


class Result:
    """Base class of what public functions return, dataclasses all.

    `repr` is one short line: what was asked for first, the numbers of small vectors, and shapes of tensors.
    Notebooks show the picture or the table that `convscope.show.results` makes of it. `save` writes it to a
    file.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__repr__" not in cls.__dict__:  # dataclass replaces an inherited one, never a class's own
            cls.__repr__ = Result.__repr__

    def __repr__(self) -> str:
        text, answer, parts = type(self).__name__, dict(self._answer()), []
        for name, value in (answer | dict(public_fields(self)) | answer).items():
            word = _word(value)
            if word and name not in answer and len(", ".join([*parts, word])) + len(name) > LONGEST:
                parts.append("...")
                break
            parts += [f"{name}={word}"] if word else []
        return f"{text}({', '.join(parts)})"

    def _answer(self) -> Iterator[tuple[str, Any]]:
        """Iterate over what was asked for, by name: it comes first in the result's text."""
        return iter(())

    def _repr_html_(self) -> str:
        return import_module(DRAWN_BY).drawing(self).html()

    def provenance(self) -> dict[str, Any]:
        """Return how the result was made, JSON-ready: what its files carry.

        Returns:
            The verb, its settings and the versions of packages, as `convscope replay` reads them; where no
            verb has these settings, the name of the result and the versions.
        """
        for name in ("settled", "recipe"):
            recipe = getattr(self, name, None)
            if isinstance(recipe, Recipe):
                return stamp(recipe)
        return {"result": type(self).__name__, "versions": versions()}

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the result to a new file, whole or not at all, with the recipe that made it inside.

        Args:
            path: its ending says what is written: `.png` the picture, `.html` the picture or table as one
                page, `.npz` the numbers. Missing folders are made.

        Returns:
            The path.

        Raises:
            UsageError: the file exists, its ending is another one, or the result has no picture.
            DataError: the folder cannot be written to.
        """
        place = Path(path)
        if place.suffix.lower() not in SUFFIXES:
            raise UsageError(
                f"a file that ends in {', '.join(SUFFIXES)}",
                received=str(path),
                hint=nearest(place.suffix, SUFFIXES),
            )
        taken = UsageError(
            "the name of a file that does not exist yet",
            received=str(path),
            hint="Choose another name, or move that file away.",
        )
        if os.path.lexists(place):
            raise taken
        write, record = import_module(DRAWN_BY).write, self.provenance()
        try:
            if not place.parent.is_dir():
                place.parent.mkdir(parents=True)
        except OSError as error:
            raise DataError(f"a place to write {path}", received=str(error), hint=ELSEWHERE) from None
        try:
            with create_file(place) as part:
                write(self, part, place.suffix.lower(), record)
        except FileExistsError:
            raise taken from None
        except OSError as error:
            raise DataError(f"a place to write {path}", received=str(error), hint=ELSEWHERE) from None
        return place


def public_fields(result: Any) -> Iterator[tuple[str, Any]]:
    """Iterate over the fields of a dataclass that are not private.

    Args:
        result: a dataclass.

    Yields:
        Name and value of each field.
    """
    for one in fields(result):
        if not one.name.startswith("_"):
            yield one.name, getattr(result, one.name, None)


def _word(value: object) -> str:
    """Return a value in a few characters; empty for what says nothing in so few."""
    if getattr(value, "shape", None) is not None and hasattr(value, "dtype"):
        return _of_array(value)
    if isinstance(value, bool | int):
        return str(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str | Path):
        text = str(value)
        return repr(text if len(text) <= TITLE else f"{text[: TITLE - 3]}...") if text else ""
    if isinstance(value, tuple | list):
        numbers = all(isinstance(one, int | float) for one in value)
        most = MOST_NUMBERS if numbers and len(value) <= MOST_NUMBERS else 3
        words = [_word(one) for one in value[:most]]
        if not value or not all(words) or any(hasattr(one, "shape") for one in value[:3]):
            return f"{len(value)} {type(value[0]).__name__}" if value else ""
        more = f", ... {len(value)}" if len(value) > most else "," * (len(value) == 1)
        return f"({', '.join(words)}{more})"
    if isinstance(value, Mapping) and value:
        numbers = {name: one for name, one in value.items() if isinstance(one, int | float)}
        if numbers and len(value) <= MOST_NUMBERS:
            return f"{{{', '.join(f'{name}: {_word(one)}' for name, one in numbers.items())}}}"
        return f"{len(value)} entries"
    return ""


def _of_array(value: Any) -> str:
    """Return the number or the few numbers of an array or tensor; its shape where there are more."""
    shape = tuple(value.shape)
    if not shape:
        return f"{float(value):.4g}"
    if len(shape) == 1 and 0 < shape[0] <= MOST_NUMBERS and not getattr(value, "is_meta", False):
        return _word(tuple(value.tolist()))
    kind = "tensor" if hasattr(value, "detach") else "array"
    return f"{kind} {'x'.join(map(str, shape))}"
