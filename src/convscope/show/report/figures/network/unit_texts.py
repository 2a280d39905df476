"""Figures of the report of one unit of a network that reads words."""

from collections.abc import Sequence

from markupsafe import Markup
from PIL import Image

from convscope.graph import TensorSpec
from convscope.nets import Net
from convscope.see import BestNgrams
from convscope.see.units import Patch, UnitReport, overrepresented_class
from convscope.show import tinted
from convscope.show.images import contact_sheet
from convscope.show.images.contact_sheet import SheetRow, SheetTile
from convscope.show.report.figure import Figure
from convscope.show.report.figures.network.unit import BOROWSKI, floor, is_floor, number
from convscope.show.report.i18n import bilingual
from convscope.show.svg import element, join
from convscope.worlds import Piece

CLOSED = "The best word for each place of a linear filter, found by itself; see docs/text.md"
BEST = 150
"""Width of a word on a sheet, in pixels."""
TEXT = 420
"""Width of a text on the sheet, in pixels."""


def is_text(portrait: UnitReport) -> bool:
    """Return whether a unit's inputs are texts.

    Args:
        portrait: the unit's report.

    Returns:
        True where an example is made of words or characters.
    """
    return any(_pieces(patch, portrait.net.input_spec) for patch in portrait.top[:1])


def ngrams(portrait: UnitReport, command: str) -> Figure:
    """Build the figure of the n-grams of largest and smallest value, and of the best words for each place.

    Args:
        portrait: the unit's report.
        command: reproduces the figure.

    Returns:
        The figure; one that says why there is none for a deeper unit.
    """
    if portrait.ngrams is None:
        return Figure("unit_text.deep", Markup(""), command, "—")
    largest, smallest = portrait.ngrams
    parts = []
    for key, found in (("largest", largest), ("smallest", smallest)):
        words = element("b", found.texts[0], translate="no")
        line = bilingual(f"unit_text.ngrams.{key}", value=number(found.values[0]))
        parts.append(element("div", element("p", line, " ", words, class_="mini"), _words(found)))
    values = {
        "value": number(largest.values[0]),
        "least": number(smallest.values[0]),
        "best": number(portrait.top[0].example.value),
    }
    return Figure("unit_text.ngrams", join(parts), command, CLOSED, values)


def _words(found: BestNgrams) -> Markup:
    """Build a column for each place of the kernel: its best words, and what each adds."""
    columns = []
    for place, (words, gains) in enumerate(zip(found.words[0], found.gains[0], strict=True), 1):
        head = element("th", bilingual("unit_text.ngrams.place", number=place), scope="row")
        cells = [
            element("td", element("b" if k == 0 else "span", word, translate="no"), " ", number(gain))
            for k, (word, gain) in enumerate(zip(words, gains, strict=True))
        ]
        columns.append(element("tr", head, *cells))
    return element("div", element("table", *columns, class_="scores"), class_="scroller", tabindex=0)


def patches(portrait: UnitReport, spec: TensorSpec, command: str, *, bottom: bool = False) -> Figure:
    """Build the figure of the texts with the largest (or smallest) values, their n-gram coloured.

    Where several share the smallest value, as after a ReLU, these are not shown.

    Args:
        portrait: the unit's report.
        spec: the network's input spec.
        command: reproduces the figure.
        bottom: whether to show the smallest values instead of the largest.

    Returns:
        The figure.
    """
    if bottom and is_floor(portrait):
        return floor(portrait, command)
    chosen = portrait.bottom if bottom else portrait.top
    body = element("div", *(_line(patch, spec, portrait.classes) for patch in chosen))
    values: dict[str, object] = {
        "count": len(chosen),
        "images": f"{portrait.entry.images:,}",
        "value": number(chosen[0].example.value),
    }
    if bottom:
        return Figure("unit_text.bottom", body, command, BOROWSKI, values)
    leading = overrepresented_class(portrait.entry)
    if leading is None:
        return Figure("unit_text.top", body, command, BOROWSKI, values, finding="mixed")
    sizes = portrait.entry.class_sizes
    values |= {
        "times": int((portrait.entry.class_shares[leading] * len(portrait.entry.top)).round()),
        "name": portrait.classes[leading],
        "base": f"{100 * float(sizes[leading] / sizes.sum()):.3g}",
    }
    return Figure("unit_text.top", body, command, BOROWSKI, values)


def _line(patch: Patch, spec: TensorSpec, classes: Sequence[str]) -> Markup:
    """Build one text: value and class, and the words, those in the receptive field of the peak coloured."""
    pieces, inside = _in_field(patch, spec)
    sign = 1.0 if patch.example.value >= 0 else -1.0
    values = [sign * held for held in inside]
    head = element(
        "p", element("b", number(patch.example.value)), " · ", classes[patch.example.label], class_="mini"
    )
    return element("div", head, tinted.paragraph(pieces, values, limit=1.0), class_="sentence")


def _in_field(patch: Patch, spec: TensorSpec) -> tuple[tuple[Piece, ...], list[bool]]:
    """Return the words of a text, and which are in the receptive field of the peak; none where all are."""
    pieces = _pieces(patch, spec)
    ((low, high),) = patch.box
    inside = [low < piece.last and high > piece.first for piece in pieces]
    return pieces, [False] * len(pieces) if all(inside) and len(pieces) > high - low else inside


def _pieces(patch: Patch, spec: TensorSpec) -> tuple[Piece, ...]:
    return tinted.pieces_of([patch.picture], [spec])


def sheet(portrait: UnitReport, net: Net, note: str) -> Image.Image:
    """Draw the report of one unit as one image: the texts at both ends of its range.

    Args:
        portrait: the unit's report.
        net: the network.
        note: a line on the statistics.

    Returns:
        The sheet in RGB.
    """
    rows = []
    ends = (("largest", portrait.top), ("smallest", portrait.bottom))
    for k, (name, chosen) in enumerate(ends[: 1 if is_floor(portrait) else 2]):
        found = portrait.ngrams[k] if portrait.ngrams is not None else None
        best = [] if found is None else [found.texts[0], f"{found.values[0]:.3g} by its weights"]
        for first in range(0, len(chosen), 2):
            tiles = []
            for patch in chosen[first : first + 2]:
                pieces, inside = _in_field(patch, net.input_spec)
                sign = 1.0 if patch.example.value >= 0 else -1.0
                drawn = tinted.picture(pieces, [sign * held for held in inside], limit=1.0, width=TEXT)
                label = portrait.classes[patch.example.label]
                tiles.append(SheetTile(drawn, notes=[f"{label}: {patch.example.value:.3g}"]))
            rows.append(SheetRow(tiles, "" if first else f"{name} values", () if first else best))
    title = f"{portrait.place}{f' ({portrait.label})' if portrait.label else ''} of {net.name}"
    return contact_sheet.compose(rows, title=title, note=note)


def best_words(found: BestNgrams) -> list[SheetRow]:
    """Lay out the best n-grams of units, and the best words for each place of their kernels.

    Args:
        found: words of one or more units.

    Returns:
        A row for each unit, with a tile for each place.
    """
    rows = []
    for place, words, gains, value in zip(found.places, found.words, found.gains, found.values, strict=True):
        tiles = []
        for column, added in zip(words, gains, strict=True):
            word = tinted.picture([Piece(column[0], 0, 1)], [added[0]], width=BEST)
            notes = [f"{text} {gain:+.2g}" for text, gain in zip(column, added, strict=True)]
            tiles.append(SheetTile(word, notes=notes))
        rows.append(SheetRow(tiles, place, [f"{value:.3g} with its bias"]))
    return rows
