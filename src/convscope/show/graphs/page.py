"""The graph of a network as one self-contained HTML page whose modules fold and unfold."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from convscope.nets import Description
from convscope.show import html
from convscope.show.graphs.cards import FAMILIES, Card, compact, counts, extent
from convscope.show.graphs.drawing import SIZES, SLOPE, STEEPEST
from convscope.show.graphs.static import KEY, legal, svg
from convscope.show.graphs.tree import Part, Tree
from convscope.show.report.i18n import bilingual, texts

CONTENTS = (("view", "graph.view"), ("legend", "graph.key.title"), ("colophon", "page.colophon"))
"""Anchor and title of the parts of the page."""
WORDS = "graph.js."
"""Prefix of the keys of the texts that the page's script inserts."""


def page(
    description: Description,
    tree: Tree,
    cards: Sequence[Card],
    unfolded: Collection[int],
    *,
    command: str,
    recipe: Mapping[str, object] | None = None,
) -> str:
    """Render the graph of a network as an HTML page in English and Chinese.

    The page needs no other file and no network access. Without scripts it shows a static SVG.

    Args:
        description: the described network, for name and totals.
        tree: its modules and layers.
        cards: one for each part of the tree.
        unfolded: numbers of the modules that are unfolded at first.
        command: the terminal command that makes the page again; printed on it.
        recipe: stored inside the page, for `convscope replay`.

    Returns:
        The HTML document.
    """
    page = html.render(
        "graph/graph.html.j2",
        page="graph",
        parts=("graph",),
        unfinished=False,
        values={"net": description.name, **html.made_with()},
        facts=_facts(description, cards),
        contents=[(anchor, bilingual(key)) for anchor, key in CONTENTS],
        families=list(FAMILIES),
        data=document(tree, cards, unfolded),
        recipe=recipe or {},
        key=KEY,
        command=command,
        still=Markup(svg(tree, cards, unfolded)),
    )
    return page.encode("utf-8", "backslashreplace").decode()


def _facts(description: Description, cards: Sequence[Card]) -> list[tuple[str, str]]:
    shapes = [extent(shape) for shape in description.inputs.values()]
    return [
        ("graph.fact.input", shapes[0] if len(shapes) == 1 else str(len(shapes))),
        ("graph.fact.layers", f"{cards[0].layers:,}"),
        ("graph.fact.parameters", compact(description.parameters)),
        ("graph.fact.macs", compact(description.macs) + (" + ?" if cards[0].uncounted else "")),
    ]


def document(tree: Tree, cards: Sequence[Card], unfolded: Collection[int]) -> dict[str, Any]:
    """Collect what the page's script draws from, ready for JSON.

    Keys are short because a page may hold a thousand layers.

    Args:
        tree: the network as a tree of modules.
        cards: one for each part of the tree.
        unfolded: numbers of the modules that are unfolded at first.

    Returns:
        `sizes` (pixels), `parts` (cards and layouts), `shapes` and `sources` of the layers by number, `open`
            (the unfolded modules) and `words` (text key -> language -> text).
    """
    total = cards[0]
    return {
        "sizes": {**SIZES, "slope": SLOPE, "steepest": STEEPEST},
        "parts": [_part(part, card, total) for part, card in zip(tree.parts, cards, strict=True)],
        "shapes": [extent(leaf.shape) for leaf in tree.leaves],
        "sources": [list(leaf.sources) for leaf in tree.leaves],
        "open": sorted(unfolded),
        "words": {
            key.removeprefix(WORDS): dict(text) for key, text in texts().items() if key.startswith(WORDS)
        },
    }


def _part(part: Part, card: Card, total: Card) -> dict[str, Any]:
    found: dict[str, Any] = {
        "path": legal(part.path),
        "label": legal(part.label),
        "up": part.parent,
        "first": part.first,
        "last": part.last,
        "kind": legal(card.kind),
        "options": legal(card.options),
        "counts": counts(card),
        "family": card.family,
        "height": card.height,
        "output": card.output,
        "details": [[legal(name), legal(text)] for name, text in card.details],
        "parameters": card.parameters,
        "macs": card.macs,
        "shares": [
            round(part / whole, 4) if whole else 0
            for part, whole in ((card.parameters, total.parameters), (card.macs, total.macs))
        ],
    }
    if card.uncounted:
        found["uncounted"] = True
    if part.layout is not None:
        found |= {
            "layers": card.layers,
            "in": part.incoming,
            "inside": part.children,
            "out": part.outgoing,
            "rows": part.layout.rows,
            "column": part.layout.column,
            "lines": [[line.value, line.source, line.targets, line.bends] for line in part.layout.lines],
        }
    return found
