"""Sheets of small images: kernels, feature maps and preferred inputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup
from torch import Tensor

from convscope.show.images.draw import diverging, tag
from convscope.show.report.i18n import bilingual, spoken
from convscope.show.svg import element, join
from convscope.worlds.images import grayscale_alpha

Kind = Literal["ink", "signed"]


def sheet(
    maps: Tensor,
    labels: Sequence[str],
    *,
    kind: Kind = "signed",
    tile: str = "3.4rem",
    limit: float | None = None,
) -> Markup:
    """Build a sheet of maps side by side, each with a label.

    Args:
        maps: `[n h w]`.
        labels: one for each map.
        kind: `signed` draws orange above and blue below zero, `ink` draws values in [0, 1] in black with
            alpha.
        tile: width of a map as a CSS length.
        limit: for `signed`, the magnitude of the full colour; the largest of all maps if left out.

    Returns:
        The `<div>` element.
    """
    top = limit or float(maps.abs().max()) or 1.0
    tiles = [
        element(
            "div",
            tag(
                diverging(one, top) if kind == "signed" else grayscale_alpha(one),
                spoken("page.alt.map", name=label),
                kind,
            ),
            label,
            class_="tile",
        )
        for one, label in zip(maps, labels, strict=True)
    ]
    return element("div", *tiles, class_="sheet", style=f"--tile:{tile}")


@dataclass(frozen=True)
class Shown:
    """An image and the activation of a unit for it.

    Attributes:
        image: `[c h w]` in [0, 1].
        score: the activation.
        text: written below the image instead of the score, if given.
        more: a second line below.
    """

    image: Tensor
    score: float
    text: Markup | str = ""
    more: Markup | str = ""


def short(value: float) -> str:
    """Format a number with about three significant digits and a true minus sign.

    Args:
        value: a finite number.

    Returns:
        The text, with at most two decimals.
    """
    decimals = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    return f"{value:.{decimals}f}".replace("-", "−")


def comparison(rows: Mapping[str, Sequence[Shown]], columns: Sequence[str]) -> Markup:
    """Build a table of images with one row for each unit; the highest activation of each row is bold.

    Args:
        rows: name of the unit -> one image for each column.
        columns: keys of the texts above the columns.

    Returns:
        The `<div>` element.
    """
    cells: list[Markup] = [element("span"), *(bilingual(key) for key in columns)]
    for name, shown in rows.items():
        best = max(s.score for s in shown)
        cells.append(element("div", _name(name), class_="row"))
        cells += [_tile(s, name, best=s.score == best) for s in shown]
    return element("div", join(cells), class_="comparison", style=f"--columns:{len(columns)}")


def tiles(shown: Sequence[Shown], names: Sequence[str], columns: int) -> Markup:
    """Build a grid of images, each with a name and its activation.

    Args:
        shown: the images.
        names: one for each image.
        columns: images in a row, on screens of any width.

    Returns:
        The `<div>` element.
    """
    made = [
        element(
            "div",
            tag(grayscale_alpha(s.image), spoken("page.alt.input", name=name)),
            element("b", name),
            " ",
            s.text or short(s.score),
            class_="tile",
        )
        for s, name in zip(shown, names, strict=True)
    ]
    return element("div", *made, class_="sheet", style=f"grid-template-columns:repeat({columns},1fr)")


def _name(place: str) -> Markup:
    """Break an address such as `conv2:17` into two short lines."""
    layer, colon, unit = place.partition(":")
    return join([layer, element("br") if colon else None, colon + unit])


def _tile(shown: Shown, name: str, *, best: bool) -> Markup:
    number = shown.text or short(shown.score)
    words = element("b", number) if best else number
    more = element("small", shown.more) if shown.more else None
    picture = tag(grayscale_alpha(shown.image), spoken("page.alt.value", name=name, value=short(shown.score)))
    return element("div", picture, words, more, class_="tile")
