"""Find the layer for a class activation map, by tracing one forward pass.

Layers are ordered by the ends of their calls, so that a layer that runs several times counts where it runs
last, and an activation function counts whether it is a module of its own, a shared one or a function.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any
from weakref import ReferenceType, ref

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from typing_extensions import override

from convscope.errors import ConvscopeError, UsageError
from convscope.nets import LayerAddress, Net, layer_shapes
from convscope.nets.activations.address import RESULT
from convscope.nets.activations.recording import last_axes
from convscope.nets.activations.tree import tree_leaves, tree_replace
from convscope.nets.network import is_out_of_memory
from convscope.see.attribution.gradients.input_gradients import check_values
from convscope.see.attribution.target import AttributionTask
from convscope.see.optimize.relu_gradients import RELU_SIGNATURES, by_position

POOLS = ("pool", "dropout", "drop", "flatten", "identity", "softmax", "upsample")
"""Parts of class names of modules whose feature maps are not taken."""
RESAMPLING = "GridSampler"
"""Beginning of the names of autograd nodes that resample maps at given positions."""
_ACTIVATIONS = """
relu relu6 leaky_relu prelu elu selu celu gelu silu mish sigmoid tanh softplus hardsigmoid hardswish hardtanh
logsigmoid softsign threshold
"""
ACTIVATIONS = frozenset(_ACTIVATIONS.split())
"""Names of functions that count like activation modules."""
_NAMED = re.compile(r"(?P<layer>.+)\+(?P<function>[a-z_0-9]+?)(?:#(?P<number>\d+))?")


@dataclass(frozen=True)
class Activated(LayerAddress):
    """Address of an activation function's result that belongs to no module.

    It is the `number`-th call of `function` after a call of the layer ended. As text:
    `layer[#call]+function[#number]`, as in `c2+relu`.
    """

    function: str = ""
    number: int = 1

    @override
    def __str__(self) -> str:
        number = f"#{self.number}" if self.number > 1 else ""
        return f"{self.layer_text}+{self.function}{number}"


def activated(net: Net, text: str) -> Activated | None:
    """Parse the address of an activation function that is no module.

    Args:
        net: the network.
        text: such as `c2+relu`.

    Returns:
        The address; None if the text has another form, or is a layer's own name.

    Raises:
        PlaceError: what stands before the plus is no address.
    """
    found = _NAMED.fullmatch(text.strip())
    if not found or text in layer_shapes(net):
        return None
    place = LayerAddress.parse(found["layer"])
    return Activated(place.layer, place.call, None, None, None, found["function"], int(found["number"] or 1))


Ended = Callable[[str, int, nn.Module, Any], Any]
"""Gets a layer's name, the number of the call, the module and its output; may return another output."""
Function = Callable[[str, int, str, int, Any], Any]
"""Gets a layer's name and call, a function's name and number, and its result; may return another result."""


class Walk(TorchFunctionMode):
    """Function mode that reports each module's output, and each activation function outside leaf modules.

    Args:
        module: the network.
        ended: gets a layer's name, the number of the call, the module and its output; what it returns
            replaces the output unless it is None.
        acted: gets the layer and call that ended last, the function's name, its number since then and its
            result; what it returns replaces the result unless it is None.
    """

    def __init__(self, module: nn.Module, ended: Ended, acted: Function) -> None:
        super().__init__()
        self.module, self.ended, self.acted = module, ended, acted
        self.calls: Counter[str] = Counter()
        self.inside: list[nn.Module] = []
        self.at = ("", 0)
        self.number = 0
        self.handles: list[Any] = []

    @override
    def __enter__(self) -> "Walk":
        for name, part in self.module.named_modules():
            self.handles += [
                part.register_forward_pre_hook(lambda m, _: self.inside.append(m)),
                part.register_forward_hook(
                    lambda m, _i, out, name=name: self._leave(name, m, out), always_call=True
                ),
            ]
        super().__enter__()
        return self

    @override
    def __exit__(self, *problem: Any) -> None:
        super().__exit__(*problem)
        for handle in self.handles:
            handle.remove()
        self.handles.clear()
        self.inside.clear()

    def _leave(self, name: str, module: nn.Module, output: Any) -> Any:
        """Count a module's call, and report its output."""
        self.inside.pop()
        if not name or output is None:
            return None
        self.calls[name] += 1
        self.at, self.number = (name, self.calls[name]), 0
        return self.ended(name, self.calls[name], module, output)

    @override
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        single = bool(self.inside) and self.inside[-1] is not self.module
        single = single and not any(True for _ in self.inside[-1].children())
        if single or not self.at[0] or not isinstance(out, Tensor) or not _activates(func, args, kwargs):
            return out
        self.number += 1
        made = self.acted(*self.at, _plain_name(func), self.number, out)
        return out if made is None else made


def _plain_name(func: Callable[..., Any]) -> str:
    """Return the name of an activation function; clamps count as `relu`."""
    name = str(getattr(func, "__name__", ""))
    return "relu" if "clamp" in name or "clip" in name else name.strip("_")


def _activates(func: Callable[..., Any], args: Any, kwargs: Any) -> bool:
    """Test whether a call is an activation function; a clamp is one if it is a ReLU."""
    name = str(getattr(func, "__name__", "")).strip("_")
    if name in ACTIVATIONS:
        return True
    if func not in RELU_SIGNATURES:
        return False
    _, low, _, _ = RELU_SIGNATURES[func](*args, **by_position(kwargs))
    return not isinstance(low, Tensor) and low == 0


@dataclass(frozen=True, eq=False)
class Seen:
    """One tensor that a layer or an activation function returned, in the order of a forward pass."""

    place: LayerAddress
    shape: tuple[int, ...]
    """Channels first, without batch axis."""
    rows: int
    """Size of the batch axis."""
    module: nn.Module | None
    """The module that returned it; None for a function."""
    number: int
    """Number of the tensor object: a container that returns its last layer's output has that layer's."""
    node: Any
    """The autograd node that made it; None without gradients."""

    @property
    def single(self) -> bool:
        """Whether it is the output of a leaf module or of a function."""
        return self.module is None or not any(True for _ in self.module.children())

    @property
    def pools(self) -> bool:
        """Whether a pooling, dropout or similar module (`POOLS`) returned it, whose maps are not taken."""
        return (
            self.module is not None
            and self.single
            and any(word in type(self.module).__name__.lower() for word in POOLS)
        )


def watched(task: AttributionTask) -> tuple[list[Seen], Any]:
    """Trace one forward pass up to the target.

    If the pass fails with gradients, it is traced without them, and nodes are None.

    Args:
        task: the task: network, inputs and targets.

    Returns:
        The outputs before the target in the order of their calls, and the autograd node of the scores.
    """
    try:
        return _watched(task, gradients=True)
    except (RuntimeError, ConvscopeError) as error:
        if is_out_of_memory(error):
            raise
        return _watched(task, gradients=False)


def _watched(task: AttributionTask, *, gradients: bool) -> tuple[list[Seen], Any]:
    """Trace one pass with one row for each set of layers that targets read; see `watched`."""
    net, last, numbers = task.net, last_axes(task.net), _Numbers()
    found: list[Seen] = []
    ends: list[int] = []
    read = [frozenset((p.layer, p.call, p.key) for p in goal.places) for goal in task.objectives]
    rows = [read.index(places) for places in dict.fromkeys(read)]
    calls = {name: len(made) for name, made in layer_shapes(net, *(x[:1] for x in task.inputs)).items()}
    goals = {(p.layer, p.call or calls.get(p.layer, 1)) for p in task.places if p.layer != RESULT}

    def ended(name: str, call: int, module: nn.Module, out: Any) -> None:
        if (name, call) in goals:
            ends.append(len(found))
        parts = list(tree_leaves(out))
        if len(parts) != 1 or not parts[0][1].dim():
            return
        key, tensor = parts[0]
        place = LayerAddress(name, call=call if calls.get(name, 1) > 1 else None)
        shape = tuple(tensor.shape[1:])
        turned = (shape[-1], *shape[:-1]) if (name, call, key) in last else shape
        found.append(Seen(place, turned, len(tensor), module, numbers(tensor), tensor.grad_fn))

    def acted(name: str, call: int, function: str, number: int, out: Tensor) -> None:
        place = Activated(name, call if calls.get(name, 1) > 1 else None, None, None, None, function, number)
        turned = tuple(out.shape[1:])
        before = next((s for s in reversed(found) if s.place.layer == name), None)
        if before is not None and sorted(before.shape) == sorted(turned):
            turned = before.shape
        found.append(Seen(place, turned, len(out), None, numbers(out), out.grad_fn))

    inputs = task.repeated(rows)
    with torch.set_grad_enabled(gradients), Walk(net.module, ended, acted):
        free = [x.detach().requires_grad_(gradients and x.is_floating_point()) for x in inputs]
        scores = task.scores(free, rows)
    found = found[: min(ends)] if ends else found
    return [one for one in found if one.rows == len(rows)], scores.grad_fn


def last_spatial_layer(task: AttributionTask) -> LayerAddress:
    """Find the last layer before the target whose feature maps have the axes of an input.

    Layers that the target does not depend on are skipped, and so are pooling, dropout and similar modules,
    and what is computed from maps that were resampled at given positions (spatial transformers): its
    positions are not those of the input.

    Args:
        task: the task: network, inputs and targets.

    Returns:
        Its address.

    Raises:
        UsageError: there is none; the error says what shape the last layers have instead.
    """
    found, node = watched(task)
    axes = {x.dim() - 2 for x in task.inputs}
    reached = _reached(node) if node is not None else None
    samplers = {one for one in reached or () if type(one).__name__.startswith(RESAMPLING)}
    pooled: set[int] = set()
    lists: Seen | None = None
    for one in reversed(found):
        if len(one.shape) < 2 or prod(one.shape[1:]) < 2:
            continue
        if reached is not None and one.node is not None and one.node not in reached:
            continue  # beside the way to the target
        if samplers and one.node is not None and not samplers.isdisjoint(_reached(one.node)):
            continue
        if not any(_is_mappable(len(one.shape) - 1, rank) for rank in axes):
            lists = lists or one
            continue
        if one.pools or (not one.single and one.number in pooled):
            pooled.add(one.number)
        else:
            return one.place
    check_values(task)
    received = f"{task.net.name}, which has none"
    if lists is not None:
        received += f": {lists.place} gives {lists.shape[0]} units for each of {prod(lists.shape[1:])} tokens"
    raise UsageError(
        "a layer before the target whose units have maps with the axes of an input",
        received=received,
        hint="Use a method that needs no maps: integrated, occlusion, lrp.",
    )


def _is_mappable(rank: int, wanted: int) -> bool:
    """Return whether maps of `rank` axes have those of an input: as many, or frequency before time."""
    return rank == wanted or (rank, wanted) == (2, 1)


class _Numbers:
    """Gives each tensor object a number, and the same object the same number."""

    def __init__(self) -> None:
        self.known: dict[int, tuple[ReferenceType[Tensor], int]] = {}
        self.count = 0

    def __call__(self, tensor: Tensor) -> int:
        kept = self.known.get(id(tensor))
        if kept is None or kept[0]() is not tensor:
            self.count += 1
            kept = self.known[id(tensor)] = ref(tensor), self.count
        return kept[1]


def _reached(node: Any) -> set[Any]:
    """Return all nodes of the autograd graph behind a node."""
    found, stack = {node}, [node]
    while stack:
        for after, _ in stack.pop().next_functions:
            if after is not None and after not in found:
                found.add(after)
                stack.append(after)
    return found


@contextmanager
def start_graph_at(
    task: AttributionTask, place: LayerAddress, value: Tensor | None = None
) -> Iterator[list[Tensor]]:
    """Begin the autograd graph at a layer's output: a context for one forward pass.

    The output becomes a leaf that requires a gradient, which is enabled from there on, also where the
    network itself disabled it before that layer.

    Args:
        task: the task: network, inputs and targets.
        place: a layer, or an activation function after it.
        value: replaces the output, and keeps its own graph; without it the output is detached.

    Yields:
        A list that holds the leaf (or `value`) after the pass; empty if the layer did not run.
    """
    usual = len(layer_shapes(task.net, *(x[:1] for x in task.inputs))[place.layer])
    wanted = place.call or usual
    found: list[Tensor] = []

    def begin(tensor: Tensor) -> Tensor:
        if not torch.is_inference_mode_enabled():
            torch.set_grad_enabled(True)
        found.append(tensor.detach().clone().requires_grad_() if value is None else value)
        return found[-1].clone()  # which may be overwritten in place

    if isinstance(place, Activated):

        def acted(name: str, call: int, function: str, number: int, out: Tensor) -> Tensor | None:
            here = (name, call, function, number) == (place.layer, wanted, place.function, place.number)
            return begin(out) if here else None

        with Walk(task.net.module, lambda *_: None, acted):
            yield found
        return
    with _hooked(task.net, place, wanted, begin):
        yield found


@contextmanager
def _hooked(net: Net, place: LayerAddress, wanted: int, begin: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Pass one call's output of a module through a function; other calls keep theirs."""
    calls = 0

    def passed(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls != wanted:
            return None
        keys = [key for key, _ in tree_leaves(output)]
        chosen = keys.index(place.key) if place.key is not None else 0
        numbers = iter(range(len(keys)))
        return tree_replace(output, lambda tensor: begin(tensor) if next(numbers) == chosen else tensor)

    handle = net.module.get_submodule(place.layer).register_forward_hook(passed)
    try:
        yield
    finally:
        handle.remove()
