"""Networks of ours that are no graph: the register by which a saved one is made again.

A module in it has a `kind`, `options` (JSON-ready) and a class method `of(options)`; nothing else is run.
"""

from importlib import import_module
from typing import Any

from torch import nn

from convscope.errors import DataError, nearest
from convscope.recipe import shortened

MODULES: dict[str, str] = {
    "stylebank": "convscope.nets.style.bank.StyleBank",
    "johnson": "convscope.nets.style.johnson.Johnson",
    "adain": "convscope.nets.style.adain.AdaIN",
}
"""Kind -> class."""


def to_config(module: nn.Module) -> dict[str, Any] | None:
    """Kind and options, JSON-ready; None for a module that is not in the register."""
    kind = getattr(module, "kind", None)
    if isinstance(kind, str) and kind in MODULES and type(module) is _class(kind):
        return {"kind": kind, "options": module.options}
    return None


def from_config(description: dict[str, Any]) -> nn.Module:
    """The module of a description, with fresh weights.

    Raises:
        DataError: there is no such kind.
        UsageError, TypeError, KeyError: the options make no sense.
    """
    kind = description["kind"]
    if not isinstance(kind, str) or kind not in MODULES:
        raise DataError(
            "a kind of network that is known here", received=shortened(kind), hint=nearest(str(kind), MODULES)
        )
    return _class(kind).of(dict(description["options"]))


def _class(kind: str) -> Any:
    package, _, name = MODULES[kind].rpartition(".")
    return getattr(import_module(package), name)
