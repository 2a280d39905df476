"""Correlations of feature maps with what the picture shows without a network: brightness, edges, colours."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from convscope.graph import TensorSpec
from convscope.see.features.maps import FeatureMaps, standardised

DIRECTIONS = {0: "vertical", 45: "diagonal", 90: "horizontal", 135: "diagonal"}
"""Degrees of the direction in which brightness changes, and the edges across it."""
LEAST = 0.6
"""Correlation from which a map is said to follow a property of the picture."""


@dataclass(frozen=True)
class PictureCorrelation:
    """The property of the picture that a unit's map follows most.

    Attributes:
        unit: index of the unit.
        name: `light` or `dark`; `edges` (of any direction), `flat`, `horizontal`, `vertical` or `diagonal`
            (edges); `red`, `green`, `yellow` or `blue`.
        value: Pearson's correlation with it over the positions of the map, from 0 to 1.
        fewest_positions: along each axis; coarser maps are not compared, they agree with something by chance.
    """

    fewest_positions: ClassVar[int] = 10

    unit: int
    name: str
    value: float

    @property
    def follows(self) -> bool:
        """Whether the correlation is at least 0.6, so that the map can be said to follow the property."""
        return self.value >= LEAST


def picture_correlations(
    maps: FeatureMaps, picture: Float[Tensor, "c h w"], spec: TensorSpec, units: Sequence[int]
) -> tuple[PictureCorrelation, ...]:
    """Correlate feature maps with the brightness, edges and colours of the picture.

    A map that follows one of them shows little that the picture does not show without a network. The picture
    is averaged over the pixels of each position of the map first. Edges are derivatives of its brightness
    (central differences) in four directions, of either sign, as they are and with negative values cut off, as
    after a ReLU; edges of any direction are the magnitude of the gradient. Colours are red minus green, and
    blue minus yellow (the mean of red and green).

    Args:
        maps: activations of one layer, `[c h w]`.
        picture: the network's input, of 1 or 3 channels in the spec's range.
        spec: specification of the input.
        units: those that are looked at.

    Returns:
        For each unit the property with the largest correlation; none where the map or the picture has no two
            axes, or the map fewer than 10 positions along one.
    """
    spread = maps.maps.dim() == 3 and picture.dim() == 3 and len(picture) in (1, 3)
    if not spread or min(maps.maps.shape[1:]) < PictureCorrelation.fewest_positions:
        return ()
    height, width = maps.maps.shape[1:]
    small = functional.adaptive_avg_pool2d(picture.detach().cpu().float(), (height, width))
    named = _properties(small, spec)
    seen = standardised(torch.stack([values for _, values in named]))
    found = standardised(maps.maps[list(units)].float()) @ seen.T
    best = found.argmax(1).tolist()
    return tuple(
        PictureCorrelation(unit, named[k][0], min(max(float(row[k]), 0.0), 1.0))
        for unit, row, k in zip(units, found, best, strict=True)
    )


def _properties(picture: Tensor, spec: TensorSpec) -> list[tuple[str, Tensor]]:
    """Return what a map can follow: names, and values `[h w]`; a name may stand for several."""
    low, high = spec.value_range
    shown = (picture - low) / (high - low)
    light = shown.mean(0)
    down, right = torch.gradient(light)
    steep = (down.square() + right.square()).sqrt()
    found = [("light", light), ("dark", -light), ("edges", steep), ("flat", -steep)]
    for degrees, name in DIRECTIONS.items():
        angle = math.radians(degrees)
        rise = math.cos(angle) * right + math.sin(angle) * down
        found += [(name, values) for signed in (rise, -rise) for values in (signed, signed.clamp_min(0))]
    if len(shown) == 3:
        red, green, blue = shown
        warm, bluish = red - green, blue - (red + green) / 2
        found += [("red", warm), ("green", -warm), ("blue", bluish), ("yellow", -bluish)]
    return found
