"""Plots of points and lines over two axes, linear or logarithmic."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

import torch
from markupsafe import Markup

from convscope.learn import Plot, Series
from convscope.show.report.i18n import LANGUAGES, bilingual_of
from convscope.show.svg import drawing, element, join, number

LINES = ("line-a", "line-b", "line-c", "axis final")
"""CSS classes of joined series, in their order."""
DOTS = ("mark-above", "mark-below", "mark-soft", "mark-ink")
"""CSS classes of dots, in their order."""
WIDTH, HEIGHT = 420, 320
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 14, 46
SQUARE = WIDTH - LEFT - RIGHT + TOP + BOTTOM
"""Height of a drawing whose axes have the same scale."""
DOT = 2.4
"""Side of a dot, in pixels."""
MARKED = 40
"""Most points of a joined series that are marked."""


@dataclass(frozen=True)
class Axis:
    """Mapping from data to one coordinate of the drawing.

    Attributes:
        low: value at the beginning.
        high: value at the end.
        begin: coordinate of `low`, in pixels.
        end: coordinate of `high`.
        logarithmic: whether the scale is.
    """

    low: float
    high: float
    begin: float
    end: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """Return the coordinate of a value.

        Args:
            value: a value; positive where the scale is logarithmic.

        Returns:
            The coordinate in pixels.
        """
        low, high, value = (log10(v) if self.logarithmic else v for v in (self.low, self.high, value))
        return self.begin + (self.end - self.begin) * (value - low) / (high - low)

    def ticks(self, parts: int = 4) -> list[float]:
        """Return round values in the range.

        Args:
            parts: into which a linear range is divided at most.

        Returns:
            Multiples of 1, 2 or 5 times a power of ten; where the scale is logarithmic, powers of ten, or of
            two in a range of less than two decades.
        """
        if not self.logarithmic:
            step = _round_step((self.high - self.low) / parts)
            return [k * step for k in range(ceil(self.low / step), floor(self.high / step + 1e-9) + 1)]
        base = 10.0 if self.high / self.low >= 100 else 2.0
        powers = (base**k for k in range(-60, 61))
        return [power for power in powers if self.low * 0.999 <= power <= self.high * 1.001]


def plot(found: Plot) -> Markup:
    """Draw points and lines over two axes.

    Args:
        found: the series.

    Returns:
        The `<svg>` element.
    """
    across, up = _axes(found)
    label = {
        language: f"{found.title[language]}: {', '.join(one.name[language] for one in found.series)}"
        for language in LANGUAGES
    }
    height = SQUARE if found.square else HEIGHT
    shown = list(enumerate(found.series[: len(LINES)]))
    drawn = (_series(one, across, up, k) for k, one in reversed(shown))  # the first on top
    return drawing(WIDTH, height, _grid(across, up, height), _names(found, height), join(drawn), label=label)


def legend(found: Plot) -> Markup:
    """Build the legend of a plot: the style and the name of each series.

    Args:
        found: the series.

    Returns:
        The element.
    """
    cells = []
    for k, one in enumerate(found.series[: len(LINES)]):
        if one.joined:
            sample = element("path", d="M2 6H32", class_=LINES[k])
        else:
            sample = element("rect", x=14, y=3, width=6, height=6, class_=DOTS[k])
        cells.append(element("span", drawing(34, 12, sample), bilingual_of(one.name)))
    return element("div", *cells, class_="legend")


def _axes(found: Plot) -> tuple[Axis, Axis]:
    """Return both axes: they hold all points, with the same scale where the plot is square."""
    points = torch.cat([one.points.double() for one in found.series])
    lows, highs = points.min(0).values.tolist(), points.max(0).values.tolist()
    if found.square:
        lows, highs = [min(lows)] * 2, [max(highs)] * 2
    ranges = [_widened(*ends, found.logarithmic) for ends in zip(lows, highs, strict=True)]
    height = SQUARE if found.square else HEIGHT
    return (
        Axis(*ranges[0], LEFT, WIDTH - RIGHT, found.logarithmic),
        Axis(*ranges[1], height - BOTTOM, TOP, found.logarithmic),
    )


def _widened(low: float, high: float, logarithmic: bool) -> tuple[float, float]:
    """Return the ends of an axis, with a margin."""
    if logarithmic:
        margin = max((high / low) ** 0.04, 1.05)
        return low / margin, high * margin
    margin = 0.04 * (high - low) or 1.0
    return low - margin, high + margin


def _round_step(step: float) -> float:
    """Return the smallest round number that is not below a step."""
    scale = 10 ** floor(log10(step))
    return next(m * scale for m in (1, 2, 5, 10) if m * scale >= step * 0.999)


def _text(value: float, logarithmic: bool) -> str:
    """Format the value of a tick."""
    return f"{value:g}" if logarithmic or abs(value) >= 1e-9 else "0"


def _grid(across: Axis, up: Axis, height: float) -> Markup:
    """Draw the lines at round values, with each value."""
    found = []
    for value in across.ticks():
        x = across.at(value)
        found.append(element("path", d=f"M{number(x)} {TOP}V{height - BOTTOM}", class_="hair"))
        text = _text(value, across.logarithmic)
        found.append(element("text", text, x=x, y=height - BOTTOM + 15, class_="middle tiny muted"))
    for value in up.ticks():
        y = up.at(value)
        found.append(element("path", d=f"M{LEFT} {number(y)}H{WIDTH - RIGHT}", class_="hair"))
        text = _text(value, up.logarithmic)
        found.append(element("text", text, x=LEFT - 6, y=y + 4, class_="end tiny muted"))
    return join(found)


def _names(found: Plot, height: float) -> Markup:
    """Write the names of the axes."""
    across, up = found.axes
    middle = (height - BOTTOM + TOP) / 2
    return join(
        [
            _said(across, x=(LEFT + WIDTH - RIGHT) / 2, y=height - 8, class_="middle tiny muted"),
            _said(
                up, x=12, y=middle, class_="middle tiny muted", transform=f"rotate(-90 12 {number(middle)})"
            ),
        ]
    )


def _said(name: Mapping[str, str], **attributes: object) -> Markup:
    """Write a text of a drawing in every language."""
    return join(element("text", name[language], lang=language, **attributes) for language in LANGUAGES)


def _series(found: Series, across: Axis, up: Axis, index: int) -> Markup:
    """Draw one series, as a line with marks or as dots."""
    places = [(across.at(x), up.at(y)) for x, y in found.points.double().tolist()]
    dots = element("path", d=_dots(places, 2 * DOT if found.joined else DOT), class_=DOTS[index])
    if not found.joined:
        return dots
    path = "M" + "L".join(f"{number(x, 1)} {number(y, 1)}" for x, y in places)
    line = element("path", d=path, class_=LINES[index])
    return join([line, dots] if len(places) <= MARKED else [line])


def _dots(places: Sequence[tuple[float, float]], side: float) -> str:
    """Return the outline of small squares."""
    text = number(side, 1)
    return "".join(
        f"M{number(x - side / 2, 1)} {number(y - side / 2, 1)}h{text}v{text}h-{text}z" for x, y in places
    )
