"""Run a module on copies of its tensors, and find out what its code changed."""

import random
import sys
from typing import Any

import torch
from torch import Tensor, nn

from convscope.nets.activations.module_state import COPIED, ModuleState, plain, same, version_of

LARGE = 1 << 28
"""Bytes that a first pass copies at most, parameters last; the rest is compared by version counters only."""


class StandIn:
    """Copies that replace a module's parameters, buffers and other tensors for one forward pass.

    The module's own tensors are taken out and put back as the same objects: code that reaches tensors
    through the module never writes to them. Tensors that cannot be replaced (those of TorchScript, of
    compiled modules and of subclasses) are copied before the pass and written back after it.

    Args:
        module: the module that will run.
        known: identities of the tensors that its code is known to write to; None where nothing is known
            yet, and tensors of up to `LARGE` bytes are copied.

    Attributes:
        written: after `end`: identities of the tensors that the pass wrote to.
        lost: after `end`: names of the tensors whose values could not be restored.
    """

    def __init__(self, module: nn.Module, known: set[int] | None = None) -> None:
        self.module, self.known = module, known
        self.written: set[int] = set()
        self.state = ModuleState(module, copies=0)
        self.random = _randomness()
        self.lost: list[str] = []
        self.copies: dict[int, Tensor] = {}
        self.during: list[tuple[Any, Any]] = []
        self.written_before: list[tuple[Tensor, Tensor, int | None, bool]] = []

    def begin(self) -> None:
        """Replace the module's tensors by copies."""
        if hasattr(self.module, "_torchdynamo_orig_callable"):  # compiled for the very objects
            exchanged = set()
        else:
            inside = {id(value) for content, copy in self.state.contents for value in _values(copy)}
            exchanged = {key for key in self.state.tensors if key in inside}
        self._copy(exchanged)
        for content, copy in self.state.contents:
            _exchange(content, copy, self.copies)
        self.during = [(content, content.copy() if content else None) for content, _ in self.state.contents]

    def _copy(self, exchanged: set[int]) -> None:
        storages: dict[int, list[int]] = {}
        left = LARGE if self.known is None else COPIED
        for key, noted in self.state.by_importance():
            left -= noted.bytes
            if noted.data is None or noted.name.endswith(".grad"):
                continue
            if left < 0 and key not in (self.known or ()):
                continue
            if key in exchanged and type(noted.tensor) in (Tensor, nn.Parameter, nn.Buffer):
                storages.setdefault(noted.tensor.untyped_storage()._cdata, []).append(key)
            else:
                noted.keep()
        for keys in storages.values():
            for key, copy in zip(keys, _clones([self.state.tensors[k].tensor for k in keys]), strict=True):
                self.copies[key] = copy
                self.written_before.append(
                    (self.state.tensors[key].tensor, copy, version_of(copy), copy.requires_grad)
                )

    def end(self) -> bool:
        """Put the module's own tensors back, and restore its state and the global random generators.

        Returns:
            Whether the pass changed anything: the module's state, or a random generator.
        """
        changed = self._changed()
        self._restore()
        return changed

    def _changed(self) -> bool:
        """Compare the present state with that of the moment before the pass."""
        kept = self.state.contents
        self.state.contents = self.during or kept
        try:
            changed = self.state.changed()
        finally:
            self.state.contents = kept
        for original, copy, version, flag in self.written_before:
            if version_of(copy) != version or not same(copy.detach(), original.detach()):
                self.written.add(id(original))
            changed |= copy.grad is not None if copy.is_leaf else True
            changed |= copy.requires_grad != flag or not plain(copy)
        self.written |= {key for key, noted in self.state.tensors.items() if noted.written()}
        changed |= bool(self.written)
        changed |= _randomness_moved(self.random, self.state.kinds)
        return changed

    def _restore(self) -> None:
        try:
            self.lost += self.state.restore()
        except KeyboardInterrupt:
            self.lost += self.state.restore()
            raise
        finally:
            _set_randomness(self.random)


def _values(copy: Any) -> list[Any]:
    if not copy or isinstance(copy, bytearray):
        return []
    return list(copy.values()) if isinstance(copy, dict) else list(copy)


def _exchange(content: Any, copy: Any, copies: dict[int, Tensor]) -> None:
    """Replace originals in a container by their copies."""
    if not copies or not copy or isinstance(content, bytearray):
        return
    if isinstance(content, dict):
        for key, value in copy.items():
            if id(value) in copies and isinstance(value, Tensor):
                content[key] = copies[id(value)]
    elif isinstance(content, set):
        for value in copy:
            if isinstance(value, Tensor) and id(value) in copies:
                content.discard(value)
                content.add(copies[id(value)])
    else:
        for index, value in enumerate(copy):
            if isinstance(value, Tensor) and id(value) in copies:
                content[index] = copies[id(value)]


def _clones(tensors: list[Tensor]) -> list[Tensor]:
    """Copy tensors that share one storage into tensors that share one storage, too."""
    with torch.inference_mode(False), torch.no_grad():
        if len(tensors) == 1:
            made = [tensors[0].detach().clone()]
        else:
            storage = tensors[0].untyped_storage().clone()
            made = [
                torch.empty(0, dtype=t.dtype, device=t.device).set_(
                    storage, t.storage_offset(), t.shape, t.stride()
                )
                for t in tensors
            ]
        return [_of_kind(copy, tensor) for copy, tensor in zip(made, tensors, strict=True)]


def _of_kind(copy: Tensor, tensor: Tensor) -> Tensor:
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(copy, requires_grad=tensor.requires_grad)
    if isinstance(tensor, nn.Buffer):
        return nn.Buffer(copy, persistent=getattr(tensor, "persistent", True))
    return copy.requires_grad_(tensor.requires_grad) if tensor.is_leaf else copy


def _randomness() -> tuple[Any, ...]:
    """Return the states of the global random generators of torch, Python and NumPy."""
    from numpy import random as numpy_random

    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return torch.get_rng_state(), devices, random.getstate(), numpy_random.get_state()  # noqa: NPY002


def _randomness_moved(before: tuple[Any, ...], kinds: list[type]) -> bool:
    """Return whether random numbers were drawn since `before`.

    Python's own generator counts only where code of these classes can reach it: other code that happens to
    run during a pass, such as type checks, draws from it too.
    """
    host, devices, python, numpy = _randomness()
    same_devices = len(devices) == len(before[1]) and all(
        torch.equal(a, b) for a, b in zip(devices, before[1], strict=True)
    )
    same_numpy = numpy[2:] == before[3][2:] and bool((numpy[1] == before[3][1]).all())
    python_moved = python != before[2] and any(map(_reaches_random, {kind.__module__ for kind in kinds}))
    return python_moved or not (torch.equal(host, before[0]) and same_devices and same_numpy)


def _reaches_random(module: str) -> bool:
    """Return whether a module's globals include Python's `random` module or one of its functions."""
    names = vars(sys.modules[module]).values() if module in sys.modules else ()
    shared = getattr(random, "_inst", None)
    return any(
        value is random or (callable(value) and getattr(value, "__self__", None) is shared)
        for value in list(names)
    )


def _set_randomness(state: tuple[Any, ...]) -> None:
    from numpy import random as numpy_random

    host, devices, python, numpy = state
    torch.set_rng_state(host)
    for index, kept in enumerate(devices):
        torch.cuda.set_rng_state(kept, index)
    random.setstate(python)
    numpy_random.set_state(numpy)  # noqa: NPY002
