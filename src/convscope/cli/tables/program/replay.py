"""What the terminal says of a result that was made again: what its verb says, and whether it is the same."""

from typing import Any

from convscope.cli import tables


def exit_code(document: dict[str, Any]) -> int:
    """Return the exit code of the verb, also for a different image.

    Args:
        document: the result.

    Returns:
        The exit code.
    """
    return tables.exit_code(document["replayed"]["verb"], document)


def table(document: dict[str, Any]) -> Any:
    """Return what the verb shows, and whether the image is the same.

    Args:
        document: the result.

    Returns:
        Something that rich can print.
    """
    from rich.console import Group

    replayed = document["replayed"]
    verdict = {True: "The same picture, bit for bit.", False: "A different picture.", None: ""}
    said = verdict[replayed["same_picture"]]
    shown = tables.table(replayed["verb"], document)
    if not said:
        return shown
    return Group(*(shown.split("\n") if isinstance(shown, str) else [shown]), said)
