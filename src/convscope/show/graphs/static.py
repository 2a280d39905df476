"""The graph of a network as one static SVG: for papers, and for pages without scripts."""

import json
import re
from collections.abc import Collection, Mapping, Sequence

from markupsafe import Markup

from convscope.show.graphs.cards import LOW, Card, counts
from convscope.show.graphs.drawing import Box, Scene, scene
from convscope.show.graphs.tree import Tree
from convscope.show.svg import element, join, number
from convscope.system.counting import counted

STYLE = (
    "text{font:12px 'Helvetica Neue',Helvetica,Arial,'Noto Sans CJK SC',sans-serif;fill:#1f2023}"
    ".s{fill:#5c5e66;font-size:11px}.b{font-weight:600}.e{text-anchor:end}"
    ".c{fill:#fdfcf8;stroke:#b9b5a8}.m{fill:#f5f3ec;stroke:#b9b5a8}.o{fill:#5c5e66;fill-opacity:.05;stroke:#b9b5a8}"
    ".w{fill:none;stroke:#6f7078;stroke-width:1.2}.h{stroke:#fff;stroke-width:3;paint-order:stroke}"
    ".f-weights{fill:#c2500b}.f-norm{fill:#a3a4ab}.f-activation{fill:#1f68b0}.f-pool{fill:#8a5a00}"
    ".f-join{fill:#1f2023}.f-module{fill:#c2500b;fill-opacity:.35}.p{fill:#1f68b0}.a{fill:#c2500b}"
)
MARGIN = 8
KEY = "convscope-recipe"
"""The id of the element in which a page or an SVG carries its recipe."""
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


def svg(
    tree: Tree, cards: Sequence[Card], unfolded: Collection[int], recipe: Mapping[str, object] | None = None
) -> str:
    """Render the graph of a network as a complete SVG file.

    Args:
        tree: the network as a tree of modules.
        cards: one for each part of the tree, as `convscope.show.graphs.cards.cards` makes them.
        unfolded: numbers of the modules that are drawn with what is inside them.
        recipe: stored as JSON in the file's `<metadata>`, for `convscope replay`.

    Returns:
        The text of the SVG file.
    """
    drawn = scene(tree, cards, unfolded)
    carried = element("metadata", legal(json.dumps(recipe)), id=KEY) if recipe else None
    width, height = _n(drawn.width + 2 * MARGIN), _n(drawn.height + 2 * MARGIN)
    corner = -MARGIN
    return str(
        element(
            "svg",
            element("title", legal(tree.parts[0].label)),
            carried,
            element("style", Markup(STYLE)),
            element("rect", x=corner, y=corner, width=width, height=height, fill="#ffffff"),
            *_layers(drawn, tree, cards),
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"{corner} {corner} {width} {height}",
            width=width,
            height=height,
        )
    )


def legal(text: str) -> str:
    """Replace the characters that XML does not allow.

    Args:
        text: any text.

    Returns:
        The text with U+FFFD in place of control characters, surrogates and non-characters.
    """
    return _ILLEGAL.sub("\ufffd", text)


def _layers(drawn: Scene, tree: Tree, cards: Sequence[Card]) -> list[Markup]:
    """Return the drawing from back to front: frames, edges, heads of unfolded modules, cards, edge labels."""
    total = cards[0]
    tip = element("path", d="M0 0L7 3.5L0 7z", fill="#6f7078")
    arrow = element(
        "marker",
        tip,
        id="arrow",
        viewBox="0 0 7 7",
        refX="6.5",
        refY="3.5",
        markerWidth="6",
        markerHeight="6",
        orient="auto",
    )
    open_ = [box for box in drawn.boxes if box.unfolded]
    frames, heads = [_rect(box, "o") for box in open_], [_head(box, tree, cards) for box in open_]
    wires = [
        element("path", d=wire.path, class_="w", marker_end="url(#arrow)" if wire.arrow else None)
        for wire in drawn.wires
    ]
    closed = [_card(box, tree, cards, total) for box in drawn.boxes if not box.unfolded]
    words = [element("text", text, x=_n(x), y=_n(y), class_="s h") for x, y, text in drawn.labels]
    return [element("defs", arrow), join(frames), join(wires), join(heads), join(closed), join(words)]


def _head(box: Box, tree: Tree, cards: Sequence[Card]) -> Markup:
    """Draw the title line of an unfolded module."""
    room = box.width - 24
    name = fitted(tree.parts[box.part].label, 12, room)
    kind = fitted(cards[box.part].kind, 11, room - measure(name, 12) - 6)
    return element(
        "text",
        element("tspan", name, class_="b"),
        " ",
        element("tspan", kind, class_="s"),
        x=_n(box.x + 10),
        y=_n(box.y + 18),
        class_="h",
    )


def _card(box: Box, tree: Tree, cards: Sequence[Card], total: Card) -> Markup:
    """Draw the card of a layer or of a folded module."""
    card, x, y, room = cards[box.part], box.x, box.y, box.width - 30
    low = box.height <= LOW
    label = tree.parts[box.part].label
    lines = [
        "" if card.kind == label else card.kind,
        card.options,
        counted(card.layers, "layer") if card.layers else "",
    ]
    below = ", ".join(filter(None, lines))
    right = fitted(below, 11, room / 2) if low else counts(card)
    name = fitted(label, 12, room - measure(right, 11))
    line, end = y + (17 if low else 19), x + box.width - 10
    words = [(x + 12, line, name, "b"), (end, line, right, "s e")]
    words += [] if low else [(x + 12, y + 36, fitted(below, 11, room), "s")]
    stripe = element(
        "rect", x=_n(x), y=_n(y), width=4, height=_n(box.height), rx=2, class_=f"f-{card.family}"
    )
    written = [element("text", text, x=_n(at), y=_n(down), class_=c) for at, down, text, c in words if text]
    return join([_rect(box, "m" if card.layers else "c"), stripe, *written, *_bars(box, card, total)])


def _bars(box: Box, card: Card, total: Card) -> list[Markup]:
    """Draw the card's share of the network's parameters and multiply-accumulates along its lower edge."""
    shares = [(card.parameters, total.parameters, "p", 4), (card.macs, total.macs, "a", 2)]
    return [
        element(
            "rect",
            x=_n(box.x + 5),
            y=_n(box.y + box.height - up),
            height=2,
            class_=name,
            width=_n((box.width - 8) * part / whole),
        )
        for part, whole, name, up in shares
        if part
    ]


def _rect(box: Box, class_: str) -> Markup:
    return element(
        "rect", x=_n(box.x), y=_n(box.y), width=_n(box.width), height=_n(box.height), rx=6, class_=class_
    )


def _n(value: float) -> str:
    return number(value, 1)


def measure(text: str, size: float) -> float:
    """Estimate the width of a text set in a common sans serif font.

    Args:
        text: one line of text.
        size: font size in pixels.

    Returns:
        The width in pixels, from rough advance widths of classes of letters.
    """
    return size * sum(_advance(letter) for letter in text)


def _advance(letter: str) -> float:
    """Estimate the advance width of a letter, as a share of the font size."""
    if ord(letter) > 0x2E7F:
        return 1.0
    return 0.3 if letter in "iljtfI.,:;'|! ()[]" else 0.72 if letter.isupper() or letter in "mwMW×" else 0.57


def fitted(text: str, size: float, room: float) -> str:
    """Cut a text to an estimated width, ending in an ellipsis where something was cut.

    Args:
        text: one line of text; characters not allowed in XML are replaced.
        size: font size in pixels.
        room: available width in pixels.

    Returns:
        The whole text if it fits and has at most 400 characters, else what fits, then an ellipsis.
    """
    text = legal(text)
    if measure(text[:400], size) <= room and len(text) <= 400:
        return text
    kept, width = [], measure("…", size)
    for letter in text:
        width += size * _advance(letter)
        if width > room:
            break
        kept.append(letter)
    return "".join(kept).rstrip() + "…"
