"""Regularizers of the input. They are positive; subtract them: `channel("conv2:17") - 0.1 * l1()`.

With the L1 penalty the lecture's formula reads argmax(y - sum|x|); one of its texts prints a plus, which is
wrong.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from convscope.see.optimize.objectives.activation_batch import ActivationBatch
from convscope.see.optimize.objectives.objective import Objective, ObjectiveTerm

_BINOMIAL = (0.25, 0.5, 0.25)
"""One axis of the smallest binomial kernel."""


@dataclass(frozen=True)
class L1(ObjectiveTerm):
    """Sum of the absolute distances of all values from `around`."""

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
    """Blur images with the 3-tap binomial filter (1/4, 1/2, 1/4) along every spatial axis, edges replicated.

    Args:
        image: a batch of images; axes of a single pixel are left as they are.

    Returns:
        The blurred images, of the same shape; differentiable.
    """
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
    """Return the L1 penalty: the sum of |x - around| over all pixels and channels.

    Args:
        around: the value that is not penalised, in the spec's range.

    Returns:
        An objective to be subtracted.
    """
    return Objective.of(L1(around))


def l2(around: float | int = 0.0) -> Objective:
    """Return the L2 penalty: the norm (not squared) of x - around.

    Args:
        around: the value that is not penalised, in the spec's range.

    Returns:
        An objective to be subtracted.
    """
    return Objective.of(L2(around))


def total_variation() -> Objective:
    """Return the anisotropic total variation: the sum of |x_i - x_(i+1)| along every spatial axis."""
    return Objective.of(TotalVariation())


def blur_penalty() -> Objective:
    """Return the blur penalty: half the squared distance of an image from its blurred copy.

    Its gradient is what blurring would remove, since none flows through the copy.
    """
    return Objective.of(BlurPenalty())
