"""Score-CAM: feature maps weighted by the target's value for the input masked with each map."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from convscope.see.attribution.folding import FoldPlan, plan_folding
from convscope.see.attribution.gradients.input_gradients import batched_scores, check_values
from convscope.see.attribution.heatmaps import interpolate
from convscope.see.attribution.method import PartialAttribution
from convscope.see.attribution.methods.cam import Cam, seen_maps, upsample_to_inputs, weighted_relu_sum
from convscope.see.attribution.target import AttributionTask


class ScoreCam(Cam):
    """A layer's feature maps, weighted by the target's value for the input masked with each: no gradients."""

    name: str = "scorecam"
    title: ClassVar[str] = "Score-CAM"
    source: ClassVar[str] = "Wang et al. 2020, arXiv:1910.01279, §3"

    channels: int = Field(
        0, ge=0, description="only so many maps, those that vary most; 0 is all, as in the paper"
    )

    @override
    def attributions(self, task: AttributionTask) -> Iterator[PartialAttribution]:
        """Yield the map weighted by the softmax of the values so far, after each batch of masked inputs."""
        place = self.place(task)
        check_values(task)
        maps = seen_maps(task, place)
        kept = self._kept(maps)
        maps = torch.stack([m[k] for m, k in zip(maps, kept, strict=True)])
        jobs = [row for row in range(len(task)) for _ in range(maps.shape[1])]
        values = torch.full(maps.shape[:2], -torch.inf, device=maps.device, dtype=maps.dtype)
        baseline, during = task.baseline("mean"), plan_folding(task)

        def masked(numbers: Sequence[int]) -> tuple[Tensor, ...]:
            rows, columns = [n // maps.shape[1] for n in numbers], [n % maps.shape[1] for n in numbers]
            return _masked(task, baseline, maps[rows, columns][:, None], rows, during)

        for numbers, found in batched_scores(task, jobs, masked, during=during):
            values.view(-1)[numbers] = found.to(values)
            cam, share = (
                weighted_relu_sum(maps, values.softmax(1).nan_to_num(0)),
                (numbers[-1] + 1) / len(jobs),
            )
            yield PartialAttribution(upsample_to_inputs(task, cam), share, place, cam)

    def _kept(self, maps: Tensor) -> Tensor:
        """Return the indices of the maps to use, `[b n]`: all, or those that vary most."""
        count = min(self.channels, maps.shape[1]) or maps.shape[1]
        if count == maps.shape[1]:
            return torch.arange(count, device=maps.device).expand(len(maps), -1)
        return maps.flatten(2).std(2).topk(count).indices.sort().values

    @override
    def reduced(self) -> "ScoreCam":
        """Return a variant with at most 32 maps."""
        return self.model_copy(update={"channels": min(self.channels or 32, 32)})


def _masked(
    task: AttributionTask, baseline: tuple[Tensor, ...], maps: Tensor, rows: list[int], fold: FoldPlan
) -> tuple[Tensor, ...]:
    """Blend inputs with the baseline by their feature maps, interpolated and scaled to [0, 1]."""
    found = []
    for i, (x, o) in enumerate(zip(task.repeated(rows), baseline, strict=True)):
        if x.dim() != maps.dim() or i not in task.differentiable_inputs:
            found.append(x)
            continue
        mask = interpolate(maps, tuple(x.shape[2:]))
        low, high = mask.flatten(1).amin(1), mask.flatten(1).amax(1)
        shape = (-1, *[1] * (x.dim() - 1))
        mask = (mask - low.view(shape)) / (high - low + 1e-8).view(shape)
        at = torch.tensor(rows, device=x.device)
        found.append(fold.laid_out(o[at] + mask * (x - o[at])))
    return tuple(found)
