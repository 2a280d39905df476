"""What the terminal shows of runs: a list, or a comparison."""

from typing import Any

from convscope.system.printable import printable

UNKNOWN = "-"
"""In a cell without a value."""


def table(document: dict[str, Any]) -> Any:
    """Return a table of runs, and what is to be said of them.

    Args:
        document: the result.

    Returns:
        Tables of rich and sentences.
    """
    return _comparison(document) if "differences" in document else _list(document)


def _list(document: dict[str, Any]) -> Any:
    from rich.console import Group

    runs, damaged = document["runs"], document["damaged"]
    parts: list[Any] = []
    if runs:
        heads = ("run", "network", "data", "epochs", "test", "changed", "")
        parts.append(_table(heads, [_row(run) for run in runs]))
    elif not damaged:
        folder = printable(document["folder"])
        parts.append(f"No training in {folder}. One is started with: convscope train NETWORK DATA")
    if damaged:
        parts.append(f"Damaged, and left out ({len(damaged)}):")
        parts += [f"  {printable(entry['name'])}: {printable(entry['reason'])}" for entry in damaged]
    if not document["complete"]:
        parts.append("There are more folders than are searched: name one further down.")
    return Group(*parts)


def _row(run: dict[str, Any]) -> list[str]:
    task = "" if run["task"] == "classification" else f" ({run['task']})"
    measured = f"{run['metric']} {run['text']}" if run["text"] else UNKNOWN
    status = "" if run["status"] == "finished" else run["status"]
    words = (f"{run['network'] or UNKNOWN}{task}", run["data"] or UNKNOWN)
    epochs = f"{run['epochs']}/{run['planned']}"
    return [run["name"], *words, epochs, measured, run["changed"][:16].replace("T", " "), status]


def _comparison(document: dict[str, Any]) -> Any:
    from rich.console import Group

    runs, settings = document["runs"], document["settings"]
    metrics = document["metrics"]
    rows = [
        [
            run["name"],
            f"{run['epochs']}/{run['planned']}",
            *(metric["texts"][k] or UNKNOWN for metric in metrics),
            _interval(run["interval"]),
        ]
        for k, run in enumerate(runs)
    ]
    heads = ("run", "epochs", *(f"test {metric['heading']}" for metric in metrics), "95% interval")
    parts: list[Any] = [_table(heads, rows)]
    if settings:
        names = [run["name"] for run in runs]
        lines = [[name, *map(_value, values)] for name, values in settings.items()]
        parts += ["", _table(("setting", *names), lines)]
    return Group(*parts, "", *map(printable, document["summary"]))


def _interval(ends: list[float] | None) -> str:
    return UNKNOWN if ends is None else f"{ends[0]:.2%} to {ends[1]:.2%}"


def _value(value: Any) -> str:
    if value is None or value == []:
        return UNKNOWN
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _table(heads: tuple[str, ...], rows: list[list[str]]) -> Any:
    """Return a table of rich; texts are escaped, and long ones broken into lines."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, header_style="bold", pad_edge=False)
    for head in heads:
        made.add_column(Text(printable(head)), overflow="fold")
    for row in rows:
        made.add_row(*(Text(printable(text)) for text in row))
    return made
