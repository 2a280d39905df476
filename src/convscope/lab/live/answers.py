"""What a network answers to a file, for programs."""

import time
from pathlib import Path
from typing import Any

from convscope.errors import DataError
from convscope.nets import Net
from convscope.show.pages import crop
from convscope.use import classify


def classify_file(net: Net, source: bytes | Path, top: int) -> dict[str, Any]:
    """Classify a file.

    Args:
        net: a classifier.
        source: the bytes of the file, or where it lies.
        top: number of classes.

    Returns:
        `net`, `milliseconds` (for reading the file and running the network), `top` (entries with `unit`,
        `label` and `probability`, in descending order), `said` and `said_zh` (how much of a cropped photo
        the network sees, in English and Chinese; else empty).

    Raises:
        DataError: there is nothing, or it is no input of this network.
        UsageError: the network is no classifier.
    """
    if not source:
        hint = "curl --data-binary @photo.jpg sends one; ?upload=ID names one that was uploaded."
        raise DataError("a file in the body of the request", received="nothing", hint=hint)
    started = time.perf_counter()
    found = classify(net, source, top)
    rows = zip(found.units, found.labels, found.probabilities, strict=True)
    milliseconds = round(1000 * (time.perf_counter() - started), 3)
    cropped = crop.sentences_on_files([found.placement], net.input_spec)
    return {
        "net": net.name,
        "milliseconds": milliseconds,
        "top": [{"unit": unit, "label": label, "probability": value} for unit, label, value in rows],
        **crop.as_fields(cropped),
    }
