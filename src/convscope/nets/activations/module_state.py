"""Capture the whole state of a module, compare it later, and restore it.

The state is everything that is reachable from the module in Python: parameters and buffers (identity,
storage, values), `requires_grad`, `.grad`, training modes, hooks, attributes, containers and random
generators in attributes, and the set of submodules itself.

Whether values changed is decided by torch's version counters, and by comparison where a copy was made. What
is copied is limited in bytes; tensors that are no parameters come first.
"""

import random
from collections import OrderedDict, deque
from collections.abc import Callable
from operator import is_
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedTensorMixin  # pyright: ignore[reportAttributeAccessIssue]

COPIED = 1 << 21
"""Bytes of tensors that `frozen` copies on entry at most; more would cost noticeable time."""
FEWER = 1 << 18
"""The same for networks whose code is known to change nothing."""
FOLLOWED = 5000
"""Objects in attributes that are traversed at most, besides modules and tensors."""

_ATOMS = frozenset(
    {int, float, bool, str, bytes, complex, type(None), type, torch.dtype, torch.device, torch.Size}
)
_REGISTRIES = (dict, list, set, deque, bytearray)
_KINDS = frozenset({dict, OrderedDict, list, set})
_TENSORS = frozenset({Tensor, nn.Parameter, nn.Buffer})


class TensorState:
    """State of one tensor at the time of construction.

    Args:
        tensor: the tensor; its version counter, storage, `requires_grad` and `.grad` are captured, not its
            values.
        name: name of the tensor in messages.
    """

    __slots__ = ("copy", "data", "flag", "gradient", "leaf", "name", "tensor", "version")

    def __init__(self, tensor: Tensor, name: str) -> None:
        self.tensor, self.name = tensor, name
        self.version = version_of(tensor)
        self.data = tensor.detach() if plain(tensor) else None
        self.leaf = tensor.is_leaf
        self.flag = tensor.requires_grad
        self.gradient = tensor.grad if self.leaf else None
        self.copy: Tensor | None = None

    def keep(self) -> None:
        """Copy the values too, so that they can be restored."""
        if self.data is not None:
            self.copy = self.data.clone()

    @property
    def bytes(self) -> int:
        """Size of the values in bytes; 0 where they cannot be copied (see `plain`)."""
        return 0 if self.data is None else self.data.numel() * self.data.element_size()

    def moved(self) -> bool:
        """Return whether the tensor now lies in other memory than at capture."""
        data = self.data
        return data is not None and self.tensor.data_ptr() != data.data_ptr()

    def written(self) -> bool:
        """Return whether its memory was written to since capture, as far as it can be detected."""
        if self.copy is None or self.data is None:
            return version_of(self.tensor) != self.version and not self.moved()
        if self.version is not None and self.data.is_cuda and self.data._version == self.version:
            return False
        return not same(self.data, self.copy)

    def restore(self, written: bool) -> None:
        """Restore storage, values, `requires_grad` and `.grad`.

        Args:
            written: whether the values were written to; they are then restored if they were copied by
                `keep`.
        """
        tensor = self.tensor
        if self.data is not None and self.moved():
            tensor.data = self.data
        if written and self.data is not None and self.copy is not None:
            with torch.inference_mode(self.data.is_inference()), torch.no_grad():
                self.data.copy_(self.copy)
            self.version = version_of(tensor)
        if self.leaf:
            if tensor.is_leaf and tensor.requires_grad != self.flag:
                tensor.requires_grad_(self.flag)
            if tensor.grad is not self.gradient:
                tensor.grad = self.gradient


class ModuleState:
    """State of a module and of everything reachable from it, at the time of construction.

    Args:
        module: the module.
        copies: bytes of tensors to copy at most, so that changed values can be restored; 0 copies none.
    """

    def __init__(self, module: nn.Module, *, copies: int = COPIED) -> None:
        self.parts = list(module.modules())
        self.kinds = [type(part) for part in self.parts]
        self.contents: list[tuple[Any, Any]] = []
        self.empty: list[Any] = []
        self.tensors: dict[int, TensorState] = {}
        self.rewritten: list[TensorState] = []
        self.generators: list[tuple[Any, Any]] = []
        self.scripted: list[_ScriptState] = []
        self._seen = set(map(id, self.parts))
        self._left = FOLLOWED
        for part in self.parts:
            self._note_part(part)
        if copies:
            self.copy(copies)

    def _note_part(self, part: nn.Module) -> None:
        if isinstance(part, torch.jit.ScriptModule):
            self.scripted.append(_ScriptState(part))
            for name in ("_parameters", "_buffers"):
                for key, tensor in part.__dict__.get(name, {}).items():
                    self._follow(tensor, key)
            for name, value in part.__dict__.items():
                if name.endswith("_hooks"):
                    self._follow(value, name)
            return
        self._note(part.__dict__)

    def _note(self, content: Any) -> None:
        """Capture a container and what is in it."""
        self._seen.add(id(content))
        self.contents.append((content, content.copy() if content else None))
        if not content or isinstance(content, bytearray):
            return
        empty = self.empty.append
        for key, value in content.items() if isinstance(content, dict) else enumerate(content):
            kind = type(value)
            if kind in _ATOMS or id(value) in self._seen:
                continue
            if kind in _KINDS:  # the most frequent kinds first: a network has thousands of them
                if value:
                    self._note(value)
                else:
                    empty(value)
            elif kind in _TENSORS:
                self._tensor(value, str(key))
            else:
                self._follow(value, key)

    def _follow(self, value: Any, key: Any) -> None:
        if isinstance(value, Tensor):
            self._tensor(value, str(key))
        elif isinstance(value, nn.Module) or id(value) in self._seen or self._left <= 0:
            return
        elif isinstance(value, _REGISTRIES):
            self._left -= bool(value)
            self._note(value)
        elif isinstance(value, tuple):
            for part in value:
                if type(part) not in _ATOMS:
                    self._follow(part, key)
        elif (handles := _generator(value)) is not None:
            self.generators.append((value, handles[0]()))
        elif _has_state(value):
            self._left -= 1
            self._note(value.__dict__)
        elif type(value).__module__ == "numpy" and getattr(value, "ndim", 0) and value.nbytes <= COPIED:
            self.generators.append((value, value.copy()))

    def _tensor(self, tensor: Tensor, name: str) -> None:
        if id(tensor) in self.tensors:
            return
        self.tensors[id(tensor)] = noted = TensorState(tensor, name)
        if noted.gradient is not None:
            self._tensor(noted.gradient, f"{name}.grad")

    def copy(self, most: int) -> None:
        """Copy the values of tensors, parameters last, until the next copy would exceed the limit.

        Args:
            most: the limit for all copies together, in bytes.
        """
        left = most
        for _, noted in self.by_importance():
            left -= noted.bytes
            if left < 0:
                return
            noted.keep()

    def by_importance(self) -> "list[tuple[int, TensorState]]":
        """Return every tensor's identity and state, those that are no parameters first."""
        return sorted(self.tensors.items(), key=lambda pair: isinstance(pair[1].tensor, nn.Parameter))

    def changed(self) -> bool:
        """Return whether anything but tensor values differs from the captured state."""
        return (
            any(type(part) is not kind for part, kind in zip(self.parts, self.kinds, strict=True))
            or any(self.empty)
            or any(not _unchanged(content, copy) for content, copy in self.contents)
            or any(not _generator_unchanged(value, state) for value, state in self.generators)
            or any(scripted.changed() for scripted in self.scripted)
            or any(
                noted.moved()
                or (noted.tensor.is_leaf and noted.tensor.requires_grad != noted.flag)
                or (noted.leaf and noted.tensor.is_leaf and noted.tensor.grad is not noted.gradient)
                for noted in self.tensors.values()
            )
        )

    def restore(self) -> list[str]:
        """Restore the captured state.

        Returns:
            Names of the tensors whose values are lost, because they were written to and not copied.
        """
        for part, kind in zip(self.parts, self.kinds, strict=True):
            if type(part) is not kind:
                part.__class__ = kind
        for scripted in self.scripted:
            scripted.restore()
        if any(self.empty):
            for content in self.empty:
                content.clear()
        for content, copy in self.contents:
            if not _unchanged(content, copy):
                _restore_container(content, copy)
        for value, state in self.generators:
            _restore_generator(value, state)
        lost = []
        for noted in self.tensors.values():
            written = noted.written()
            if written:
                (lost if noted.copy is None else self.rewritten).append(noted)
            noted.restore(written)
        return [noted.name for noted in lost]


class _ScriptState:
    """Attributes of a TorchScript module that are no tensors."""

    def __init__(self, part: torch.jit.ScriptModule) -> None:
        self.part: Any = part
        self.training = part.training
        kind = part.__dict__.get("_concrete_type")
        names = kind.get_attributes() if kind is not None else ()
        self.kept = {name: _plain_copy(self.part._c.getattr(name)) for name in names if name != "training"}
        self.kept = {name: value for name, value in self.kept.items() if value is not _OPAQUE}

    def changed(self) -> bool:
        return self.part.training != self.training or any(
            _plain_copy(self.part._c.getattr(name)) != value for name, value in self.kept.items()
        )

    def restore(self) -> None:
        if self.changed():
            self.part.training = self.training
            for name, value in self.kept.items():
                self.part._c.setattr(name, _plain_copy(value))


_OPAQUE = object()


def _plain_copy(value: Any) -> Any:
    """Return a deep copy of numbers, strings and containers of them; `_OPAQUE` for anything else."""
    if type(value) in _ATOMS:
        return value
    if isinstance(value, (list, tuple)):
        parts = [_plain_copy(part) for part in value]
        return _OPAQUE if any(part is _OPAQUE for part in parts) else type(value)(parts)
    if isinstance(value, dict):
        parts = {key: _plain_copy(part) for key, part in value.items()}
        return _OPAQUE if any(part is _OPAQUE for part in parts.values()) else parts
    return _OPAQUE


def plain(tensor: Tensor) -> bool:
    """Check whether a tensor is a dense tensor with memory of its own, of one of torch's own classes.

    Args:
        tensor: any tensor.

    Returns:
        False for subclasses and for sparse, meta and quantised tensors.
    """
    return (
        type(tensor) in (Tensor, nn.Parameter, nn.Buffer)
        and tensor.layout is torch.strided
        and not tensor.is_meta
        and not tensor.is_quantized
    )


def version_of(tensor: Tensor) -> int | None:
    """Return a tensor's version counter, which torch increases with every in-place write.

    Args:
        tensor: any tensor.

    Returns:
        The counter; None for inference tensors and uninitialised parameters, which have none.
    """
    shapeless = type(tensor) not in _TENSORS and isinstance(tensor, UninitializedTensorMixin)
    return None if shapeless or tensor.is_inference() else tensor._version


def same(one: Tensor, other: Tensor) -> bool:
    """Compare two tensors value by value, where NaN equals NaN.

    Args:
        one: a tensor.
        other: a tensor to compare with it.

    Returns:
        True if shapes agree and all values are equal; 0.0 and -0.0 are equal.
    """
    if torch.equal(one, other):
        return True
    if not (one.is_floating_point() or one.is_complex()):
        return False
    return bool(((one == other) | ((one != one) & (other != other))).all())


def _has_state(value: Any) -> bool:
    """Return whether a value is an object of a user-defined class, whose attributes can change."""
    kind = type(value)
    if kind.__module__.partition(".")[0] in ("torch", "builtins", "types", "functools", "numpy", "enum"):
        return False
    frozen = getattr(getattr(kind, "__dataclass_params__", None), "frozen", False)
    return not frozen and not callable_kind(value) and isinstance(getattr(value, "__dict__", None), dict)


def callable_kind(value: Any) -> bool:
    """Check whether a value is a function, a class or a method; the attributes of these are not captured.

    Args:
        value: any object.

    Returns:
        True for classes, functions, methods and built-in functions.
    """
    return isinstance(value, type) or type(value).__name__ in (
        "function",
        "method",
        "builtin_function_or_method",
    )


def _unchanged(content: Any, copy: Any) -> bool:
    """Return whether a container holds the very objects of its copy, in the same order."""
    if copy is None:
        return not content
    if len(content) != len(copy):
        return False
    if isinstance(content, dict):
        return list(content) == list(copy) and all(map(is_, content.values(), copy.values()))
    if isinstance(content, (set, bytearray)):
        return content == copy
    return all(map(is_, content, copy))


def _restore_container(content: Any, copy: Any) -> None:
    content.clear()
    if copy:
        (content.update if isinstance(content, (dict, set)) else content.extend)(copy)


def _generator(value: Any) -> tuple[Callable[[], Any], Callable[[Any], Any]] | None:
    """Return the getter and the setter of a random generator's state; None for other objects."""
    if isinstance(value, torch.Generator):
        return value.get_state, value.set_state
    if isinstance(value, random.Random):
        return value.getstate, value.setstate
    bits = getattr(value, "bit_generator", None) if type(value).__module__.startswith("numpy") else None
    if bits is not None:
        return lambda: bits.state, lambda state: setattr(bits, "state", state)
    return None


def _generator_unchanged(value: Any, state: Any) -> bool:
    handles = _generator(value)
    now = handles[0]() if handles else value
    if isinstance(now, Tensor):
        return torch.equal(now, state)
    return bool((now == state).all()) if hasattr(now, "ndim") else now == state


def _restore_generator(value: Any, state: Any) -> None:
    handles = _generator(value)
    if handles:
        handles[1](state)
    elif not _generator_unchanged(value, state):
        value[...] = state
