"""Attributions as images and as one HTML page: methods side by side, with their faithfulness metrics."""

from collections.abc import Sequence

from markupsafe import Markup
from PIL import Image

from convscope.see.attribution import Explanation
from convscope.show import html
from convscope.show.images import contact_sheet
from convscope.show.images.contact_sheet import FAINT, Note, SheetTile, in_rows
from convscope.show.images.draw import data_uri, flatten_alpha, with_longer_side
from convscope.show.images.heatmap import overlay, strip
from convscope.show.pages.explanation_text import best, sentences, share_of
from convscope.show.svg import drawing, element
from convscope.worlds import render

SIDE = 320
"""Longer side of an image on a sheet, in pixels."""
GOOD, BAD = (38, 112, 190), (190, 78, 10)
"""RGB of metrics that support an attribution, and of those that contradict it."""


def photo_of(explanation: Explanation, row: int) -> Image.Image | None:
    """Convert the first input of an explained example to an image.

    Args:
        explanation: attributions for one or more examples.
        row: index of the example.

    Returns:
        An image in RGB for inputs of height and width, drawn by their world; None for others.
    """
    spec = explanation.task.net.input_spec
    if len(spec.size) != 2:
        return None
    return flatten_alpha(render(explanation.task.inputs[0][row], spec))


def heat_picture(explanation: Explanation, row: int = 0, side: int = SIDE) -> Image.Image:
    """Draw the heatmap of the first input over that input.

    Args:
        explanation: attributions for one or more examples.
        row: index of the example.
        side: longer side of the result in pixels; its width for signals and vectors.

    Returns:
        An image of mode RGB; for signals and vectors, which have no image, one band of colour.
    """
    heat, photo = explanation.heatmap[row].cpu().numpy(), photo_of(explanation, row)
    signed = explanation.method.signed
    if photo is None:
        return strip(heat.mean(0) if heat.ndim > 1 else heat, signed=signed, width=side)
    return with_longer_side(overlay(photo, heat, signed=signed), side)


def sheet(explanations: Sequence[Explanation], row: int = 0, columns: int | None = None) -> Image.Image:
    """Draw a contact sheet of one example: the input, then each method's heatmap with its metrics below.

    Args:
        explanations: of the same examples and targets, by different methods; at least one.
        row: index of the example.
        columns: tiles in a row; 4, or 5 for more than 8 tiles, if left out.

    Returns:
        The sheet in RGB; metrics are blue where they support the attribution, orange where they contradict
            it.
    """
    first = explanations[0]
    photo = photo_of(first, row)
    tiles = []
    if photo is not None:
        name = first.task.target_names[row].split(",")[0]
        score = float(first.probabilities[row])
        is_class = first.task.classes[row] is not None
        text = f"probability {share_of(score)}" if is_class else f"value {score:.4g}"
        tiles.append(SheetTile(with_longer_side(photo, SIDE), name, [text]))
    for explanation in explanations:
        notes = [
            Note(text, FAINT if good is None else GOOD if good else BAD)
            for text, good in _lines(explanation, row)
        ]
        tiles.append(SheetTile(heat_picture(explanation, row), explanation.method.title, notes))
    columns = columns or min(len(tiles), 5 if len(tiles) > 8 else 4)
    return contact_sheet.compose(in_rows(tiles, columns))


def _lines(explanation: Explanation, row: int) -> list[tuple[str, bool | None]]:
    """Format the metrics of a row as lines, each with whether it supports the attribution (None: neither)."""
    if not explanation.faithfulness:
        return []
    checked, lines = explanation.faithfulness[row], []
    if checked.deletion_insertion:
        c = checked.deletion_insertion
        up, down = c.curves.insertion_area, c.curves.deletion_area
        lines.append((f"insertion {up:.2f}  (chance {c.chance_insertion:.2f})", up > c.chance_insertion))
        lines.append((f"deletion {down:.2f}  (chance {c.chance_deletion:.2f})", down < c.chance_deletion))
    if checked.average_drop:
        rises = ", rises" if checked.average_drop.increase else ""
        lines.append((f"drop {share_of(checked.average_drop.drop)}{rises}", None))
    if checked.completeness:
        lines.append((f"completeness gap {share_of(min(checked.completeness.gap, 99.0))}", None))
    if checked.weight_randomization:
        r = checked.weight_randomization
        word = "fades" if r.fades else "stays"
        lines.append((f"random weights: {word} ({r.correlations[-1]:+.2f})", r.fades))
    if checked.pointing_game:
        p = checked.pointing_game
        lines.append((f"pointing {'hit' if p.hit else 'miss'}, {share_of(p.inside)} inside", p.hit))
    return lines


def page(explanations: Sequence[Explanation], command: str) -> str:
    """Render attributions as a self-contained HTML page.

    For each example it shows the input, sentences about the most faithful explanation, and all methods with
    settings and metrics.

    Args:
        explanations: of the same examples and targets, by different methods; at least one.
        command: the terminal command that makes the page again; printed on it.

    Returns:
        The HTML document.
    """
    return html.render(
        "explained.html.j2",
        styles=("report.css", "explained.css"),
        rows=[_row(explanations, row) for row in range(len(explanations[0]))],
        command=command,
        net=explanations[0].task.net.name,
    )


def _row(explanations: Sequence[Explanation], row: int) -> dict[str, object]:
    """Collect what the template shows of one example."""
    first, photo = explanations[0], photo_of(explanations[0], row)
    return {
        "target": first.task.target_names[row],
        "photo": data_uri(with_longer_side(photo, SIDE)) if photo is not None else "",
        "said": sentences(best(explanations, row), row),
        "cards": [
            {
                "title": e.method.title,
                "name": e.method.name,
                "says": " ".join((type(e.method).__doc__ or "").split()),
                "source": e.method.source,
                "settings": _settings(e),
                "heat": data_uri(heat_picture(e, row)),
                "lines": _lines(e, row),
                "curves": _curves(e, row),
                "seconds": e.seconds,
                "stopped": e.share < 1,
            }
            for e in explanations
        ],
    }


def _settings(explanation: Explanation) -> str:
    """Format the method's settings, with the layer that was chosen where none was given."""
    settings = explanation.method.settings() | ({"layer": explanation.layer} if explanation.layer else {})
    return ", ".join(f"{key}={value}" for key, value in settings.items() if value not in ("", 0))


def _curves(explanation: Explanation, row: int) -> Markup:
    """Draw the deletion (blue) and insertion (orange) curves."""
    found = explanation.faithfulness[row].deletion_insertion if explanation.faithfulness else None
    if not found:
        return Markup("")
    width, height = 300.0, 84.0
    top = max(1e-9, *found.curves.deletion, *found.curves.insertion)

    def line(values: Sequence[float], kind: str) -> Markup:
        points = [
            f"{width * k / (len(values) - 1):.1f},{height - (height - 4) * max(v, 0) / top:.1f}"
            for k, v in enumerate(values)
        ]
        return element("polyline", points=" ".join(points), class_=kind)

    axis = element("line", x1=0, y1=height, x2=width, y2=height, class_="axis")
    label = f"insertion and deletion against the share of positions, up to {top:.2f}"
    return drawing(
        width,
        height + 2,
        axis,
        line(found.curves.insertion, "line-a"),
        line(found.curves.deletion, "line-b"),
        label=label,
    )
