"""The table of a unit."""

from pathlib import Path
from typing import Any

from convscope.system.counting import percent_short_of
from convscope.system.printable import printable


def table(document: dict[str, Any]) -> str:
    """Return the extremes of a unit over real and made inputs, and where the page is.

    Args:
        document: the result.

    Returns:
        Three lines or more.
    """
    place, label = document["place"], document["label"]
    lines = [
        f"{f'{place} ({label})' if label else place}: peaks up to {document['top'][0]['value']:.4g} "
        f"on {document['images']:,} {'texts' if 'texts' in document else 'inputs'}, "
        f"above 0 on {percent_short_of(1 - document['inactive_share'])}% of them",
    ]
    if "ngrams" in document:
        lines += [
            f"the n-gram of {name} value, by its weights: {found['text']} ({found['value']:.4g})"
            for name, found in zip(("largest", "smallest"), document["ngrams"], strict=True)
        ]
    elif document["made"] is not None:
        made = f"the synthetic input: {document['made']['value']:.4g}"
        lines.append(f"{made}, a higher peak than {percent_short_of(document['percentile'] / 100)}% of them")
    lines += [f"{entry['value']:.4g}  {entry['ngram']}" for entry in document.get("texts", ())]
    for made, name in ((document["made"], "maximise"), (document["made_against"], "minimise")):
        if made is not None and made["no_gradient"]:
            lines.append(f"the input that should {name} it carries no information: no gradient was left")
    if document["effective_field"] is not None and document["receptive_field"]:
        size = "×".join(map(str, document["receptive_field"]))
        moved = f"{document['effective_field']:.1f}"
        if len(document["receptive_field"]) == 2:
            lines.append(f"sees {size} pixels; moved by an area of {moved} squared")
        else:
            lines.append(f"sees {size} positions; moved by {moved}")
    lines += document["said"]
    lines.append(f"The page: {Path(document['out']) / 'unit.html'}  (open it in a browser)")
    return "\n".join(map(printable, lines))
