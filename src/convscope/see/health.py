"""Which units of each layer do no work over real inputs: dead, saturated, redundant ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import UsageError
from convscope.nets import Net, Place
from convscope.see.indexing import indexing_units
from convscope.see.statistics import BOUNDS, NEAR
from convscope.see.tally import Batch
from convscope.see.unit_index import UnitIndex
from convscope.worlds.samples import Samples

ALIKE = 0.95
"""Units whose correlation exceeds this say the same."""


@dataclass(frozen=True)
class Twin:
    """A unit that says what an earlier unit of its layer says."""

    unit: int
    earlier: int
    correlation: float


@dataclass(frozen=True)
class LayerHealth:
    """The units of one layer over many inputs.

    Attributes:
        place: the layer.
        units: how many there are.
        images: over how many inputs.
        dead: units that never say anything: always the same value, or what a ReLU after them makes 0.
        saturated: units that are at a stop of their activation function for every input, everywhere.
        redundant: units that say the same as an earlier one. The mean of a unit's map is taken for each
            input; two units are alike when these correlate by more than 0.95 over the inputs.
        silent: mean share of inputs for which a unit is nowhere above 0.
    """

    place: str
    units: int
    images: int
    dead: tuple[int, ...]
    saturated: tuple[int, ...]
    redundant: tuple[Twin, ...]
    silent: float


def layer_health(
    net: Net, samples: Samples, places: Sequence[str | Place] = (), *, batch: int = 32
) -> tuple[LayerHealth, ...]:
    """The health of each layer, in one pass over the samples.

    Args:
        net: any network.
        samples: at least two pictures of the network's input shape.
        places: layers; those with weights of their own if left out.
        batch: images at once.

    Raises:
        PlaceError: a place is not in this network.
        UsageError: there are fewer than two samples, or they do not fit.
    """
    if len(samples) < 2:
        raise UsageError("two samples or more, to compare units", received=f"{len(samples)}")
    means: list[Tensor] = []

    def watch(seen: Batch) -> None:
        means.append(seen.means)

    last = None
    for last in indexing_units(net, samples, places, k=1, batch=batch, watch=watch):
        pass
    if last is None:
        raise UsageError("samples", received="none")
    index, responses = last.index(), torch.cat(means)
    modules = dict(net.module.named_modules())
    kinds = {
        layer.place: type(modules.get(Place.parse(layer.place).layer)).__name__ for layer in index.layers
    }
    return tuple(
        _health(index, place, responses[:, index.rows(place)], kind) for place, kind in kinds.items()
    )


def redundant(responses: Float[Tensor, "n u"]) -> tuple[Twin, ...]:
    """Units that correlate with an earlier one by more than 0.95; each with the one it resembles most.

    Units that never change correlate with none.
    """
    responses = responses[responses.isfinite().all(1)].double()
    centred = responses - responses.mean(0)
    norms = centred.norm(dim=0)
    changing = norms > 1e-9 * responses.abs().amax(0).clamp_min(1e-30) * len(responses) ** 0.5
    units = changing.nonzero().flatten()
    unit = centred[:, units] / norms[units]
    alike = (unit.T @ unit).tril(-1)
    best = alike.max(1) if len(units) else None
    if best is None:
        return ()
    return tuple(
        Twin(int(units[i]), int(units[int(best.indices[i])]), float(best.values[i]))
        for i in (best.values > ALIKE).nonzero().flatten().tolist()
    )


def _health(index: UnitIndex, place: str, responses: Float[Tensor, "n u"], kind: str) -> LayerHealth:
    rows, layer, tally = index.rows(place), index.layer(place), index.tally
    saturated = index.saturated(place)
    if kind in BOUNDS:
        low, high = BOUNDS[kind]
        margin = NEAR * (high if low == -torch.inf else high - low)
        saturated = (tally.low[rows] >= high - margin) | (tally.high[rows] <= low + margin)
    silent = tally.silent[rows] / tally.images[rows].clamp_min(1)
    return LayerHealth(
        place, layer.units, int(tally.images[rows].max()), tuple(index.dead(place).nonzero().flatten().tolist()),
        tuple(saturated.nonzero().flatten().tolist()), redundant(responses), float(silent.mean()),
    )  # fmt: skip
