"""Average drop and increase in confidence: the score when only the attributed positions are visible."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from convscope.see.attribution.heatmaps import broadcast_mask
from convscope.see.attribution.target import AttributionTask


@dataclass(frozen=True)
class AverageDrop:
    """Drop and increase of one input; means over many inputs are the published metrics."""

    drop: float
    """The share of the target's probability (or value) that is lost, 0 if it rises."""
    increase: bool
    """Whether it rises."""


def average_drop(task: AttributionTask, heats: Sequence[Tensor]) -> tuple[AverageDrop, ...]:
    """Compute the drop of each row's probability when its input is multiplied with its own heatmap.

    The positive heat, scaled to [0, 1], blends the input with the mean: the hottest position shows the
    input, one without positive heat the mean.

    Source: Chattopadhay et al. 2018, arXiv:1710.11063, §4.1; hidden positions show the mean.

    Args:
        task: the task: network, inputs and targets.
        heats: one heatmap `[b *size]` for each input of the network.

    Returns:
        Drop and increase of each row.
    """
    baseline = task.baseline("mean")
    tops = torch.stack([_top(heats[i]) for i in task.differentiable_inputs]).amax(0)
    seen = []
    for i, (x, o) in enumerate(zip(task.inputs, baseline, strict=True)):
        if i not in task.differentiable_inputs:
            seen.append(x)
            continue
        heat = heats[i].nan_to_num(0).clamp_min(0)
        mask = heat / tops.clamp_min(1e-30).view(-1, *[1] * (heat.dim() - 1)).to(heat)
        seen.append(o + broadcast_mask(mask, x) * (x - o))
    before, after = task.input_scores[1], task.batched(seen)[1]
    lost = ((before - after) / before.abs().clamp_min(1e-12)).clamp_min(0)
    return tuple(
        AverageDrop(one, up) for one, up in zip(lost.tolist(), (after > before).tolist(), strict=True)
    )


def _top(heat: Tensor) -> Tensor:
    """Return the largest positive heat of each row, at least 0."""
    return heat.nan_to_num(0).flatten(1).amax(1).clamp_min(0)
