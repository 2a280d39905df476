"""An activation atlas as one zoomable HTML page, and as one image."""

from collections.abc import Mapping, Sequence

import torch
from markupsafe import Markup
from PIL import Image, ImageDraw, ImageFont

from convscope import worlds
from convscope.nets import Net
from convscope.see.activation_atlas import (
    Atlas,
    Cell,
    CellExample,
    ClassAttribution,
    LabelShare,
    Region,
)
from convscope.show import html
from convscope.show.images import contact_sheet, input_image
from convscope.show.images.contact_sheet import PAPER, SheetRow, SheetTile
from convscope.show.images.draw import tag, webp
from convscope.show.images.map_labels import PAD, MapLabel, PlacedLabel, place_labels
from convscope.show.pages import crop
from convscope.show.report.figure import Figure, Section
from convscope.show.report.i18n import Text, bilingual, spoken
from convscope.show.report.report import Report, render
from convscope.show.svg import element, join, named
from convscope.system.counting import counted
from convscope.worlds import LabelledDataset

CARTER = "Shan Carter et al. (2019), Activation Atlas, Distill, doi:10.23915/distill.00015"
ICON = 112
"""Side of a cell's image on the page, in pixels."""
PATCH = 0.42
"""Share of each axis of a real image that is shown around a position."""
ZOOMS = (1, 2, 4)
WIDTHS = (320, 480, 720, 960, 1440, 1920, 2880)
"""Widths of the map in pixels from which on more names are shown; the page's style sheet has the same."""
SHEET, SMALLEST_CELL = 1600, 40
"""Side of the sheet's map at most, and of its cells at least, in pixels."""
LISTED = 60
"""Maximum number of regions in the list below the map."""
NAMES = {"label": "white: label of the data, share of pictures", "class": "black: class of the network"}
"""Legend of the sheet."""
LIGHT, DARK = ((255, 255, 255), (31, 32, 35)), ((31, 32, 35), (255, 255, 255))
"""Background and text of the names on the sheet: labels of the data, classes of the network."""


def page(atlas: Atlas, net: Net, data: LabelledDataset, *, command: str, seed: int = 0) -> str:
    """Render an activation atlas as a self-contained HTML page in English and Chinese.

    Names lie on the map: labels of the data, and classes of the network. Each cell can be chosen; its card
    then shows the number of activation vectors, labels and classes with numbers, and crops of real images.

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
    drawn = atlas.cells[: len(atlas.images)]
    regions = shown_regions(atlas)
    share = f"{100 * sum(cell.count for cell in drawn) / max(atlas.vectors, 1):.0f}"
    values: Mapping[str, object] = {
        "place": atlas.place,
        "net": net.name,
        "data": data.name,
        "cells": len(drawn),
        "drawn": len(drawn),
        "planned": len(atlas),
        "grid": atlas.grid,
        "least": atlas.min_count,
        "vectors": f"{atlas.vectors:,}",
        "share": share,
        "regions": len(regions),
        "seed": seed,
        **html.made_with(),
        "skipped": len(data.problems),
    }
    icons = [input_image.fitted(worlds.render(picture, net.input_spec), ICON) for picture in atlas.images]
    body = _map(atlas, icons, net, data, regions)
    figures = [Figure("atlas.map", body, "", CARTER, values, wide=True)]
    if regions:
        figures.append(Figure("atlas.regions", _list(atlas, icons, net, regions), "", CARTER, values))
    facts = [
        ("atlas.fact.vectors", f"{atlas.vectors:,}"),
        ("atlas.fact.pictures", f"{atlas.sampled:,}"),
        ("atlas.fact.cells", f"{len(drawn):,}"),
        ("atlas.fact.placed", f"{share} %"),
    ]
    return render(
        Report(
            (Section("atlas.head", tuple(figures), values),),
            command,
            "atlas",
            facts,
            values,
            unfinished=len(drawn) < len(atlas),
            parts=("atlas",),
            notes=crop.sentences_on_data(data),
        )
    )


def shown_regions(atlas: Atlas) -> list[Region]:
    """Choose the regions whose names the map shows.

    Args:
        atlas: cells, regions, and images of the first cells.

    Returns:
        Regions whose cells are all drawn, the largest first.
    """
    return [region for region in atlas.regions if max(region.cells) < len(atlas.images)]


def _map(
    atlas: Atlas, icons: Sequence[Image.Image], net: Net, data: LabelledDataset, regions: Sequence[Region]
) -> Markup:
    """Build the grid of cells with its names, its legend and its choice of zoom factors."""
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
        _cell(number, cell, icon, net, data, atlas.attributed)
        for number, (cell, icon) in enumerate(zip(atlas.cells, icons, strict=False))
    ]
    spread = f"{100 * (atlas.spread or 0):.0f}"
    land = element("div", *cells, _names(atlas, regions), class_="land", style=f"--grid:{atlas.grid}")
    return element(
        "div",
        element("div", bilingual("atlas.zoom", class_="mini"), *zooms, class_="zooms"),
        element("div", *_legend(regions, atlas.attributed), class_="legend"),
        element("div", land, class_="window-on-land"),
        element("div", bilingual(f"atlas.layout.{atlas.layout}", spread=spread), class_="axes mini"),
        element("div", bilingual("atlas.hint"), class_="hint"),
        class_="atlas",
    )


def _legend(regions: Sequence[Region], attributed: bool) -> list[Markup]:
    """Say what the names on the map mean: of labels only if there is one, of classes only if there is one."""
    kinds = [kind for kind in ("label", "class") if any(region.kind == kind for region in regions)]
    if not kinds:
        return [bilingual("atlas.names.none" if attributed else "atlas.names.unattributed")]
    return [
        element(
            "span",
            element("span", bilingual(f"atlas.legend.{kind}"), class_=f"placename {kind}"),
            element("span", bilingual(f"atlas.names.{kind}")),
        )
        for kind in kinds
    ]


def map_labels(atlas: Atlas, regions: Sequence[Region]) -> list[MapLabel]:
    """Return the names of regions with their points on the map.

    Args:
        atlas: its grid says how far apart cells are.
        regions: the most important first.

    Returns:
        A label for each region: its name, for labels of the data with the share of the region's images.
    """
    return [
        MapLabel(
            f"{_short(region.name)}{_percent(region)}",
            (region.column + 0.5) / atlas.grid,
            (region.row + 0.5) / atlas.grid,
        )
        for region in regions
    ]


def _short(name: str) -> str:
    """Return the first of several names of a class."""
    return name.split(",")[0]


def _percent(region: Region) -> str:
    return f" · {100 * region.label.share:.0f}%" if region.label else ""


def _names(atlas: Atlas, regions: Sequence[Region]) -> Markup:
    """Build a layer of names for each of `WIDTHS`; the style sheet shows the one for the map's width."""
    labels = map_labels(atlas, regions)
    layers = [
        element(
            "div",
            *(
                element(
                    "span",
                    _short(regions[place.index].name),
                    element("small", _percent(regions[place.index])) if regions[place.index].label else None,
                    class_=f"placename {regions[place.index].kind}",
                    style=f"--x:{labels[place.index].x:.4f};--y:{labels[place.index].y:.4f};font-size:{place.size}px",
                )
                for place in placed
            ),
            class_=f"at-{width}",
        )
        for width, placed in place_labels(labels, WIDTHS).items()
    ]
    return element("div", *layers, class_="names", aria_hidden="true")


def _cell(
    number: int, cell: Cell, icon: Image.Image, net: Net, data: LabelledDataset, attributed: bool
) -> Markup:
    """Build one cell: its image as a radio button, and the card shown when it is chosen."""
    names = [cell.label.name] if cell.label else []
    names += [_short(found.name) for found in cell.classes[:1]]
    alt = _alt(cell.row, cell.column, ", ".join(dict.fromkeys(names)))
    made = _picture(icon, alt, net)
    pick = element("input", type="radio", name="cell", id=f"cell-{number}", **named("aria-label", alt))
    return element(
        "label",
        pick,
        made,
        element("span", _card(cell, made, net, data, attributed), class_="card"),
        class_="cell",
        style=f"grid-area:{cell.row + 1}/{cell.column + 1}",
    )


def _alt(row: int, column: int, names: str) -> dict[str, str]:
    """Return the alternative text of a cell's image."""
    key = "page.alt.cell" if names else "page.alt.unnamed"
    return spoken(key, place=f"{row + 1}/{column + 1}", names=names)


def _card(cell: Cell, made: Markup, net: Net, data: LabelledDataset, attributed: bool) -> Markup:
    """Build the details of a cell: counts, labels, classes and real examples."""
    lines = [bilingual("atlas.count", count=cell.count, pictures=cell.pictures)]
    if cell.labels:
        lines += [bilingual("atlas.labels", class_="mini"), *map(_label_line, cell.labels)]
    if cell.classes:
        lines += [bilingual("atlas.classes", class_="mini"), *map(_class_line, cell.classes)]
    elif net.classes:
        key = "atlas.unsupported" if attributed else "atlas.unattributed"
        lines.append(bilingual(key, class_="mini"))
    head = [element("span", made, class_="large"), element("span", *lines, class_="words")]
    if not cell.examples:
        return join(head)
    pictures = data.inputs([sight.image for sight in cell.examples], net.input_spec)
    real = [
        element(
            "span",
            _picture(patch(picture, sight, net), spoken("atlas.alt.real", name=_label(sight, data)), net),
            class_="real",
        )
        for picture, sight in zip(pictures, cell.examples, strict=True)
    ]
    title = bilingual("atlas.real", class_="mini")
    return join([*head, element("span", title, element("span", *real, class_="reals"), class_="below")])


def _label(sight: CellExample, data: LabelledDataset) -> str:
    return data.classes[sight.label] if len(data.classes) > 1 else ""


def _label_line(label: LabelShare) -> Markup:
    """Build the line of a label; its name is bold if it names the cell."""
    name = element("b", label.name) if label.typical else label.name
    return element("span", name, " ", bilingual("atlas.share", **_share_values(label)), class_="line")


def _share_values(label: LabelShare) -> dict[str, str]:
    return {
        "count": f"{label.count}",
        "pictures": f"{label.pictures}",
        "share": f"{100 * label.share:.0f}",
        "usual": f"{100 * label.usual:.0f}",
    }


def _class_line(found: ClassAttribution) -> Markup:
    """Build the line of a class of the network."""
    text = bilingual(
        "atlas.among" if found.likeliest > 1 else "atlas.likeliest",
        change=f"{found.contribution:+.2g}",
        among=found.likeliest,
        support=found.support,
        pictures=found.pictures,
    )
    return element("span", element("b", _short(found.name)), " ", text, class_="line")


def _list(atlas: Atlas, icons: Sequence[Image.Image], net: Net, regions: Sequence[Region]) -> Markup:
    """Build the list of regions; each entry chooses the cell nearest to the region's centre."""
    numbers = {(cell.row, cell.column): number for number, cell in enumerate(atlas.cells)}
    rows = []
    for region in regions[:LISTED]:
        number = numbers[region.row, region.column]
        values = {"cells": f"{len(region.cells)}"}
        values |= _share_values(region.label) if region.label else {}
        text = bilingual(f"atlas.regions.{region.kind}", class_="mini", **values)
        alt = _alt(region.row, region.column, _short(region.name))
        words = element("span", element("b", _short(region.name)), text)
        rows.append(element("label", _picture(icons[number], alt, net), words, for_=f"cell-{number}"))
    return element("div", *rows, class_="regions")


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


def _picture(image: Image.Image, alt: Text, net: Net) -> Markup:
    """Encode an image as `<img>`: lossy WebP for photographs, else PNG."""
    return webp(image, alt) if input_image.kind(net.input_spec) == "photo" else tag(image, alt, "ink")


def sheet(atlas: Atlas, net: Net) -> Image.Image:
    """Draw an activation atlas as one image: each cell's image at its place in the grid, and names on it.

    Args:
        atlas: cells and their synthetic images; the images may be fewer than the cells.
        net: the network; its spec states the value range.

    Returns:
        The sheet in RGB. Names are on white for labels of the data, on black for classes of the network;
        those of small regions are left out where there is no room.
    """
    side = max(SMALLEST_CELL, min(ICON, SHEET // atlas.grid))
    land = Image.new("RGB", (side * atlas.grid, side * atlas.grid), PAPER)
    for cell, picture in zip(atlas.cells, atlas.images, strict=False):
        image = input_image.fitted(worlds.render(picture, net.input_spec), side - 1)
        land.paste(image, (cell.column * side, cell.row * side))
    regions = shown_regions(atlas)
    widths = [*(width for width in WIDTHS if width < land.width), land.width]
    placed = place_labels(map_labels(atlas, regions), widths, _measured)[land.width]
    for place in placed:
        _draw_name(land, place, map_labels(atlas, regions)[place.index].text, regions[place.index].kind)
    layout = "UMAP" if atlas.spread is None else f"PCA, {atlas.spread:.0%} of the variance"
    drawn = min(len(atlas), len(atlas.images))
    kinds = {region.kind for region in regions}
    names = [text for kind, text in NAMES.items() if kind in kinds]
    return contact_sheet.compose(
        [SheetRow([SheetTile(land)])],
        title=f"Activation atlas of {atlas.place} of {net.name}",
        note="; ".join([f"{counted(atlas.vectors, 'vector')}, {counted(drawn, 'cell')}", layout, *names]),
    )


def _measured(text: str, size: int) -> float:
    return ImageFont.load_default(size).getlength(text)


def _draw_name(land: Image.Image, place: PlacedLabel, text: str, kind: str) -> None:
    """Draw a name on its background."""
    ground, ink = LIGHT if kind == "label" else DARK
    draw = ImageDraw.Draw(land)
    draw.rounded_rectangle(place.box, radius=4, fill=ground)
    left, top = place.box[0] + PAD[0], (place.box[1] + place.box[3]) / 2
    draw.text((left, top), text, fill=ink, font=ImageFont.load_default(place.size), anchor="lm")
