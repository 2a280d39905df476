"""What the terminal shows of an export."""

from typing import Any

from convscope.system.printable import printable


def table(document: dict[str, Any]) -> str:
    """Return what was written, what it takes, and how far it agrees with the network.

    Args:
        document: the result.

    Returns:
        Lines of text.
    """
    metadata = document["metadata"]
    lines = [f"{printable(metadata['name'])} as {document['format']}, {document['size'] / 1e6:.1f} MB"]
    for one in metadata["inputs"]:
        low, high = one["range"]
        shape = "x".join(map(str, one["shape"]))
        lines.append(f"input {printable(one['name'])}: {shape}, from {low:g} to {high:g}, not normalised")
    for one in metadata["outputs"]:
        count = len(one["classes"])
        named = f"{count} class{'es' * (count > 1)}" if count else "without names of classes"
        lines.append(f"output: {named}")
    lines.append(
        f"Compared with the network on random inputs: largest difference {document['difference']:.1e} of the "
        f"largest output (accepted: {document['tolerance']:g})."
    )
    return "\n".join(lines)
