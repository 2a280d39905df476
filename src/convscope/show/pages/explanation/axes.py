"""Axes of heatmaps over spectrograms: round times and frequencies beside pictures and on pages."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from PIL import Image, ImageDraw, ImageFont

from convscope.nets import SpectrogramAxes, spectrogram_axes
from convscope.see.attribution import Explanation
from convscope.show.images.contact_sheet import FAINT, PAPER
from convscope.show.report.figures.plot import Axis
from convscope.show.svg import element

OCTAVES = tuple(125.0 * 2**k for k in range(-3, 11))
"""Frequencies that are marked where rows are not equally spaced, as those of mel bands, in hertz."""
APART = 0.09
"""Least distance of two marks, as a share of the axis."""
PARTS = 6
"""Parts into which marks divide the time at most."""
FONT, MARK, AIR = 12, 4, 3
"""Pixels: size of the font beside pictures, length of a mark, and what separates both."""

Mark = tuple[float, str]
"""Where a round value lies, as a share of the axis from its beginning, and its text."""


@dataclass(frozen=True)
class Marks:
    """Round values along both axes of a spectrogram.

    Attributes:
        along: times, from left to right.
        up: frequencies, from bottom to top; numbers of coefficients, such as c5, of an MFCC.
    """

    along: tuple[Mark, ...]
    up: tuple[Mark, ...]


def axes_of(explanation: Explanation) -> SpectrogramAxes | None:
    """Return the times and frequencies of an explanation's heatmap.

    Args:
        explanation: attributions for one or more examples.

    Returns:
        The axes; None where the heatmap is not over a spectrogram.
    """
    whole, wrt = explanation.task.whole, explanation.task.wrt
    return None if whole is None or wrt is None else spectrogram_axes(whole.net, wrt.layer)


def with_axes(explanation: Explanation, drawn: Markup) -> Markup:
    """Put the axes of a spectrogram beside a drawing of an explanation on a page.

    Args:
        explanation: attributions for one or more examples.
        drawn: an element as wide as its column.

    Returns:
        The element; `drawn` itself where the heatmap is not over a spectrogram.
    """
    axes = axes_of(explanation)
    return drawn if axes is None else framed_drawing(drawn, marks_of(axes, explanation.heatmap.shape[1]))


def marks_of(axes: SpectrogramAxes, rows: int) -> Marks:
    """Choose round times and frequencies to mark.

    Args:
        axes: of a spectrogram.
        rows: number of its rows.

    Returns:
        The marks.
    """
    frames = len(axes.seconds)
    step = axes.seconds[1] - axes.seconds[0] if frames > 1 else 1.0
    begin = axes.seconds[0] - step / 2
    time = Axis(begin, begin + step * frames, 0.0, 1.0)
    along = [(time.at(t), f"{t:.6g} s") for t in time.ticks(PARTS) if t >= 0]
    if not axes.hertz:
        coefficients = Axis(0.0, float(max(rows - 1, 1)), 0.5 / rows, 1 - 0.5 / rows)
        return Marks(
            tuple(along), tuple((coefficients.at(k), f"c{k:g}") for k in coefficients.ticks() if k % 1 == 0)
        )
    widths = np.diff(axes.hertz)
    even = len(widths) == 0 or np.allclose(widths, widths[0], rtol=1e-3)
    values = Axis(axes.hertz[0], axes.hertz[-1], 0.0, 1.0).ticks() if even and len(widths) else OCTAVES
    inside = [v for v in values if axes.hertz[0] <= v <= axes.hertz[-1]]
    places = (np.interp(inside, axes.hertz, np.arange(rows)) + 0.5) / rows
    return Marks(
        tuple(along), tuple(_spaced([(float(p), hertz(v)) for p, v in zip(places, inside, strict=True)]))
    )


def _spaced(marks: Sequence[Mark]) -> list[Mark]:
    """Leave out marks that lie too near to the next higher one."""
    kept: list[Mark] = []
    for mark in reversed(marks):
        if not kept or kept[-1][0] - mark[0] >= APART:
            kept.append(mark)
    return kept[::-1]


def hertz(value: float) -> str:
    """Format a frequency: `500 Hz`, `2 kHz`.

    Args:
        value: in hertz.

    Returns:
        Three digits and the unit.
    """
    return f"{value / 1000:.3g} kHz" if value >= 999.5 else f"{value:.3g} Hz"


def framed(image: Image.Image, marks: Marks, side: int) -> Image.Image:
    """Draw the axes of a spectrogram beside its picture.

    Args:
        image: the picture, scaled to what is left of the width.
        marks: round values along both axes.
        side: width of the result in pixels.

    Returns:
        An image of mode RGB.
    """
    font = ImageFont.load_default(FONT)
    left = MARK + 2 * AIR + round(max((font.getlength(text) for _, text in marks.up), default=0.0))
    width = max(side - left, 1)
    height = max(1, round(image.height * width / image.width))
    made = Image.new("RGB", (side, height + MARK + AIR + FONT + 2 * AIR), PAPER)
    made.paste(image.convert("RGB").resize((width, height), Image.Resampling.BOX), (left, 0))
    draw = ImageDraw.Draw(made)
    for share, text in marks.up:
        y = round(height * (1 - share))
        draw.line((left - MARK, y, left - 1, y), FAINT)
        draw.text((left - MARK - AIR, min(max(y, FONT // 2), height - FONT // 2)), text, FAINT, font, "rm")
    for share, text in marks.along:
        x = left + round(width * share)
        draw.line((x, height, x, height + MARK - 1), FAINT)
        half = font.getlength(text) / 2
        draw.text((min(x, side - half), height + MARK + AIR), text, FAINT, font, "mt")
    return made


def framed_drawing(drawing: Markup, marks: Marks) -> Markup:
    """Put the axes of a spectrogram beside a drawing on a page, in letters that keep their size.

    Args:
        drawing: an element as wide as its column.
        marks: round values along both axes.

    Returns:
        The element.
    """
    up = (element("span", text, style=f"bottom:{100 * share:.2f}%") for share, text in marks.up)
    along = (element("span", text, style=f"left:{100 * share:.2f}%") for share, text in marks.along)
    return element(
        "div",
        element("div", *up, class_="up", aria_hidden="true"),
        drawing,
        element("div", *along, class_="along", aria_hidden="true"),
        class_="framed",
        translate="no",
    )
