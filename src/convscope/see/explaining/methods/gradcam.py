"""A layer's maps, weighed by the mean gradient of the target at each."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from convscope.see.explaining.cams import Cam, weighed


class GradCam(Cam):
    """The last layer's maps, each weighed by the mean gradient of the target over it."""

    name: str = "gradcam"
    title: ClassVar[str] = "Grad-CAM"
    source: ClassVar[str] = "Selvaraju et al. 2017, arXiv:1610.02391, §3"

    @override
    def combined(
        self, maps: Float[Tensor, "b k *size"], gradient: Float[Tensor, "b k *size"]
    ) -> Float[Tensor, "b 1 *size"]:
        """Rectified."""
        return weighed(maps, gradient.flatten(2).mean(2))
