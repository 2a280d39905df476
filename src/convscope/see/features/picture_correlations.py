"""Correlations of feature maps with what the picture shows without a network: brightness, edges, colours."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from convscope.graph import TensorSpec
from convscope.see.features.maps import FeatureMaps

PROPERTIES = ("light", "dark", "edges", "flat", "red", "green", "yellow", "blue")
"""What a map can follow: pairs of opposites, each the two signs of one property of the picture."""
LEAST = 0.6
"""Correlation from which a map is said to follow a property of the picture."""


@dataclass(frozen=True)
class PictureCorrelation:
    """The property of the picture that a unit's map follows most.

    Attributes:
        unit: index of the unit.
        name: one of `light`, `dark`, `edges`, `flat`, `red`, `green`, `yellow`, `blue`.
        value: Pearson's correlation with it over the positions of the map, from 0 to 1.
    """

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

    A map that follows one of them shows little that the picture does not show without a network. The edges
    are magnitudes of the gradient of the brightness (central differences); colours are red minus green, and
    blue minus yellow (the mean of red and green). Each is averaged over the pixels of a position of the map.

    Args:
        maps: activations of one layer, `[c h w]`.
        picture: the network's input, of 1 or 3 channels in the spec's range.
        spec: specification of the input.
        units: those that are looked at.

    Returns:
        For each unit the property with the largest correlation; none where the map or the picture has no two
            axes, or fewer than 16 positions.
    """
    spread = maps.maps.dim() == 3 and picture.dim() == 3 and len(picture) in (1, 3)
    if not spread or maps.maps[0].numel() < 16:
        return ()
    seen = _properties(picture.detach().cpu().float(), spec)
    small = functional.adaptive_avg_pool2d(seen, tuple(maps.maps.shape[1:]))
    found = _standardised(maps.maps[list(units)].detach().cpu()) @ _standardised(small).T
    found = found.clamp(-1, 1)
    best = found.abs().argmax(1).tolist()
    return tuple(
        PictureCorrelation(
            unit, PROPERTIES[2 * k + (float(row[k]) < 0)], abs(float(row[k])) if row.numel() else 0.0
        )
        for unit, row, k in zip(units, found, best, strict=True)
    )


def _properties(picture: Tensor, spec: TensorSpec) -> Tensor:
    """Return brightness, edges and, of colours, their two contrasts: `[2 h w]` or `[4 h w]`."""
    low, high = spec.value_range or (0.0, 1.0)
    shown = (picture - low) / (high - low)
    light = shown.mean(0)
    down, right = torch.gradient(light)
    found = [light, (down.square() + right.square()).sqrt()]
    if len(shown) == 3:
        red, green, blue = shown
        found += [red - green, (red + green) / 2 - blue]
    return torch.stack(found)


def _standardised(values: Tensor) -> Tensor:
    """Return each map with mean 0 and length 1, so that products are correlations; constant ones are 0."""
    flat = values.flatten(1).double()
    flat = flat - flat.mean(1, keepdim=True)
    length = flat.norm(dim=1, keepdim=True)
    return torch.where(length > 1e-9, flat / length.clamp_min(1e-12), torch.zeros_like(flat))
