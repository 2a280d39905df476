"""Trace the graph of any module from one real forward pass.

A `TorchFunctionMode` intercepts every torch function that the pass calls; hooks on the modules tell inside
which module. Unlike symbolic tracing (torch.fx) this runs any Python code, and unlike an exported program
it keeps torch's own functions, so that a convolution is recognised however it is called.
"""

import inspect
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from convscope.errors import GraphError
from convscope.graph.graph import Graph
from convscope.graph.layer import Layer
from convscope.graph.layers.foreign import Foreign
from convscope.graph.spec import Shape
from convscope.nets.activations.freezing import frozen, run
from convscope.nets.activations.tree import after, before, tree_leaves
from convscope.nets.tracing.call_names import Call, Scope, graph_of
from convscope.nets.tracing.layer_matching import TRANSPARENT, TorchCall, match_layer
from convscope.nets.tracing.mac_counter import MacCount, MacCounter


@dataclass(frozen=True)
class Observation:
    """Result of tracing a module.

    Attributes:
        graph: its layers and what each reads.
        calls: for each layer by name, the traced call.
        result: for each tensor of the result, by key, the name of the layer that computed it.
        aside: what was counted outside all layers, in one pass: products of weights with weights, as in
            spectral normalisation, and kernels of code that cannot be traced.
    """

    graph: Graph
    calls: dict[str, Call]
    result: dict[str, str]
    aside: MacCount = field(default_factory=MacCount)


def trace(module: nn.Module, example: Tensor | Sequence[Tensor]) -> Graph:
    """Trace the graph of any module from one forward pass over `example`.

    Operations that are exactly one of this package's kinds of layers become that kind; others become
    `foreign` layers: described and counted, but not to be built. Layers are named after the module they run
    in: `layer1.0.conv1`, `layer1.0.add`, and `relu#2` for the second call of a module that is called more
    than once. A graph without foreign layers can be built; the built module takes the traced module's state
    dict where no parameter is used by a function rather than a module.

    Args:
        module: run in evaluation mode; its state is restored afterwards.
        example: what to run it on, one tensor `[b ...]` or one for each input of `forward`.

    Returns:
        The graph.

    Raises:
        GraphError: the result does not come from the inputs through torch functions.
    """
    return observe(module, example).graph


def observe(module: nn.Module, example: Tensor | Sequence[Tensor], names: Sequence[str] = ()) -> Observation:
    """Trace the graph of any module, and keep the call behind each layer; see `trace`.

    Args:
        module: run in evaluation mode; its state is restored afterwards.
        example: what to run it on, one tensor `[b ...]` or one for each input of `forward`.
        names: names of the inputs; by default `input`, or the arguments' names where there are several.

    Returns:
        The graph, its calls, and what was counted outside of layers.

    Raises:
        GraphError: the result does not come from the inputs through torch functions.
    """
    inputs = (example,) if isinstance(example, Tensor) else tuple(example)
    tracer = _Tracer(module, inputs)
    with frozen(module), torch.no_grad(), tracer.hooked(), tracer, tracer.counter:
        result = run(module, *inputs, before=tracer.learn)
    tracer.note_whole(result)
    ends = {key: tracer.values[id(t)].source for key, t in tree_leaves(result) if id(t) in tracer.values}
    if not ends:
        raise GraphError(
            "a result that is computed from the inputs by functions of torch",
            received=f"{type(module).__name__}, which returned {type(result).__name__}",
            hint="Let forward return a tensor, or tensors in a dict, tuple or dataclass.",
        )
    sources = dict(
        zip(names or _input_names(module, len(inputs)), (tuple(x.shape[1:]) for x in inputs), strict=True)
    )
    return Observation(*graph_of(tracer.calls, sources, ends), tracer.stray())


OUTSIDE = "code outside torch"
"""Reported as uncounted where a module's result did not come out of any of torch's kernels."""


def _opaque(module: nn.Module) -> bool:
    """Return whether functions inside a module cannot be intercepted because it is compiled."""
    return isinstance(module, torch.jit.ScriptModule) or hasattr(module, "_torchdynamo_orig_callable")


@dataclass(frozen=True)
class _Value:
    """A traced activation: index of its call (negative: an input), shape, whether channels lie last."""

    source: int
    shape: Shape
    last: bool = False


class _Tracer(TorchFunctionMode):
    """Records every call of a torch function that reads activations."""

    def __init__(self, module: nn.Module, inputs: Sequence[Tensor]) -> None:
        super().__init__()
        self.module = module
        self.batch = inputs[0].shape[0] if inputs and inputs[0].ndim else 1
        self.calls: list[Call] = []
        self.values = {id(x): _Value(-1 - i, tuple(x.shape[1:])) for i, x in enumerate(inputs)}
        self.weights: dict[int, dict[str, Shape]] = {}
        self.inputs = tuple(inputs)
        self.kept: list[Any] = list(inputs)  # an id is only good while its tensor lives
        self.scopes: list[Scope] = []
        self.runs: Counter[str] = Counter()
        self.counter = MacCounter()
        self._stray = MacCount()

    def learn(self) -> None:
        """Register the weights, immediately before the pass."""
        with torch._C.DisableTorchFunction():
            for name, parameter in self.module.named_parameters():
                self.weights[id(parameter)] = {name: tuple(parameter.shape)}
            self.counter.know(self.module.parameters())
            self.counter.know(self.module.buffers())
            self.counter.know(self.inputs, reached=True)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors = list(_tensors((args, kwargs)))
        data = [self.values[id(t)] for t in tensors if id(t) in self.values]
        name = getattr(func, "__name__", "function").strip("_")
        self.stray()
        out = func(*args, **kwargs)
        counted = self._per_example(self.counter.take()) if data else MacCount()
        if name == "setitem":
            out = args[0]
        made = [t for _, t in tree_leaves(out)]
        if made:
            weights = {k: v for t in tensors for k, v in self.weights.get(id(t), {}).items()}
            shapes, last = tuple(v.shape for v in data), any(v.last for v in data)
            op = TorchCall(
                name,
                _path(func, name),
                args,
                kwargs,
                shapes,
                (),
                weights,
                counted.macs,
                last,
                self.batch,
                counted.uncounted,
            )
            self._note(op, data, made)
        return out

    def stray(self) -> MacCount:
        """Return what was counted and belongs to no layer yet."""
        self._stray += self.counter.take()
        return self._stray

    def _per_example(self, counted: MacCount) -> MacCount:
        """Divide a count by the batch size."""
        return MacCount(-(-counted.macs // max(self.batch, 1)), counted.uncounted)

    def _note(self, op: TorchCall, data: list[_Value], made: list[Tensor]) -> None:
        self.kept.append(made)
        if not data:
            for tensor in made:
                self.weights.setdefault(id(tensor), op.weights)
            return
        for tensor in made:
            if _returns_input(op, tensor, data):
                self.values[id(tensor)] = data[0]
                continue
            last, shape = _layout(op, data, tensor, self._shape(tensor))
            seen = TorchCall(**(vars(op) | {"shape": shape, "last": last or op.last}))
            self._append(match_layer(seen), data, tensor, shape, last, op)
            op = TorchCall(**(vars(op) | {"products": 0, "weights": {}, "uncounted": ()}))

    def _append(
        self, layer: Layer, data: list[_Value], made: Tensor, shape: Shape, last: bool, op: Any
    ) -> None:
        word = op.name if isinstance(op, TorchCall) else str(op)
        self.values[id(made)] = _Value(len(self.calls), shape, last)
        weights = op.weights if isinstance(op, TorchCall) else dict(layer.parameters())
        self.calls.append(
            Call(layer, word, tuple(v.source for v in data), tuple(self.scopes), tuple(weights))
        )

    def _shape(self, tensor: Tensor) -> Shape:
        batched = tensor.ndim and tensor.shape[0] == self.batch
        return tuple(tensor.shape[1:] if batched else tensor.shape)

    @contextmanager
    def hooked(self) -> Iterator[None]:
        """Register hooks that follow which module runs."""
        handles: list[Any] = []
        try:
            for name, part in self.module.named_modules():
                if name:
                    handles.append(before(part, lambda _m, _i, name=name: self._enter(name)))
                    handles.append(after(part, self._leave, with_kwargs=True))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, name: str) -> None:
        self.runs[name] += 1
        self.scopes.append(Scope(name, self.runs[name]))

    def _leave(self, part: nn.Module, args: Any, kwargs: Any, out: Any) -> None:
        """Leave a module; if its result came from no intercepted function, record it as one foreign layer."""
        with torch._C.DisableTorchFunction():
            data = [self.values[id(t)] for t in _tensors((args, kwargs)) if id(t) in self.values]
            for _, tensor in tree_leaves(out):
                if data and id(tensor) not in self.values and id(tensor) not in self.weights:
                    self._unwatched(part, self.scopes[-1].name, data, tensor)
        self.scopes.pop()

    def note_whole(self, result: Any) -> None:
        """Record what the network computed from its inputs without being intercepted, as a foreign layer."""
        data = [self.values[id(t)] for t in self.inputs]
        for _, tensor in tree_leaves(result):
            seen = id(tensor) in self.values or id(tensor) in self.weights
            if not seen and (_opaque(self.module) or self.counter.reached(tensor)):
                self._unwatched(self.module, "", data, tensor)

    def _unwatched(self, part: nn.Module, where: str, data: list[_Value], tensor: Tensor) -> None:
        """Record one foreign layer for what a module computed without being intercepted."""
        counted, self._stray = self._per_example(self.stray()), MacCount()
        uncounted = counted.uncounted if self.counter.made(tensor) else (*counted.uncounted, OUTSIDE)
        dot = f"{where}." if where else ""
        weights = {dot + n: tuple(p.shape) for n, p in part.named_parameters()}
        path = f"{type(part).__module__}.{type(part).__qualname__}"
        shape = self._shape(tensor)
        self.kept.append(tensor)
        layer = Foreign(path, shape, tuple(weights.items()), counted.macs, uncounted=uncounted)
        self._append(layer, data, tensor, shape, False, type(part).__name__)


def _layout(op: TorchCall, data: list[_Value], made: Tensor, shape: Shape) -> tuple[bool, Shape]:
    """Return whether channels lie last in a result, and its shape with channels first."""
    if op.name == "permute" and made.ndim == 4:
        order = op.args[1:] if not isinstance(op.args[1], tuple | list) else op.args[1]
        order = tuple(d % 4 for d in order)
        if order == (0, 2, 3, 1) and not op.last:
            return True, op.shapes[0]
        if order == (0, 3, 1, 2) and op.last:
            return False, op.shapes[0]
    first = data[0]
    same_space = len(shape) == 3 and shape[:2] == first.shape[1:]
    if op.last and same_space and first.last and op.name != "permute":
        return True, (shape[2], *shape[:2])
    return False, shape


def _returns_input(op: TorchCall, made: Tensor, data: list[_Value]) -> bool:
    """Return whether an operation returns its input unchanged."""
    source = op.args[0] if op.args else None
    return (
        op.name in TRANSPARENT
        and isinstance(source, Tensor)
        and source.shape == made.shape
        and len(data) == 1
    )


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _tensors(part)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


def _path(func: Any, name: str) -> str:
    module = getattr(func, "__module__", None) or "torch"
    owner = getattr(func, "__objclass__", None)
    return (
        f"torch.Tensor.{name}"
        if owner is not None
        else f"{module}.{name}".replace("torch._C._nn", "torch.nn.functional")
    )


def _input_names(module: nn.Module, count: int) -> Iterable[str]:
    if count == 1:
        return ("input",)
    parameters = inspect.signature(module.forward).parameters.values()
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return names[:count] if len(names) >= count else [f"input{i + 1}" for i in range(count)]
