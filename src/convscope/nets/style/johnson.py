"""Johnson's feed-forward transformer: one network for one style.

Source: Johnson, Alahi and Fei-Fei 2016, "Perceptual Losses for Real-Time Style Transfer and
Super-Resolution", arXiv:1603.08155; instance normalisation: Ulyanov, Vedaldi and Lempitsky 2016,
arXiv:1607.08022; nearest-neighbour upsampling in place of transposed convolutions: see
`parts.UpsampleConv`.
"""

from dataclasses import dataclass

from torch import nn

from convscope.errors import UsageError
from convscope.nets.style.bank import MEAN, STD
from convscope.nets.style.parts import (
    FeedForwardStyleNet,
    Maps,
    Residual,
    UpsampleConv,
    any_size,
    as_picture,
    last,
    unit,
)


@dataclass(frozen=True)
class Size:
    """Configuration of a transformer.

    Args:
        style: name of the style.
        width: channels at full size; twice as many at half, four times at a quarter of it.
        blocks: residual blocks at a quarter of the size.

    Raises:
        UsageError: a size is out of range.
    """

    style: str
    width: int = 16
    blocks: int = 4

    def __post_init__(self) -> None:
        if not 4 <= self.width <= 128 or not 0 <= self.blocks <= 16:
            raise UsageError("a width of 4 to 128 and up to 16 blocks", received=str(self))


class Johnson(FeedForwardStyleNet):
    """Transformer for normalised photographs `[b 3 h w]` of any size; the result is in [0, 1], not clipped.

    Args:
        form: the configuration.
    """

    kind, shape = "johnson", Size
    form: Size

    def __init__(self, form: Size) -> None:
        super().__init__(form)
        w = form.width
        self.layers = nn.Sequential(
            unit(3, w, 9, norm=True),
            unit(w, 2 * w, 3, 2, norm=True),
            unit(2 * w, 4 * w, 3, 2, norm=True),
            *(Residual(4 * w, norm=True) for _ in range(form.blocks)),
            UpsampleConv(4 * w, 2 * w, norm=True),
            UpsampleConv(2 * w, w, norm=True),
            last(w, 9),
        )

    @property
    def styles(self) -> tuple[str, ...]:
        """Name of its one style."""
        return (self.form.style,)

    @property
    def halo(self) -> int:
        """Radius of the receptive field in pixels while the statistics are held, up to a multiple of 4."""
        return -(-(4 + 1 + 2 + 8 * self.form.blocks + 4 + 2 + 4) // 4) * 4

    @property
    def numbers_per_pixel(self) -> int:
        """Peak memory for each output pixel, in values, approximately: that of the last upsampling."""
        return 9 * self.form.width

    def forward(self, images: Maps) -> Maps:
        """Stylize photographs.

        Args:
            images: normalised photographs `[b 3 h w]`, of any size.

        Returns:
            Stylized images `[b 3 h w]` in [0, 1], not clipped.
        """
        return any_size(lambda x: as_picture(self.layers(x), MEAN, STD), images, least=16)
