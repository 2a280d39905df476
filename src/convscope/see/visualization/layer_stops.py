"""Choose layers along a network's depth, and units of each, for a visualization of the whole network.

Early layers respond to textures, later ones to patterns, parts and objects (Olah et al. 2017).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import nn

from convscope.errors import UsageError
from convscope.nets import LayerAddress, Net, NetLike, as_net, describe, layer_shapes, resolve
from convscope.nets.activations.address import RESULT
from convscope.result import Result
from convscope.see.visualization.objective_parser import unit_count

MOST = 0.5
"""A block with more than this share of the parameters is replaced by its children."""


@dataclass(frozen=True)
class LayerStop(Result):
    """One chosen layer.

    Attributes:
        layer: its name.
        units: indices of the chosen units.
        shape: shape of its output, without the batch axis.
        field: extent of its receptive field in pixels, axis by axis; None where it is not known.
        whole_layer: whether the receptive field covers the whole input.
    """

    layer: str
    units: tuple[int, ...]
    shape: tuple[int, ...]
    field: tuple[int, ...] | None
    whole_layer: bool = False

    @property
    def places(self) -> tuple[str, ...]:
        """Addresses of the chosen units, `layer:unit`."""
        return tuple(f"{self.layer}:{unit}" for unit in self.units)


def layer_path(
    net: NetLike, layers: Sequence[str] = (), *, stops: int = 9, units: int = 5
) -> tuple[LayerStop, ...]:
    """Choose layers from the first to the last, and evenly spread units of each.

    Args:
        net: any network whose layers give feature maps, or its name.
        layers: names of the layers to use; if empty, blocks (or convolutions, where there are no blocks) are
            chosen evenly from first to last, and the network's output.
        stops: maximum number of layers to choose; without effect if `layers` is given.
        units: number of units of each layer, evenly spread over its channels.

    Returns:
        The chosen layers, in the given order or in the order in which they run.

    Raises:
        PlaceError: a layer is not in this network.
        UsageError: the network has no layers that give feature maps.
    """
    net = as_net(net)
    chosen = [str(resolve(net, layer).layer_only) for layer in layers] or _evenly(
        top_level_blocks(net), stops
    )
    if not chosen:
        raise UsageError("a network with layers that give maps", received=net.name)
    return tuple(_stop(net, layer, units) for layer in dict.fromkeys(chosen))


def top_level_blocks(net: Net) -> list[str]:
    """Return the names of the blocks or layers that divide a network by depth.

    Containers, and blocks with more than half of the parameters, are replaced by their children; only modules
    with weights and spatial output are listed.

    Args:
        net: the network.

    Returns:
        Module names in the order in which they run; the last is `output`, if the network's result is a
        vector.
    """
    shapes = layer_shapes(net)
    total = sum(p.numel() for p in net.module.parameters()) or 1
    found = [name for name in _opened(net.module, "", total) if _has_maps(shapes.get(name))]
    order = list(shapes)
    answer = shapes.get(RESULT, ({},))[-1]
    ends = [RESULT] if any(len(shape) == 1 for shape in answer.values()) else []
    return sorted(found, key=order.index) + ends


def _opened(module: nn.Module, name: str, total: int) -> Iterator[str]:
    """Yield names of modules with weights, entering containers and blocks with most of the parameters."""
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
    """Return the largest receptive field of the layers inside, and whether it covers the whole input."""
    inside = [
        info.field
        for info in describe(net).layers
        if info.field is not None and (info.name == layer or info.name.startswith(f"{layer}."))
    ]
    if layer == RESULT:
        return None, True
    if not inside:
        return None, False
    last = max(inside, key=lambda field: field.size)
    return tuple(last.size), all(last.covers_all)
