"""Which units of a layer respond to a part of one input."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import UsageError
from convscope.graph import Field
from convscope.nets import LayerAddress, Net, resolve, takes_network
from convscope.see.features import activations
from convscope.see.units.index.unit_index import UnitIndex
from convscope.see.units.report import receptive_field
from convscope.worlds import InputLike

Span = Sequence[int | float]
"""First position along an axis of the input, and the one after the last."""

HINT = "Give each axis its first pixel and the one after the last, rows before columns."


@dataclass(frozen=True)
class RegionUnit:
    """A unit, and what it answers to a part of an input.

    Attributes:
        unit: its number.
        value: its largest value at the positions of the part.
        position: where that is on its feature map, an index for each axis.
        deviation: by how many of its standard deviations over the data that is above its mean; 0 for a unit
            that never changes, None where the data are not known.
    """

    unit: int
    value: float
    position: tuple[int, ...]
    deviation: float | None


@takes_network
def units_in_region(
    net: Net,
    image: InputLike,
    layer: str | LayerAddress,
    region: Sequence[Span],
    *,
    index: UnitIndex | None = None,
    count: int = 6,
) -> tuple[RegionUnit, ...]:
    """Return the units of a layer that respond most to a part of an input.

    The positions of the layer that count are those whose receptive fields have their centre in the part; the
    nearest one along each axis where there is none. Units differ in scale: with an index over real data each
    value is compared with all values of the same unit, else they are compared as they are.

    Args:
        net: a network of one input.
        image: one input, as `worlds.open_inputs` takes it.
        layer: a layer with feature maps.
        region: the part, a span for each spatial axis of the input, in its pixels.
        index: an index of this network that holds the layer.
        count: the most units that are returned.

    Returns:
        The units, the strongest response first.

    Raises:
        PlaceError: there is no such layer, or the index lacks it.
        UsageError: the layer has no feature maps that lie over the input, or the part is empty or outside.
    """
    place = resolve(net, layer).layer_only
    field = receptive_field(net, place)
    if field is None or not field.positions or not all(axis.follows for axis in field.axes):
        hint = "Choose a convolution, or what follows one before everything is flattened."
        raise UsageError("a layer whose positions lie over the input", received=str(place), hint=hint)
    _check(region, net.input_spec.size)
    maps = next(iter(activations(net, image, [place]).values()))[0].float().cpu()
    spots = _positions(field, region)
    values, best = torch.stack([maps[:, *spot] for spot in spots], 1).max(1)
    scores = values if index is None else _deviations(values, index, place)
    strongest = scores.topk(min(count, len(scores))).indices.tolist()
    return tuple(
        RegionUnit(
            unit, float(values[unit]), spots[int(best[unit])], None if index is None else float(scores[unit])
        )
        for unit in strongest
    )


def _check(region: Sequence[Span], size: Sequence[int]) -> None:
    spans = list(zip(region, size, strict=False))
    inside = all(0 <= low < high <= extent for (low, high), extent in spans)
    if len(region) != len(size) or not inside:
        raise UsageError(
            f"a part of an input of {' by '.join(map(str, size))}", received=str(list(region)), hint=HINT
        )


def _positions(field: Field, region: Sequence[Span]) -> list[tuple[int, ...]]:
    """Return the layer's positions whose receptive fields have their centre in a part of the input."""
    along: list[list[int]] = [[0]] * len(field.positions)
    for axis, (low, high) in zip(field.axes, region, strict=True):
        centres = {k: (span[0] + span[1] + 1) / 2 for k, span in enumerate(axis.intervals) if span}
        inside = [k for k, centre in centres.items() if low <= centre < high]
        middle = (low + high) / 2
        along[axis.at or 0] = inside or [min(centres, key=lambda k: abs(centres[k] - middle))]
    return list(product(*along))


def _deviations(values: Float[Tensor, " u"], index: UnitIndex, place: LayerAddress) -> Float[Tensor, " u"]:
    rows = index.rows(place)
    mean, std = index.accumulator.mean[rows].float(), index.accumulator.std[rows].float()
    return torch.where(std > 0, (values - mean) / std.clamp_min(1e-12), 0.0)
