"""The table of `classify`."""

from typing import Any

from convscope.errors import DataError
from convscope.system.printable import printable


def exit_code(document: dict[str, Any]) -> int:
    """Return 3 if some images could not be read, else 0.

    Args:
        document: the result.

    Returns:
        The exit code.
    """
    return DataError.exit_code if any("error" in answer for answer in document["answers"]) else 0


def table(document: dict[str, Any]) -> Any:
    """Return the likeliest classes of each image.

    Args:
        document: the result.

    Returns:
        A table of rich, with notes below it.
    """
    from rich.console import Group

    notes = [document["note"]] if "note" in document else []
    notes += [printable(f"{a['image']}: {note}.") for a in document["answers"] for note in a.get("notes", ())]
    return Group(_table(document["answers"]), *notes, *_enlarged(document["answers"]), *document["said"])


def _enlarged(answers: list[dict[str, Any]]) -> list[str]:
    """Say how many pictures are much smaller than what the network looks at."""
    times = sorted(answer["enlarged"] for answer in answers if "enlarged" in answer)
    if not times:
        return []
    span = f"{times[0]:.3g}" if times[0] == times[-1] else f"{times[0]:.3g} to {times[-1]:.3g}"
    return [f"{len(times)} of {len(answers)} enlarged {span} times for the network: that adds no detail."]


def _table(answers: list[dict[str, Any]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, show_header=False, pad_edge=False)
    for answer in answers:
        if "error" in answer:
            made.add_row(Text(answer["image"]), "", Text(answer["error"], "yellow"))
        for index, entry in enumerate(answer.get("top", ())):
            name = Text("" if index else answer["image"])
            share = entry["probability"]
            made.add_row(name, "" if share is None else f"{share:.1%}", Text(entry["label"]))
    return made
