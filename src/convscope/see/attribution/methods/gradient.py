"""Methods made of the input gradient: saliency, input x gradient, guided backprop, deconvnet, SmoothGrad."""

from collections.abc import Iterator
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from convscope.see.attribution.gradients.input_gradients import (
    batched_input_gradients,
    input_gradients,
    zeros,
)
from convscope.see.attribution.method import Baseline, Method, PartialAttribution
from convscope.see.attribution.methods.relu_rules import DeconvnetReluRule, GuidedReluRule, require_relu
from convscope.see.attribution.target import AttributionTask


class Saliency(Method):
    """Saliency map: the target's input gradient; of a pixel's channels the largest magnitude counts."""

    name: str = "saliency"
    title: ClassVar[str] = "Saliency"
    source: ClassVar[str] = "Simonyan et al. 2014, arXiv:1312.6034, §3"
    signed: ClassVar[bool] = False
    channel_max: ClassVar[bool] = True

    @override
    def attributions(self, task: AttributionTask) -> Iterator[PartialAttribution]:
        """Yield the signed gradient."""
        yield PartialAttribution(batched_input_gradients(task))


class InputXGradient(Method):
    """(input - baseline) times the gradient: the exact contributions if the network is linear."""

    name: str = "inputxgradient"
    title: ClassVar[str] = "Input x gradient"
    source: ClassVar[str] = "Shrikumar et al. 2016, arXiv:1605.01713, §2"
    satisfies_completeness: ClassVar[bool] = True

    compared_with: Baseline = Field("mean", description="the baseline: mean, low (black) or blur")

    @override
    def attributions(self, task: AttributionTask) -> Iterator[PartialAttribution]:
        """Yield the products; they are complete where the network is linear."""
        found = zip(task.inputs, self.baseline(task), batched_input_gradients(task), strict=True)
        yield PartialAttribution(tuple((x - baseline) * gradient for x, baseline, gradient in found))

    @override
    def baseline(self, task: AttributionTask) -> tuple[Tensor, ...]:
        """Return the reference input of the setting `compared_with`."""
        return task.baseline(self.compared_with)


class GuidedBackprop(Method):
    """Guided backpropagation: ReLUs pass back only what is positive, and only where they were active."""

    name: str = "guided"
    title: ClassVar[str] = "Guided backprop"
    source: ClassVar[str] = "Springenberg et al. 2015, arXiv:1412.6806, §3.4"
    signed: ClassVar[bool] = False
    channel_max: ClassVar[bool] = True

    @override
    def attributions(self, task: AttributionTask) -> Iterator[PartialAttribution]:
        """Yield the gradient with guided ReLUs.

        It resembles edge detection whatever the weights (Adebayo et al. 2018); the randomisation metric
        shows it.
        """
        with require_relu(GuidedReluRule(task.net.module)) as mode:
            yield PartialAttribution(batched_input_gradients(task, lambda: mode))


class Deconvnet(Method):
    """Deconvolutional network: ReLUs pass back only what is positive, whatever their own input was."""

    name: str = "deconvnet"
    title: ClassVar[str] = "Deconvnet"
    source: ClassVar[str] = "Zeiler and Fergus 2014, arXiv:1311.2901, §2"
    signed: ClassVar[bool] = False
    channel_max: ClassVar[bool] = True

    @override
    def attributions(self, task: AttributionTask) -> Iterator[PartialAttribution]:
        """Yield what a deconvolutional network with the same weights reconstructs."""
        with require_relu(DeconvnetReluRule(task.net.module)) as mode:
            yield PartialAttribution(batched_input_gradients(task, lambda: mode))


class SmoothGrad(Method):
    """Mean gradient over noisy copies of the input; of a pixel's channels the largest magnitude counts."""

    name: str = "smoothgrad"
    title: ClassVar[str] = "SmoothGrad"
    source: ClassVar[str] = "Smilkov et al. 2017, arXiv:1706.03825, §3"
    signed: ClassVar[bool] = False
    channel_max: ClassVar[bool] = True

    samples: int = Field(32, ge=1, le=100_000, description="noisy copies of each input")
    noise: float = Field(
        0.15, ge=0, le=10, description="standard deviation, as a share of the input's own span"
    )
    seed: int = Field(0, ge=0, le=2**63 - 1, description="of the noise; row i draws from its own")

    @override
    def attributions(self, task: AttributionTask) -> Iterator[PartialAttribution]:
        """Yield the mean gradient so far, after each batch."""
        generators = [torch.Generator().manual_seed(self.seed) for _ in range(len(task))]
        jobs = [row for row in range(len(task)) for _ in range(self.samples)]
        total = zeros(task)
        for first in range(0, len(jobs), task.batch):
            rows = jobs[first : first + task.batch]
            noisy = tuple(self._noisy(x, rows, generators) for x in task.repeated(rows))
            at = torch.tensor(rows, device=total[0].device)
            for sums, found in zip(total, input_gradients(task, noisy, rows), strict=True):
                sums.index_add_(0, at, found)
            done = first + len(rows)
            yield PartialAttribution(tuple(sums / self.samples for sums in total), done / len(jobs))

    def _noisy(self, x: Tensor, rows: list[int], generators: list[torch.Generator]) -> Tensor:
        """Add Gaussian noise relative to each row's range of values; indices stay as they are."""
        if not x.is_floating_point():
            return x
        span = x.flatten(1).amax(1) - x.flatten(1).amin(1)
        draws = torch.stack([torch.randn(x.shape[1:], generator=generators[row]) for row in rows])
        return x + self.noise * span.view(-1, *[1] * (x.dim() - 1)) * draws.to(x)

    @override
    def reduced(self) -> "SmoothGrad":
        """Return a variant with at most 8 copies."""
        return self.model_copy(update={"samples": min(self.samples, 8)})
