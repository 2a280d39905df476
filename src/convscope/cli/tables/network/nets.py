"""The tables of `nets`."""

from typing import Any


def table(document: dict[str, Any]) -> Any:
    """Return the names that were found, or two tables: our own networks, and ready-made ones.

    Args:
        document: the result.

    Returns:
        Lines, or two tables of rich.
    """
    if "names" in document:
        return "\n".join(document["names"])
    from rich.console import Group
    from rich.table import Table

    first = Table("name", "what it is", title="Our own", title_justify="left")
    for entry in document["own"]:
        first.add_row(entry["name"], entry["summary"])
    second = Table(title="Ready-made, as the lecture prints them | as counted here", title_justify="left")
    for head in ("name", "load as"):
        second.add_column(head)
    for head in (
        "MB",
        "top-1",
        "top-5",
        "parameters",
        "depth",
        "| MB",
        "parameters",
        "as Keras counts",
        "depth",
    ):
        second.add_column(head, justify="right")
    for line in document["keras"]:
        told, here = line["printed"], line["counted"]
        values = (
            *(told["size_mb"], told["top1"], told["top5"], _number(told["parameters"]), told["depth"]),
            f"{here['size_mb']:.0f}",
            *(_number(here["parameters"]), _number(here["keras_total"]), here["depth"]),
        )
        second.add_row(line["name"], line["reference"], *("" if v is None else str(v) for v in values))
    words = "Also: efficientnet_lite0 (weights ship), torchvision/NAME, timm/NAME. Find: convscope nets WORD"
    return Group(first, words, "", second)


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
