"""What `convscope lab` shows at its end."""

from typing import Any

from convscope.system.progress import duration


def table(document: dict[str, Any]) -> str:
    """Return one line: how long was served.

    Args:
        document: the result.

    Returns:
        The line.
    """
    return f"The lab was served for {duration(document['seconds'])}; results are in {document['folder']}."
