"""Line charts over epochs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from markupsafe import Markup

from convscope.errors import DataError
from convscope.show.svg import Label, drawing, element, join, number

STYLES = ("line-a", "line-b", "line-c")
LEFT, RIGHT, TOP, BOTTOM = 44, 16, 16, 30
MARKED = 40
"""Most points of a curve that are marked."""
LARGE = 1e5
"""Values of the axis are written with an exponent from here on."""


@dataclass(frozen=True)
class Axes:
    """Mapping from data to coordinates of the drawing.

    Attributes:
        width: of the drawing in pixels, margins included.
        height: of the drawing in pixels, margins included.
        first: epoch at the left end.
        last: epoch at the right end.
        low: value at the lower end of the vertical axis.
        high: value at the upper end of the vertical axis.
    """

    width: float
    height: float
    first: float
    last: float
    low: float
    high: float

    def x(self, epoch: float) -> float:
        """Return the horizontal coordinate of a point.

        Args:
            epoch: epochs done at that point.

        Returns:
            The coordinate in pixels from the left edge.
        """
        extent = self.last - self.first
        share = (epoch - self.first) / extent if extent > 0 else 0.0
        return LEFT + (self.width - LEFT - RIGHT) * share

    def y(self, value: float) -> float:
        """Return the vertical coordinate of a value.

        Args:
            value: `low` lies on the axis at the foot.

        Returns:
            The coordinate in pixels from the upper edge.
        """
        share = (value - self.low) / (self.high - self.low)
        return self.height - BOTTOM - (self.height - TOP - BOTTOM) * share


def chart(
    series: Mapping[str, Sequence[float | None]],
    *,
    width: float = 340,
    height: float = 220,
    unit: str = "",
    label: Label = "",
    span: tuple[float, float] | None = None,
    styles: Sequence[str] = STYLES,
    whole: bool = True,
) -> Markup:
    """Draw curves over epochs.

    By default the first curve is solid and orange with discs, the second dashed and blue with squares, the
    third dotted and grey with diamonds; curves of more than `MARKED` points are lines alone.

    Args:
        series: name -> values at even distances, one for each epoch by default; None where there is none.
            No more are drawn than there are styles.
        width: of the drawing in pixels.
        height: of the drawing in pixels.
        unit: appended to the numbers of the vertical axis.
        label: accessible name, or one for each language, as in `convscope.show.svg.drawing`.
        span: the epochs of the first and of the last value; from 1 to the number of each curve by default.
        styles: a CSS class for each curve.
        whole: whether the vertical axis holds 0; else it spans the values.

    Returns:
        The `<svg>` element.

    Raises:
        DataError: no curves, one without points, or a value that is not finite.
    """
    known = {name: [v for v in values if v is not None] for name, values in series.items()}
    if not known or not all(known.values()):
        raise DataError("at least one point for each curve")
    first, last = span or (1, max(len(values) for values in series.values()))
    low, high = min(map(min, known.values())), max(map(max, known.values()))
    if whole:
        bottom, top = (-_ceiling(-low) if low < 0 else 0.0), (_ceiling(high) if high > 0 or low >= 0 else 0.0)
    else:
        bottom, top = _around(low, high)
    axes = Axes(width, height, first, last, bottom, top)
    ends = [span or (1, len(values)) for values in series.values()]
    lines = [
        _curve(values, axes, style, end)
        for values, style, end in zip(series.values(), styles, ends, strict=False)
    ]
    return drawing(width, height, _grid(axes, unit), _feet(axes), join(lines), label=label)


def _grid(axes: Axes, unit: str) -> Markup:
    """Draw the horizontal lines, with the value of each."""
    ticks = [axes.low + i / 4 * (axes.high - axes.low) for i in range(5)]
    digits = 2 if axes.high - axes.low >= 0.1 else 6
    return join(
        join(
            [
                element("path", d=f"M{LEFT} {number(axes.y(tick))}H{axes.width - RIGHT}", class_="hair"),
                element(
                    "text",
                    _value(tick, digits) + unit,
                    x=LEFT - 8,
                    y=axes.y(tick) + 4,
                    class_="end tiny muted",
                ),
            ]
        )
        for tick in ticks
    )


def _value(tick: float, digits: int) -> str:
    """Write the value of a line; a large one with an exponent, which fits beside the axis."""
    return f"{tick:.2g}".replace("e+", "e") if abs(tick) >= LARGE else number(tick, digits)


def _feet(axes: Axes) -> Markup:
    """Write the epochs below the horizontal axis."""
    every = max(1, ceil((axes.last - axes.first + 1) / 8))
    epochs = range(ceil(axes.first), floor(axes.last) + 1, every)
    return join(
        element("text", f"{i}", x=axes.x(i), y=axes.height - 10, class_="middle tiny muted") for i in epochs
    )


def _curve(values: Sequence[float | None], axes: Axes, style: str, ends: tuple[float, float]) -> Markup:
    """Draw a curve from one epoch to another, with a gap where there is no value."""
    step = (ends[1] - ends[0]) / max(len(values) - 1, 1)
    points = [
        None if value is None else (axes.x(ends[0] + i * step), axes.y(value))
        for i, value in enumerate(values)
    ]
    path, pen = "", "M"
    for point in points:
        path += "" if point is None else f"{pen}{number(point[0])} {number(point[1])}"
        pen = "M" if point is None else "L"
    marks = [_dot(*point, style) for point in points if point is not None] if len(points) <= MARKED else []
    return join([element("path", d=path, class_=style), *marks])


def _dot(x: float, y: float, style: str) -> Markup:
    if style == "line-a":
        return element("circle", cx=x, cy=y, r=3.6, class_="mark-above")
    if style == "line-b":
        return element("rect", x=x - 3.2, y=y - 3.2, width=6.4, height=6.4, class_="mark-below")
    if style == "line-c":
        return element("path", d=f"M{x - 4:.1f} {y:.1f}l4 -4l4 4l-4 4z", class_="mark-soft")
    return element("circle", cx=x, cy=y, r=3, class_=f"{style} mark")


def key(style: str) -> Markup:
    """Draw the sample of a curve's style for a legend.

    Args:
        style: its CSS class.

    Returns:
        The `<svg>` element.
    """
    return drawing(34, 12, element("path", d="M2 6H32", class_=style), _dot(17, 6, style))


def _around(low: float, high: float) -> tuple[float, float]:
    """Return round ends of an axis of four steps that spans some values."""
    extent = max(high - low, 1e-6, abs(high) * 1e-3)
    scale = 10 ** floor(log10(extent / 4))
    for step in (scale, 2 * scale, 5 * scale, 10 * scale, 20 * scale):
        bottom = floor(low / step) * step
        if bottom + 4 * step >= high:
            return bottom, bottom + 4 * step
    return low, high


def _ceiling(value: float) -> float:
    """Return the smallest round number that is not below the value; above 100 the value itself."""
    if 0 < value < 0.1:
        scale = 10 ** floor(log10(value))
        return next((m * scale for m in (1, 2, 4, 8) if value <= m * scale), 10 * scale)
    for step in (0.1, 0.2, 0.4, 0.8, 1, 2, 4, 8, 10, 20, 40, 60, 80, 100):
        if value <= step:
            return step
    return value
