"""Deletion and insertion: the score while the hottest positions are removed first, or added first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.see.attribution.folding import plan_folding
from convscope.see.attribution.gradients.input_gradients import batched_scores
from convscope.see.attribution.heatmaps import broadcast_mask, interpolate, ranked_positions
from convscope.see.attribution.target import AttributionTask

POINTS = 17
"""Number of points of a curve, with the shares 0 and 1."""
CHANCES = 2
"""Number of random heatmaps that give the chance level."""


@dataclass(frozen=True, eq=False)
class Curves:
    """Deletion and insertion curves of one row: the score against the share of positions, from 0 to 1.

    The score is the probability for classes; else the value, scaled so that the baseline has 0 and the input
    1.
    """

    deletion: tuple[float, ...]
    insertion: tuple[float, ...]
    baseline: str = "blur"
    """What deleted positions show; results name it, because it can change how methods rank."""

    @property
    def deletion_area(self) -> float:
        """Area under the deletion curve; low is good: the hottest positions were needed."""
        return _area(self.deletion)

    @property
    def insertion_area(self) -> float:
        """Area under the insertion curve; high is good: the hottest positions suffice."""
        return _area(self.insertion)

    @property
    def score(self) -> float:
        """Area under the insertion curve less that under the deletion curve; high is good."""
        return self.insertion_area - self.deletion_area


@dataclass(frozen=True, eq=False)
class DeletionInsertion:
    """The curves of one row's heatmap, and the mean areas of random heatmaps on the same input."""

    curves: Curves
    chance_deletion: float
    chance_insertion: float


_random: "WeakKeyDictionary[AttributionTask, dict[tuple[str, int], list[Curves]]]" = WeakKeyDictionary()
"""Curves of random heatmaps of a task, by baseline and seed."""


def deletion_insertion(
    task: AttributionTask, heats: Sequence[Tensor]
) -> Iterator[tuple[float, tuple[DeletionInsertion, ...]]]:
    """Compute deletion and insertion curves of every row, and their chance level.

    The chance level is the mean area of `CHANCES` random heatmaps, the first of those that `compare_methods`
    uses; it is computed once for each task.

    Source: Petsiuk et al. 2018, arXiv:1806.07421, §4.2; deleted positions show the first of the task's
    `baselines` rather than black.

    Args:
        task: the task: network, inputs and targets.
        heats: one heatmap `[b *size]` for each input of the network.

    Yields:
        The finished share, and the curves of each row; the first, at 0.5, has none yet.
    """
    random = [random_curves(task, seed) for seed in range(CHANCES)]
    yield 0.5, ()
    chances = [
        (_mean([c[row].deletion_area for c in random]), _mean([c[row].insertion_area for c in random]))
        for row in range(len(task))
    ]
    made = curves(task, heats)
    yield (
        1.0,
        tuple(DeletionInsertion(c, *chance) for c, chance in zip(made, chances, strict=True)),
    )


def random_curves(task: AttributionTask, seed: int, kind: str = "") -> list[Curves]:
    """Compute the curves of one random heatmap, once for each task, baseline and seed.

    Args:
        task: the task: network, inputs and targets.
        seed: of the noise.
        kind: what deleted positions show, see `curves`.

    Returns:
        The curves of each row.
    """
    kind = kind or task.baselines[0]
    known = _random.setdefault(task, {})
    if (kind, seed) not in known:
        known[kind, seed] = curves(task, random_heatmaps(task, seed), kind)
    return known[kind, seed]


def curves(task: AttributionTask, heats: Sequence[Tensor], kind: str = "") -> list[Curves]:
    """Compute deletion and insertion curves of every row, at `POINTS` equally spaced shares of positions.

    Positions of all inputs that are not indices are ranked together.

    Args:
        task: the task: network, inputs and targets.
        heats: one heatmap `[b *size]` for each input of the network.
        kind: what deleted positions show, as `AttributionTask.baseline` names it; the first of the task's
            `baselines` if left out.

    Returns:
        The curves of each row.
    """
    kind = kind or task.baselines[0]
    baseline = task.baseline(kind)
    orders = [ranked_positions(_flat(task, heats, row)) for row in range(len(task))]
    shares = [k / (POINTS - 1) for k in range(POINTS)]
    jobs = [
        (row, insert, share)
        for row in range(len(task))
        for insert, inner in ((False, shares), (True, shares[1:-1]))
        for share in inner
    ]  # inserting begins where deleting ends, and the other way round

    def changed(numbers: Sequence[int]) -> tuple[Tensor, ...]:
        part = [jobs[n] for n in numbers]
        masks = torch.stack([_mask(orders[row], share, insert) for row, insert, share in part])
        return _mixed(task, baseline, masks, [row for row, _, _ in part])

    rows = [row for row, _, _ in jobs]
    values = torch.cat(
        [
            found.double().cpu()
            for _, found in batched_scores(task, rows, changed, probabilities=True, during=plan_folding(task))
        ]
    ).view(len(task), -1)
    if not task.are_classes:
        low, high = values[:, POINTS - 1 : POINTS], values[:, :1]
        values = (values - low) / torch.where(high == low, torch.ones_like(low), high - low)
    return [Curves(tuple(v[:POINTS]), (v[POINTS - 1], *v[POINTS:], v[0]), kind) for v in values.tolist()]


def _mask(ranking: Tensor, share: float, insert: bool) -> Float[Tensor, " n"]:
    """Return a mask over ranked positions: 1 where the input is visible, 0 where the baseline is."""
    mask = torch.full((len(ranking),), 0.0 if insert else 1.0, device=ranking.device)
    mask[ranking[: round(share * len(ranking))]] = 1.0 if insert else 0.0
    return mask


def _mixed(
    task: AttributionTask, baseline: tuple[Tensor, ...], masks: Tensor, rows: list[int]
) -> tuple[Tensor, ...]:
    """Combine rows of the inputs with the baseline, by masks over all positions `[n positions]`."""
    made, first = [], 0
    for i, (x, o) in enumerate(zip(task.inputs, baseline, strict=True)):
        if i not in task.differentiable_inputs:
            made.append(x[rows])
            continue
        size = tuple(x.shape[1:] if x.dim() == 2 else x.shape[2:])
        count = torch.Size(size).numel()
        mask = broadcast_mask(masks[:, first : first + count].reshape(-1, *size), x)
        made.append(torch.where(mask > 0, x[rows], o[rows]))
        first += count
    return tuple(made)


def _flat(task: AttributionTask, heats: Sequence[Tensor], row: int) -> Float[Tensor, " n"]:
    """Return the heat of all positions of one row in one vector, without NaN."""
    return torch.cat([heats[i][row].flatten().float() for i in task.differentiable_inputs]).nan_to_num(0)


def random_heatmaps(task: AttributionTask, seed: int) -> list[Tensor]:
    """Return random heatmaps: uniform noise on a coarse grid, as smooth as a class activation map.

    Args:
        task: the task: network, inputs and targets.
        seed: of the noise.

    Returns:
        One heatmap `[b *size]` for each input of the network.
    """
    generator, made = torch.Generator().manual_seed(seed), []
    for x in task.inputs:
        if x.dim() == 2:
            made.append(torch.rand(x.shape, generator=generator).to(x.device))
            continue
        size = tuple(x.shape[2:])
        noise = torch.rand((len(x), 1, *(min(7, extent) for extent in size)), generator=generator)
        made.append(interpolate(noise, size)[:, 0].to(x.device))
    return made


def _area(values: Sequence[float]) -> float:
    """Integrate a curve on [0, 1] with equally spaced points by the trapezoid rule."""
    return (sum(values) - (values[0] + values[-1]) / 2) / (len(values) - 1)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
