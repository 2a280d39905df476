"""Feature maps of all layers for one input, as one HTML page and as one image."""

from collections.abc import Mapping, Sequence

from PIL import Image
from torch import Tensor, nn

from convscope import worlds
from convscope.nets import Net
from convscope.see.features import FeatureMaps, layers_with_units
from convscope.see.units import LayerHealth
from convscope.show import html
from convscope.show.images import contact_sheet, input_image
from convscope.show.images.contact_sheet import SheetRow, SheetTile
from convscope.show.images.draw import on_one_scale, tag, upscale
from convscope.show.report.figure import Figure, Section
from convscope.show.report.figures.network import layers as rows
from convscope.show.report.report import Report, render
from convscope.show.svg import element

PLUMBING = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout, nn.Flatten)
SIDE = 84
"""Side of a tile of the sheet, in pixels."""


def page(
    net: Net,
    image: Tensor,
    layers: Sequence[FeatureMaps],
    *,
    strongest: int,
    command: str,
    health: Sequence[LayerHealth] = (),
) -> str:
    """Render the feature maps of one input as a self-contained HTML page in English and Chinese.

    Args:
        net: the network.
        image: the input `[c ...]` in the spec's range.
        layers: activations of each layer, in execution order.
        strongest: most units shown of each layer, those with the largest sum of their map.
        command: the terminal command that makes the page again; printed on it.
        health: dead, saturated and redundant units of layers, shown where given.

    Returns:
        The HTML document.
    """
    known = {entry.place: entry for entry in health}
    shown = tag(
        upscale(worlds.render(image, net.input_spec), 224),
        net.input_spec.name,
        input_image.kind(net.input_spec),
    )
    first = Figure(
        "look.input", element("div", shown, style="max-width:14rem"), command, net.source.name or net.name
    )
    maps = rows.figure(layers, strongest, net.classes, known, command)
    units = sum(len(layer.maps) for layer in layers)
    facts = [("look.fact.layers", f"{len(layers):,}"), ("look.fact.units", f"{units:,}")]
    answer = best_answer(net, layers)
    facts += [("look.fact.answer", answer)] if answer else []
    values: Mapping[str, object] = {
        "net": net.name,
        **html.made_with(),
    }
    return render(Report((Section("look.head", (first, maps)),), command, "look", facts, values))


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


def sheet(net: Net, image: Tensor, layers: Sequence[FeatureMaps], strongest: int) -> Image.Image:
    """Draw the feature maps of one input as one image: a row of tiles for each layer.

    Args:
        net: the network.
        image: the input `[c ...]` in the spec's range.
        layers: activations of each layer, in execution order; at least one.
        strongest: most units shown of each layer, those with the largest sum of their map.

    Returns:
        The sheet in RGB; layers without two spatial axes are rows of units with their values.
    """
    picture = input_image.fitted(worlds.render(image, net.input_spec), SIDE)
    rows = [SheetRow([SheetTile(picture)], "the picture")]
    for layer in layers:
        extent = "x".join(map(str, layer.maps.shape))
        rows.append(
            SheetRow(
                _tiles(layer, strongest, net.classes),
                layer.place,
                [f"{extent}, {layer.silent} silent"],
            )
        )
    return contact_sheet.compose(rows, title=f"One picture through {net.name}")


def _tiles(layer: FeatureMaps, strongest: int, labels: Sequence[str]) -> list[SheetTile]:
    """Return the strongest units of a layer as tiles: their maps, or their values where they have no map."""
    units = layer.strongest(strongest)
    if layer.maps.dim() != 3:
        named = layer.place == "output" and len(labels) == len(layer.maps)
        names = [labels[unit].split(",")[0] if named else str(unit) for unit in units]
        return [
            SheetTile(None, name, [f"{float(layer.degrees[unit]):.3g}"])
            for name, unit in zip(names, units, strict=True)
        ]
    images = on_one_scale([layer.maps[unit] for unit in units])
    return [
        SheetTile(input_image.fitted(image, SIDE), notes=[str(unit)])
        for image, unit in zip(images, units, strict=True)
    ]
