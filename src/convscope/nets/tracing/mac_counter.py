"""Count the multiply-accumulates of one forward pass, kernel by kernel.

A `TorchDispatchMode` intercepts every kernel that torch's dispatcher runs, whatever calls it: a function, a
fused module, TorchScript. A kernel with multiply-accumulates has a formula in `FORMULAS`. A kernel without
(it moves, adds, compares or normalises values) is in `FREE`, or tagged as pointwise or as a reduction by
torch. Any other kernel is reported by name as uncounted, instead of being counted as 0.

Source: torch.utils.flop_counter for the kernels that it knows; the formulas of the others are in
`convscope.nets.tracing.mac_formulas`.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from convscope.nets.tracing.mac_formulas import FORMULAS, FREE, Uncountable


@dataclass(frozen=True)
class MacCount:
    """Multiply-accumulates of a part of a forward pass.

    Attributes:
        macs: multiply-accumulates of the kernels that have a formula.
        uncounted: names of the kernels that have none, sorted.
    """

    macs: int = 0
    uncounted: tuple[str, ...] = ()

    def __add__(self, other: "MacCount") -> "MacCount":
        names = {*self.uncounted, *other.uncounted}
        return MacCount(self.macs + other.macs, tuple(sorted(names)))


class MacCounter(TorchDispatchMode):
    """Add up the multiply-accumulates of all kernels that run inside `with`.

    `take` returns what was added since the last `take`; `made` returns whether a tensor came out of an
    intercepted kernel. Kernels run exactly as they would without it.
    """

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()
        self._macs = 0
        self._uncounted: Counter[str] = Counter()
        self._made: dict[int, Any] = {}
        self._reached: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with torch._C.DisableTorchFunction():  # the kernel is not a call of the network's
            return self._run(func, args, kwargs or {})

    def _run(self, func: Any, args: Any, kwargs: Any) -> Any:
        name = kernel(func)
        if name not in FORMULAS and not _free(func, name) and _composite(func):
            with self:
                return func.decompose(*args, **kwargs)
        out = func(*args, **kwargs)
        if name in FORMULAS:
            try:
                self._macs += FORMULAS[name](out, args, kwargs)
            except (Uncountable, AttributeError, IndexError, KeyError, TypeError, RuntimeError):
                self._uncounted[name] += 1  # called in a way that the formula does not cover
        elif not _free(func, name):
            self._uncounted[name] += 1
        read = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if not read or any(map(self.made, read)):
            self.know(tree_leaves(out), reached=any(map(self.reached, read)))
        return out

    def know(self, values: Iterable[Any], *, reached: bool = False) -> None:
        """Register tensors as known; results of kernels that read known tensors become known, too.

        Args:
            values: the tensors; other objects are skipped.
            reached: whether the tensors depend on the network's inputs.
        """
        for value in values:
            at = _storage(value) if isinstance(value, Tensor) else None
            if at is not None:
                self._made[at] = value  # an address is only good while its tensor lives
                if reached:
                    self._reached.add(at)

    def take(self) -> MacCount:
        """Return the count since the last call, and reset it."""
        taken = MacCount(self._macs, tuple(sorted(self._uncounted)))
        self._macs = 0
        self._uncounted.clear()
        return taken

    def made(self, tensor: Tensor) -> bool:
        """Check whether a tensor came out of intercepted kernels that read known tensors, or no tensors.

        Args:
            tensor: any tensor; identified by its storage.

        Returns:
            True also for tensors registered by `know`.
        """
        return _storage(tensor) in self._made

    def reached(self, tensor: Tensor) -> bool:
        """Check whether a tensor depends on the network's inputs through intercepted kernels.

        Args:
            tensor: any tensor; identified by its storage.

        Returns:
            True also for tensors registered by `know` with `reached`.
        """
        return _storage(tensor) in self._reached


def kernel(func: Any) -> str:
    """Return the name of a kernel without its overload.

    Args:
        func: the operator that `__torch_dispatch__` receives.

    Returns:
        A name such as `addmm` or `mylib::op`; torch's own kernels have no `aten::` prefix.
    """
    packet = getattr(func, "overloadpacket", func)
    full = (
        getattr(packet, "_qualified_op_name", None) or f"higher_order::{getattr(packet, '__name__', packet)}"
    )
    return full.removeprefix("aten::")


def _free(func: Any, name: str) -> bool:
    if name in FREE or name.removesuffix("_") in FREE:
        return True
    tags = getattr(func, "tags", ())
    if torch.Tag.pointwise in tags or torch.Tag.reduction in tags:
        return True
    return bool(getattr(func, "is_view", False)) or name.startswith(("prim::", "profiler::"))


def _composite(func: Any) -> bool:
    return isinstance(func, torch._ops.OpOverload) and func._can_decompose()


def _storage(tensor: Tensor) -> int | None:
    try:
        return tensor.untyped_storage()._cdata
    except (NotImplementedError, RuntimeError):  # sparse and opaque tensors have none
        return id(tensor)
