"""Line charts over epochs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from convscope.errors import DataError
from convscope.show.svg import drawing, element, join, number

STYLES = ("line-a", "line-b")
LEFT, RIGHT, TOP, BOTTOM = 44, 16, 16, 30


@dataclass(frozen=True)
class Axes:
    """Mapping from data to coordinates of the drawing.

    Attributes:
        width: of the drawing in pixels, margins included.
        height: of the drawing in pixels, margins included.
        last: index of the last point, at the right end.
        high: value at the upper end of the vertical axis.
    """

    width: float
    height: float
    last: int
    high: float

    def x(self, index: float) -> float:
        """Return the horizontal coordinate of a point.

        Args:
            index: of the point, from 0.

        Returns:
            The coordinate in pixels from the left edge.
        """
        return LEFT + (self.width - LEFT - RIGHT) * (index / max(self.last, 1))

    def y(self, value: float) -> float:
        """Return the vertical coordinate of a value.

        Args:
            value: 0 lies on the axis at the foot.

        Returns:
            The coordinate in pixels from the upper edge.
        """
        return self.height - BOTTOM - (self.height - TOP - BOTTOM) * value / self.high


def chart(
    series: Mapping[str, Sequence[float]],
    *,
    width: float = 340,
    height: float = 220,
    unit: str = "",
    label: str | Mapping[str, str] = "",
) -> Markup:
    """Draw one or two curves over epochs, with a vertical axis from 0.

    The first curve is solid and orange with discs, the second dashed and blue with squares.

    Args:
        series: name -> values from 0 up, one for each epoch; only the first two are drawn.
        width: of the drawing in pixels.
        height: of the drawing in pixels.
        unit: appended to the numbers of the vertical axis.
        label: accessible name, or one for each language, as in `convscope.show.svg.drawing`.

    Returns:
        The `<svg>` element.

    Raises:
        DataError: no curves, one without points, or a value that is not finite.
    """
    if not series or not all(series.values()):
        raise DataError("at least one point for each curve")
    last = max(len(values) for values in series.values()) - 1
    axes = Axes(width, height, last, _ceiling(max(max(values) for values in series.values())))
    ticks = [i / 4 * axes.high for i in range(5)]
    grid = [
        join(
            [
                element("path", d=f"M{LEFT} {number(axes.y(tick))}H{width - RIGHT}", class_="hair"),
                element("text", number(tick) + unit, x=LEFT - 8, y=axes.y(tick) + 4, class_="end tiny muted"),
            ]
        )
        for tick in ticks
    ]
    every = max(1, (last + 1) // 8)
    feet = [
        element("text", f"{i + 1}", x=axes.x(i), y=height - 10, class_="middle tiny muted")
        for i in range(0, last + 1, every)
    ]
    lines = [_curve(values, axes, style) for values, style in zip(series.values(), STYLES, strict=False)]
    return drawing(width, height, join(grid), join(feet), join(lines), label=label)


def _curve(values: Sequence[float], axes: Axes, style: str) -> Markup:
    points = [(axes.x(i), axes.y(value)) for i, value in enumerate(values)]
    path = "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)
    return join([element("path", d=path, class_=style), *(_dot(x, y, style) for x, y in points)])


def _dot(x: float, y: float, style: str) -> Markup:
    if style == "line-a":
        return element("circle", cx=x, cy=y, r=3.6, class_="mark-above")
    return element("rect", x=x - 3.2, y=y - 3.2, width=6.4, height=6.4, class_="mark-below")


def key(style: str) -> Markup:
    """Draw the sample of a curve's style for a legend.

    Args:
        style: one of `STYLES`.

    Returns:
        The `<svg>` element.
    """
    return drawing(34, 12, element("path", d="M2 6H32", class_=style), _dot(17, 6, style))


def _ceiling(value: float) -> float:
    """Return the smallest round number that is not below the value; above 100 the value itself."""
    for step in (0.1, 0.2, 0.4, 0.8, 1, 2, 4, 8, 10, 20, 40, 60, 80, 100):
        if value <= step:
            return step
    return value
