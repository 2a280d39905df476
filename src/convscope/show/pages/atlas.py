"""An activation atlas as one zoomable HTML page, and as one image."""

from collections.abc import Mapping

import torch
from markupsafe import Markup
from PIL import Image

from convscope import worlds
from convscope.nets import Net
from convscope.see.activation_atlas import Atlas, Cell, CellExample
from convscope.show import html
from convscope.show.images import contact_sheet, input_image
from convscope.show.images.contact_sheet import PAPER, SheetRow, SheetTile
from convscope.show.images.draw import tag, webp
from convscope.show.report.figure import Figure, Section
from convscope.show.report.i18n import bilingual, plain
from convscope.show.report.report import Report, render
from convscope.show.svg import element, join
from convscope.worlds import LabelledImages, scaled

CARTER = "Shan Carter et al. (2019), Activation Atlas, Distill, doi:10.23915/distill.00015"
ICON, LABELLED = 112, 80
"""Side of a cell on the page; smallest side of a cell of the sheet that gets a name; in pixels."""
PATCH = 0.42
"""Share of each axis of a real image that is shown around a position."""
ZOOMS = (1, 2, 4)


def page(atlas: Atlas, net: Net, data: LabelledImages, *, command: str, seed: int = 0) -> str:
    """Render an activation atlas as a self-contained HTML page in English and Chinese.

    Each cell can be chosen; its card then shows the number of activation vectors, the classes whose logits
    they raise, the overrepresented class, and real examples.

    Args:
        atlas: cells and their synthetic images; the images may be fewer than the cells if drawing was
            stopped.
        net: the network; its spec says how inputs are shown.
        data: the images that the atlas was made from.
        command: the terminal command that makes the page again; printed on it.
        seed: of the random numbers; printed on the page.

    Returns:
        The HTML document.
    """
    share = 100 * atlas.placed / max(atlas.vectors, 1)
    values: Mapping[str, object] = {
        "place": atlas.place,
        "net": net.name,
        "data": data.name,
        "cells": len(atlas.images),
        "grid": atlas.grid,
        "vectors": f"{atlas.vectors:,}",
        "share": f"{share:.0f}",
        "layout": atlas.layout,
        "seed": seed,
        **html.made_with(),
        "skipped": len(data.problems),
    }
    figure = Figure("atlas.map", _map(atlas, net, data), command, CARTER, values, wide=True)
    facts = [
        ("atlas.fact.vectors", f"{atlas.vectors:,}"),
        ("atlas.fact.cells", f"{len(atlas):,}"),
        ("atlas.fact.placed", f"{share:.0f}%"),
    ]
    return render(Report((Section("atlas.head", (figure,), values),), command, "atlas", facts, values))


def _map(atlas: Atlas, net: Net, data: LabelledImages) -> Markup:
    """Build the grid of cells with its choice of zoom factors."""
    zooms = [
        element(
            "label",
            element(
                "input",
                type="radio",
                name="zoom",
                class_=f"zoom-{zoom}",
                checked="" if zoom == ZOOMS[0] else None,
            ),
            f"{zoom}×",
        )
        for zoom in ZOOMS
    ]
    cells = [
        _cell(cell, picture, atlas, net, data)
        for cell, picture in zip(atlas.cells, atlas.images, strict=False)
    ]
    names = bilingual("atlas.zoom", tag="span", class_="mini")
    choice = element("div", names, *zooms, class_="zooms")
    land = element("div", *cells, class_="land", style=f"--grid:{atlas.grid}")
    return element("div", choice, element("div", land, class_="window-on-land"), class_="atlas")


def _cell(cell: Cell, picture: torch.Tensor, atlas: Atlas, net: Net, data: LabelledImages) -> Markup:
    """Build one cell: its image as a radio button, and the card shown when it is chosen."""
    icon = input_image.fitted(worlds.render(picture, net.input_spec), ICON)
    label = ", ".join(name.split(",")[0] for _, name, _ in cell.top_logit_classes)
    where = f"{cell.row + 1}/{cell.column + 1}"
    made = _picture(icon, label or where, net)
    pick = element("input", type="radio", name="cell", aria_label=f"{where} {label}".strip())
    return element(
        "label",
        pick,
        made,
        element("span", _card(cell, made, net, data), class_="card"),
        class_="cell",
        style=f"grid-area:{cell.row + 1}/{cell.column + 1}",
    )


def _card(cell: Cell, made: Markup, net: Net, data: LabelledImages) -> Markup:
    """Build the details of a cell: count, classes and real examples."""
    head = [element("span", made, class_="large")]
    lines = [bilingual("atlas.count", tag="span", count=cell.count)]
    if cell.top_logit_classes:
        lines.append(bilingual("atlas.speaks", tag="span", class_="mini"))
        lines += [
            element("span", element("b", name.split(",")[0]), f" {value:+.2f}", class_="line")
            for _, name, value in cell.top_logit_classes
        ]
    if cell.overrepresented_class:
        name, share, times = cell.overrepresented_class
        values = {"name": name, "share": f"{100 * share:.0f}", "times": f"{times:.1f}"}
        lines.append(bilingual("atlas.found", tag="span", class_="mini", **values))
    words = element("span", *lines, class_="words")
    if not cell.examples:
        return join([*head, words])
    pictures = scaled(data.pixels([sight.image for sight in cell.examples]), net.input_spec)
    real = [
        element("span", _picture(patch(picture, sight, net), plain("atlas.real"), net), class_="real")
        for picture, sight in zip(pictures, cell.examples, strict=True)
    ]
    title = bilingual("atlas.real", tag="span", class_="mini")
    return join(
        [*head, words, element("span", title, element("span", *real, class_="reals"), class_="below")]
    )


def patch(picture: torch.Tensor, sight: CellExample, net: Net, side: int = ICON * 2 // 3) -> Image.Image:
    """Crop a real image around the position of an example, and fit it into a square.

    Args:
        picture: the input `[c h w]` in the spec's range.
        sight: the example; its position is relative to the image, 0 to 1, as (y, x).
        net: the network; its spec states the value range.
        side: of the square, in pixels.

    Returns:
        The crop, 42% of each axis; the whole image where the layer has no two spatial axes.
    """
    image = worlds.render(picture, net.input_spec)
    if len(sight.position) != 2:
        return input_image.fitted(image, side)
    wide, high = (max(1, round(PATCH * extent)) for extent in image.size)
    top = min(max(round(sight.position[0] * image.height - high / 2), 0), image.height - high)
    left = min(max(round(sight.position[1] * image.width - wide / 2), 0), image.width - wide)
    return input_image.fitted(image.crop((left, top, left + wide, top + high)), side)


def _picture(image: Image.Image, alt: str, net: Net) -> Markup:
    """Encode an image as `<img>`: lossy WebP for photographs, else PNG."""
    return webp(image, alt) if input_image.kind(net.input_spec) == "photo" else tag(image, alt, "ink")


def sheet(atlas: Atlas, net: Net) -> Image.Image:
    """Draw an activation atlas as one image: each cell's synthetic image at its place in the grid.

    Args:
        atlas: cells and their synthetic images; the images may be fewer than the cells.
        net: the network; its spec states the value range.

    Returns:
        The sheet in RGB, with the class of the largest logit below each cell where cells are wide enough.
    """
    side = max(48, min(ICON, 2200 // atlas.grid))
    tiles = [[SheetTile(Image.new("RGB", (side, side), PAPER))] * atlas.grid for _ in range(atlas.grid)]
    for cell, picture in zip(atlas.cells, atlas.images, strict=False):
        image = input_image.fitted(worlds.render(picture, net.input_spec), side)
        named = side >= LABELLED and cell.top_logit_classes
        label = cell.top_logit_classes[0][1].split(",")[0] if named else ""
        tiles[cell.row][cell.column] = SheetTile(image, notes=[label])
    return contact_sheet.compose(
        [SheetRow(row) for row in tiles],
        title=f"{atlas.place} of {net.name}",
        note=f"{atlas.vectors:,} vectors, {len(atlas)} cells; {atlas.layout}",
        gap=4,
    )
