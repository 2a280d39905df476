"""A walk through a network, from its first layer to its last: where to stop, and which units to look at.

Early layers like textures, later ones patterns, parts and objects (Olah et al. 2017).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import nn

from convscope.errors import UsageError
from convscope.nets import LayerAddress, Net, layer_shapes, resolve
from convscope.nets.activations.address import RESULT
from convscope.see.visualization.objective_parser import unit_count

MOST = 0.5
"""A block with more than this share of the weights is opened, and its parts are stops of their own."""


@dataclass(frozen=True)
class LayerStop:
    """One layer of a journey."""

    layer: str
    units: tuple[int, ...]
    shape: tuple[int, ...]
    """Of its output, without batch axis."""
    field: tuple[int, ...] | None
    """Extent of its receptive field in pixels, or None where it is not known."""
    whole_layer: bool = False
    """Whether it sees the whole input."""

    @property
    def places(self) -> tuple[str, ...]:
        """Each unit's place."""
        return tuple(f"{self.layer}:{unit}" for unit in self.units)


def layer_path(
    net: Net, layers: Sequence[str] = (), *, stops: int = 9, units: int = 5
) -> tuple[LayerStop, ...]:
    """Where to stop on the way through a network.

    Args:
        net: any network whose layers give maps.
        layers: the stops, if they are not to be chosen: blocks (or convolutions, where there are none),
            evenly from first to last, and the network's answer.
        stops: how many to choose at most.
        units: how many units of each, evenly over the layer.

    Raises:
        PlaceError: a layer is not in this network.
        UsageError: the network has no layers that give maps.
    """
    chosen = [str(resolve(net, layer).layer_only) for layer in layers] or _evenly(
        top_level_blocks(net), stops
    )
    if not chosen:
        raise UsageError("a network with layers that give maps", received=net.name)
    return tuple(_stop(net, layer, units) for layer in dict.fromkeys(chosen))


def top_level_blocks(net: Net) -> list[str]:
    """The layers worth a stop, in the order in which they run; the answer is the last."""
    shapes = layer_shapes(net)
    total = sum(p.numel() for p in net.module.parameters()) or 1
    found = [name for name in _opened(net.module, "", total) if _has_maps(shapes.get(name))]
    order = list(shapes)
    answer = shapes.get(RESULT, ({},))[-1]
    ends = [RESULT] if any(len(shape) == 1 for shape in answer.values()) else []
    return sorted(found, key=order.index) + ends


def _opened(module: nn.Module, name: str, total: int) -> Iterator[str]:
    for child, part in module.named_children():
        path = f"{name}.{child}" if name else child
        weights = sum(p.numel() for p in part.parameters())
        nested = isinstance(part, nn.Sequential | nn.ModuleList | nn.ModuleDict) or weights > MOST * total
        if nested and any(True for _ in part.children()):
            yield from _opened(part, path, total)
        elif any(p.dim() > 1 for p in part.parameters()):
            yield path


def _has_maps(calls: tuple[dict[str, tuple[int, ...]], ...] | None) -> bool:
    first = next(iter(calls[-1].values()), ()) if calls else ()
    return len(first) > 1 and max(first[1:]) > 1


def _evenly(names: list[str], count: int) -> list[str]:
    if len(names) <= count:
        return names
    if count == 1:
        return names[-1:]
    return [names[round(i * (len(names) - 1) / (count - 1))] for i in range(count)]


def _stop(net: Net, layer: str, units: int) -> LayerStop:
    place = LayerAddress.parse(layer)
    count = unit_count(net, place)
    shape = next(iter(layer_shapes(net)[place.layer][-1].values()))
    chosen = tuple(round(i * (count - 1) / max(units - 1, 1)) for i in range(min(units, count)))
    if layer == RESULT and units == 1:
        chosen = (count // 2,)
    field, whole = _field(net, layer)
    return LayerStop(layer, tuple(dict.fromkeys(chosen)), shape, field, whole)


def _field(net: Net, layer: str) -> tuple[tuple[int, ...] | None, bool]:
    """The largest field of what runs inside the layer."""
    inside = [
        info.field
        for info in net.layers()
        if info.field is not None and (info.name == layer or info.name.startswith(f"{layer}."))
    ]
    if layer == RESULT:
        return None, True
    if not inside:
        return None, False
    last = max(inside, key=lambda field: field.size)
    return tuple(last.size), all(last.covers_all)
