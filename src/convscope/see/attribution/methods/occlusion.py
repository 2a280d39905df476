"""Occlusion: the drop of the target's value when a window of the input is replaced by a baseline."""

from collections.abc import Iterator, Sequence
from itertools import product
from math import ceil
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from convscope.see.attribution.gradients.input_gradients import check_values, zeros
from convscope.see.attribution.incremental.scores import Box, occlusion_scores
from convscope.see.attribution.method import Baseline, Method, PartialAttribution
from convscope.see.attribution.target import AttributionTask

WINDOWS = 7
"""Windows side by side along the shorter axis by default: 32 of 224 pixels each."""


class Occlusion(Method):
    """A window slides over the input; each position gets the mean drop of the value while it is occluded."""

    name: str = "occlusion"
    title: ClassVar[str] = "Occlusion"
    source: ClassVar[str] = "Zeiler and Fergus 2014, arXiv:1311.2901, §4.2"
    satisfies_completeness: ClassVar[bool] = False

    window: int = Field(0, ge=0, description="positions along each axis; 0 is a seventh of the shorter one")
    stride: int = Field(0, ge=0, description="from one window to the next; 0 is half a window")
    fill: Baseline = Field("mean", description="baseline: mean, low (black) or blur")

    @override
    def attributions(self, task: AttributionTask) -> Iterator[PartialAttribution]:
        """Yield the mean drops so far, after each batch of windows."""
        check_values(task)
        boxes = [(i, box) for i in task.differentiable_inputs for box in self.boxes(task.inputs[i])]
        loss, weight = zeros(task), [torch.zeros(x.shape[1:], device=x.device) for x in task.inputs]
        whole = task.input_scores[0].cpu()
        jobs = [(row, i, box) for row in range(len(task)) for i, box in boxes]
        for i, box in boxes:
            weight[i][(..., *box)] += 1
        done = 0
        for part, scores in occlusion_scores(task, jobs, task.baseline(self.fill)):
            for (row, i, box), score in zip(part, scores, strict=True):
                at = box if loss[i].dim() == 2 else (slice(None), *box)
                loss[i][(row, *at)] += whole[row] - score
            done += len(part)
            found = zip(loss, weight, strict=True)
            yield PartialAttribution(
                tuple(sums / times.clamp_min(1) for sums, times in found), done / len(jobs)
            )

    def boxes(self, x: Tensor) -> Sequence[Box]:
        """List the windows of an input; the last ones are cut off at the border.

        Each value of a vector is a window.

        Args:
            x: `[b c *size]` or `[b n]`.

        Returns:
            For each window one slice along each spatial axis.
        """
        if x.dim() == 2:
            return [(slice(k, k + 1),) for k in range(x.shape[1])]
        size = x.shape[2:]
        window = self.window or max(1, round(min(size) / WINDOWS))
        stride = self.stride or max(1, window // 2)
        starts = [range(0, (ceil((e - min(window, e)) / stride)) * stride + 1, stride) for e in size]
        return [
            tuple(slice(s, min(s + window, e)) for s, e in zip(at, size, strict=True))
            for at in product(*starts)
        ]

    @override
    def reduced(self) -> "Occlusion":
        """Return a variant whose windows do not overlap, if a window size is set."""
        return self.model_copy(update={"stride": self.window or self.stride})
