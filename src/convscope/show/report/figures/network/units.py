"""Filters, feature maps and what units like to see, as sheets of small pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup
from torch import Tensor

from convscope.show.images.draw import diverging, grayscale_alpha, tag
from convscope.show.report.i18n import bilingual
from convscope.show.svg import element, join

Kind = Literal["ink", "signed"]


def sheet(
    maps: Tensor,
    labels: Sequence[str],
    *,
    kind: Kind = "signed",
    tile: str = "3.4rem",
    limit: float | None = None,
) -> Markup:
    """Maps `[n h w]` side by side, labelled; `limit` is the value of full colour, else the largest."""
    top = limit or float(maps.abs().max()) or 1.0
    tiles = [
        element(
            "div",
            tag(diverging(one, top) if kind == "signed" else grayscale_alpha(one), label, kind),
            label,
            class_="tile",
        )
        for one, label in zip(maps, labels, strict=True)
    ]
    return element("div", *tiles, class_="sheet", style=f"--tile:{tile}")


@dataclass(frozen=True)
class Shown:
    """A picture `[c h w]` in [0, 1] and what the unit answers to it.

    Below stands `text` instead of the score if it is given, and then `more`.
    """

    image: Tensor
    score: float
    text: Markup | str = ""
    more: Markup | str = ""


def short(value: float) -> str:
    """A number with about three digits and a true minus sign."""
    decimals = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    return f"{value:.{decimals}f}".replace("-", "−")


def comparison(rows: Mapping[str, Sequence[Shown]], columns: Sequence[str]) -> Markup:
    """Units downwards, kinds of picture across; the strongest answer of each row is bold.

    Args:
        rows: name of the unit -> one picture for each column.
        columns: keys of the texts above the columns.
    """
    cells: list[Markup] = [element("span"), *(bilingual(key) for key in columns)]
    for name, shown in rows.items():
        best = max(s.score for s in shown)
        cells.append(element("div", _name(name), class_="row"))
        cells += [_tile(s, name, best=s.score == best) for s in shown]
    return element("div", join(cells), class_="comparison", style=f"--columns:{len(columns)}")


def tiles(shown: Sequence[Shown], names: Sequence[str], columns: int) -> Markup:
    """Pictures with a name and a number each, so many in a row on any screen."""
    made = [
        element(
            "div",
            tag(grayscale_alpha(s.image), name),
            element("b", name),
            " ",
            s.text or short(s.score),
            class_="tile",
        )
        for s, name in zip(shown, names, strict=True)
    ]
    return element("div", *made, class_="sheet", style=f"grid-template-columns:repeat({columns},1fr)")


def _name(place: str) -> Markup:
    """`conv2:17` on two short lines."""
    layer, colon, unit = place.partition(":")
    return join([layer, element("br") if colon else None, colon + unit])


def _tile(shown: Shown, name: str, *, best: bool) -> Markup:
    number = shown.text or short(shown.score)
    words = element("b", number) if best else number
    more = element("small", shown.more) if shown.more else None
    picture = tag(grayscale_alpha(shown.image), f"{name}: {short(shown.score)}")
    return element("div", picture, words, more, class_="tile")
