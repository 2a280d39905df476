"""How much the network still knows when it sees only what is hot."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from convscope.see.attribution.heatmaps import broadcast_mask
from convscope.see.attribution.target import AttributionTask


@dataclass(frozen=True)
class AverageDrop:
    """Of one input; over many, the means are "average drop" and "increase in confidence"."""

    drop: float
    """The share of the target's probability (or value) that is lost; 0 if it rises."""
    increase: bool
    """Whether it rises."""


def average_drop(question: AttributionTask, heats: Sequence[Tensor]) -> tuple[AverageDrop, ...]:
    """Each row seen through its own heat: negative heat hides, the hottest position shows all.

    Source: Chattopadhay et al. 2018, arXiv:1710.11063, §4.1; what is hidden shows the mean.
    """
    nothing = question.baseline("mean")
    tops = torch.stack([_top(heats[i]) for i in question.differentiable_inputs]).amax(0)
    seen = []
    for i, (x, o) in enumerate(zip(question.inputs, nothing, strict=True)):
        if i not in question.differentiable_inputs:
            seen.append(x)
            continue
        heat = heats[i].nan_to_num(0).clamp_min(0)
        mask = heat / tops.clamp_min(1e-30).view(-1, *[1] * (heat.dim() - 1)).to(heat)
        seen.append(o + broadcast_mask(mask, x) * (x - o))
    before, after = question.input_scores[1], question.batched(seen)[1]
    lost = ((before - after) / before.abs().clamp_min(1e-12)).clamp_min(0)
    return tuple(
        AverageDrop(one, up) for one, up in zip(lost.tolist(), (after > before).tolist(), strict=True)
    )


def _top(heat: Tensor) -> Tensor:
    return heat.nan_to_num(0).flatten(1).amax(1).clamp_min(0)
