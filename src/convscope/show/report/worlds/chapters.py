"""Figures that the tours of all worlds have: the input, the layers, their maps, best examples, the answer."""

from collections.abc import Sequence
from typing import Any

import torch
from markupsafe import Markup

from convscope import worlds
from convscope.errors import UsageError
from convscope.graph import costs, totals
from convscope.nets import LayerAddress
from convscope.see.attribution import explain
from convscope.see.features import feature_maps
from convscope.see.units import index_units, receptive_field
from convscope.show import tinted
from convscope.show.images import input_image
from convscope.show.images.draw import tag, with_longer_side
from convscope.show.pages.explanation.attribution import heat_picture, pieces_in
from convscope.show.pages.explanation.axes import with_axes
from convscope.show.pages.features import enlarging, reading_of
from convscope.show.report.figure import Figure
from convscope.show.report.figures.network import layers as rows
from convscope.show.report.i18n import bilingual, spoken
from convscope.show.report.worlds.subject import Subject
from convscope.show.svg import element, join
from convscope.use import classify

WIDTH = 672
"""Longer side of the drawing of an input, in pixels."""
TILE = 150
"""Longer side of the drawing of an example, in pixels."""
COLUMNS = ("name", "shape", "parameters", "macs")
ANSWERS = 5
"""Most answers whose probability is shown."""


def draw(subject: Subject, tensor: torch.Tensor, side: int, label: dict[str, str]) -> Markup:
    """Draw one input of the tour's network; a sound can be played, too.

    Args:
        subject: whose world decides how.
        tensor: the input, without batch axis.
        side: longer side in pixels.
        label: accessible label by language.

    Returns:
        The image.
    """
    spec = subject.net.input_spec
    picture = worlds.render(tensor, spec)
    small = picture.width == picture.height < side // 2
    shown = with_longer_side(picture, side) if not small else input_image.fitted(picture, side)
    return join([tag(shown, label, input_image.kind(spec)), input_image.player(tensor, spec, label) or ""])


def facts(key: str, subject: Subject) -> list[tuple[str, str]]:
    """Return the numbers for the head of the page.

    Args:
        key: prefix of the tour's texts.
        subject: of the tour.

    Returns:
        Keys of texts, and formatted numbers.
    """
    graph = subject.net.graph
    return [] if graph is None else [(f"{key}.fact.parameters", f"{totals(costs(graph)).parameters:,}")]


def input_figure(key: str, subject: Subject, command: str, **values: Any) -> Figure:
    """Build the figure of the input that is followed.

    Args:
        key: prefix of its texts; `<key>.alt` is the label of the drawing.
        subject: whose input it is.
        command: reproduces it.
        **values: that the texts quote.

    Returns:
        The figure.
    """
    body = draw(subject, subject.sample.input, WIDTH, spoken(f"{key}.alt", **values))
    return Figure(key, body, command, "", values, wide=True)


def layer_table(key: str, subject: Subject, command: str, source: str = "", **values: Any) -> Figure:
    """Build the table of the layers that have parameters or change the shape: output, parameters, MACs.

    Args:
        key: prefix of its texts.
        subject: whose network it is.
        command: reproduces the numbers.
        source: the literature that the network follows.
        **values: that the texts quote, beside `parameters` and `macs` of the whole network.

    Returns:
        The figure.

    Raises:
        UsageError: the network has no graph.
    """
    graph = subject.net.graph
    if graph is None:
        raise UsageError("a network with a graph", received=subject.net.name, hint="Choose one of the zoo.")
    found = costs(graph)
    head = element("tr", *(element("th", bilingual(f"worlds.layers.{name}")) for name in COLUMNS))
    lines = [
        element(
            "tr",
            element("td", cost.name, translate="no"),
            element("td", "×".join(map(str, cost.output_shape)), class_="number"),
            element("td", f"{cost.parameters:,}" if cost.parameters else "—", class_="number"),
            element("td", f"{cost.macs:,}" if cost.macs else "—", class_="number"),
        )
        for cost in found
        if cost.parameters or cost.input_shapes[0] != cost.output_shape
    ]
    whole = totals(found)
    told = {"parameters": f"{whole.parameters:,}", "macs": f"{whole.macs:,}", **values}
    table = element("table", element("thead", head), element("tbody", *lines), class_="exact")
    return Figure(key, element("div", table, class_="scrolled"), command, source, told, wide=True)


def maps_figure(
    key: str, subject: Subject, places: Sequence[str], command: str, strongest: int = 8, **values: Any
) -> Figure:
    """Build the figure of the feature maps of some layers for the followed input.

    Args:
        key: prefix of its texts.
        subject: network and input.
        places: the layers.
        command: reproduces them.
        strongest: most units of each layer, see `FeatureMaps.strongest`.
        **values: that the texts quote.

    Returns:
        The figure.
    """
    net = subject.net
    layers = list(feature_maps(net, subject.sample.input[None].to(net.device), places))
    reading = reading_of(net, subject.sample, layers)
    limit = max((rows.limit_of(layer, strongest) for layer in layers), default=0.0)
    drawn = rows.figure(layers, strongest, net.classes, {}, {}, limit, reading)
    return Figure(key, join([enlarging(net, subject.sample), drawn.body]), command, "", values, wide=True)


def fields(subject: Subject, places: Sequence[str], unit: float = 1.0) -> dict[str, str]:
    """List on how much of the input one value of some layers depends, for the captions of their maps.

    Args:
        subject: whose network it is.
        places: the layers.
        unit: positions of the input that count as one, such as the samples of a millisecond.

    Returns:
        The extents of the receptive fields in these units, without the borders of the input, by language; a
            question mark where one is not known.
    """
    known = [receptive_field(subject.net, LayerAddress.parse(place)) for place in places]
    found = ["×".join(f"{extent / unit:.0f}" for extent in one.size) if one else "?" for one in known]
    return {"en": ", ".join(found), "zh": "、".join(found)}


def examples_figure(
    key: str, subject: Subject, units: Sequence[str], command: str, count: int = 5, **values: Any
) -> Figure:
    """Build the figure of the bundled inputs that excite some units most.

    Args:
        key: prefix of its texts.
        subject: network and data.
        units: addresses of units, such as `conv1:3`.
        command: reproduces them.
        count: examples of each unit.
        **values: that the texts quote.

    Returns:
        The figure.

    Raises:
        UsageError: the tour has no data.
    """
    net, data = subject.net, subject.data
    if data is None:
        raise UsageError("a tour with data", received="none", hint="Give the Subject a data set.")
    parsed = [LayerAddress.parse(unit) for unit in units]
    index = index_units(net, data, list(dict.fromkeys(address.layer for address in parsed)), k=count)
    lines = []
    for address in parsed:
        row = index.rows(address.layer).start + int(address.unit or 0)
        chosen = [i for i in index.accumulator.top.images[row].tolist() if i >= 0]
        pictures = zip(chosen, data.inputs(chosen, net.input_spec), strict=True)
        tiles = [_example(subject, i, data.classes[data.labels[i]], picture) for i, picture in pictures]
        lines.append(element("p", str(address), class_="mini", translate="no"))
        lines.append(element("div", *tiles, class_="sheet", style=f"--tile:{TILE}px"))
    return Figure(key, join(lines), command, "", {"images": f"{len(data):,}", **values}, wide=True)


def _example(subject: Subject, number: int, name: str, picture: torch.Tensor) -> Markup:
    """Build the tile of one bundled input."""
    drawn = draw(subject, picture, TILE, spoken("worlds.example", number=number, name=name))
    return element("div", drawn, element("span", name, class_="mini"), class_="tile")


def _heat(subject: Subject, method: str, label: dict[str, str]) -> Markup:
    """Draw what the answer depends on: tinted words for texts, else colours over the drawing."""
    batch = subject.sample.input[None].to(subject.net.device)
    explanation = explain(subject.net, batch, method=method)
    pieces = pieces_in(explanation, 0)
    if pieces:
        words = tinted.paragraph(pieces, tinted.totals(pieces, explanation.heatmap[0].cpu()), label=label)
        return element("div", words, style="font-size:1.35rem")
    return with_axes(explanation, tag(heat_picture(explanation, side=WIDTH, axes=False), label, "photo"))


def answer_figure(key: str, subject: Subject, command: str, method: str, **values: Any) -> Figure:
    """Build the figure of the network's answer for the followed input, and what it depends on.

    Args:
        key: prefix of its texts; `<key>.heat` labels the attribution.
        subject: network and input.
        command: reproduces them.
        method: of attribution.
        **values: that the texts quote, beside `answer` and `probability`.

    Returns:
        The figure.
    """
    net = subject.net
    found = classify(net, subject.sample, top=ANSWERS)
    answers = [
        (label.split(",")[0], f"{100 * share:.1f}%", share)
        for label, share in zip(found.labels, found.probabilities, strict=True)
    ]
    bars = [
        element(
            "tr",
            element("th", name, scope="row"),
            element("td", element("meter", value=f"{share:.4f}", min=0, max=1)),
            element("td", percent, class_="number"),
        )
        for name, percent, share in answers
    ]
    bars_table = element("table", element("tbody", *bars), class_="exact answers")
    body = [bars_table, _heat(subject, method, spoken(f"{key}.heat", **values))]
    told = {"answer": answers[0][0], "probability": answers[0][1]}
    return Figure(key, join(body), command, "", told | values)
