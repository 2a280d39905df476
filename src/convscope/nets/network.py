"""The network type of the package: a module with its input contracts, labels and origin."""

import inspect
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from convscope.errors import GraphError, UsageError
from convscope.graph.contract import InputContract
from convscope.graph.graph import Graph
from convscope.nets.activations.freezing import run

if TYPE_CHECKING:
    from convscope.nets.description.description import Description, LayerInfo

T = TypeVar("T")
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
    """A network: any `nn.Module` with its input contracts, labels and origin.

    Call it with tensors in the range of its contracts; it normalises them and runs the module. Its layers
    have addresses; `net.layers()` lists them.

    Args:
        module: the module that runs. Not copied.
        contracts: one for each input of the module's `forward`, in order.
        labels: names of the units of the result; may be empty.
        source: origin, paper, licence.
        graph: the graph that the module was built from, if any.
        name: name of the network in messages.
    """

    module: nn.Module
    contracts: tuple[InputContract, ...]
    labels: tuple[str, ...] = ()
    source: Source = Source()
    graph: Graph | None = None
    name: str = "net"
    _cache: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    def __repr__(self) -> str:
        inputs = ", ".join(f"{c.name} {'×'.join(map(str, c.shape))}" for c in self.contracts)
        labels = f", {len(self.labels)} labels" if self.labels else ""
        return f"<Net {self.name}: {inputs}{labels}, weights {self.source.weights}, on {self.device}>"

    @property
    def contract(self) -> InputContract:
        """Contract of the first input."""
        return self.contracts[0]

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
        """Return example inputs: constant tensors in the middle of the contracts' value ranges.

        Args:
            batch: extent of the batch axis.

        Returns:
            A tensor `[batch c ...]` on the network's device; a tuple of tensors if there are several
            inputs.
        """
        made = tuple(
            torch.full((batch, *c.shape), sum(c.value_range) / 2, device=self.device) for c in self.contracts
        )
        return made[0] if len(made) == 1 else made

    def normalise(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Normalise inputs: `(input - mean) / std`, on the network's device and in its dtype.

        Integers other than bytes are only moved to the device: they are indices, not intensities.

        Args:
            *inputs: one tensor `[b c ...]` for each contract, in the contract's value range.

        Returns:
            The normalised tensors, in the same order.

        Raises:
            GraphError: the number of inputs, their axes or channels are not those of the contracts.
            UsageError: an input holds bytes (uint8), whose range is not the contract's.
        """
        if len(inputs) != len(self.contracts):
            raise GraphError(f"{self.name} takes {len(self.contracts)} input(s)", received=f"{len(inputs)}")
        return tuple(self._normalised(x, c) for x, c in zip(inputs, self.contracts, strict=True))

    def _normalised(self, x: Tensor, contract: InputContract) -> Tensor:
        if x.ndim != len(contract.shape) + 1 or x.shape[1] != contract.channels:
            raise GraphError(
                f"{contract.name}: axes b {contract.axes}, like {('b', *contract.shape)}",
                received=f"shape {tuple(x.shape)}",
                hint="Add the batch axis with x[None]." if x.ndim == len(contract.shape) else "",
            )
        if x.dtype == torch.uint8:
            low, high = contract.value_range
            raise UsageError(
                f"{contract.name}: floating point values from {low:g} to {high:g}",
                received="bytes (uint8)",
                hint="Convert: x.float() / 255 for a range from 0 to 1.",
            )
        weight = self._weight()
        if not x.is_floating_point():
            return x.to(weight.device)
        mean, scale = self._statistics(contract, weight.device, weight.dtype)
        x = x.to(weight.device, weight.dtype)
        return x if mean is None else (x - mean) * scale

    def _statistics(
        self, contract: InputContract, device: torch.device, dtype: torch.dtype
    ) -> tuple[Any, Any]:
        def make() -> tuple[Any, Any]:
            if set(contract.mean) == {0.0} and set(contract.std) == {1.0}:
                return None, None
            shape = (-1, *(1 for _ in contract.size))
            with torch.inference_mode(False):  # the cached tensors are used in passes with gradients, too
                mean = torch.tensor(contract.mean, device=device, dtype=dtype).view(shape)
                scale = 1 / torch.tensor(contract.std, device=device, dtype=dtype).view(shape)
            return mean, scale

        return self.cache((contract, device, dtype), make)

    def __call__(self, *inputs: Tensor) -> Any:
        """Run the module on normalised inputs.

        Args:
            *inputs: one tensor `[b c ...]` for each contract, in the contract's value range.

        Returns:
            What the module returns.

        Raises:
            GraphError: the inputs do not fit, or have another size than the contract and the module cannot
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
        with self._explain_errors(ready):
            return run(self.module, *ready)

    @contextmanager
    def _explain_errors(self, inputs: Sequence[Tensor]) -> Iterator[None]:
        """Turn exceptions of a module for inputs that do not fit into a `GraphError` that says what fits."""
        try:
            yield
        except torch.OutOfMemoryError:
            raise
        except _MISFITS as error:
            self._check_call(inputs)
            reason = next(iter(str(error).splitlines()), "") or type(error).__name__
            wanted = " and ".join(str(c.shape) for c in self.contracts)
            if all(x.shape[1:] == c.shape for x, c in zip(inputs, self.contracts, strict=True)):
                raise GraphError(
                    f"{self.name} runs on what its contract states, {wanted}",
                    received=reason,
                    hint="Correct the contract, or the module, which gets one tensor for each contract.",
                ) from error
            got = " and ".join(str(tuple(x.shape[1:])) for x in inputs)
            raise GraphError(
                f"{self.name} looks at {wanted}, and cannot take another size",
                received=f"{got} ({reason})",
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
                f"a forward that takes {len(inputs)} tensor(s) by position, one for each contract",
                received=f"{self.name}, whose forward is {signature} ({error})",
                hint="Wrap a module whose forward(x, ...) passes them on under their names.",
            ) from error

    def layers(self) -> "tuple[LayerInfo, ...]":
        """Return every layer in the order in which it runs: the rows of `describe`."""
        return self.describe().layers

    def describe(self) -> "Description":
        """Return layers with kind, shape, parameters, multiply-accumulates, receptive field; cached."""
        from convscope.nets.description.description import describe

        return self.cache("description", lambda: describe(self))


def wrap(
    module: nn.Module,
    contract: InputContract | Sequence[InputContract],
    labels: Sequence[str] = (),
    *,
    name: str = "",
    source: Source | None = None,
) -> Net:
    """Wrap any module as a `Net`.

    Args:
        module: the module; not copied or changed.
        contract: the contract of its input; several, in order, if its `forward` takes several inputs.
        labels: names of the units of its result.
        name: name of the network; the class name if empty.
        source: its origin; by default only the name is known.

    Returns:
        The network, with the module's `graph` attribute as its graph if it has one.

    Raises:
        UsageError: `module` is no `nn.Module` or has no `forward`, or there is no contract.
    """
    contracts = (contract,) if isinstance(contract, InputContract) else tuple(contract)
    if not isinstance(module, nn.Module):
        raise UsageError("a torch.nn.Module", received=type(module).__name__)
    if not contracts or not all(isinstance(c, InputContract) for c in contracts):
        raise UsageError("an InputContract for each input", received=repr(contract))
    if getattr(module.forward, "__name__", "") == "_forward_unimplemented":
        raise UsageError(
            "a module with a forward of its own",
            received=f"{type(module).__name__}, which has none",
            hint="Wrap the network that calls it, or nn.Sequential of its parts.",
        )
    called = name or type(module).__name__
    graph = getattr(module, "graph", None)
    return Net(
        module,
        contracts,
        tuple(labels),
        source or Source(called),
        graph if isinstance(graph, Graph) else None,
        called,
    )
