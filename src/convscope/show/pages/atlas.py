"""An activation atlas as one zoomable HTML page, and as one image."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from markupsafe import Markup
from PIL import Image, ImageDraw

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
from convscope.show.images.map_labels import (
    MapCells,
    MapLabel,
    PlacedLabel,
    drawn_width,
    place_labels,
    write_label,
)
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
NAMES = {"label": "{}: label of the data, share of pictures", "class": "{}: class of the network"}
"""Legend of the sheet."""
DARK, LIGHT = (31, 32, 35), (255, 255, 255)
COLOURS = {
    "photo": {"label": ("dark", DARK, LIGHT), "class": ("light", LIGHT, DARK)},
    "ink": {"label": ("orange", (194, 80, 11), LIGHT), "class": ("blue", (31, 104, 176), LIGHT)},
}
"""Letters and halo of names on photographs, and on drawings of black strokes; as in the style sheet."""
BORDER = 5
"""Pixels between the cells of two regions on the sheet; others are one apart."""
DETAIL = 6
"""Squares along each side of a cell whose detail decides where names cover least."""


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
    sections = [Section("atlas.head", tuple(figures), values)]
    if regions:
        sections.append(Section("atlas.read", (), folded=True))
    facts = [
        ("atlas.fact.vectors", f"{atlas.vectors:,}"),
        ("atlas.fact.pictures", f"{atlas.sampled:,}"),
        ("atlas.fact.cells", f"{len(drawn):,}"),
        ("atlas.fact.placed", f"{share}%"),
    ]
    return render(
        Report(
            tuple(sections),
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
    edges = borders(atlas, regions)
    cells = [
        _cell(
            number,
            cell,
            icon,
            net,
            _card(cell, icon, net, data, atlas.attributed),
            [edge for row, column, edge in edges if (row, column) == (cell.row, cell.column)],
        )
        for number, (cell, icon) in enumerate(zip(atlas.cells, icons, strict=False))
    ]
    spread = f"{100 * (atlas.spread or 0):.0f}"
    land = element("div", *cells, _names(atlas, icons, regions), class_="land", style=f"--grid:{atlas.grid}")
    return element(
        "div",
        element("div", bilingual("atlas.zoom", class_="mini"), *zooms, class_="zooms"),
        element("div", *_legend(regions, atlas.attributed), class_="legend"),
        element("div", land, class_="window-on-land"),
        element("div", bilingual(f"atlas.layout.{atlas.layout}", spread=spread), class_="axes mini"),
        element("div", bilingual("atlas.hint"), class_="hint"),
        class_=f"atlas on-{_look(net)}",
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
    """Return the names of regions with the cells that have them.

    Args:
        atlas: its grid says how far apart cells are.
        regions: the most important first.

    Returns:
        A label for each region: its name, weighty by its number of vectors, and for labels of the data the
        share of the region's images as a note.
    """
    most = max((region.count for region in regions), default=1)
    return [
        MapLabel(
            _short(region.name),
            (region.column + 0.5) / atlas.grid,
            (region.row + 0.5) / atlas.grid,
            _percent(region),
            region.count / most,
            [(atlas.cells[number].row, atlas.cells[number].column) for number in region.cells],
        )
        for region in regions
    ]


def map_cells(atlas: Atlas, icons: Sequence[Image.Image]) -> MapCells:
    """Return where the map is drawn, and the detail of its pictures: how neighbouring pixels differ.

    Args:
        atlas: cells and their synthetic images.
        icons: those images as they are drawn; they may be fewer than the cells.

    Returns:
        The cells, with `DETAIL` squares along each side.
    """
    drawn = np.zeros((atlas.grid, atlas.grid), bool)
    detail = np.zeros((atlas.grid, DETAIL, atlas.grid, DETAIL))
    for cell, icon in zip(atlas.cells, icons, strict=False):
        drawn[cell.row, cell.column] = True
        grey = np.asarray(icon.convert("L").resize((8 * DETAIL, 8 * DETAIL)), float)
        steep = np.hypot(*np.gradient(grey))
        detail[cell.row, :, cell.column] = steep.reshape(DETAIL, 8, DETAIL, 8).mean((1, 3))
    return MapCells(drawn, detail.reshape(atlas.grid * DETAIL, -1))


def borders(atlas: Atlas, regions: Sequence[Region]) -> list[tuple[int, int, str]]:
    """Find where one region ends and another, or cells without a name, begin.

    Args:
        atlas: its cells.
        regions: whose borders are drawn; a cell with a label counts to the region of that label, also where
            it lies in the region of a class too.

    Returns:
        Row and column of a cell, and its `left` or `top` edge, for each border of two cells.
    """
    owner: dict[tuple[int, int], int] = {}
    for number, region in sorted(enumerate(regions), key=lambda one: one[1].kind != "label"):
        for cell in region.cells:
            owner.setdefault((atlas.cells[cell].row, atlas.cells[cell].column), number)
    found: list[tuple[int, int, str]] = []
    places = {(cell.row, cell.column) for cell in atlas.cells}
    for cell in atlas.cells:
        here = (cell.row, cell.column)
        for edge, there in (("left", (cell.row, cell.column - 1)), ("top", (cell.row - 1, cell.column))):
            if there in places and owner.get(here) != owner.get(there):
                found.append((*here, edge))
    return found


def _short(name: str) -> str:
    """Return the first of several names of a class."""
    return name.split(",")[0]


def _percent(region: Region) -> str:
    return f"{100 * region.label.share:.0f}%" if region.label else ""


def _names(atlas: Atlas, icons: Sequence[Image.Image], regions: Sequence[Region]) -> Markup:
    """Build a layer of names for each of `WIDTHS`; the style sheet shows the one for the map's width."""
    placed = place_labels(map_labels(atlas, regions), WIDTHS, map_cells(atlas, icons))
    layers = [
        element(
            "div",
            *(_name(place, regions[place.index].kind) for place in layer),
            class_=f"at-{width}",
        )
        for width, layer in placed.items()
    ]
    return element("div", *layers, class_="names", aria_hidden="true")


def _name(place: PlacedLabel, kind: str) -> Markup:
    """Build a name on the map, centred on its place."""
    x, y = place.centre
    lines = [element("span", line) for line in place.lines]
    note = element("small", place.note, style=f"font-size:{place.note_size}px") if place.note else None
    style = f"left:{100 * x:.2f}%;top:{100 * y:.2f}%;font-size:{place.size}px"
    return element("span", *lines, note, class_=f"placename {kind}", style=style)


def _cell(number: int, cell: Cell, icon: Image.Image, net: Net, card: Markup, edges: Sequence[str]) -> Markup:
    """Build one cell: its image as a radio button, and the card shown when it is chosen."""
    alt = _cell_alt(cell)
    pick = element("input", type="radio", name="cell", id=f"cell-{number}", **named("aria-label", alt))
    return element(
        "label",
        pick,
        _picture(icon, alt, net),
        element("span", card, class_="card"),
        class_=" ".join(["cell", *edges]),
        style=f"grid-area:{cell.row + 1}/{cell.column + 1}",
    )


def _cell_alt(cell: Cell) -> dict[str, str]:
    """Return the alternative text of a cell's image: its place, and its names."""
    names = [cell.label.name] if cell.label else []
    names += [_short(found.name) for found in cell.classes[:1]]
    return _alt(cell.row, cell.column, ", ".join(dict.fromkeys(names)))


def _alt(row: int, column: int, names: str) -> dict[str, str]:
    """Return the alternative text of a cell's image."""
    key = "page.alt.cell" if names else "page.alt.unnamed"
    return spoken(key, place=f"{row + 1}/{column + 1}", names=names)


def _card(cell: Cell, icon: Image.Image, net: Net, data: LabelledDataset, attributed: bool) -> Markup:
    """Build the details of a cell: counts, labels, classes and real examples."""
    lines = [bilingual("atlas.count", count=cell.count, pictures=cell.pictures)]
    if cell.labels:
        lines += [bilingual("atlas.labels", class_="mini"), *map(_label_line, cell.labels)]
    if cell.classes:
        lines += [bilingual("atlas.classes", class_="mini"), *map(_class_line, cell.classes)]
    elif net.classes:
        key = "atlas.unsupported" if attributed else "atlas.unattributed"
        lines.append(bilingual(key, class_="mini"))
    made = _picture(icon, _cell_alt(cell), net)
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
    return webp(image, alt) if _look(net) == "photo" else tag(image, alt, "ink")


def _look(net: Net) -> str:
    """Return how inputs of a network look: `photo`, or `ink` for strokes and other drawings."""
    return "photo" if input_image.kind(net.input_spec) == "photo" else "ink"


def sheet(atlas: Atlas, net: Net) -> Image.Image:
    """Draw an activation atlas as one image: each cell's image at its place in the grid, and names on it.

    Args:
        atlas: cells and their synthetic images; the images may be fewer than the cells.
        net: the network; its spec states the value range.

    Returns:
        The sheet in RGB. Names are dark for labels of the data, light for classes of the network; each lies
        over cells of its own, and is left out where it has no room there.
    """
    side = max(SMALLEST_CELL, min(ICON, SHEET // atlas.grid))
    land = Image.new("RGB", (side * atlas.grid, side * atlas.grid), PAPER)
    icons = [input_image.fitted(worlds.render(picture, net.input_spec), side - 1) for picture in atlas.images]
    for cell, icon in zip(atlas.cells, icons, strict=False):
        land.paste(icon, (cell.column * side, cell.row * side))
    regions = shown_regions(atlas)
    for row, column, edge in borders(atlas, regions):
        x, y = column * side - 1, row * side - 1
        far = (x, y + side) if edge == "left" else (x + side, y)
        ImageDraw.Draw(land).line((x, y, *far), fill=PAPER, width=BORDER)
    names, colours = map_labels(atlas, regions), COLOURS[_look(net)]
    for place in place_labels(names, [land.width], map_cells(atlas, icons), drawn_width)[land.width]:
        write_label(land, place, *colours[regions[place.index].kind][1:])
    layout = "UMAP" if atlas.spread is None else f"PCA, {atlas.spread:.0%} of the variance"
    drawn = min(len(atlas), len(atlas.images))
    kinds = {region.kind for region in regions}
    legend = [text.format(colours[kind][0]) for kind, text in NAMES.items() if kind in kinds]
    return contact_sheet.compose(
        [SheetRow([SheetTile(land)])],
        title=f"Activation atlas of {atlas.place} of {net.name}",
        note="; ".join([f"{counted(atlas.vectors, 'vector')}, {counted(drawn, 'cell')}", layout, *legend]),
    )
