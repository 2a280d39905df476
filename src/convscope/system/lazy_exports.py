"""The public names of a package: imported when they are first used, with a hint for names of verbs."""

from collections.abc import Callable
from typing import Any

import lazy_loader

FUNCTIONS = {
    "tour": "show.tour",
    "nets": "nets.list_networks",
    "describe": "nets.describe",
    "train": "learn.train",
    "recipes": "learn.recipe_names",
    "runs": "learn.list_runs",
    "runs prune": "learn.prune_runs",
    "export": "nets.export",
    "push": "nets.push_to_hub",
    "classify": "use.classify",
    "look": "see.feature_maps",
    "visualize": "see.visualize",
    "explain": "see.explain",
    "units": "see.index_units",
    "unit": "see.unit_report",
    "atlas": "see.atlas",
    "embed": "see.embed_inputs",
    "factors": "see.factors",
    "caricature": "see.caricature",
    "invert": "see.invert",
    "style": "see.style_transfer",
    "style apply": "use.stylize",
    "dream": "see.dream",
    "data check": "worlds.check_data",
}
"""Verb of the terminal -> the function that does its work, below `convscope`."""


def attach(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Attach the names in a package's stub, as `lazy_loader.attach_stub` does.

    Args:
        package: name of the package.
        file: path of its `__init__.py`, beside which the stub is.

    Returns:
        `__getattr__`, `__dir__` and `__all__` of the package. The first names the function for a verb that
        has another name in Python.
    """
    found, names, exported = lazy_loader.attach_stub(package, file)

    def get(name: str) -> Any:
        if name in exported:
            return found(name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}{_hint(name)}", name=name)

    return get, names, exported


def _hint(name: str) -> str:
    """Return which function does the work of a verb; empty where the name is none."""
    verb = name.replace("_", " ")
    if verb not in FUNCTIONS:
        return ""
    return f"; the verb `convscope {verb}` is convscope.{FUNCTIONS[verb]}"
