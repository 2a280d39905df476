"""The world of spectrograms: what networks see of sounds behind a front end, low frequencies below."""

from jaxtyping import Float
from PIL import Image
from torch import Tensor
from typing_extensions import override

from convscope.graph.spec import SPECTROGRAM, TensorSpec
from convscope.worlds.arrays import ArrayWorld
from convscope.worlds.images.render import flat, grayscale_alpha, in_unit_range, numbers

WIDTH, HEIGHT = 400, 240
"""Pixels that a picture comes near to."""


class SpectrogramWorld(ArrayWorld):
    """Read spectrograms from `.npy` files, or from arrays and tensors."""

    rows_upwards = True

    def __init__(self) -> None:
        super().__init__(SPECTROGRAM, "a spectrogram")

    @override
    def render(self, tensor: Float[Tensor, "*shape"], spec: TensorSpec) -> Image.Image:
        """Draw the highest values in black, low frequencies below; a value is a rectangle of whole pixels."""
        values = flat(numbers(in_unit_range(tensor, spec)))[::-1]
        times = (
            max(1, round(side / extent)) for side, extent in zip((HEIGHT, WIDTH), values.shape, strict=True)
        )
        rows, columns = times
        return grayscale_alpha(values.repeat(rows, axis=0).repeat(columns, axis=1))
