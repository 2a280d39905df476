"""The figure of a classifier's calibration: how often it is right where it is so sure."""

from collections.abc import Mapping

from markupsafe import Markup

from convscope.learn import Evaluation, ReliabilityBins, reliability
from convscope.show.report.figure import Figure
from convscope.show.report.i18n import bilingual, bilingual_of, spoken
from convscope.show.svg import drawing, element, join, number
from convscope.worlds import wilson_interval

GUO = "Chuan Guo et al., On Calibration of Modern Neural Networks (ICML 2017, arXiv:1706.04599)"
WIDTH, HEIGHT = 300, 300
LEFT, RIGHT, TOP, BOTTOM = 44, 10, 12, 74
FEW = 30
"""Samples below which an expected calibration error is no finding: its bins hold one or two each."""
STRIP = 32
"""Height of the strip of counts below the diagram."""


def of_run(found: Evaluation, command: str) -> Figure:
    """Build the reliability diagram of a test; two of them where the network is calibrated: before and after.

    Args:
        found: predictions for labelled images.
        command: reproduces the numbers.

    Returns:
        The figure; its title has the expected calibration error, of 30 samples or more.
    """
    calibrated = found.temperature != 1
    versions = {"before": found.uncalibrated, "after": found} if calibrated else {"plain": found}
    panels = [
        element(
            "div",
            bilingual(f"trained.calibration.{name}", tag="p", class_="mini", ece=_percent(one)),
            _diagram(one),
        )
        for name, one in versions.items()
    ]
    values: Mapping[str, object] = {
        "ece": _percent(found),
        "before": _percent(found.uncalibrated),
        "adaptive": f"{100 * found.adaptive_ece:.2f}",
        "temperature": f"{found.temperature:.3g}",
        "total": f"{len(found.labels):,}",
    }
    lean = _lean(found)
    sentence = bilingual_of(spoken(f"trained.calibration.{lean}", **_means(found)), tag="p")
    chance = bilingual("trained.calibration.chance", tag="p", error=f"{100 * found.chance_ece:.2f}", **values)
    body = join([element("div", *panels, class_="pair"), sentence, chance])
    key, finding = "trained.calibrated" if calibrated else "trained.calibration", "title"
    if len(found.labels) < FEW:
        finding = "few"
    elif lean == "even":
        finding = "unproven"
    return Figure(key, body, command, GUO, values, finding=finding)


def _percent(found: Evaluation) -> str:
    return f"{100 * found.ece:.2f}"


def _means(found: Evaluation) -> dict[str, object]:
    """Return mean confidence and accuracy, in percent."""
    confidence = found.probabilities.double().max(1).values.mean().item()
    return {"confidence": f"{100 * confidence:.1f}", "accuracy": f"{100 * found.accuracy:.1f}"}


def _lean(found: Evaluation) -> str:
    """Return whether a network is surer than it is right, less sure, or neither that the test can prove."""
    low, high = wilson_interval(int((found.predictions == found.labels).sum()), len(found.labels))
    confidence = found.probabilities.double().max(1).values.mean().item()
    return "over" if confidence > high else "under" if confidence < low else "even"


def _diagram(found: Evaluation) -> Markup:
    """Draw accuracy by bin of the confidence, the diagonal of perfect calibration, and counts below."""
    bins = reliability(found.probabilities, found.labels)
    ticks = [0.0, 0.5, 1.0]
    grid = [
        element("path", d=f"M{LEFT} {number(_y(t))}H{WIDTH - RIGHT}", class_="hair")
        + element("text", f"{100 * t:.0f}%", x=LEFT - 6, y=_y(t) + 4, class_="end tiny muted")
        for t in ticks
    ]
    feet = [
        element("text", f"{100 * t:.0f}%", x=_x(t), y=HEIGHT - BOTTOM + 16, class_="middle tiny muted")
        for t in ticks
    ]
    diagonal = element("path", d=f"M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}", class_="axis constant")
    label = spoken("trained.calibration.alt", ece=_percent(found), total=f"{len(found.labels):,}")
    return drawing(WIDTH, HEIGHT, join(grid), join(feet), _bars(bins), diagonal, label=label)


def _bars(bins: ReliabilityBins) -> Markup:
    """Draw each bin: its accuracy as a bar, its mean confidence as a line, its count in the strip below."""
    count = len(bins.counts)
    width, most = _x(1 / count) - _x(0) - 1.5, int(bins.counts.max())
    found = []
    for k, (total, sure, right) in enumerate(
        zip(bins.counts.tolist(), bins.confidence.tolist(), bins.accuracy.tolist(), strict=True)
    ):
        if not total:
            continue
        x = _x(k / count) + 0.75
        tall = max(1.5, STRIP * total / most)
        found += [
            element("rect", x=x, y=_y(right), width=width, height=_y(0) - _y(right), class_="mark-above"),
            element("path", d=f"M{number(x)} {number(_y(sure))}h{number(width)}", class_="final"),
            element("rect", x=x, y=HEIGHT - 8 - tall, width=width, height=tall, class_="mark-soft"),
        ]
    return join(found)


def _x(share: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * share


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share
