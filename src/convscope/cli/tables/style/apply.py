"""What the terminal says of a painted photograph."""

from typing import Any

from convscope.system.printable import printable


def table(document: dict[str, Any]) -> str:
    """Return the mixture of styles, the size and the time it took, and remarks.

    Args:
        document: the result.

    Returns:
        One line, and one for each remark.
    """
    mixed = ", ".join(f"{name} {share:.0%}" for name, share in document["mixture"].items())
    where = f"; in regions {', '.join(document['regions'])}" if document["regions"] else ""
    across, down = document["size"]
    line = (
        f"{mixed}{where}: {across} x {down} pixels in {document['seconds']:.2f} s, {document['precision']}."
    )
    return "\n".join(map(printable, (line, *document["said"])))
