"""The tables of `nets`."""

from collections.abc import Iterator, Sequence
from typing import Any

NAMES = ("name", "load as")
PRINTED = ("MB", "top-1", "top-5", "parameters", "depth")
COUNTED = ("MB", "parameters", "as Keras counts", "depth")


def table(document: dict[str, Any]) -> Any:
    """Return the names that were found, or two tables: our own networks, and ready-made ones.

    Args:
        document: the result.

    Returns:
        Lines, or two tables of rich; three where the terminal is too narrow for the second.
    """
    if "names" in document:
        return "\n".join(document["names"])
    from rich.console import Group
    from rich.table import Table

    first = Table("name", "what it is", title="Our own", title_justify="left")
    for entry in document["own"]:
        first.add_row(entry["name"], entry["summary"])
    words = "Also: efficientnet_lite0 (weights ship), torchvision/NAME, timm/NAME. Find: convscope nets WORD"
    return Group(first, words, "", _ReadyMade(document["keras"]))


class _ReadyMade:
    """Draw printed and counted numbers side by side, or below each other: no name is cut off."""

    def __init__(self, lines: Sequence[dict[str, Any]]) -> None:
        names = [(line["name"], line["reference"]) for line in lines]
        printed = [_printed(line["printed"]) for line in lines]
        counted = [_counted(line["counted"]) for line in lines]
        bar = f"| {COUNTED[0]}"
        self.wide = _numbers(
            "Ready-made, as the lecture prints them | as counted here",
            NAMES,
            (*PRINTED, bar, *COUNTED[1:]),
            [(*name, *told, *here) for name, told, here in zip(names, printed, counted, strict=True)],
        )
        self.narrow = (
            _numbers(
                "Ready-made, as the lecture prints them",
                NAMES[:1],
                PRINTED,
                [(name, *told) for (name, _), told in zip(names, printed, strict=True)],
            ),
            _numbers(
                "The same, as counted here",
                NAMES[1:],
                COUNTED,
                [(name, *here) for (_, name), here in zip(names, counted, strict=True)],
            ),
        )

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        needed = console.measure(self.wide, options=options.update(width=1000)).maximum
        yield from [self.wide] if needed <= options.max_width else self.narrow


def _numbers(title: str, names: Sequence[str], heads: Sequence[str], rows: Sequence[tuple[str, ...]]) -> Any:
    """Return a table of rich: names at the left, numbers at the right."""
    from rich.table import Table

    made = Table(title=title, title_justify="left")
    for name in names:
        made.add_column(name, overflow="fold")
    for head in heads:
        made.add_column(head, justify="right", overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


def _printed(told: dict[str, Any]) -> tuple[str, ...]:
    """Return what the lecture prints of a network, in the order of `PRINTED`."""
    values = (told["size_mb"], told["top1"], told["top5"], _number(told["parameters"]), told["depth"])
    return tuple("" if value is None else str(value) for value in values)


def _counted(here: dict[str, Any]) -> tuple[str, ...]:
    """Return what is counted of a network, in the order of `COUNTED`."""
    values = (
        f"{here['size_mb']:.0f}",
        _number(here["parameters"]),
        _number(here["keras_total"]),
        here["depth"],
    )
    return tuple("" if value is None else str(value) for value in values)


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
