"""Feature maps of all layers for one input, as one HTML page and as one image."""

from collections.abc import Mapping, Sequence
from datetime import date

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn

import convscope
from convscope import worlds
from convscope.nets import Net
from convscope.see.features import FeatureMaps, layers_with_units
from convscope.see.units import LayerHealth
from convscope.show.images import input_image
from convscope.show.images.draw import diverging, flatten_alpha, tag, upscale
from convscope.show.report.figure import Figure, Section
from convscope.show.report.figures.network import layers as rows
from convscope.show.report.report import Report, render
from convscope.show.svg import element
from convscope.worlds.images.render import grayscale_alpha

PLUMBING = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout, nn.Flatten)
SIDE, GAP, NAME = 72, 8, 250
SHEET, INK, SOFT = (247, 246, 242), (31, 32, 35), (92, 94, 102)


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
        "version": convscope.__version__,
        "torch": torch.__version__,
        "date": date.today().isoformat(),
    }
    return render(Report((Section("look.head", (first, maps)),), command, facts, values, page="look"))


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
        The sheet in RGB; layers without two spatial axes are rows of numbers.
    """
    width = NAME + min(strongest, max(len(layer.maps) for layer in layers)) * (SIDE + GAP) + GAP
    flat = [layer for layer in layers if layer.maps.dim() != 3]
    height = 48 + SIDE + GAP + (len(layers) - len(flat)) * (SIDE + 26) + len(flat) * 40 + GAP
    paper = Image.new("RGB", (width, height), SHEET)
    draw = ImageDraw.Draw(paper)
    draw.text((GAP, 10), f"One picture through {net.name}", fill=INK, font=ImageFont.load_default(20))
    paper.paste(input_image.fitted(worlds.render(image, net.input_spec), SIDE), (NAME, 44))
    y = 48 + SIDE + GAP
    for layer in layers:
        extent = "x".join(map(str, layer.maps.shape))
        draw.text((GAP, y), layer.place[-36:], fill=INK, font=ImageFont.load_default(12))
        draw.text(
            (GAP, y + 16), f"{extent}, {layer.silent} silent", fill=SOFT, font=ImageFont.load_default(11)
        )
        y += _tiles(paper, layer, strongest, net.classes, y)
    return paper


def _tiles(paper: Image.Image, layer: FeatureMaps, strongest: int, labels: Sequence[str], y: int) -> int:
    """Draw the units of one layer at height `y`, and return the height of the row in pixels."""
    draw, units = ImageDraw.Draw(paper), layer.strongest(strongest)
    if layer.maps.dim() != 3:
        named = layer.place == "output" and len(labels) == len(layer.maps)
        words = [f"{labels[u].split(',')[0] if named else u}: {float(layer.degrees[u]):.3g}" for u in units]
        draw.text((NAME, y), "   ".join(words), fill=INK, font=ImageFont.load_default(12))
        return 40
    top = float(layer.maps.abs().max()) or 1.0
    colour = bool((layer.maps < 0).any())
    for column, unit in enumerate(units):
        one = layer.maps[unit]
        tile = flatten_alpha(diverging(one, top) if colour else grayscale_alpha(one / top))
        x = NAME + column * (SIDE + GAP)
        paper.paste(input_image.fitted(tile, SIDE), (x, y))
        draw.text((x, y + SIDE + 3), str(unit), fill=SOFT, font=ImageFont.load_default(11))
    return SIDE + 26
