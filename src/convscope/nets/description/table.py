"""The table of a described network, made of its JSON, so that whoever has only that can show it too."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

UNKNOWN = "not counted"
"""Text in the column of multiply-accumulates where a kernel has no formula."""
COLUMNS = ("layer", "kind", "output", "parameters", "MACs", "field", "stride")


def cells(layer: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the text of each of `COLUMNS`.

    Args:
        layer: what `LayerInfo.to_json` returns.

    Returns:
        One text for each column.
    """
    shape = "×".join(map(str, layer["output_shape"]))
    parameters, macs = (f"{n:,}" if n else "" for n in (layer["parameters"], layer["macs"]))
    macs = " + ".join(filter(None, (macs, UNKNOWN if layer["uncounted"] else "")))
    return (layer["name"], layer["kind"], shape, parameters, macs, *_field_cells(layer["field"]))


def rows(description: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
    """Return the cells of all layers but those that only move values.

    Args:
        description: what `Description.to_json` returns.

    Returns:
        One row for each layer, in the order in which they run.
    """
    return tuple(cells(layer) for layer in description["layers"] if not only_moves(layer))


def summary(description: Mapping[str, Any]) -> str:
    """Return one line with inputs, parameters and multiply-accumulates.

    Args:
        description: what `Description.to_json` returns.

    Returns:
        The line.
    """
    inputs = ", ".join(f"{name} {'×'.join(map(str, shape))}" for name, shape in description["inputs"].items())
    idle, aside = description["idle_parameters"], description["macs_of_weights_alone"]
    words = f" ({idle:,} of them idle)" if idle else ""
    more = f" and {aside:,} of weights alone" if aside else ""
    unknown = f"; {UNKNOWN}: {', '.join(description['uncounted'])}" if description["uncounted"] else ""
    return (
        f"{description['name']}: {inputs}; {description['parameters']:,} parameters{words}; "
        f"{description['macs']:,} MACs{more}{unknown}"
    )


def description_table(description: Mapping[str, Any]) -> "Table":
    """Return a table for the terminal.

    Args:
        description: what `Description.to_json` returns.

    Returns:
        A table of rich, with the summary below it.
    """
    from rich.table import Table
    from rich.text import Text

    made = Table(caption=Text(summary(description)), header_style="bold", box=None, pad_edge=False)
    for column in COLUMNS:
        made.add_column(
            column, justify="left" if column in COLUMNS[:2] else "right", no_wrap=column == "MACs"
        )
    for row in rows(description):
        made.add_row(*map(Text, row))  # a name may hold brackets, which are no markup
    return made


def only_moves(layer: Mapping[str, Any]) -> bool:
    """Return whether a layer only moves values: a foreign function without parameters and operations.

    Args:
        layer: what `LayerInfo.to_json` returns.

    Returns:
        True if no row is worth while for it.
    """
    works = layer["parameters"] or layer["macs"] or layer["uncounted"]
    return bool(layer["foreign"] and not works)


def _field_cells(field: Mapping[str, Any] | None) -> tuple[str, str]:
    if field is None or not field["size"]:
        return "", ""
    if all(field["covers_all"]):
        return "all", ""
    return "×".join(map(str, field["size"])), "×".join(f"{stride:g}" for stride in field["stride"])
