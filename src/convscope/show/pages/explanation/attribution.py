"""Attributions as images: one heatmap over its input, and methods side by side with their metrics."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from convscope.graph import SPECTROGRAM
from convscope.see.attribution import Explanation, MethodComparison
from convscope.show import tinted
from convscope.show.images import contact_sheet
from convscope.show.images.contact_sheet import FAINT, INK, Note, SheetTile, in_rows
from convscope.show.images.draw import flatten_alpha, with_longer_side
from convscope.show.images.heatmap import enlarged, overlay, strip
from convscope.show.pages.explanation import verdicts
from convscope.show.pages.explanation.axes import axes_of, framed, marks_of
from convscope.show.pages.explanation.text import said, share_of
from convscope.show.report.i18n import Text
from convscope.worlds import Piece, render, world_of

SIDE = 320
"""Longer side of an image on a sheet, in pixels."""
GOOD, BAD = (38, 112, 190), (190, 78, 10)
"""RGB of metrics that support an attribution, and of those that contradict it."""


def photo_of(explanation: Explanation, row: int) -> Image.Image | None:
    """Convert what an explained example's heatmap lies over to an image: a spectrogram, else the first input.

    Args:
        explanation: attributions for one or more examples.
        row: index of the example.

    Returns:
        An image in RGB for inputs of height and width, and for sounds, drawn by their world; None for others,
            and where the heatmap is of a layer without as many axes.
    """
    task, axes = explanation.task, explanation.task.inputs[0].dim()
    if task.whole is not None and task.net.input_spec.kind != SPECTROGRAM:
        task = task.whole
    spec = task.net.input_spec
    if axes == 2 or not (task.inputs[0].dim() == axes == 4 or world_of(spec).has_timeline):
        return None
    shown, marked = task.inputs[0][row], axes_of(explanation)
    if marked is not None and not marked.hertz:  # coefficients differ too much for one scale
        low, high = shown.amin(-1, keepdim=True), shown.amax(-1, keepdim=True)
        first, last = spec.value_range
        shown = first + (shown - low) / (high - low).clamp_min(1e-12) * (last - first)
    return flatten_alpha(render(shown, spec))


def heat_over(explanation: Explanation, row: int, photo: Image.Image) -> NDArray[np.float32]:
    """Return the heatmap of the first input as it is drawn over the input's picture.

    Maps of few cells (class activation maps, attributions of a layer) are enlarged by B-splines; metrics
    measure `explanation.heatmap`, which this leaves as it is.

    Args:
        explanation: attributions for one or more examples.
        row: index of the example.
        photo: the picture that `photo_of` draws.

    Returns:
        `[h w]`, of a spectrogram with low frequencies below; for waveforms one row of mean magnitudes, as
            wide as the picture, repeated over its height.
    """
    heat, task = explanation.heatmap[row].float().cpu(), explanation.task
    size = tuple(heat.shape)
    if task.net.input_spec.kind == SPECTROGRAM:
        return np.flip(_smooth(explanation, row, size), 0)
    if task.whole is not None and heat.ndim > 1:
        size = tuple(task.whole.inputs[0].shape[2:])
        if len(size) == 1:
            heat = heat.mean(0)
    if len(size) > 1:
        return _smooth(explanation, row, size)
    if explanation.cam is not None and explanation.cam.shape[-1] < photo.width:
        return np.repeat(_smooth(explanation, row, (photo.width,))[None], photo.height, axis=0)
    steps = torch.nn.functional.adaptive_avg_pool1d(heat[None, None], min(photo.width, len(heat)))
    line = torch.nn.functional.interpolate(steps, photo.width, mode="linear")[0]
    return np.repeat(line.numpy(), photo.height, axis=0)


def _smooth(explanation: Explanation, row: int, size: tuple[int, ...]) -> NDArray[np.float32]:
    """Return what is drawn at a size: the map's own cells, enlarged; the heatmap where they are no fewer."""
    heat = explanation.heatmap[row].float().cpu()
    if explanation.cam is not None:
        cam = explanation.cam[row, 0].float().cpu()
        cam = cam.mean(0) if cam.ndim > len(size) else cam  # of a spectrogram's map, over a waveform
        if all(cells <= extent for cells, extent in zip(cam.shape, size, strict=True)):
            heat = cam
    if heat.ndim == len(size) == 2:  # a layer may be larger than the input
        height, width = (min(pair) for pair in zip(heat.shape, size, strict=True))
        heat = torch.nn.functional.adaptive_avg_pool2d(heat[None], (height, width))[0]
    return enlarged(heat.numpy(), size)


def pieces_in(explanation: Explanation, row: int) -> tuple[Piece, ...]:
    """Return the texts of an explained example; () where it has none.

    Args:
        explanation: attributions for one or more examples.
        row: index of the example.

    Returns:
        Words or characters with their positions.
    """
    task = explanation.task
    return tinted.pieces_of([x[row] for x in task.inputs], task.net.input_specs)


def heat_picture(
    explanation: Explanation, row: int = 0, side: int = SIDE, *, axes: bool = True
) -> Image.Image:
    """Draw the heatmap of the first input over that input.

    Args:
        explanation: attributions for one or more examples.
        row: index of the example.
        side: longer side of the result in pixels; its width for signals and vectors.
        axes: draw those of a spectrogram.

    Returns:
        An image of mode RGB; for signals and vectors, which have no image, one band of colour.
    """
    photo, signed = photo_of(explanation, row), explanation.method.signed
    pieces = pieces_in(explanation, row)
    if pieces:
        heat = explanation.heatmap[row].cpu().numpy()
        return tinted.picture(pieces, tinted.totals(pieces, heat), width=side)
    if photo is None:
        heat = explanation.heatmap[row].float().cpu()
        line = heat.mean(0).numpy() if heat.ndim > 1 else _smooth(explanation, row, tuple(heat.shape))
        return strip(line, signed=signed, width=side)
    drawn = overlay(photo, heat_over(explanation, row, photo), signed=signed)
    return scaled(drawn, explanation, side) if axes else with_longer_side(drawn, side)


def scaled(image: Image.Image, explanation: Explanation, side: int = SIDE) -> Image.Image:
    """Scale a picture of an explained example to a longer side; put the axes beside a spectrogram.

    Args:
        image: as `photo_of` draws it.
        explanation: of that example.
        side: longer side in pixels.

    Returns:
        An image of mode RGB.
    """
    axes = axes_of(explanation)
    if axes is None:
        return with_longer_side(image, side)
    return framed(image, marks_of(axes, explanation.heatmap.shape[1]), side)


def sheet(
    explanations: Sequence[Explanation],
    row: int = 0,
    columns: int | None = None,
    note: str = "",
    comparison: MethodComparison | None = None,
) -> Image.Image:
    """Draw a contact sheet of one example: the input, then each method's heatmap with its metrics below.

    With a comparison its verdict is the headline, and the methods are in the verdict's order.

    Args:
        explanations: of the same examples and targets, by different methods; at least one.
        row: index of the example.
        columns: tiles in a row; 4, or 5 for more than 8 tiles, if left out.
        note: a line below the input, such as how much of a file it is.
        comparison: of this row, see `metric_lines`.

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
        tiles.append(SheetTile(scaled(photo, first), name, [text, *([note] if note else [])]))
    order = verdicts.order(explanations, row, comparison) if comparison else range(len(explanations))
    for k in order:
        explanation, notes = explanations[k], []
        if comparison is not None:
            notes.append(Note(said(f"cards.{verdicts.state(comparison, k)}")["en"], INK))
        notes += [
            Note(text["en"], FAINT if good is None else GOOD if good else BAD)
            for text, good in metric_lines(explanation, row, comparison)
        ]
        tiles.append(SheetTile(heat_picture(explanation, row), explanation.method.title, notes))
    columns = columns or min(len(tiles), 5 if len(tiles) > 8 else 4)
    if comparison is None:
        return contact_sheet.compose(in_rows(tiles, columns))
    titles = {e.method.name: e.method.title for e in explanations}
    title = verdicts.verdict(comparison, titles, len(explanations))["en"]
    return contact_sheet.compose(in_rows(tiles, columns), title=title, note=said("sheet.note")["en"])


def metric_lines(
    explanation: Explanation, row: int, comparison: MethodComparison | None = None
) -> list[tuple[Text, bool | None]]:
    """Format the metrics of a row as lines in every language.

    Args:
        explanation: attributions for one or more examples.
        row: index of the example.
        comparison: of this row; its random maps give the chance level then, and its test of whether the
            method is above chance says whether insertion and deletion support it. Without it, neither.

    Returns:
        Each line, and whether it supports the attribution (None: neither).
    """
    if not explanation.faithfulness:
        return []
    checked, lines = explanation.faithfulness[row], []
    if checked.deletion_insertion:
        c = checked.deletion_insertion
        chances, good = (c.chance_insertion, c.chance_deletion), None
        if comparison is not None:
            chances = comparison.chance_areas
            good = comparison.above_chance[comparison.methods.index(explanation.method.name)]
        areas = (c.curves.insertion_area, c.curves.deletion_area)
        for name, value, chance in zip(("insertion", "deletion"), areas, chances, strict=True):
            line = said(f"cards.{name}", value=f"{value:.2f}", chance=f"{chance:.2f}")
            lines.append((line, good))
    if checked.average_drop:
        key = "cards.rises" if checked.average_drop.increase else "cards.drop"
        lines.append((said(key, value=share_of(checked.average_drop.drop)), None))
    if checked.completeness:
        lines.append((said("cards.gap", value=share_of(min(checked.completeness.gap, 99.0))), None))
    if checked.weight_randomization:
        r = checked.weight_randomization
        rho = f"{r.correlations[-1]:+.2f}"
        lines.append((said("cards.fades" if r.fades else "cards.keeps", rho=rho), r.fades))
    if checked.pointing_game:
        p = checked.pointing_game
        lines.append((said("cards.hit" if p.hit else "cards.miss", inside=share_of(p.inside)), p.hit))
    return lines
