"""The network type of the package: a module with specifications of its inputs and outputs, and its origin."""

import inspect
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import wraps
from os import PathLike
from typing import Any, Concatenate, ParamSpec, TypeVar

import torch
from torch import Tensor, nn

from convscope.errors import GraphError, UsageError
from convscope.graph.graph import Graph
from convscope.graph.layers.worlds.sound.spectrum import check_sample_rate
from convscope.graph.spec import OutputSpec, TensorSpec
from convscope.nets.activations.freezing import run
from convscope.system.counting import counted

T = TypeVar("T")
P = ParamSpec("P")
_MISFITS = (RuntimeError, ValueError, TypeError, LookupError, AssertionError, AttributeError)
"""Exceptions that modules raise for inputs that do not fit."""


@dataclass(frozen=True)
class Source:
    """Origin of a network.

    Attributes:
        name: name of the architecture or model.
        paper: reference of the paper.
        licence: licence of the weights or the code.
        weights: `none` for fresh weights, otherwise the name or path that they were read from.
        url: where the weights were published.
        note: anything else to know, such as known deviations.
    """

    name: str = ""
    paper: str = ""
    licence: str = ""
    weights: str = "none"
    url: str = ""
    note: str = ""


@dataclass(eq=False, repr=False)
class Net:
    """A network: any `nn.Module` with specifications of its inputs and outputs, and its origin.

    Call it with tensors in the range of its input specs; it normalises them and runs the module. Its layers
    have addresses; `describe(net).layers` lists them.

    Args:
        module: the module that runs. Not copied.
        input_specs: one for each input of the module's `forward`, in order.
        output_specs: one for each output that is described; the first is that of the result.
        source: origin, paper, licence.
        graph: the graph that the module was built from, if any.
        name: name of the network in messages.
        config: kind and options by which `convscope.nets.io.registry` builds the module again, JSON-ready;
            None where the module has them itself, or cannot be built again.
    """

    module: nn.Module
    input_specs: tuple[TensorSpec, ...]
    output_specs: tuple[OutputSpec, ...] = (OutputSpec(),)
    source: Source = Source()
    graph: Graph | None = None
    name: str = "net"
    config: Mapping[str, Any] | None = None
    _cache: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    def __repr__(self) -> str:
        inputs = ", ".join(f"{c.name} {'×'.join(map(str, c.shape))}" for c in self.input_specs)
        classes = f", {counted(len(self.classes), 'class', 'classes')}" if self.classes else ""
        return f"<Net {self.name}: {inputs}{classes}, weights {self.source.weights}, on {self.device}>"

    @property
    def input_spec(self) -> TensorSpec:
        """Specification of the first input."""
        return self.input_specs[0]

    @property
    def output_spec(self) -> OutputSpec:
        """Specification of the first output."""
        return self.output_specs[0]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the units of the first output; may be empty."""
        return self.output_spec.classes

    def with_classes(self, classes: Sequence[str]) -> "Net":
        """Return a network that shares this module, with other names of the first output's units.

        Args:
            classes: the names, in order.

        Returns:
            The network; this one is left as it is.
        """
        first = replace(self.output_spec, classes=tuple(classes))
        return replace(self, output_specs=(first, *self.output_specs[1:]))

    def with_module(self, module: nn.Module) -> "Net":
        """Return a network of the same specifications and origin that runs another module.

        Args:
            module: takes and returns the same as this network's module.

        Returns:
            The network; this one is left as it is.
        """
        return replace(self, module=module)

    @property
    def device(self) -> torch.device:
        """Device of the weights; the CPU without floating point weights."""
        return self._weight().device

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the weights, to which inputs are converted."""
        return self._weight().dtype

    def _weight(self) -> Tensor:
        floating = (p for p in self.module.parameters() if p.is_floating_point())
        return next(floating, torch.empty(0))

    def to(self, device: torch.device | str) -> "Net":
        """Move the weights to a device, in place; inputs are moved there when the network is called.

        Args:
            device: the device, as for `nn.Module.to`.

        Returns:
            The same network.
        """
        self.module.to(device)
        return self

    def cache(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return a value that is computed once for this network and kept as long as it.

        For what depends on the module's code and shapes, not on the values of its weights, which may change.

        Args:
            key: identifies the computation, with everything else that its value depends on.
            make: computes the value; called only if there is none for this key. If it raises, nothing is
                kept.

        Returns:
            The value, computed now or before.
        """
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]

    def example(self, batch: int = 1) -> Any:
        """Return example inputs: constant tensors in the middle of the specs' value ranges.

        Inputs of indices are 0, which every vocabulary has.

        Args:
            batch: extent of the batch axis.

        Returns:
            A tensor `[batch c ...]` on the network's device; a tuple of tensors if there are several
            inputs.
        """
        made = tuple(_example(spec, batch, self.device) for spec in self.input_specs)
        return made[0] if len(made) == 1 else made

    def normalise(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Normalise inputs: `(input - mean) / std`, on the network's device and in its dtype.

        Integers other than bytes are only moved to the device: they are indices, not intensities. A spec of
        indices takes nothing else.

        Args:
            *inputs: one tensor `[b c ...]` for each spec, in the spec's value range.

        Returns:
            The normalised tensors, in the same order.

        Raises:
            GraphError: the number of inputs, their axes or channels are not those of the specs.
            UsageError: an input holds bytes (uint8), whose range is not the spec's, or floating point values
                where the spec is for indices.
        """
        if len(inputs) != len(self.input_specs):
            raise GraphError(
                f"{len(self.input_specs)} input(s) for {self.name}",
                received=f"{len(inputs)}",
                hint="Give one batch for each input, in the order of net.input_specs.",
            )
        return tuple(self._normalised(x, c) for x, c in zip(inputs, self.input_specs, strict=True))

    def _normalised(self, x: Tensor, spec: TensorSpec) -> Tensor:
        if x.ndim != len(spec.shape) + 1 or (spec.has_channels and x.shape[1] != spec.channels):
            raise GraphError(
                f"{spec.name}: axes b {spec.axes}, like {('b', *spec.shape)}",
                received=f"shape {tuple(x.shape)}",
                hint="Add the batch axis with x[None]." if x.ndim == len(spec.shape) else "",
            )
        if x.dtype == torch.uint8:
            low, high = spec.value_range
            raise UsageError(
                f"{spec.name}: floating point values from {low:g} to {high:g}",
                received="bytes (uint8)",
                hint="Convert: x.float() / 255 for a range from 0 to 1.",
            )
        if spec.is_integer and x.is_floating_point():
            raise UsageError(f"{spec.name}: whole numbers (int64)", received=f"{x.dtype}", hint="x.long()")
        weight = self._weight()
        if not x.is_floating_point():
            return x.to(weight.device)
        mean, scale = self._statistics(spec, weight.device, weight.dtype)
        x = x.to(weight.device, weight.dtype)
        return x if mean is None else (x - mean) * scale

    def _statistics(self, spec: TensorSpec, device: torch.device, dtype: torch.dtype) -> tuple[Any, Any]:
        def make() -> tuple[Any, Any]:
            if set(spec.mean) == {0.0} and set(spec.std) == {1.0}:
                return None, None
            shape = (-1, *(1 for _ in spec.size))
            with torch.inference_mode(False):  # the cached tensors are used in passes with gradients, too
                mean = torch.tensor(spec.mean, device=device, dtype=dtype).view(shape)
                scale = 1 / torch.tensor(spec.std, device=device, dtype=dtype).view(shape)
            return mean, scale

        return self.cache((spec, device, dtype), make)

    def __call__(self, *inputs: Tensor) -> Any:
        """Run the module on normalised inputs.

        Args:
            *inputs: one tensor `[b c ...]` for each spec, in the spec's value range.

        Returns:
            What the module returns.

        Raises:
            GraphError: the inputs do not fit, or have another size than the spec and the module cannot
                take it.
            UsageError: an input holds bytes, or the network is on the meta device.
        """
        ready = self.normalise(*inputs)
        if any(x.is_meta for x in ready):
            raise UsageError(
                "a network whose weights have values",
                received=f"{self.name}, which is on the meta device",
                hint="Give it memory: module.to_empty(device='cpu'), then its weights.",
            )
        with self.explain_errors(ready):
            return run(self.module, *ready)

    @contextmanager
    def explain_errors(self, inputs: Sequence[Tensor]) -> Iterator[None]:
        """Turn exceptions of a module for inputs that do not fit into a `GraphError` that says what fits.

        Args:
            inputs: what the module is given.

        Yields:
            Nothing; the module is run inside.
        """
        try:
            yield
        except _MISFITS as error:
            if is_out_of_memory(error):
                raise
            self._check_call(inputs)
            reason = next(iter(str(error).splitlines()), "") or type(error).__name__
            wanted = " and ".join(str(c.shape) for c in self.input_specs)
            if all(x.shape[1:] == c.shape for x, c in zip(inputs, self.input_specs, strict=True)):
                raise GraphError(
                    f"a network that runs on what its spec states, {wanted}",
                    received=reason,
                    hint="Correct the spec, or the module, which gets one tensor for each spec.",
                ) from error
            got = " and ".join(str(tuple(x.shape[1:])) for x in inputs)
            side = "x".join(map(str, dict.fromkeys(self.input_spec.size))) or "inputs of that size"
            raise GraphError(
                f"{wanted}, the only size that {self.name} takes",
                received=got,
                hint=f"Leave size (--size) out, or give {side}; nets.with_input_size(net, size) builds the "
                "network anew for another.",
            ) from error

    def _check_call(self, inputs: Sequence[Tensor]) -> None:
        """Refuse a module whose `forward` does not take the inputs by position."""
        try:
            signature = inspect.signature(self.module.forward)
        except (TypeError, ValueError):  # compiled: it has no signature
            return
        try:
            signature.bind(*inputs)
        except TypeError as error:
            raise GraphError(
                f"a forward that takes {len(inputs)} tensor(s) by position, one for each spec",
                received=f"{self.name}, whose forward is {signature} ({error})",
                hint="Wrap a module whose forward(x, ...) passes them on under their names.",
            ) from error


def _example(spec: TensorSpec, batch: int, device: torch.device) -> Tensor:
    """Return a constant input `[batch ...]`: 0 for indices, else the middle of the value range."""
    if spec.is_integer:
        return torch.zeros((batch, *spec.shape), dtype=torch.int64, device=device)
    return torch.full((batch, *spec.shape), sum(spec.value_range) / 2, device=device)


def wrap(
    module: nn.Module,
    spec: TensorSpec | Sequence[TensorSpec],
    classes: Sequence[str] = (),
    *,
    output: OutputSpec | Sequence[OutputSpec] | None = None,
    name: str = "",
    source: Source | None = None,
) -> Net:
    """Wrap any module as a `Net`.

    Args:
        module: the module; not copied or changed.
        spec: specification of its input; several, in order, if its `forward` takes several inputs.
        classes: names of the units of its first output; short for an `output` with these classes.
        output: specifications of its outputs, where more is known than the classes.
        name: name of the network; the class name if empty.
        source: its origin; by default only the name is known.

    Returns:
        The network, with the module's `graph` attribute as its graph if it has one.

    Raises:
        UsageError: `module` is no `nn.Module` or has no `forward`, there is no input spec, or both `classes`
            and `output` are given.
        GraphError: a layer of its graph has another sample rate than the input.
    """
    specs = (spec,) if isinstance(spec, TensorSpec) else tuple(spec)
    outputs = (output,) if isinstance(output, OutputSpec) else tuple(output or ())
    _check_runs(module)
    if not specs or not all(isinstance(s, TensorSpec) for s in specs):
        raise UsageError(
            "a TensorSpec for each input",
            received=repr(spec),
            hint=f"As torchvision's networks of photographs: wrap(module, {EXAMPLE_SPEC}).",
        )
    if not all(isinstance(o, OutputSpec) for o in outputs) or (outputs and classes):
        raise UsageError(
            "classes, or an OutputSpec for each output",
            received=f"classes={classes!r}, output={output!r}",
            hint="Leave classes out: an OutputSpec holds them.",
        )
    called = name or type(module).__name__
    graph = getattr(module, "graph", None)
    if isinstance(graph, Graph):
        check_sample_rate((node.layer for node in graph.nodes), specs[0])
    return Net(
        module,
        specs,
        outputs or (OutputSpec(classes=tuple(classes)),),
        source or Source(called),
        graph if isinstance(graph, Graph) else None,
        called,
    )


def _check_runs(module: object) -> None:
    """Refuse what is no module, or one without a forward pass."""
    if not isinstance(module, nn.Module):
        raise UsageError(
            "a torch.nn.Module",
            received=type(module).__name__,
            hint="For example: wrap(torchvision.models.resnet18(), TensorSpec((3, 224, 224)))",
        )
    if getattr(module.forward, "__name__", "") == "_forward_unimplemented":
        raise UsageError(
            "a module with a forward of its own",
            received=f"{type(module).__name__}, which has none",
            hint="Wrap the network that calls it, or nn.Sequential of its parts.",
        )


EXAMPLE_SPEC = "TensorSpec((3, 224, 224), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))"
"""What to wrap a network with that was trained as torchvision's are, for hints."""


def is_out_of_memory(error: Exception) -> bool:
    """Test whether an error means that memory ran out, for which no fallback should be tried.

    Args:
        error: any exception.

    Returns:
        True for out-of-memory errors of the CPU and of accelerators.
    """
    message = str(error)
    known = isinstance(error, torch.OutOfMemoryError)
    return known or "out of memory" in message or "can't allocate memory" in message


NetLike = Net | str | PathLike[str] | nn.Module
"""What a person has of a network: one that is loaded or wrapped, or what `load` takes."""


def takes_network(function: Callable[Concatenate[Net, P], T]) -> Callable[Concatenate[NetLike, P], T]:
    """Let a function take what `load` takes in the place of the network that is its first argument.

    Names and folders are loaded, with the weights that ship, when the function is called: iterators and
    contexts refuse what is no network before their first step.

    Args:
        function: its first argument is a network.

    Returns:
        The function; it raises `UsageError` where nothing has that name, and for a module, which says nothing
        of its input.
    """

    @wraps(function)
    def call(net: NetLike, *arguments: P.args, **named: P.kwargs) -> T:
        return function(net if isinstance(net, Net) else _loaded(net), *arguments, **named)

    first, *others = inspect.signature(function).parameters.values()
    seen = inspect.signature(function).replace(parameters=[first.replace(annotation=NetLike), *others])
    vars(call)["__signature__"] = seen  # what help() shows
    return call


def _loaded(ref: object) -> Net:
    from convscope.nets.io.loading import load  # which imports this module

    if isinstance(ref, str | PathLike):
        return load(ref)
    raise no_network(ref)


def no_network(given: object) -> UsageError:
    """Describe something that is neither a network nor the name of one.

    Args:
        given: a module, which says nothing of its input, or anything else.

    Returns:
        The error to raise; for a module it says how to wrap it.
    """
    if isinstance(given, nn.Module):
        return UsageError(
            "a network with a specification of its input",
            received=f"the module {type(given).__name__}",
            hint=f"If it was trained as torchvision's are: convscope.wrap(module, convscope.{EXAMPLE_SPEC}).",
        )
    return UsageError(
        "a network: its name, its folder, or what load and wrap return",
        received=type(given).__name__,
        hint="For example: convscope.load('digits'); convscope nets lists the names.",
    )
