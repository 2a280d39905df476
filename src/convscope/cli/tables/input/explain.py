"""The table of `explain`."""

from typing import Any


def table(document: dict[str, Any]) -> Any:
    """Return what the explanations say, and how faithful they are.

    Args:
        document: the result.

    Returns:
        Sentences, and a table of rich.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, header_style="bold", pad_edge=False)
    for head in ("target", "method", "insertion", "deletion", "drop", "gap", "random weights", "seconds"):
        made.add_column(head)
    for entry in document["explanations"]:
        c = entry["checks"]
        cells = [
            _number(c, "insertion"),
            _number(c, "deletion"),
            _percent(c, "drop"),
            _percent(c, "completeness_gap"),
        ]
        fades = (
            f"{c['rank_correlations'][-1]:+.2f} {'another map' if c['fades'] else 'correlated'}"
            if "fades" in c
            else ""
        )
        method = f"{entry['method']} at {entry['layer']}" if entry["layer"] else entry["method"]
        made.add_row(Text(entry["target"]), Text(method), *cells, fades, f"{entry['seconds']:.2f}")
    return Group(*(Text(sentence) for sentence in document["said"]), "", made)


def _number(checks: dict[str, Any], key: str) -> str:
    return f"{checks[key]:.2f} (chance {checks[key + '_chance']:.2f})" if key in checks else ""


def _percent(checks: dict[str, Any], key: str) -> str:
    return f"{checks[key]:.1%}" if key in checks else ""
