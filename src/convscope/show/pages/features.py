"""Feature maps of all layers for one input, as one HTML page and as one image."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from markupsafe import Markup
from PIL import Image
from torch import nn

from convscope import worlds
from convscope.nets import LayerAddress, Net
from convscope.see.features import FeatureMaps, Filters, layers_with_units
from convscope.see.units import LayerHealth, receptive_field
from convscope.show import html, tinted
from convscope.show.images import contact_sheet, feature_map, input_image
from convscope.show.images.contact_sheet import SheetRow, SheetTile
from convscope.show.images.draw import tag, webp, with_longer_side
from convscope.show.pages import crop
from convscope.show.report.figure import Figure, Section
from convscope.show.report.figures.matrix import written
from convscope.show.report.figures.network import layers as rows
from convscope.show.report.figures.network import way
from convscope.show.report.i18n import bilingual, plain, spoken
from convscope.show.report.report import Report, render
from convscope.show.svg import element, join
from convscope.system.counting import counted
from convscope.worlds import Sample

PLUMBING = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout, nn.Flatten)
SIDE = 84
"""Side of a tile of the sheet, in pixels."""
READ = (
    "A square is the map of one unit, its number below: bright (of layers with negative values orange) where"
    " it responds to the input; beside the number what of the picture it follows, if anything. Per layer the"
    " units whose map varies most; of maps that are almost the same, one."
)
"""How to read the sheet."""
MOST_LAYERS = 24
"""Most layers of one group; a module with more is split into the modules inside of it."""
ROWS = 24
"""Most layers of which the sheet shows each one; of more, those of `shown_layers`."""
TEXTS, TEXT = 3, 360
"""Units of a layer that the sheet of a text shows, and the width of the text in pixels."""
SCALES = ("map", "layer", "network")


def page(
    net: Net,
    sample: Sample,
    layers: Sequence[FeatureMaps],
    *,
    strongest: int,
    command: str,
    health: Sequence[LayerHealth] = (),
    kernels: Sequence[Filters] = (),
) -> str:
    """Render the feature maps of one input as a self-contained HTML page in English and Chinese.

    Layers are grouped by module, with the last activation of each group shown and its other layers folded
    (see `shown_layers`). A switch changes the scale of all maps: each by itself, each layer's, or the whole
    network's.

    Args:
        net: the network.
        sample: the input, what was opened, and where that lies in the input.
        layers: activations of each layer, in execution order.
        strongest: most units shown of each layer, see `FeatureMaps.strongest`.
        command: the terminal command that makes the page again; printed on it.
        health: dead, saturated and redundant units of layers, shown where given.
        kernels: kernels of layers, shown where given.

    Returns:
        The HTML document.
    """
    found = groups([layer.place for layer in layers])
    limit = max((rows.limit_of(layer, strongest) for layer in layers if rows.has_maps(layer)), default=0.0)
    follows = way.followed(net, sample, layers, strongest)
    ink = worlds.world_of(net.input_spec).is_ink
    reading = replace(reading_of(net, sample, layers), follows=follows, ink=ink)
    shown = shown_layers(net, layers) if len(found) > 1 else ()
    anchors = {layers[k].place: _anchor(name) for name, numbers in found for k in numbers}
    rowed = [layer for layer in layers if layer.place in listed_layers(net, layers)]
    through = way.figure(net, rowed, follows, anchors)
    head = tuple(one for one in (_input(net, sample, with_health=bool(health)), through) if one)
    sections = [Section("look.head", head)]
    for name, numbers in found:
        chosen = [layers[k] for k in numbers]
        figure = rows.figure(
            chosen,
            strongest,
            net.classes,
            {entry.place: entry for entry in health},
            {one.place: one for one in kernels},
            limit,
            reading,
            shown=shown,
        )
        values = {"name": name, "layers": len(chosen), "extent": _extents(chosen)}
        sections.append(Section("look.group", (figure,), values, name=name))
    sections.append(Section("look.read", (), {"strongest": strongest}, folded=True))
    facts, values = _facts(net, layers), {"net": net.name, **html.made_with()}
    tools, notes = _tools(net, sample, limit), crop.sentences([sample], net.input_spec)
    return render(
        Report(tuple(sections), command, "look", facts, values, parts=("look",), tools=tools, notes=notes)
    )


def _facts(net: Net, layers: Sequence[FeatureMaps]) -> list[tuple[str, Markup | str]]:
    """Return the numbers at the head of the page, and the network's answer if it has one."""
    units, zeros = sum(len(layer.maps) for layer in layers), sum(layer.zero_maps for layer in layers)
    answer = best_answer(net, layers)
    return [
        ("look.fact.layers", f"{len(layers):,}"),
        ("look.fact.units", f"{units:,}"),
        ("look.fact.zero_maps", f"{100 * zeros / max(units, 1):.0f}%"),
        *([("look.fact.answer", element("span", answer, translate="no"))] if answer else []),
    ]


def _anchor(name: str) -> str:
    """Return the id of the section of a group of layers."""
    return Section("look.group", (), name=name).anchor


def reading_of(net: Net, sample: Sample, layers: Sequence[FeatureMaps]) -> rows.Reading:
    """Return the texts of an input, and what of them each position of the layers' maps sees.

    Args:
        net: the network.
        sample: the input.
        layers: activations of each layer.

    Returns:
        The reading; without texts for an input that is none.
    """
    pieces = tinted.pieces_of([sample.input], [net.input_spec])
    if not pieces:
        return rows.Reading()
    spans = {}
    for layer in layers:
        known = receptive_field(net, LayerAddress.parse(layer.place))
        if known is None or len(known.positions) != 1:
            continue
        boxes = [known.box((position,)) for position in range(known.positions[0])]
        spans[layer.place] = [box[0] if box else (0, 0) for box in boxes]
    return rows.Reading(pieces, spans)


def groups(places: Sequence[str], most: int = MOST_LAYERS) -> list[tuple[str, list[int]]]:
    """Group layers in execution order by the modules that hold them.

    A module with more than `most` layers is split into the modules inside of it; single layers in a row are
    one group.

    Args:
        places: names of layers, with dots between the names of modules.
        most: layers of a group at most, where modules can be split.

    Returns:
        Name of each group (`blocks.2`, or `conv1 – relu1` for single layers) and indices of its layers.
    """
    found: list[tuple[str, list[int]]] = []
    for name, numbers, single in _runs(list(enumerate(p.split(".") for p in places)), 0, most):
        loose = single and found and found[-1][0] == "" and len(found[-1][1]) + len(numbers) <= most
        if loose:
            found[-1][1].extend(numbers)
        else:
            found.append(("" if single else name, list(numbers)))
    return [
        (name or " – ".join(dict.fromkeys((places[numbers[0]], places[numbers[-1]]))), numbers)
        for name, numbers in found
    ]


def shown_layers(net: Net, layers: Sequence[FeatureMaps]) -> list[str]:
    """Choose the layers that stand for their groups: of each group the last activation, and the output.

    A layer before its non-linearity, such as the projection that ends a block of a MobileNet, has maps with
    an offset of either sign, which say less of where a unit responds.

    Args:
        net: the network.
        layers: activations of each layer, in execution order.

    Returns:
        Names of layers in execution order: of each group of `groups` the last activation function whose units
            have maps, or else its last layer; `output` in any case.
    """
    modules = dict(net.module.named_modules())
    chosen = []
    for _, numbers in groups([layer.place for layer in layers]):
        inside = [layers[k] for k in numbers]
        active = [x.place for x in inside if x.has_maps and _is_activation(modules.get(x.place))]
        chosen += [active[-1]] if active else []
        if not active or inside[-1].place == "output":
            chosen.append(inside[-1].place)
    return chosen


def listed_layers(net: Net, layers: Sequence[FeatureMaps]) -> list[str]:
    """List the layers of which the sheet and the terminal's table have a row.

    Args:
        net: the network.
        layers: activations of each layer, in execution order.

    Returns:
        Names of all layers, up to 24; of more, those of `shown_layers`.
    """
    return shown_layers(net, layers) if len(layers) > ROWS else [layer.place for layer in layers]


def _is_activation(module: nn.Module | None) -> bool:
    """Return whether a module is an activation function: one of torch's or timm's, but no softmax."""
    kind = type(module)
    home = kind.__module__.startswith(("torch.nn.modules.activation", "timm.layers.activations"))
    return home and not isinstance(module, (nn.Softmax, nn.Softmax2d, nn.LogSoftmax, nn.MultiheadAttention))


def _runs(paths: list[tuple[int, list[str]]], depth: int, most: int) -> list[tuple[str, list[int], bool]]:
    """Split layers at a depth of their paths: name, indices and whether it is a single layer."""
    found = []
    for name, run in groupby(paths, key=lambda entry: entry[1][: depth + 1]):
        inside = list(run)
        if len(inside) > most and any(len(path) > depth + 1 for _, path in inside):
            found += _runs(inside, depth + 1, most)
        else:
            found.append((".".join(name), [k for k, _ in inside], len(inside) == 1))
    return found


def _extents(layers: Sequence[FeatureMaps]) -> str:
    """Format the sizes of the maps of some layers: that of the first, and of the last if it differs."""
    sizes = ["×".join(map(str, layer.maps.shape[1:])) for layer in layers if rows.has_maps(layer)]
    return " → ".join(dict.fromkeys(sizes[:1] + sizes[-1:])) or "—"


def _tools(net: Net, sample: Sample, limit: float) -> Markup:
    """Build the switch of the scale, and the buttons that fold."""
    choices = [
        element(
            "label",
            element(
                "input",
                type="radio",
                name="scale",
                id=f"scale-{scale}",
                checked="" if scale == "map" else None,
            ),
            bilingual(f"look.scale.{scale}", limit=written(float(f"{limit:.3g}"))),
        )
        for scale in SCALES
    ]
    folds = [
        element("button", bilingual(f"look.{name}"), type="button", id=name, hidden="")
        for name in ("unfold", "fold")
    ]
    switch = element("div", bilingual("look.scale.title", class_="mini"), *choices, class_="scales")
    return element("div", switch, *folds, class_="tools") + enlarging(net, sample)


def enlarging(net: Net, sample: Sample) -> Markup:
    """Build what a page with maps needs once: their colours, and the window in which one is enlarged.

    Args:
        net: the network.
        sample: the input, over which an enlarged map is laid.

    Returns:
        The markup; the script of `look` opens the window.
    """
    picture = input_image.opaque(sample.input, net.input_spec)
    shown = webp(with_longer_side(picture, 448), spoken("look.large.input"))
    close = element("button", bilingual("look.large.close"), type="button", class_="close")
    slider = element("input", type="range", min=0, max=100, value=100, id="mixed")
    return rows.palettes() + element(
        "dialog",
        element("div", element("b", "", class_="place", translate="no"), close, class_="head"),
        element("div", shown, element("span", "", class_="slot"), class_="stack"),
        element("label", bilingual("look.large.mix"), slider, class_="mix"),
        element("p", bilingual("look.large.more"), " ", element("code", "", translate="no"), class_="mini"),
        id="large",
        data_net=net.source.name or net.name,
    )


def _input(net: Net, sample: Sample, *, with_health: bool) -> Figure:
    """Build the figure of the file, with what the network saw of it framed, and of the network's input."""
    spec = net.input_spec
    picture = input_image.opaque(sample.input, spec)
    seen = tag(with_longer_side(picture, 448), spoken("look.input.seen"), input_image.kind(spec))
    heard = input_image.player(sample.input, spec, spoken("look.input.seen"))
    cells = [element("div", bilingual("look.input.seen", tag="p", class_="mini"), seen, heard)]
    if isinstance(sample.original, Image.Image):
        whole, share = crop.framed(sample, spec), crop.share_seen(sample, spec)
        key = "made" if share is None else "framed" if crop.is_cropped(sample, spec) else "whole"
        words = bilingual(f"look.input.{key}", tag="p", class_="mini", share=f"{100 * (share or 1):.0f}")
        cells.insert(0, element("div", words, whole))
    explained = bilingual("look.head.health", tag="p") if with_health else None
    words = tinted.pieces_of([sample.input], [spec])
    read = bilingual("look.head.words", tag="p") if words else None
    body = element("div", *cells, class_="inputs"), read, explained
    return Figure("look.input", join(body), "", net.source.name or net.name, wide=True)


def changing_layers(net: Net) -> list[str]:
    """List the layers whose feature maps are worth showing.

    Args:
        net: any network.

    Returns:
        Names of all layers with units in execution order, but for those that return their input unchanged at
            inference: dropout, identity, flattening.
    """
    modules = dict(net.module.named_modules())
    return [name for name in layers_with_units(net) if not isinstance(modules.get(name), PLUMBING)]


def best_answer(net: Net, layers: Sequence[FeatureMaps]) -> str:
    """Return the label of the predicted class.

    Args:
        net: the network, which may have labels.
        layers: activations; those of the place `output` are used.

    Returns:
        The first name of the class with the largest output; empty without labels or without the output.
    """
    result = [layer for layer in layers if layer.place == "output" and len(layer.maps) == len(net.classes)]
    return net.classes[result[-1].strongest(1)[0]].split(",")[0] if result and net.classes else ""


def sheet(net: Net, sample: Sample, layers: Sequence[FeatureMaps], strongest: int) -> Image.Image:
    """Draw the feature maps of one input as one image: a row of tiles for each layer.

    Of more than 24 layers, those of `shown_layers` are shown.

    Args:
        net: the network.
        sample: the input.
        layers: activations of each layer, in execution order; at least one.
        strongest: most units shown of each layer, see `FeatureMaps.strongest`.

    Returns:
        The sheet in RGB; layers without two spatial axes are rows of units with their values.
    """
    reading = reading_of(net, sample, layers)
    whole = worlds.render(sample.input, net.input_spec)
    picture = input_image.fitted(whole, SIDE)
    if reading.pieces:
        picture = tinted.picture(reading.pieces, [0.0] * len(reading.pieces), width=TEXT)
        strongest = min(strongest, TEXTS)
    lines, note = [SheetRow([SheetTile(picture)], "the input")], READ
    named = listed_layers(net, layers)
    follows = way.followed(net, sample, [layer for layer in layers if layer.place in named], strongest)
    if len(named) < len(layers):
        note += (
            f" {len(named)} of {len(layers)} layers: of each group its last activation; all are in look.html."
        )
    for layer in (layer for layer in layers if layer.place in named):
        extent = "x".join(map(str, layer.maps.shape[1:]))
        units = counted(len(layer.maps), "unit")
        about = [f"{units}, maps of {extent}" if rows.has_maps(layer) else units]
        if layer.zero_maps:
            about.append(f"{layer.zero_maps:,} of them 0 everywhere")
        if alike := layer.alike(strongest):
            about.append(f"{alike:,} almost the same, left out")
        lines.append(
            SheetRow(
                _text_tiles(layer, strongest, reading) or _tiles(layer, strongest, net, follows),
                layer.place,
                about,
            )
        )
    return contact_sheet.compose(lines, title=f"One input through {net.name}", note=note)


def layer_sheet(maps: FeatureMaps, strongest: int) -> Image.Image:
    """Draw the feature maps of one layer's strongest units as a labelled grid on one scale.

    Args:
        maps: activations of a layer with maps of two axes.
        strongest: most units shown.

    Returns:
        The grid in RGB.
    """
    units = maps.strongest(strongest)
    images = feature_map.on_one_scale(maps.maps.float().cpu().numpy(), units)
    return contact_sheet.grid(images, [str(unit) for unit in units])


def filters_sheet(kernels: Sequence[Filters], count: int, layers: Sequence[FeatureMaps] = ()) -> Image.Image:
    """Draw kernels of several layers as one image: a row for each layer, the units as on the page.

    A kernel of one position is a single weight for each channel: such layers are left out, and counted.

    Args:
        kernels: kernels of each layer; at least one that covers more than one position.
        count: most kernels shown of each layer.
        layers: activations, which tell the strongest units of a layer; of other layers the first are shown.

    Returns:
        The sheet in RGB.
    """
    lines, seen = [], {maps.place: maps for maps in layers}
    for one in (one for one in kernels if one.has_extent):
        maps, total = seen.get(one.place), len(one.pictures)
        chosen = (
            maps.strongest(count) if maps is not None and len(maps.maps) == total else range(total)[:count]
        )
        images = [input_image.fitted(rows.kernel(one, unit), 56) for unit in chosen]
        tiles = [SheetTile(image, notes=[str(k)]) for image, k in zip(images, chosen, strict=True)]
        lines.append(SheetRow(tiles, one.place, ["x".join(map(str, one.weights.shape))]))
    missing = len(kernels) - len(lines)
    if not missing:
        return contact_sheet.compose(lines)
    note = f"{counted(missing, 'layer')} left out, whose kernels cover one position (1x1)"
    return contact_sheet.compose(lines, note=note)


def _text_tiles(layer: FeatureMaps, strongest: int, reading: rows.Reading) -> list[SheetTile]:
    """Return tinted texts of a layer's strongest units; none where it has no map along the text."""
    spans = reading.spans.get(layer.place, ())
    if not reading.pieces or layer.maps.dim() != 2 or len(spans) != layer.maps.shape[1]:
        return []
    found = []
    for unit in layer.strongest(strongest):
        values = tinted.highest(reading.pieces, layer.maps[unit].float().cpu().numpy(), spans)
        found.append(SheetTile(tinted.picture(reading.pieces, values, width=TEXT), notes=[str(unit)]))
    return found


def _tiles(layer: FeatureMaps, strongest: int, net: Net, follows: way.Follows) -> list[SheetTile]:
    """Return the strongest units of a layer as tiles: their maps and what these follow, or their values."""
    units, labels, ink = layer.strongest(strongest), net.classes, worlds.world_of(net.input_spec).is_ink
    if layer.maps.dim() != 3 or not rows.has_maps(layer):
        named = layer.place == "output" and len(labels) == len(layer.maps)
        names = [labels[unit].split(",")[0] if named else str(unit) for unit in units]
        return [
            SheetTile(None, name, [f"{float(layer.strengths[unit]):.3g}"])
            for name, unit in zip(names, units, strict=True)
        ]
    images = feature_map.on_one_scale(layer.maps.float().cpu().numpy(), units)
    found = {one.unit: way.name_of(one, ink=ink) for one in follows.get(layer.place, ()) if one.follows}
    words = {unit: plain(f"look.follows.{name}") for unit, name in found.items()}
    return [
        SheetTile(
            input_image.fitted(image, SIDE), notes=[f"{unit}: {words[unit]}" if unit in words else f"{unit}"]
        )
        for image, unit in zip(images, units, strict=True)
    ]
