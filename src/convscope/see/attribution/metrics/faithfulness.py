"""Faithfulness metrics of an attribution: each one that applies, for each row."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from convscope.errors import UsageError, nearest
from convscope.nets import frozen
from convscope.see.attribution.heatmaps import per_position
from convscope.see.attribution.method import Method
from convscope.see.attribution.metrics.average_drop import AverageDrop, average_drop
from convscope.see.attribution.metrics.completeness import Completeness, completeness_gap
from convscope.see.attribution.metrics.deletion_insertion import DeletionInsertion, deletion_insertion
from convscope.see.attribution.metrics.pointing_game import Boxes, Pointing, pointing_game
from convscope.see.attribution.metrics.weight_randomization import WeightRandomization, randomization_passes
from convscope.see.attribution.target import AttributionTask
from convscope.system.progress import Progress

METRICS = ("deletion", "drop", "completeness", "randomisation")
"""Names of the metrics; the pointing game is computed wherever boxes are given."""
COSTS = {"deletion": 1.0, "randomisation": 2.0}
"""Relative durations of the metrics that take long, in their order."""


@dataclass(frozen=True)
class Faithfulness:
    """Metrics of one row; None for those that were not computed or do not apply."""

    deletion_insertion: DeletionInsertion | None = None
    average_drop: AverageDrop | None = None
    completeness: Completeness | None = None
    weight_randomization: WeightRandomization | None = None
    pointing_game: Pointing | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return all metrics as one flat, JSON-ready dictionary; those that are None are left out."""
        found: dict[str, Any] = {}
        if self.deletion_insertion:
            c = self.deletion_insertion
            found |= {
                "deletion": c.curves.deletion_area,
                "insertion": c.curves.insertion_area,
                "deletion_chance": c.chance_deletion,
                "insertion_chance": c.chance_insertion,
                "deletion_curve": list(c.curves.deletion),
                "insertion_curve": list(c.curves.insertion),
                "baseline": c.curves.baseline,
            }
        if self.average_drop:
            found |= {"drop": self.average_drop.drop, "increase": self.average_drop.increase}
        if self.completeness:
            c = self.completeness
            found |= {"sum": c.total, "difference": c.difference, "completeness_gap": c.gap}
        if self.weight_randomization:
            r = self.weight_randomization
            found |= {
                "randomised_layers": list(r.layers),
                "rank_correlations": list(r.correlations),
                "fades": r.fades,
            }
        if self.pointing_game:
            p = self.pointing_game
            found |= {"pointing_hit": p.hit, "heat_inside": p.inside, "area_inside": p.area}
        return found


def iter_metrics(
    task: AttributionTask,
    method: Method,
    attributions: Sequence[Tensor],
    checks: Sequence[str] = METRICS,
    boxes: Boxes = (),
) -> Iterator[Progress[tuple[Faithfulness, ...]]]:
    """Compute faithfulness metrics group by group, and yield all results so far after each.

    Deletion, drop and completeness change input values, so they are left out for networks that take indices
    only.

    Args:
        task: the task: network, inputs and targets.
        method: the method that made the attributions; completeness and randomisation depend on it.
        attributions: one tensor `[b c *size]` for each input.
        checks: names out of `METRICS`.
        boxes: for each row its boxes `(left, top, right, bottom)` in pixels of the first input; may be
            empty.

    Yields:
        The progress with the metrics so far, one object for each row; its message is the name of the stage.

    Raises:
        UsageError: there is no such check, or the boxes do not fit.
    """
    for check in checks:
        if check not in METRICS:
            raise UsageError("checks that exist", received=check, hint=nearest(check, METRICS))
    found = [Faithfulness() for _ in range(len(task))]
    heats = tuple(per_position(a, strongest=method.channel_max) for a in attributions)
    if boxes:
        found = _with(found, "pointing_game", pointing_game(heats[0], boxes))
    changes = bool(task.differentiable_inputs)  # indices cannot be hidden
    stages = {
        name: cost for name, cost in COSTS.items() if name in checks and (changes or name != "deletion")
    }
    with frozen(task.net.module):
        if "drop" in checks and changes:
            found = _with(found, "average_drop", average_drop(task, heats))
        if "completeness" in checks and changes:
            found = _with(found, "completeness", completeness_gap(task, method, attributions))
    first, total = stages.get("deletion", 0.0), sum(stages.values())
    yield _progress("checking", 0.0 if total else 1.0, found)
    if "deletion" in stages:
        with frozen(task.net.module):
            made = list(deletion_insertion(task, heats))
        found = _with(found, "deletion_insertion", made[-1][1])
        yield _progress("deleting and inserting", first / total, found)
    if "randomisation" in stages:
        for share, rows in randomization_passes(task, method, heats):
            found = _with(found, "weight_randomization", rows)
            yield _progress("randomising weights", (first + (total - first) * share) / total, found)


def _progress(stage: str, fraction: float, found: list[Faithfulness]) -> Progress[tuple[Faithfulness, ...]]:
    rows = tuple(found)
    return Progress(fraction, stage, lambda: rows)


def _with(found: list[Faithfulness], name: str, values: Sequence[Any]) -> list[Faithfulness]:
    """Return copies of all rows' metrics with one field set."""
    return [replace(one, **{name: value}) for one, value in zip(found, values, strict=True)]
