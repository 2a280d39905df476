"""Record activations at given addresses in one forward pass that stops as soon as all are recorded."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from convscope.errors import ConvscopeError, PlaceError, UsageError, nearest
from convscope.nets.activations.address import RESULT, LayerAddress, check_selection
from convscope.nets.activations.axes import Output, Spot, last_of, units_first
from convscope.nets.activations.freezing import frozen
from convscope.nets.activations.tree import after, tree_leaves, tree_replace
from convscope.nets.network import Net, takes_network

Shapes = dict[str, tuple[dict[str, tuple[int, ...]], ...]]
"""By layer, for each call: the shape of every tensor it returns, channels first, without batch axis."""

Noted = Callable[[LayerAddress, Tensor], None]
"""Callback with an address and its activation."""


@takes_network
def record(
    net: Net,
    inputs: Tensor | Sequence[Tensor],
    places: Iterable[LayerAddress | str],
    *,
    noted: Noted | None = None,
) -> dict[LayerAddress, Tensor]:
    """Record the activations at `places` for the given inputs.

    One forward pass with frozen weights in evaluation mode, ended after the last place that is needed. Each
    tensor holds the value at its place even if a later layer overwrites it in place. Where gradients are
    enabled, the tensors are part of the autograd graph: later places can be differentiated with respect to
    earlier ones and to the inputs.

    Args:
        net: the network; its state is the same afterwards, also after an exception.
        inputs: one tensor `[b c ...]` in the spec's range, or one for each input.
        places: addresses of what to record. How often a layer runs is found once, with the spec's
            example.
        noted: called with a place and its tensor as soon as the layer has returned it, before the network
            continues: what is computed from it then comes before later layers in the autograd graph, and
            receives gradients after them. The last call for a place counts; for the network's own result
            there may be none. Its exceptions are raised unchanged.

    Returns:
        For each place, by the address as given and in that order: `[b c ...]` for a layer, `[b ...]` for a
        unit, `[b c]` for a position, `[b]` for a neuron. Where a layer has its channels last, as on tokens,
        they are moved to axis 1; see `convscope.nets.activations.axes`.

    Raises:
        UsageError: the inputs are no tensors.
        PlaceError: a place does not exist, its layer did not run for these inputs, or its activation is
            complex or sparse.
    """
    if isinstance(inputs, str | bytes) or not all(isinstance(x, Tensor) for x in inputs):
        raise UsageError(
            "tensors [b c ...] in the range of the network's input spec",
            received=type(inputs).__name__,
            hint="convscope.see.activations(net, image, places) takes files, pictures and arrays.",
        )
    requested = [LayerAddress.parse(place) for place in places]
    wanted = [resolve(net, place, check_position=False) for place in requested]
    ready = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    recorder = Recorder(net, wanted, noted)
    with recorder.hooked():
        result = recorder.run(ready)
    return {name: recorder.tensor(place, result) for name, place in zip(requested, wanted, strict=True)}


@takes_network
def resolve(
    net: Net, place: LayerAddress | str, *inputs: Tensor, check_position: bool = True
) -> LayerAddress:
    """Check that an address exists, and replace a unit's label by its number.

    Args:
        net: the network.
        place: an address, or its text.
        *inputs: inputs of the size that will be used, where it differs from the spec's; positions are
            checked against it.
        check_position: False leaves positions unchecked.

    Returns:
        The address with its unit as a number.

    Raises:
        PlaceError: there is no such layer, call, key, unit or position; the hint names the nearest.
    """
    place = LayerAddress.parse(place)
    shapes = layer_shapes(net, *inputs)
    calls = shapes.get(place.layer)
    if calls is None:
        raise _unknown(net, place, shapes)
    if place.call is not None and place.call > len(calls):
        times = "once" if len(calls) == 1 else f"{len(calls)} times"
        raise PlaceError(
            f"a call of {place.layer}, which runs {times}",
            received=str(place),
            hint=f"Leave the number out: {place.layer}",
        )
    parts = calls[(place.call or len(calls)) - 1]
    shape = _part(place, parts)
    if not check_position and place.position is not None:
        size = tuple(p + 1 for p in place.position)
        shape = (*shape[:1], *size) if len(size) == len(shape) - 1 else shape
    named = shape[:1] == (len(net.classes),) and (place.layer == RESULT or len(shape) == 1)
    return check_selection(place, shape, net.classes if named else ())


@takes_network
def named_address(net: Net, place: LayerAddress) -> str:
    """Return the text of an address with the name of a class in place of its number: `output:goldfish`.

    Of several synonyms it is the first that leads back to the same unit. A name that is a number is left out:
    `output:7` is a unit's number.

    Args:
        net: the network.
        place: a resolved address.

    Returns:
        The text, which `resolve` takes; with the number where the unit has no name of its own.
    """
    if not isinstance(place.unit, int) or place.unit >= len(net.classes):
        return str(place)
    label = net.classes[place.unit]
    for name in (label.split(",")[0].strip(), label):
        if not name or "@" in name:
            continue
        text = str(replace(place, unit=name))
        try:
            if resolve(net, text, check_position=False) == place:
                return text
        except PlaceError:  # of several classes, or of a layer whose units have no names
            continue
    return str(place)


class _Survey(NamedTuple):
    shapes: Shapes
    last: frozenset[Spot]


@dataclass
class _Known:
    """What earlier passes of a network have shown; kept in its cache."""

    surveys: dict[tuple[tuple[int, ...], ...], _Survey] = field(default_factory=dict)
    """By the shapes of the inputs, without batch axis."""
    overwrites: bool = False
    """Whether a layer changes in place what another has returned."""


def _known(net: Net) -> _Known:
    return net.cache("recording", _Known)


def share_layer_shapes(net: Net, copy: Net) -> None:
    """Let a copy of a network know the shapes that are known of the network, so that they are not found anew.

    Args:
        net: the network.
        copy: a network with the same layers and shapes, which has not been run yet.
    """
    _known(copy).surveys.update(_known(net).surveys)


@takes_network
def layer_shapes(net: Net, *inputs: Tensor) -> Shapes:
    """Return the output shapes of every layer that runs, for each of its calls.

    Found in one forward pass over one example, and cached in the network for inputs of the same size.

    Args:
        net: the network.
        *inputs: inputs of the size in question, `[b c ...]`; by default the spec's example.

    Returns:
        For each layer that runs, a tuple with one dict per call: output shapes without batch axis, channels
        first, by key.
    """
    return _survey(net, *inputs).shapes


def last_axes(net: Net) -> frozenset[Spot]:
    """Return the tensors whose channels lie on the last axis, found with the spec's example.

    Args:
        net: the network.

    Returns:
        Identifiers (layer, call, key) of those tensors; see `convscope.nets.activations.axes.last_of`.
    """
    return _survey(net).last


def batch_changing_layers(net: Net) -> frozenset[str]:
    """Return the layers whose output does not have one row per input, found with two examples.

    One would not do: what a layer computes of the positions alone has a single row for any batch.

    Args:
        net: the network.

    Returns:
        Names of the layers that return a tensor with another number of rows than there are inputs, as where
        windows of an image are folded into the batch.
    """
    return net.cache("batch-changing layers", lambda: _batch_changing(net))


def _batch_changing(net: Net) -> frozenset[str]:
    try:
        count, found = 2, _outputs(net, _as_tuple(net.example(2)))
    except (RuntimeError, ValueError, ConvscopeError):  # a network for single inputs
        count, found = 1, _outputs(net, _as_tuple(net.example()))
    return frozenset(name for name, _, parts in found if any(s and s[0] != count for s in parts.values()))


def _survey(net: Net, *inputs: Tensor) -> _Survey:
    ready = inputs or _as_tuple(net.example())
    key, surveys = tuple(tuple(x.shape[1:]) for x in ready), _known(net).surveys
    if key not in surveys:
        surveys[key] = _summarise(_outputs(net, tuple(x[:1] for x in ready)))
    return surveys[key]


_Call = tuple[str, nn.Module | None, dict[str, tuple[int, ...]]]
"""A layer's name, its module, and the shape of each tensor that it returned by key, with the batch axis."""


def _outputs(net: Net, ready: tuple[Tensor, ...]) -> list[_Call]:
    """Run the network once; return the output shapes of each call of each layer, in the order of completion.

    The last entry is the network's result.
    """
    found: list[_Call] = []

    def note(name: str, module: nn.Module | None, output: Any) -> None:
        found.append((name, module, {k: tuple(t.shape) for k, t in tree_leaves(output)}))

    handles: list[Any] = []
    with frozen(net.module), torch.no_grad():
        try:
            for name, module in net.module.named_modules():
                if name:
                    handles.append(after(module, lambda m, _i, out, name=name: note(name, m, out)))
            result = net(*ready)
        finally:
            for handle in handles:
                handle.remove()
    if not any(name == RESULT for name, _, _ in found):
        note(RESULT, None, result)
    return found


def _summarise(found: Sequence[_Call]) -> _Survey:
    calls: Counter[str] = Counter()
    outputs: list[Output] = []
    for name, module, parts in found:
        calls[name] += 1
        outputs += [Output((name, calls[name], key), shape[1:], module) for key, shape in parts.items()]
    last = last_of(outputs)
    shapes: dict[str, list[dict[str, tuple[int, ...]]]] = {name: [] for name, _, _ in found}
    for name, _, _ in found:
        shapes[name].append({})
    for output in outputs:
        name, number, key = output.spot
        channels_first = (output.shape[-1], *output.shape[:-1]) if output.spot in last else output.shape
        shapes[name][number - 1][key] = channels_first
    return _Survey({name: tuple(kept) for name, kept in shapes.items()}, last)


class _Done(BaseException):
    """Ends a forward pass. Derived from `BaseException`, so that no network catches it."""


class Recorder:
    """Record the tensors of a forward pass at the given addresses, for one input or for one after another.

    Args:
        net: the network.
        places: resolved addresses.
        noted: as for `record`.
        complete: whether a pass runs to the network's result, rather than end after the last place needed.

    Attributes:
        copying: whether layers return copies of what was recorded, so that nothing later overwrites it.
    """

    def __init__(
        self, net: Net, places: Sequence[LayerAddress], noted: Noted | None = None, *, complete: bool = False
    ) -> None:
        self.net, self.places, self.noted, self.complete = net, places, noted, complete
        shapes, self.last = _survey(net)
        self.usual = {place.layer: len(shapes[place.layer]) for place in places}
        self.modules = {
            layer: module
            for layer in dict.fromkeys(place.layer for place in places)
            if (module := _submodule(net.module, layer)) is not None
        }
        self.needed = frozenset((p.layer, p.call or self.usual[p.layer]) for p in places)
        self.every = {p.layer for p in places if p.call is None}
        self.copying = _known(net).overwrites
        self._running = False
        self._begin()

    def _begin(self) -> None:
        self.calls: Counter[str] = Counter()
        self.outputs: dict[tuple[str, int], Any] = {}
        self.pending = set(self.needed)
        self.versions: list[tuple[Tensor, int]] = []
        self.failure: Exception | None = None

    @contextmanager
    def hooked(self) -> Iterator[None]:
        """Freeze the network and hook its layers inside `with`.

        Yields:
            Nothing.
        """
        handles: list[Any] = []
        with frozen(self.net.module):
            try:
                for layer, module in self.modules.items():
                    handles.append(after(module, lambda _m, _i, out, name=layer: self._pass(name, out)))
                yield
            finally:
                for handle in handles:
                    handle.remove()

    def run(self, ready: tuple[Tensor, ...]) -> Any:
        """Run the network inside `hooked`; again, with copies, if a layer has overwritten what was recorded.

        Exceptions of the callback are raised unchanged.

        Args:
            ready: the inputs.

        Returns:
            The network's result; None if all was recorded before it ended.
        """
        result = self._forward(ready)
        if self.overwritten:
            _known(self.net).overwrites = self.copying = True
            result = self._forward(ready)
        return result

    def _forward(self, ready: tuple[Tensor, ...]) -> Any:
        self._begin()
        self._running = True
        try:
            return self.net(*ready) if self.pending or self.complete else None
        except _Done:
            if self.failure:
                raise self.failure from None
            return None
        finally:
            self._running = False

    @property
    def overwritten(self) -> bool:
        """Whether a tensor was changed in place after it was recorded."""
        return any(tensor._version != version for tensor, version in self.versions)

    def _pass(self, layer: str, output: Any) -> Any:
        if not self._running:  # another pass of the same network
            return None
        self.calls[layer] += 1
        at = (layer, self.calls[layer])
        if at not in self.pending and layer not in self.every:
            return None
        self.outputs[at] = output
        self._note(*at)
        self.pending.discard(at)
        if not self.pending and not self.complete:
            raise _Done
        tensors = [tensor for _, tensor in tree_leaves(output)]
        if (
            self.copying
            or torch.is_inference_mode_enabled()
            or any(tensor.is_inference() for tensor in tensors)
        ):
            return tree_replace(output, Tensor.clone)  # so that nothing later overwrites what was recorded
        self.versions += [(tensor, tensor._version) for tensor in tensors]
        return None

    def _note(self, layer: str, call: int) -> None:
        if self.noted is None:
            return
        for place in self.places:
            runs = (place.call,) if place.call else range(self.usual[layer], call + 1)
            if place.layer == layer and call in runs:
                try:
                    self.noted(place, self.tensor(place, None))
                except Exception as error:
                    self.failure = error
                    raise _Done from error

    def has(self, place: LayerAddress) -> bool:
        """Return whether the layer ran.

        Args:
            place: one of the addresses.

        Returns:
            True for the network's result.
        """
        return place.layer not in self.modules or (place.layer, self._call(place)) in self.outputs

    def _call(self, place: LayerAddress) -> int:
        return place.call or self.calls[place.layer]

    def tensor(self, place: LayerAddress, result: Any) -> Tensor:
        """Return what was recorded.

        Args:
            place: one of the addresses.
            result: what `run` returned.

        Returns:
            The activation, units on axis 1.

        Raises:
            PlaceError: the layer did not run, or the activation is complex or sparse.
        """
        at = (place.layer, 1)
        if place.layer not in self.modules:
            value = result
        else:
            at = (place.layer, self._call(place))
            if at not in self.outputs:
                raise PlaceError(
                    f"a layer that runs for these inputs, which {place.layer} does not",
                    received=f"{place}, which was not passed",
                    hint="This network chooses its way by its inputs.",
                )
            value = self.outputs[at]
        parts = dict(tree_leaves(value))
        _part(place, {key: tuple(t.shape[1:]) for key, t in parts.items()})
        key = place.key if place.key is not None else next(iter(parts))
        act = units_first(parts[key], (at[0], at[1], key), self.last)
        check_selection(place, tuple(act.shape[1:]))
        return place.select(_real(act, place))


def _real(act: Tensor, place: LayerAddress) -> Tensor:
    """Return the activation; refuse complex and sparse tensors."""
    if act.is_complex() or act.layout is not torch.strided:
        kind = f"complex values ({act.dtype})" if act.is_complex() else f"a sparse tensor ({act.layout})"
        way = "x.abs() or torch.view_as_real(x)" if act.is_complex() else "x.to_dense()"
        raise PlaceError(
            f"real values in a dense tensor at {place.layer_text}",
            received=kind,
            hint=f"Choose another layer, or wrap a module that returns {way}.",
        )
    return act


def _as_tuple(inputs: Any) -> tuple[Tensor, ...]:
    return (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)


def _submodule(module: nn.Module, name: str) -> nn.Module | None:
    try:
        return nn.Module.get_submodule(module, name)  # TorchScript has none of its own
    except AttributeError:
        return None


def _part(place: LayerAddress, parts: dict[str, tuple[int, ...]]) -> tuple[int, ...]:
    if not parts:
        raise PlaceError(
            f"a tensor from {place.layer}",
            received=f"{place}, which returns none",
            hint="Choose another layer: convscope describe NETWORK lists them.",
        )
    if place.key is None:
        return next(iter(parts.values()))
    if place.key not in parts:
        named = [key for key in parts if key]
        hint = (
            nearest(place.key, named)
            if named
            else f"{place.layer} returns one tensor: leave out [{place.key}]."
        )
        raise PlaceError(f"a part that {place.layer} returns", received=str(place), hint=hint)
    return parts[place.key]


def _unknown(net: Net, place: LayerAddress, shapes: Shapes) -> PlaceError:
    if _submodule(net.module, place.layer) is not None:
        return PlaceError(
            "a layer that runs",
            received=f"{place.layer}, which {net.name} has but never calls",
            hint="Choose a layer inside it or after it.",
        )
    return PlaceError(f"a layer of {net.name}", received=place.layer, hint=nearest(place.layer, shapes))
