"""A canvas that is a small network from coordinates to colours, one for each picture.

Source: Mordvintsev et al. 2018, "Differentiable Image Parameterizations", Distill,
doi:10.23915/distill.00012, section "CPPNs"; layers, activations and the start from zero are its notebook's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import UsageError
from convscope.graph.contract import InputContract
from convscope.see.optimize.image_params.base import ImageParameterization, noise, shape_of, sigmoid_range

LAYERS, HIDDEN = 8, 24
EDGE = 3**0.5
"""Coordinates run from minus to plus this, so that their standard deviation is 1."""


def cppn_image(
    contract: InputContract,
    seeds: Sequence[int],
    *,
    size: tuple[int, ...] = (),
    device: torch.device | str = "cpu",
) -> ImageParameterization:
    """A canvas whose parameters are weights; the picture can be drawn at any size afterwards.

    Args:
        contract: channels, size and value range of the images.
        seeds: one for each image, of its first weights.
        size: spatial extent, if not the contract's; one or two dimensions.
        device: where the parameters live.

    Raises:
        UsageError: the input has no extent.
    """
    channels, *extent = shape_of(contract, size)
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
        parameters, _CppnDecode(coordinates(tuple(extent)).to(device), tuple(extent), *contract.value_range)
    )


def coordinates(extent: tuple[int, ...]) -> Float[Tensor, "points axes"]:
    """Where each pixel is; the longest side runs from edge to edge, so that circles stay circles."""
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
            bent = (values @ weight + bias).atan()
            values = torch.cat([bent / 0.67, bent.square() / 0.6], dim=-1)
        colours = (values @ weights[-1]).transpose(1, 2)
        return sigmoid_range(colours.reshape(*colours.shape[:2], *self.extent), self.low, self.high)
