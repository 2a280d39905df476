"""Comparison of attribution methods: which heatmap the metrics favour for one input, if they can tell."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.nets import frozen
from convscope.see.attribution.explanation import Explanation
from convscope.see.attribution.heatmaps import rank_correlation
from convscope.see.attribution.metrics.deletion_insertion import Curves, curves, random_curves
from convscope.system.progress import Progress, last_result

RANDOM = 16
"""Number of random heatmaps under each baseline, for the chance level and its spread."""
SPREADS = 2.0
"""Standard deviations of the scores of random heatmaps that a difference must exceed."""
GRID = 14
"""Positions along each axis on which heatmaps are compared, so that noise of single pixels does not count."""


@dataclass(frozen=True)
class MethodComparison:
    """Scores of several methods' heatmaps for one row, and what follows from them.

    A score is the area under the insertion curve less that under the deletion curve. One heatmap leads
    another if its score is larger by more than `margin` under every baseline.

    Attributes:
        methods: names of the methods.
        scores: by baseline, one score for each method.
        chance: by baseline, the mean score of random heatmaps.
        margin: by baseline, two standard deviations of the scores of random heatmaps.
        stays: whether each method's heatmap stays the same with random weights; None if that was not checked.
        alike: rank correlation of each pair of heatmaps, on a coarse grid.
        chance_areas: mean areas under the insertion and the deletion curve of the same random heatmaps, under
            the first baseline; their difference is its `chance`.
    """

    methods: tuple[str, ...]
    scores: dict[str, tuple[float, ...]]
    chance: dict[str, float]
    margin: dict[str, float]
    stays: tuple[bool | None, ...]
    alike: tuple[tuple[float, ...], ...]
    chance_areas: tuple[float, float]

    @property
    def above_chance(self) -> tuple[bool, ...]:
        """Whether each method's score exceeds that of random heatmaps by the margin under every baseline."""
        return tuple(
            all(self.scores[c][k] - self.chance[c] > self.margin[c] for c in self.scores)
            for k in range(len(self.methods))
        )

    @property
    def passing(self) -> tuple[int, ...]:
        """Indices of the methods above chance whose heatmap does not stay the same with random weights."""
        above = self.above_chance
        return tuple(k for k in range(len(self.methods)) if above[k] and not self.stays[k])

    @property
    def best(self) -> tuple[int, ...]:
        """Indices of the passing methods that no other passing one leads, the highest mean score first."""
        found = [k for k in self.passing if not any(self.leads(other, k) for other in self.passing)]
        return tuple(sorted(found, key=self.score, reverse=True))

    def leads(self, a: int, b: int) -> bool:
        """Return whether one method's heatmap leads another's by the margin under every baseline.

        Args:
            a: index of a method.
            b: index of another one.

        Returns:
            Whether it does.
        """
        return all(self.scores[c][a] - self.scores[c][b] > self.margin[c] for c in self.scores)

    def score(self, k: int) -> float:
        """Return the mean score of a method over the baselines.

        Args:
            k: index of the method.

        Returns:
            Between -1 and 1 for classes.
        """
        return fmean(values[k] for values in self.scores.values())

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as a JSON-ready dictionary, with the names of the best methods."""
        return {
            "best": [self.methods[k] for k in self.best],
            "passing": [self.methods[k] for k in self.passing],
            "scores": {
                name: {baseline: values[k] for baseline, values in self.scores.items()}
                for k, name in enumerate(self.methods)
            },
            "chance": dict(self.chance),
            "margin": dict(self.margin),
        }


def compare_methods(explanations: Sequence[Explanation]) -> tuple[MethodComparison, ...]:
    """Compare the heatmaps of several methods for the same rows.

    Args:
        explanations: of the same task, with the metric `deletion`; at least one.

    Returns:
        The comparison of each row; none where the metric is missing.
    """
    return last_result(iter_compare_methods(explanations), "a comparison")


def iter_compare_methods(
    explanations: Sequence[Explanation],
) -> Iterator[Progress[tuple[MethodComparison, ...]]]:
    """Compute the curves under a second baseline and those of random heatmaps, and compare the methods.

    A result should not depend on what deleted positions show, so there are two baselines.

    Source: Petsiuk et al. 2018, arXiv:1806.07421, §4.2 for the curves; Tomsett et al. 2020, arXiv:1912.01451
    for why one baseline on one input cannot rank methods by itself.

    Args:
        explanations: of the same task, with the metric `deletion`; at least one.

    Yields:
        The progress with the comparisons, empty until the end.
    """
    if not all(e.faithfulness and e.faithfulness[0].deletion_insertion for e in explanations):
        yield Progress(1.0, "comparing", tuple)
        return
    task = explanations[0].task
    found: dict[str, list[list[float]]] = {}
    levels: dict[str, list[list[Curves]]] = {}
    count = len(explanations) + RANDOM
    total = len(task.baselines) * count
    with frozen(task.net.module):
        for number, baseline in enumerate(task.baselines):
            found[baseline], levels[baseline] = [], []
            for k in range(count):
                if k >= len(explanations):
                    levels[baseline].append(random_curves(task, k - len(explanations), baseline))
                elif number == 0:
                    found[baseline].append([_known(explanations[k], row) for row in range(len(task))])
                else:
                    lines = curves(task, explanations[k].heatmaps, baseline)
                    found[baseline].append([line.score for line in lines])
                yield Progress((number * count + k) / total, "comparing", tuple)
    done = tuple(_row(explanations, found, levels, row) for row in range(len(task)))
    yield Progress(1.0, "comparing", lambda: done)


def _row(
    explanations: Sequence[Explanation],
    found: dict[str, list[list[float]]],
    levels: dict[str, list[list[Curves]]],
    row: int,
) -> MethodComparison:
    heats = [_coarse(e.heatmap[row]) for e in explanations]
    checks = [e.faithfulness[row].weight_randomization for e in explanations]
    random = {baseline: [lines[row] for lines in values] for baseline, values in levels.items()}
    first = random[explanations[0].task.baselines[0]]
    return MethodComparison(
        tuple(e.method.name for e in explanations),
        {baseline: tuple(rows[row] for rows in values) for baseline, values in found.items()},
        {baseline: fmean(c.score for c in lines) for baseline, lines in random.items()},
        {baseline: SPREADS * stdev(c.score for c in lines) for baseline, lines in random.items()},
        tuple(None if check is None else not check.fades for check in checks),
        tuple(tuple(rank_correlation(a, b) for b in heats) for a in heats),
        (fmean(c.insertion_area for c in first), fmean(c.deletion_area for c in first)),
    )


def _known(explanation: Explanation, row: int) -> float:
    """Return the score under the first baseline, which is computed already."""
    metric = explanation.faithfulness[row].deletion_insertion
    return metric.curves.score if metric else 0.0


def _coarse(heat: Tensor) -> Float[Tensor, " n"]:
    """Average the positive heat of one row on a coarse grid."""
    values = heat.detach().float().cpu().nan_to_num(0).clamp_min(0)
    if values.dim() == 2:
        size = (min(GRID, values.shape[0]), min(GRID, values.shape[1]))
        return torch.nn.functional.adaptive_avg_pool2d(values[None], size).flatten()
    return torch.nn.functional.adaptive_avg_pool1d(
        values.reshape(1, 1, -1), min(GRID * GRID, values.numel())
    ).flatten()
