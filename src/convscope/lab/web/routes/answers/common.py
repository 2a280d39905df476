"""What all answers are made of, and how a route names its own."""

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

Number = float
"""A number, with a fraction or without."""
Values = dict[str, Any]
"""JSON values by name, of which nothing more is said."""
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
closed = with_config(ConfigDict(extra="forbid", use_attribute_docstrings=True))
"""Decorator of a type whose fields are all named: an answer with others is a fault."""


def answers(kind: Any) -> Callable[[Endpoint], Endpoint]:
    """Name the type of a route's answer, for its document and for the tests that check it.

    It is not FastAPI's `response_model`: that would make schemas when the server starts, while the first page
    waits, and check each answer where nobody can mend it.

    Args:
        kind: the type, of this package; `kind | Compiling` for one of several.

    Returns:
        A decorator, to be written below that of the route.
    """

    def named(endpoint: Endpoint) -> Endpoint:
        endpoint.answer = kind  # pyright: ignore[reportFunctionMemberAccess]
        return endpoint

    return named


@closed
class LabError(TypedDict):
    """What went wrong, everywhere: what was expected, what came, and what to do next."""

    expected: str
    received: str
    hint: str


@closed
class Refused(TypedDict):
    """Every answer whose status says that something went wrong."""

    error: LabError


@closed
class Removed(TypedDict):
    """What was removed: its id, or how many."""

    removed: str | int
