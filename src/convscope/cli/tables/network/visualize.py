"""The table of `visualize`."""

from typing import Any

from convscope.jobs.pictures import UNMOVED
from convscope.system.printable import printable

MEANING = (
    "robust: mean activation when the picture is enlarged to the network's own size, shifted, turned and "
    "scaled a little. clipped: values that are 0 or 255."
)
"""What the columns say."""
CLOSED = (
    "By the unit's own weights: the best word of the vocabulary for each place of its kernel. No text has a "
    "larger value (with --negative: smaller) before the activation function."
)
"""What the table of n-grams says."""
UNINFORMATIVE = "no information: the activation is 0, and no gradient was left"


def table(document: dict[str, Any]) -> Any:
    """Return the activation that each image reaches, as it is and under small changes.

    Args:
        document: the result.

    Returns:
        A table of rich.
    """
    from rich.markup import escape
    from rich.table import Table

    if "ngrams" in document:
        return _ngrams(document)

    made = Table(box=None, header_style="bold", pad_edge=False, caption=MEANING, caption_justify="left")
    for head in ("place", "activation", "robust", "clipped", "picture", ""):
        made.add_column(head)
    for entry in document["pictures"]:
        note = UNINFORMATIVE if entry["place"] in document["uninformative"] else ""
        if entry["place"] in document["unmoved"]:
            note = UNMOVED
        names = [escape(printable(entry[name])) for name in ("place", "picture")]
        numbers = [f"{entry['score']:.5g}", f"{entry['robust']:.5g}", f"{entry['clipped']:.1%}"]
        made.add_row(names[0], *numbers, names[1], note)
    return made


def _ngrams(document: dict[str, Any]) -> Any:
    """Return the best n-grams of units that read words, with what each word adds."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, header_style="bold", pad_edge=False, caption=CLOSED, caption_justify="left")
    for head in ("unit", "value", "best n-gram, and what each word adds"):
        made.add_column(head)
    for entry in document["ngrams"]:
        words = "  ".join(f"{column[0]['word']} ({column[0]['adds']:+.2g})" for column in entry["words"])
        made.add_row(Text(printable(entry["place"])), f"{entry['value']:.4g}", Text(printable(words)))
    return made
