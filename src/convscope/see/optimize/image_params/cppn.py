"""CPPN parameterization: for each image a small network from coordinates to colours.

Source: Mordvintsev et al. 2018, "Differentiable Image Parameterizations", Distill,
doi:10.23915/distill.00012, section "CPPNs"; layers, activations and the start from zero are its notebook's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import UsageError
from convscope.graph.spec import TensorSpec
from convscope.see.optimize.image_params.base import ImageParameterization, noise, shape_of, sigmoid_range

LAYERS, HIDDEN = 8, 24
EDGE = 3**0.5
"""Coordinates run from minus to plus this, so that their standard deviation is 1."""


def cppn_image(
    spec: TensorSpec,
    seeds: Sequence[int],
    *,
    size: tuple[int, ...] = (),
    device: torch.device | str = "cpu",
) -> ImageParameterization:
    """Return a parameterization by the weights of a compositional pattern-producing network (CPPN).

    The initial image is mid-range, since the last layer starts from zero.

    Args:
        spec: channels, size and value range of the images.
        seeds: one for each image, of its initial weights.
        size: spatial extent, if not the spec's; one or two dimensions.
        device: where the parameters live.

    Returns:
        Parameters are the weights `[b in out]` of each layer, then the biases `[b 1 out]`.

    Raises:
        UsageError: the input has no spatial axes, or the size does not fit the spec.
    """
    channels, *extent = shape_of(spec, size)
    if not extent:
        raise UsageError("an input with width for a canvas that draws", received=f"{channels} numbers")
    widths = [len(extent), *[2 * HIDDEN] * (LAYERS - 1)]
    shapes = [(width, HIDDEN) for width in widths]
    total = sum(a * b for a, b in shapes)
    drawn = noise((total,), seeds).split([a * b for a, b in shapes], dim=1)
    weights = [part.view(-1, *shape) / shape[0] ** 0.5 for part, shape in zip(drawn, shapes, strict=True)]
    weights.append(torch.zeros(len(seeds), 2 * HIDDEN, channels))
    biases = [torch.zeros(len(seeds), 1, HIDDEN) for _ in shapes]
    parameters = tuple(part.to(device).contiguous().requires_grad_() for part in (*weights, *biases))
    return ImageParameterization(
        parameters, _CppnDecode(coordinates(tuple(extent)).to(device), tuple(extent), *spec.value_range)
    )


def coordinates(extent: tuple[int, ...]) -> Float[Tensor, "points axes"]:
    """Return the coordinates of each pixel, centred at 0.

    The longest side runs from `-EDGE` to `EDGE` and pixels are square, so that circles stay circles.

    Args:
        extent: of the image.

    Returns:
        One row for each pixel in row-major order, a column for each axis.
    """
    longest = max(extent)
    axes = [torch.linspace(-1, 1, n) * EDGE * (n / longest) if n > 1 else torch.zeros(1) for n in extent]
    return torch.stack([axis.flatten() for axis in torch.meshgrid(*axes, indexing="ij")], dim=1)


@dataclass(frozen=True, eq=False)
class _CppnDecode:
    points: Float[Tensor, "points axes"]
    extent: tuple[int, ...]
    low: float
    high: float

    def __call__(self, *parameters: Tensor) -> Float[Tensor, "b c *extent"]:
        weights, biases = parameters[: LAYERS + 1], parameters[LAYERS + 1 :]
        values = self.points.expand(len(weights[0]), -1, -1)
        for weight, bias in zip(weights[:-1], biases, strict=True):
            hidden = (values @ weight + bias).atan()
            values = torch.cat([hidden / 0.67, hidden.square() / 0.6], dim=-1)
        colours = (values @ weights[-1]).transpose(1, 2)
        return sigmoid_range(colours.reshape(*colours.shape[:2], *self.extent), self.low, self.high)
