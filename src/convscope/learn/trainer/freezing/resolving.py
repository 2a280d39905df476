"""Find the parameters, and the statistics of normalisations, that an address stands for, in any module."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from convscope.errors import PlaceError, UsageError, nearest
from convscope.learn.trainer.freezing.addresses import ParameterAddress
from convscope.learn.trainer.freezing.selection import Selection, union
from convscope.nets.modules.classics.lenet import PartialConv2d, Subsample
from convscope.nets.modules.local import Local1d, Local2d

Index = tuple[Any, ...]
"""Index into a tensor."""
RUNNING = (
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm),
    *(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
)
"""Normalisations that may keep running statistics."""


@dataclass(frozen=True)
class UnitLayout:
    """Where the values of one unit lie in the tensors of a layer.

    Attributes:
        units: returns the number of units of a layer.
        unit: returns, for a layer and a unit, indices into its tensors by their names.
        sources: returns, for a layer and a unit, the numbers of the input maps that it reads.
        link: returns, for a layer, a unit and an input map, indices into its tensors; None where each unit
            reads its own map only.
    """

    units: Callable[[Any], int]
    unit: Callable[[Any, int], dict[str, Index]]
    sources: Callable[[Any, int], Sequence[int]] = lambda _layer, _unit: ()
    link: Callable[[Any, int, int], dict[str, Index]] | None = None


def _group(layer: Any, unit: int) -> range:
    """Return the input maps that a unit of a grouped convolution reads."""
    reads = layer.in_channels // layer.groups
    first = unit // (layer.out_channels // layer.groups) * reads
    return range(first, first + reads)


def _transposed(layer: Any, unit: int) -> dict[str, Index]:
    reads, own = _group(layer, unit), unit % (layer.out_channels // layer.groups)
    return {"weight": (slice(reads.start, reads.stop), own), "bias": (unit,)}


def _local(layer: Any, unit: int, source: int) -> dict[str, Index]:
    window = prod(layer.kernel_size)
    return {"weight": (..., slice(source * window, (source + 1) * window), unit)}


def _first_axis(_layer: Any, unit: int) -> dict[str, Index]:
    return dict.fromkeys(("weight", "bias", "running_mean", "running_var"), (unit,))


def _length(layer: Any) -> int:
    """Return the number of units of a layer with one value for each in every tensor."""
    tensors = (layer.weight, getattr(layer, "running_mean", None))
    return next((len(tensor) for tensor in tensors if tensor is not None and tensor.ndim == 1), 0)


_EACH = UnitLayout(_length, _first_axis)
"""One value for each unit, on the only axis."""
LAYOUTS: dict[tuple[type[nn.Module], ...], UnitLayout] = {
    (nn.Linear,): UnitLayout(
        lambda layer: layer.out_features,
        _first_axis,
        lambda layer, _unit: range(layer.in_features),
        lambda _layer, unit, source: {"weight": (unit, source)},
    ),
    (nn.Conv1d, nn.Conv2d, nn.Conv3d): UnitLayout(
        lambda layer: layer.out_channels,
        _first_axis,
        _group,
        lambda layer, unit, source: {"weight": (unit, source - _group(layer, unit).start)},
    ),
    (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d): UnitLayout(
        lambda layer: layer.out_channels,
        _transposed,
        _group,
        lambda layer, unit, source: {"weight": (source, unit % (layer.out_channels // layer.groups))},
    ),
    (Local1d, Local2d): UnitLayout(
        lambda layer: layer.out_channels,
        lambda _layer, unit: {"weight": (..., unit), "bias": (..., unit)},
        lambda layer, _unit: range(layer.in_channels),
        _local,
    ),
    (PartialConv2d,): UnitLayout(
        lambda layer: layer.out_channels,
        lambda layer, unit: {"links": (layer.rows == unit,), "bias": (unit,)},
        lambda layer, unit: layer.columns[layer.rows == unit].tolist(),
        lambda layer, unit, source: {"links": ((layer.rows == unit) & (layer.columns == source),)},
    ),
    (*RUNNING, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm, nn.PReLU, Subsample): _EACH,
}
"""By the classes of layers, whose subclasses count too."""


class Names:
    """The names of a network's layers and tensors; a layer registered under several has the first of them.

    Args:
        module: the network.

    Attributes:
        tensors: parameters and buffers by name, as in the network's state. A parameter that layers share is
            there under one name for each of them.
        parameters: names of those that are parameters.
    """

    def __init__(self, module: nn.Module) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.parameters: set[str] = set()
        self._layers: dict[str, nn.Module] = {}
        self._first: dict[nn.Module, str] = {}
        for name, layer in module.named_modules(remove_duplicate=False):
            self._layers[name] = layer
            if layer in self._first:
                continue
            self._first[layer] = name
            own = dict(layer.named_parameters(recurse=False, remove_duplicate=False))
            self.parameters |= {self.full(layer, part) for part in own}
            self.tensors |= {self.full(layer, part): tensor for part, tensor in own_tensors(layer).items()}

    def full(self, layer: nn.Module, part: str) -> str:
        """Return the name of a tensor of a layer within the network.

        Args:
            layer: a layer of the network.
            part: name of a tensor in it.

        Returns:
            The dotted name.
        """
        prefix = self._first[layer]
        return f"{prefix}.{part}" if prefix else part

    def layer(self, name: str) -> nn.Module:
        """Return the layer that has a tensor.

        Args:
            name: name of the tensor.

        Returns:
            The layer.
        """
        return self._layers[name.rpartition(".")[0]]

    def layers(self, address: ParameterAddress) -> dict[str, nn.Module]:
        """Return the layers whose names match an address.

        Args:
            address: the address; its unit is not read.

        Returns:
            Layers by name.
        """
        if not address.is_pattern:
            return {n: layer for n, layer in self._layers.items() if n == address.layer and n}
        return {n: layer for n, layer in self._layers.items() if n and fnmatchcase(n, address.layer)}

    def matching_parameters(self, address: ParameterAddress) -> set[str]:
        """Return the parameters whose own names match an address.

        Args:
            address: the address; its unit is not read.

        Returns:
            Their names.
        """
        return {n for n in self.parameters if n == address.layer or fnmatchcase(n, address.layer)}

    def inside(self, layer: nn.Module) -> Iterator[str]:
        """Yield the names of all tensors in a layer and below it.

        Args:
            layer: a layer of the network.

        Yields:
            Dotted names.
        """
        for part in layer.modules():
            yield from (self.full(part, name) for name in own_tensors(part))

    def listed(self) -> list[str]:
        """Return the names that an address may have, for hints: layers with tensors."""
        return [
            name for layer, name in self._first.items() if name and next(layer.parameters(), None) is not None
        ]


def own_tensors(layer: nn.Module) -> dict[str, Tensor]:
    """Return the parameters and buffers of a layer itself, without those of layers inside it.

    Args:
        layer: any module.

    Returns:
        Tensors by name.
    """
    own = dict(layer.named_parameters(recurse=False, remove_duplicate=False))
    return own | dict(layer.named_buffers(recurse=False, remove_duplicate=False))


def resolve(module: nn.Module, text: str) -> Selection:
    """Return what an address stands for.

    Of a layer that is all its parameters and buffers, the running statistics of its normalisations among
    them; of a unit, its values in each of the layer's own parameters, and its running statistics; of a link,
    the weights from one input map.

    Args:
        module: the network.
        text: the address, see `ParameterAddress`.

    Returns:
        The selection.

    Raises:
        PlaceError: nothing has that name, or the layer has no such unit or link, or no units of its own.
    """
    address, names = ParameterAddress.parse(text), Names(module)
    layers = names.layers(address)
    if address.unit is not None:
        return _units(names, address, layers)
    found: Selection = dict.fromkeys(names.matching_parameters(address))
    for layer in layers.values():
        found |= dict.fromkeys(names.inside(layer))
    if not layers and not found:
        raise _unknown(names, address)
    if not found:
        raise PlaceError(
            "a layer with parameters or running statistics",
            received=f"{text}, which has none",
            hint="convscope describe NETWORK lists the layers with their parameters.",
        )
    return found


def _unknown(names: Names, address: ParameterAddress) -> PlaceError:
    wanted = "a pattern that layers match" if address.is_pattern else "a layer or parameter of the network"
    return PlaceError(wanted, received=str(address), hint=nearest(address.layer, names.listed()))


def _units(names: Names, address: ParameterAddress, layers: dict[str, nn.Module]) -> Selection:
    """Return one unit or link of each matching layer; of a pattern, layers without tensors are left out."""
    if address.is_pattern:
        layers = {n: layer for n, layer in layers.items() if own_tensors(layer)}
    if not layers:
        if names.matching_parameters(address):
            raise PlaceError(
                "a unit of a layer",
                received=f"{address}: {address.layer} is a parameter, not a layer",
                hint=f"Freeze the whole of it: {address.layer}",
            )
        raise _unknown(names, address)
    return union(_unit(names, name, layer, address) for name, layer in layers.items())


def _unit(names: Names, name: str, layer: nn.Module, address: ParameterAddress) -> Selection:
    layout = next((found for kinds, found in LAYOUTS.items() if isinstance(layer, kinds)), None)
    count = 0 if layout is None else layout.units(layer)
    if layout is None or not count:
        raise _no_units(names, name, layer, address)
    unit, source = address.unit or 0, address.source
    if unit >= count:
        raise PlaceError(
            f"one of the units 0 to {count - 1} of {name}",
            received=str(address),
            hint=f"They are counted from 0: {name}:{count - 1} is the last one.",
        )
    if source is None:
        chosen = layout.unit(layer, unit)
    else:
        _check_link(layout, name, layer, address)
        chosen = layout.link(layer, unit, source) if layout.link else {}
    own = own_tensors(layer)
    computed = [part for part in chosen if part not in own and getattr(layer, part, None) is not None]
    found: Selection = {}
    for part, index in () if computed else chosen.items():
        if part not in own:
            continue
        mask = torch.zeros(own[part].shape, dtype=torch.bool)
        mask[tuple(i.cpu() if isinstance(i, Tensor) else i for i in index)] = True
        found[names.full(layer, part)] = mask
    if not found:
        raise _no_units(names, name, layer, address)
    return union([found])


def _check_link(layout: UnitLayout, name: str, layer: nn.Module, address: ParameterAddress) -> None:
    unit, source = address.unit or 0, address.source
    if layout.link is None:
        raise PlaceError(
            f"a layer whose units read several input maps, for the link {address}",
            received=f"{name}, a {type(layer).__name__}: each unit reads one",
            hint=f"Freeze the unit: {name}:{unit}",
        )
    reads = list(layout.sources(layer, unit))
    if source not in reads:
        first = ", ".join(map(str, reads[:12])) + (f", ... {reads[-1]}" if len(reads) > 12 else "")
        raise PlaceError(
            f"one of the input maps {first}, which unit {unit} of {name} reads",
            received=str(address),
            hint=f"For example: {name}:{unit},{reads[0]}" if reads else "",
        )


def _no_units(names: Names, name: str, layer: nn.Module, address: ParameterAddress) -> PlaceError:
    """Return the error for a layer whose parameters have no axis of units, or not known which it is."""
    parts = [n for n in names.listed() if n.startswith(f"{name}.")][:4]
    within = f", or a part of it, such as {', '.join(parts)}" if parts else ""
    return PlaceError(
        "a layer whose own parameters have one known axis of units (convolution, linear, locally connected, "
        "normalisation over channels)",
        received=f"{address}: {name} is a {type(layer).__name__}",
        hint=f"Freeze the whole layer, {name}{within}.",
    )


def check_shared(module: nn.Module, selection: Selection) -> None:
    """Refuse a selection with a parameter that another layer shares, if that layer's is not selected alike.

    There is one tensor: it cannot be frozen for one of the layers only.

    Args:
        module: the network.
        selection: what is frozen or thawed in one call.

    Raises:
        UsageError: another layer, which was not named, would be frozen or thawed too.
    """
    names, owners = Names(module), {}
    for name in sorted(names.parameters):
        owners.setdefault(names.tensors[name], []).append(name)
    for shared in owners.values():
        chosen = [name for name in shared if name in selection]
        if not chosen or len(shared) == 1:
            continue
        masks = [selection.get(name, False) for name in shared]
        if not all(_same(masks[0], mask) for mask in masks[1:]):
            raise UsageError(
                f"all layers that share a parameter, {', '.join(shared)}, which are one tensor",
                received=f"only {', '.join(chosen)}" if len(chosen) < len(shared) else "other units of each",
                hint="Name the others in the same call.",
            )


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return torch.equal(first, second)
    return first is second
