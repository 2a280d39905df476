"""A layer's maps, weighed position by position: sharp also in early layers."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from convscope.see.explaining.cams import Cam


class LayerCam(Cam):
    """The last layer's maps, every position of each weighed by its own positive gradient."""

    name: str = "layercam"
    title: ClassVar[str] = "Layer-CAM"
    source: ClassVar[str] = "Jiang et al. 2021, doi:10.1109/TIP.2021.3089943, equation 6"

    @override
    def combined(
        self, maps: Float[Tensor, "b k *size"], gradient: Float[Tensor, "b k *size"]
    ) -> Float[Tensor, "b 1 *size"]:
        """Rectified."""
        return (maps * gradient.clamp_min(0)).sum(1, keepdim=True).clamp_min(0)
