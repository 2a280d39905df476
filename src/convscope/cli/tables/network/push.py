"""What the terminal shows of a network that was sent to the Hub."""

import shlex
from typing import Any

from convscope.system.printable import printable


def table(document: dict[str, Any]) -> str:
    """Return where a network is, and how others open it.

    Args:
        document: the result.

    Returns:
        Lines of text.
    """
    address = document["address"]
    newest = address.partition("@")[0]
    return "\n".join(
        [
            f"{printable(document['name'])} is on the Hub: {address}",
            f"Opened by every verb, such as: convscope describe {shlex.quote(newest)}",
        ]
    )
