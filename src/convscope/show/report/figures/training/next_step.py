"""What would help a classifier most, as far as the numbers of its training say it."""

import shlex
from collections.abc import Mapping

from convscope.learn import Divergence, Epoch, Evaluation, FewToChooseBy
from convscope.show.report.figure import Figure
from convscope.show.report.figures.training.class_accuracy import between_classes
from convscope.show.report.i18n import bilingual_of, spoken
from convscope.show.svg import element, join
from convscope.worlds import wilson_interval

UNLEARNED = 0.9
"""Accuracy below which a network has not learned its data, where that of training and test data is below."""
WIDE = 0.1
"""Width of the 95% interval of the accuracy from which on the test is too small to compare trainings by."""

Advice = tuple[str, Mapping[str, object]]
"""Key of the sentence, and its values."""


def diverged(found: Divergence, command: str) -> Figure:
    """Build the figure of the next step after a training that diverged, which comes before all others.

    Args:
        found: how it diverged.
        command: trains again with another learning rate; empty where none is known.

    Returns:
        The figure.
    """
    return _figure(found.text, command)


def chosen_by_few(found: FewToChooseBy, command: str) -> Figure:
    """Build the figure of the next step after a training whose kept epoch was chosen by few samples.

    It comes after near-duplicates and before all else: what other numbers say is of an arbitrary epoch.

    Args:
        found: how many choose, and what helps.
        command: trains again, and chooses by more of them or not at all.

    Returns:
        The figure.
    """
    return _figure(found.text, command)


def _figure(text: Mapping[str, str], command: str) -> Figure:
    body = [bilingual_of(text, tag="p"), element("pre", command, translate="no") if command else None]
    return Figure("trained.advice", join(body), "", "", {})


def of_run(epoch: Epoch, found: Evaluation, duplicates: int, data: str, folder: str) -> Figure:
    """Build the figure of the most useful next step.

    Args:
        epoch: the epoch whose network is saved.
        found: predictions for the test images.
        duplicates: number of test images that are nearly the same as training images.
        data: the data set, as commands name it.
        folder: the run's folder, as commands name it.

    Returns:
        The figure.
    """
    key, values = most_useful(epoch, found, duplicates)
    commands = {
        "unlearned": f"convscope train {shlex.quote(folder)} {shlex.quote(data)} --epochs {2 * epoch.epochs}",
    }
    return _figure(spoken(f"trained.advice.{key}", **values), commands.get(key, ""))


def most_useful(epoch: Epoch, found: Evaluation, duplicates: int) -> Advice:
    """Choose the first of these that the numbers show; those before would make the ones behind unreliable.

    Near-duplicates in the test; a training that has not learned its own data; a test too small to tell
    trainings apart; a class that is proven to be harder than the best; a gap between training and test data;
    nothing.

    Args:
        epoch: the epoch whose network is saved.
        found: predictions for the test images.
        duplicates: number of test images that are nearly the same as training images.

    Returns:
        The key of one sentence, without its prefix, and its values.
    """
    total = len(found.labels)
    right = int((found.predictions == found.labels).sum())
    learned = epoch.metrics.get("accuracy")
    low, high = wilson_interval(right, total)
    shown = {
        "share": f"{100 * right / total:.1f}",
        "learned": "" if learned is None else f"{100 * learned:.1f}",
        "low": f"{100 * low:.1f}",
        "high": f"{100 * high:.1f}",
        "total": f"{total:,}",
    }
    if duplicates:
        return "duplicates", {"count": duplicates, **shown}
    if learned is not None and learned < UNLEARNED and right / total < UNLEARNED:
        return "unlearned", shown
    if high - low > WIDE:
        return "small", {"needed": f"{_needed(right / total):,}", **shown}
    hard = _hard_class(found)
    if hard:
        return "class", {**shown, **hard}
    if learned is not None and high < learned:
        return "gap", shown
    return "none", shown


def _needed(share: float) -> int:
    """Return how many test images make a 95% interval narrower than `WIDE`, to two digits."""
    count = 10
    while True:
        low, high = wilson_interval(round(share * count), count)
        if high - low <= WIDE:
            return count
        count += 10 if count < 500 else 50


def _hard_class(found: Evaluation) -> Mapping[str, object] | None:
    """Return the class with the lowest accuracy where its interval lies below that of the best class."""
    (key, values), *_ = (*between_classes(found), ("", {}))
    if key != "trained.accuracy.differ":
        return None
    worst = found.classes.index(str(values["worst"]))
    row = found.confusion[worst].clone()
    row[worst] = 0
    return {
        "name": values["worst"],
        "right": values["worst_right"],
        "count": values["worst_total"],
        "taken": found.classes[int(row.argmax())],
    }
