"""What the terminal says of a tour."""

from typing import Any

from convscope.system.printable import printable


def table(document: dict[str, Any]) -> str:
    """Return what the networks have learned, and where the report is.

    Args:
        document: the result.

    Returns:
        Lines of text.
    """
    found = document["accuracy"].items()
    lines = [f"{name}: {share:.1%} of test digits right" for name, share in found]
    return "\n".join([*lines, f"The report: {printable(document['report'])}  (open it in a browser)"])
