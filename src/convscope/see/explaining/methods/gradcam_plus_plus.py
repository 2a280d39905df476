"""Grad-CAM whose weights look at each position, so that several things of one class all count."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from convscope.see.explaining.cams import Cam, weighed

TINY = 1e-6
"""Keeps quotients finite; grad-cam's."""


class GradCamPlusPlus(Cam):
    """The last layer's maps, weighed by positive gradients, each by its share of second derivatives."""

    name: str = "gradcam++"
    title: ClassVar[str] = "Grad-CAM++"
    source: ClassVar[str] = "Chattopadhay et al. 2018, arXiv:1710.11063, equations 10, 19"

    @override
    def combined(
        self, maps: Float[Tensor, "b k *size"], gradient: Float[Tensor, "b k *size"]
    ) -> Float[Tensor, "b 1 *size"]:
        """Rectified."""
        maps_, slope = maps.flatten(2), gradient.flatten(2)
        square = slope.square()
        share = square / (2 * square + maps_.sum(2, keepdim=True) * square * slope + TINY)
        share = torch.where(slope != 0, share, torch.zeros_like(share))
        return weighed(maps, (slope.clamp_min(0) * share).sum(2))
