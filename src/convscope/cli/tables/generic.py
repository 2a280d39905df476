"""Any document: one line for each value, and a table for each list of entries."""

from typing import Any

from convscope.system.printable import printable


def table(document: dict[str, Any]) -> Any:
    """Return the fields of a document, without the verb, its recipe and the path of its files.

    Args:
        document: the result.

    Returns:
        Lines and tables of rich.
    """
    from rich.console import Group

    left_out = ("verb", "recipe", "out")
    return Group(*(_field(name, value) for name, value in document.items() if name not in left_out))


def _field(name: str, value: Any) -> Any:
    from rich.table import Table

    if not isinstance(value, list) or not value or not all(isinstance(entry, dict) for entry in value):
        return f"{name}: {_text(value)}"
    heads = list(dict.fromkeys(key for entry in value for key in entry))
    made = Table(title=name, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for head in heads:
        made.add_column(head)
    for entry in value:
        made.add_row(*(_text(entry.get(head, "")) for head in heads))
    return made


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return printable(f"{value:.4g}" if isinstance(value, float) else str(value))
