"""The figure of summed activations: one bar for each filter's feature map."""

from collections.abc import Sequence

from markupsafe import Markup

from convscope.show.report.figure import Figure
from convscope.show.report.figures.matrix import written
from convscope.show.report.i18n import spoken
from convscope.show.svg import drawing, element, join, responsive

HEIGHT, FOOT = 150.0, 26.0


def figure(degrees: Sequence[float], layer: str, command: str) -> Figure:
    """Build the bar chart of each filter's summed activation (the lecture's "degree of activation").

    Bars point upwards (orange) or downwards (blue). The title quotes the strongest filter, and how few
    filters make up half of the positive sum.

    Args:
        degrees: sum of each filter's feature map; at least one.
        layer: name of the layer.
        command: reproduces the numbers.

    Returns:
        The figure.
    """
    best = max(range(len(degrees)), key=lambda k: degrees[k])
    positive = sorted((d for d in degrees if d > 0), reverse=True)
    return Figure(
        "seen.degrees",
        responsive(lambda width: _draw(degrees, best, width)),
        command,
        "Hung-yi Lee, lecture “Convolutional Neural Network”",
        {
            "layer": layer,
            "best": best,
            "value": written(round(degrees[best], 1)),
            "count": len(positive),
            "all": len(degrees),
            "few": half(positive),
        },
    )


def half(falling: Sequence[float]) -> int:
    """Count how many of the largest numbers make up half of the sum.

    Args:
        falling: positive numbers, the largest first.

    Returns:
        The smallest such count; 0 for no numbers.
    """
    total, count = 0.0, 0
    for value in falling:
        if 2 * total >= sum(falling):
            break
        total, count = total + value, count + 1
    return count


def _draw(degrees: Sequence[float], best: int, width: float) -> Markup:
    high, low = max(0.0, *degrees) or 1.0, min(0.0, *degrees)
    scale = (HEIGHT - 22) / (high - low)
    zero, step = 20 + high * scale, (width - 8) / len(degrees)
    bars = [
        element(
            "rect",
            x=4 + k * step + step * 0.12,
            y=zero - max(d, 0) * scale,
            width=step * 0.76,
            height=max(abs(d) * scale, 0.6),
            class_="mark-above" if d >= 0 else "mark-below",
        )
        for k, d in enumerate(degrees)
    ]
    ticks = [
        element("text", f"{k}", x=4 + (k + 0.5) * step, y=HEIGHT + FOOT - 8, class_="middle tiny muted")
        for k in range(0, len(degrees), 5)
    ]
    x = min(max(4 + (best + 0.5) * step, 30), width - 30)
    name = element("text", written(round(degrees[best], 1)), x=x, y=13, class_="number strong")
    line = element("path", d=f"M4 {zero:.1f}H{width - 4}", class_="axis")
    return drawing(
        width, HEIGHT + FOOT, join(bars), line, name, join(ticks), label=spoken("seen.degrees.alt")
    )
