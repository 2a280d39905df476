"""The graph of a network as one page that needs nothing else; its modules fold and unfold."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

import torch
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import convscope
from convscope.nets.description.description import Description
from convscope.show.graphs.cards import FAMILIES, Card, compact, counts, extent
from convscope.show.graphs.drawing import SIZES, SLOPE, STEEPEST
from convscope.show.graphs.static import KEY, legal, svg
from convscope.show.graphs.tree import Part, Tree
from convscope.show.report.i18n import bilingual, plain, texts

WORDS = "graph.js."
"""Where the words are that the page's script puts in."""


def page(
    description: Description,
    tree: Tree,
    cards: Sequence[Card],
    unfolded: Collection[int],
    *,
    command: str,
    recipe: Mapping[str, object] | None = None,
) -> str:
    """The page as HTML, in English and Chinese.

    Args:
        description: what the network is.
        tree: the same as modules.
        cards: one for each part of the tree.
        unfolded: the modules that are unfolded at first.
        command: the terminal line that makes the page again.
        recipe: kept inside the page.
    """
    environment = Environment(
        loader=PackageLoader("convscope.show"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = environment.get_template("report.css").render() + environment.get_template("graph.css").render()
    values = {
        "net": description.name,
        "version": convscope.__version__,
        "torch": torch.__version__,
        "date": date.today().isoformat(),
    }
    html = environment.get_template("graph.html.j2").render(
        values=values,
        facts=_facts(description, cards),
        families=list(FAMILIES),
        both=bilingual,
        plain=plain,
        css=Markup(style),
        script=Markup(environment.get_template("graph.js").render()),
        data=document(tree, cards, unfolded),
        recipe=recipe or {},
        key=KEY,
        command=command,
        still=Markup(svg(tree, cards, unfolded)),
        version=convscope.__version__,
    )
    return html.encode("utf-8", "backslashreplace").decode()


def _facts(description: Description, cards: Sequence[Card]) -> list[tuple[str, str]]:
    shapes = [extent(shape) for shape in description.inputs.values()]
    return [
        ("graph.fact.input", shapes[0] if len(shapes) == 1 else str(len(shapes))),
        ("graph.fact.layers", f"{cards[0].layers:,}"),
        ("graph.fact.parameters", compact(description.parameters)),
        ("graph.fact.macs", compact(description.macs) + (" + ?" if cards[0].uncounted else "")),
    ]


def document(tree: Tree, cards: Sequence[Card], unfolded: Collection[int]) -> dict[str, Any]:
    """What the page's script draws from, JSON-ready; short names keep a page of a thousand layers small."""
    total = cards[0]
    return {
        "sizes": {**SIZES, "slope": SLOPE, "normalized_sgd": STEEPEST},
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
