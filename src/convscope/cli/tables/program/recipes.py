"""The tables of `recipes`."""

import re
from typing import Any

DETAIL = re.compile(r"; | \(|, (?:seeds|mean|standard deviation) ")
"""What begins the details of a measured value: seeds, spread, and what it is compared with."""


def table(document: dict[str, Any]) -> Any:
    """Return one line for each recipe; of a single one everything.

    Args:
        document: the result.

    Returns:
        A table of rich, or a text.
    """
    recipes = document["recipes"]
    return _whole(recipes[0]) if document["recipe"].get("name") else _listed(recipes)


def _listed(recipes: list[dict[str, Any]]) -> Any:
    from rich.console import Group
    from rich.table import Table

    found = Table(box=None, header_style="bold", pad_edge=False)
    found.add_column("name", no_wrap=True, min_width=max(len(entry["name"]) for entry in recipes))
    for head in ("what is trained", "measured here"):
        found.add_column(head)
    found.add_column("CPU s", justify="right", no_wrap=True)
    for entry in recipes:
        measured = entry["measured"] or {"value": "", "seconds": None}
        seconds = "" if measured["seconds"] is None else f"{measured['seconds']:,.0f}"
        first = DETAIL.split(measured["value"], maxsplit=1)[0]
        if entry["cost"]:
            first = f"not trained: it would take {entry['cost'].partition(';')[0]}"
        found.add_row(entry["name"], entry["title"], first, seconds)
    return Group(
        found,
        "With what was published, seeds and settings: convscope recipes NAME",
        "Train one: convscope train --recipe NAME; in seconds, to try it: --reduced",
    )


def _whole(entry: dict[str, Any]) -> str:
    measured = entry["measured"]
    lines = [f"{entry['name']}: {entry['title']}", entry["summary"], "", f"Source: {entry['source']}"]
    lines += [
        f"Published: {result['what']}: {result['value']} ({result['source']})"
        for result in entry["published"]
    ]
    if measured is not None:
        cost = f"{measured['seconds']:,.0f} processor seconds in one thread ({measured['machine']})"
        lines += [f"Measured: {measured['value']}", f"Cost: {cost}"]
        lines += [f"Runs: {measured['results']}"] if measured["results"] else []
    elif entry["cost"]:
        lines.append(f"Cost, extrapolated: {entry['cost']}")
    lines.append("")
    for part in ("settings", "reduced"):
        settings = "\n".join(f"  {name} = {_text(value)}" for name, value in entry[part].items())
        lines.append(f"{'Settings' if part == 'settings' else 'Of the reduced run'}:\n{settings}")
    return "\n".join([*lines, "", *entry["commands"]])


def _text(value: Any) -> str:
    """Write the value of a setting; tables on lines of their own."""
    if isinstance(value, dict):
        return "\n    " + ", ".join(f"{name} = {_text(entry)}" for name, entry in value.items())
    return " ".join(map(_text, value)) if isinstance(value, list) else str(value)
