"""What is not wanted of an image. Penalties are positive; subtract them: `channel("conv2:17") - 0.1 * l1()`.

With the L1 penalty the lecture's formula reads argmax(y - sum|x|); one of its texts prints a plus, which is
wrong.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from convscope.see.optimize.activation_batch import ActivationBatch
from convscope.see.optimize.objective import Objective, ObjectiveTerm

_BINOMIAL = (0.25, 0.5, 0.25)
"""One axis of the smallest binomial kernel."""


@dataclass(frozen=True)
class L1(ObjectiveTerm):
    """Sum of distances from `around`."""

    around: float | int = 0.0

    @override
    def __call__(self, scene: ActivationBatch) -> Float[Tensor, " b"]:
        return (scene.image - self.around).abs().flatten(1).sum(1)


@dataclass(frozen=True)
class L2(ObjectiveTerm):
    """Root of the sum of squared distances from `around`; its gradient is 0 where the norm is."""

    around: float | int = 0.0

    @override
    def __call__(self, scene: ActivationBatch) -> Float[Tensor, " b"]:
        return torch.linalg.vector_norm((scene.image - self.around).flatten(1), dim=1)


@dataclass(frozen=True)
class TotalVariation(ObjectiveTerm):
    """Sum of the absolute differences of neighbours along every spatial axis."""

    @override
    def __call__(self, scene: ActivationBatch) -> Float[Tensor, " b"]:
        image = scene.image
        total = image.new_zeros(len(image))
        for axis in range(2, image.dim()):
            total = total + image.diff(dim=axis).abs().flatten(1).sum(1)
        return total


@dataclass(frozen=True)
class BlurPenalty(ObjectiveTerm):
    """Half the squared distance from the image's own blurred copy.

    The copy is held fixed, so that the gradient is what blurring would remove.
    """

    @override
    def __call__(self, scene: ActivationBatch) -> Float[Tensor, " b"]:
        return 0.5 * (scene.image - binomial_blur(scene.image.detach())).flatten(1).square().sum(1)


def binomial_blur(image: Float[Tensor, "b c *size"]) -> Float[Tensor, "b c *size"]:
    """The image after the 3-tap binomial filter along every spatial axis, edges repeated."""
    for axis in range(2, image.dim()):
        if image.shape[axis] > 1:
            moved = image.movedim(axis, -1)
            padded = F.pad(moved.flatten(0, -2)[None], (1, 1), mode="replicate")[0].view(
                *moved.shape[:-1], -1
            )
            left, middle, right = padded[..., :-2], padded[..., 1:-1], padded[..., 2:]
            moved = _BINOMIAL[0] * left + _BINOMIAL[1] * middle + _BINOMIAL[2] * right
            image = moved.movedim(-1, axis)
    return image


def l1(around: float | int = 0.0) -> Objective:
    """Sum of |x - around| over all pixels and channels."""
    return Objective.of(L1(around))


def l2(around: float | int = 0.0) -> Objective:
    """Norm of x - around."""
    return Objective.of(L2(around))


def total_variation() -> Objective:
    """Sum of |x_i - x_(i+1)| along every spatial axis."""
    return Objective.of(TotalVariation())


def blur_penalty() -> Objective:
    """How far the image is from smooth: half the squared distance from its blurred self."""
    return Objective.of(BlurPenalty())
