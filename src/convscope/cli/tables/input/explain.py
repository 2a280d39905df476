"""The table of `explain`."""

from pathlib import Path
from typing import Any

from convscope.system.printable import printable

FAINT, NAMED = 0.25, 3
"""Share of the largest attribution from which on a word is coloured, and how many are named."""


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
    verdicts = {found["target"]: found for found in document["verdicts"]}
    judged = ("verdict",) if verdicts else ()
    right = ("drop", "gap", "seconds")
    for head in (
        "target",
        "method",
        *judged,
        "insertion",
        "deletion",
        "drop",
        "gap",
        "random weights",
        "seconds",
    ):
        made.add_column(head, justify="right" if head in right else "left")
    for entry in _sorted(document["explanations"], verdicts):
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
        verdict = [_verdict(entry, verdicts[entry["target"]])] if verdicts else []
        made.add_row(Text(entry["target"]), Text(method), *verdict, *cells, fades, f"{entry['seconds']:.2f}")
    words = [_words(entry) for entry in document["explanations"] if "words" in entry]
    said = [Text(sentence) for sentence in document["said"]]
    page = Path(document["out"]) / "index.html"
    if not page.is_file():
        return Group(*said, "", *words, made)
    return Group(*said, "", *words, made, Text(f"The page: {printable(page)}  (open it in a browser)"))


def _sorted(entries: list[dict[str, Any]], verdicts: dict[str, Any]) -> list[dict[str, Any]]:
    """Sort the methods of each target as the page does: the best supported, those that pass, the others."""
    targets = list(dict.fromkeys(entry["target"] for entry in entries))

    def rank(entry: dict[str, Any]) -> tuple[int, bool, bool, float]:
        found, name = verdicts[entry["target"]], entry["method"]
        scores = found["scores"][name].values()
        place = targets.index(entry["target"])
        return place, name not in found["best"], name not in found["passing"], -sum(scores)

    return sorted(entries, key=rank) if verdicts else entries


def _verdict(entry: dict[str, Any], found: dict[str, Any]) -> str:
    """Say in words what the comparison says of a method."""
    if entry["method"] in found["best"]:
        return "best supported" if len(found["best"]) == 1 else "among the best"
    return "passes the checks" if entry["method"] in found["passing"] else "fails a check"


def _words(entry: dict[str, Any]) -> Any:
    """Return the text of an explanation, its words in the colour of their attribution, with the largest."""
    from rich.text import Text

    limit = max((abs(value) for _, value in entry["words"]), default=0.0) or 1.0
    between = "" if all(len(word) == 1 for word, _ in entry["words"]) else " "
    made = Text(f"{entry['method']}: ")
    for word, value in entry["words"]:
        share = min(abs(value) / limit, 1.0)
        made.append(printable(word), style=_style(value) if share > FAINT else "")
        made.append(between)
    ranked = sorted(entry["words"], key=lambda pair: -abs(pair[1]))[:NAMED]
    made.append("  (" + ", ".join(f"{printable(word)} {value:+.2g}" for word, value in ranked) + ")")
    return made


def _style(value: float) -> str:
    return "black on dark_orange" if value >= 0 else "white on blue"


def _number(checks: dict[str, Any], key: str) -> str:
    return f"{checks[key]:.2f} (chance {checks[key + '_chance']:.2f})" if key in checks else ""


def _percent(checks: dict[str, Any], key: str) -> str:
    return f"{checks[key]:.1%}" if key in checks else ""
