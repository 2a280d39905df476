"""The figure of the accuracy of each class, with its uncertainty."""

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from convscope.learn import Evaluation
from convscope.show.report.figure import Figure
from convscope.show.report.i18n import bilingual, bilingual_of, spoken
from convscope.show.svg import drawing, element, join
from convscope.worlds import wilson_interval

WILSON = "Edwin Wilson, Probable inference, the law of succession, and statistical inference (JASA 1927)"
WIDTH, HEIGHT = 200, 14
MOST_CLASSES = 40
"""Most classes that have a row; the best and the worst half of them where there are more."""


@dataclass(frozen=True)
class _Class:
    """Right answers for the test images of one class."""

    name: str
    right: int
    total: int

    @property
    def share(self) -> float:
        return self.right / self.total


def of_run(found: Evaluation, command: str) -> Figure:
    """Build the figure of the share of right answers, for all test images and for each class.

    The title gives the share with its 95% Wilson interval. Sentences below compare it with always giving the
    most frequent class, and the best class with the worst, as far as intervals allow it.

    Args:
        found: predictions for labelled images.
        command: reproduces the numbers.

    Returns:
        The figure.
    """
    right, total = int((found.predictions == found.labels).sum()), len(found.labels)
    low, high = wilson_interval(right, total)
    values = {
        "right": f"{right:,}",
        "total": f"{total:,}",
        "share": f"{100 * right / total:.2f}",
        "low": f"{100 * low:.1f}",
        "high": f"{100 * high:.1f}",
    }
    classes = sorted(_classes(found), key=lambda each: -each.share)
    left_out = max(0, len(classes) - MOST_CLASSES)
    shown = classes if not left_out else [*classes[: MOST_CLASSES // 2], *classes[-MOST_CLASSES // 2 :]]
    sentences = [*against_majority(found), *between_classes(found)]
    if left_out:
        sentences.append(("trained.accuracy.left", {"shown": len(shown), "all": len(classes)}))
    body = join(
        [
            element("div", *(_row(each) for each in shown), class_="values"),
            *(bilingual_of(spoken(key, **numbers), tag="p") for key, numbers in sentences),
        ]
    )
    return Figure("trained.accuracy", body, command, WILSON, values)


def against_majority(found: Evaluation) -> list[tuple[str, Mapping[str, object]]]:
    """Compare the accuracy with that of always answering the most frequent class.

    Args:
        found: predictions for labelled images.

    Returns:
        The key of one sentence and its values: better, worse, or not to be told apart at 95%.
    """
    counts = found.labels.bincount(minlength=len(found.classes))
    right, total, most = int((found.predictions == found.labels).sum()), len(found.labels), int(counts.max())
    low, high = wilson_interval(right, total)
    kind = "better" if low > most / total else "worse" if high < most / total else "unclear"
    values = {"name": found.classes[int(counts.argmax())], "most": f"{most:,}", "total": f"{total:,}"}
    return [(f"trained.accuracy.{kind}", values)]


def between_classes(found: Evaluation) -> list[tuple[str, Mapping[str, object]]]:
    """Compare the class with the largest share of right answers with that of the smallest.

    The intervals hold for all classes at once: the extremes of many shares differ by chance alone.

    Args:
        found: predictions for labelled images.

    Returns:
        The key of one sentence and its values; nothing with fewer than two tested classes.
    """
    classes = sorted(_classes(found), key=lambda each: each.share)
    if len(classes) < 2:
        return []
    worst, best = classes[0], classes[-1]
    above = wilson_interval(worst.right, worst.total, together=len(classes))[1]
    below = wilson_interval(best.right, best.total, together=len(classes))[0]
    if above >= below:
        return [("trained.accuracy.alike", {})]
    values = {
        "worst": worst.name,
        "worst_right": worst.right,
        "worst_total": worst.total,
        "best": best.name,
        "best_right": best.right,
        "best_total": best.total,
    }
    return [("trained.accuracy.differ", values)]


def _classes(found: Evaluation) -> list[_Class]:
    """Return the classes that the test has images of."""
    totals = found.labels.bincount(minlength=len(found.classes)).tolist()
    rights = found.confusion.diagonal().tolist()
    return [
        _Class(name, right, total)
        for name, right, total in zip(found.classes, rights, totals, strict=True)
        if total
    ]


def _row(each: _Class) -> Markup:
    """Draw one class: its share as a bar, its interval as a line, and the counts."""
    low, high = wilson_interval(each.right, each.total)
    bar = drawing(
        WIDTH,
        HEIGHT,
        element("rect", x=0, y=2, width=WIDTH * each.share, height=HEIGHT - 4, class_="mark-above"),
        element("path", d=f"M{WIDTH * low:.1f} {HEIGHT / 2}H{WIDTH * high:.1f}", class_="final"),
        label=spoken("trained.accuracy.alt", name=each.name, right=each.right, total=each.total),
    )
    counts = bilingual("trained.of", count=each.right, all=each.total)
    return element("div", element("b", each.name, title=each.name), bar, element("span", counts))
