"""A batch that is one known input except for a box in each row: layers compute what the box can change.

Where each layer reads only its neighbourhood, most of what it makes is what it made of the unchanged input.
`PatchedTensor` holds that, once for the whole batch, and beside it the part that may differ; rules in
`locally.py`
say what functions make of both. Everything else gets the whole batch as an ordinary tensor, and goes on with
it: nothing is guessed, and no network has to be known.

Source: Nakandala, Kumar and Papakonstantinou 2019, "Incremental and Approximate Inference for Faster
Occlusion-based Deep CNN Explanations", SIGMOD, §3 (there by layers of three known networks).
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from convscope.see.attribution.incremental.boxes import Boxes, extract, paste

WHOLE = 0.7
"""Share of a map from which on it is computed in full: cutting and pasting would cost more than it saves."""
_FORM_WORDS = """
shape dtype device ndim layout requires_grad is_cuda is_cpu is_sparse is_quantized is_meta is_mps is_nested
is_leaf grad_fn names itemsize nbytes
"""
_FORM = frozenset(_FORM_WORDS.split())
_ASKING_WORDS = """
size dim ndimension numel nelement is_floating_point is_complex element_size __len__ get_device is_signed
is_inference
"""
_ASKING = frozenset(_ASKING_WORDS.split())


Rule = Callable[[Callable[..., Any], Any, Any], Any]
"""Gets a function and its arguments, returns what it makes, or NotImplemented."""


class ReferenceCache:
    """What was made of the unchanged input, by what it was made with; and the rules to go by.

    Keys hold tensors by identity; they are kept alive, so that no identity is given away again.
    """

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self.rules = rules
        self.known: dict[Hashable, Any] = {}
        self.kept: list[Any] = []

    def recall(self, func: Callable[..., Any], args: Any, kwargs: Any, make: Callable[[], Any]) -> Any:
        """The result of `make`, computed the first time this is asked."""
        key = (func, _key(args), _key(kwargs))
        if key not in self.known:
            self.known[key] = make()
            self.kept.append((known(args), known(kwargs)))
        return self.known[key]


def _key(value: Any) -> Hashable:
    if isinstance(value, Tensor):
        return "tensor", id(value.known if isinstance(value, PatchedTensor) else value)
    if isinstance(value, list | tuple):
        return tuple(_key(part) for part in value)
    if isinstance(value, dict):
        return tuple((name, _key(part)) for name, part in value.items())
    return type(value), value


class PatchedTensor(Tensor):
    """One known tensor `[1 c *size]`, and boxes `[b c *box]` of a batch that differ from it.

    Args:
        known: what stands everywhere outside the boxes.
        inside: what stands in them.
        region: where they are.
        memory: of what was made of known tensors.
    """

    known: Tensor
    inside: Tensor
    region: Boxes
    memory: ReferenceCache

    @staticmethod
    def __new__(cls, known: Tensor, inside: Tensor, region: Boxes, memory: ReferenceCache) -> "PatchedTensor":
        """A tensor without values of its own, which functions see only by their rules."""
        return Tensor._make_wrapper_subclass(
            cls, (len(inside), *known.shape[1:]), dtype=known.dtype, device=known.device
        )

    def __init__(self, known: Tensor, inside: Tensor, region: Boxes, memory: ReferenceCache) -> None:
        self.known, self.inside, self.region, self.memory = known, inside, region, memory
        self._full: Tensor | None = None
        self._edition = 0

    def replace_(self, other: "PatchedTensor") -> "PatchedTensor":
        """Take the value of another, as functions that work in place do."""
        self.known, self.inside, self.region, self._full = other.known, other.inside, other.region, None
        return self

    def full(self) -> Tensor:
        """The batch as an ordinary tensor."""
        if self._full is None:
            corner = [(0,) * len(self.region.extent)] * len(self.inside)
            self._full = extract(self.known, corner, self.region.extent)
            paste(self.inside, self.region.starts, self._full, corner)
            self._edition = self._full._version
        return self._full

    def absorb_writes(self) -> None:
        """If someone wrote into the ordinary tensor, that is the value from now on."""
        if self._full is not None and self._full._version != self._edition:
            self._edition, self.inside = self._full._version, self._full
            everywhere = tuple((0, extent) for extent in self.region.extent)
            self.region = Boxes((everywhere,) * len(self.inside), self.region.extent)

    def values_in(self, region: Boxes) -> Tensor:
        """The values in boxes that hold its own."""
        if region.starts == self.region.starts and region.size == self.region.size:
            return self.inside
        made = extract(self.known, region.starts, region.size)
        paste(self.inside, self.region.starts, made, region.starts)
        return made

    def like(self, known: Tensor, inside: Tensor, region: Boxes | None = None) -> "PatchedTensor":
        """Another with the same memory."""
        return PatchedTensor(known, inside, region or self.region, self.memory)

    @override
    def __repr__(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        return f"<Changed {tuple(self.known.shape[1:])}: {len(self.inside)} boxes of {self.region.size}>"

    @classmethod
    @override
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        with torch._C.DisableTorchFunctionSubclass():
            if name in _ASKING or (
                name == "__get__" and getattr(getattr(func, "__self__", None), "__name__", "") in _FORM
            ):
                return func(*args, **kwargs)
            found = list(_changed((args, kwargs)))
            for one in found:
                one.absorb_writes()
            rule = found[0].memory.rules.get(name.strip("_")) if found else None
            made = NotImplemented if rule is None else rule(func, args, kwargs)
        if made is not NotImplemented:
            return made
        made = func(*full(args), **full(kwargs))
        for one in found:
            one.absorb_writes()
        return made

    @classmethod
    @override
    def __torch_dispatch__(
        cls, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return func(*full(args), **full(kwargs or {}))


def known(value: Any) -> Any:
    """Arguments with what was known in the place of every batch."""
    return _each(value, lambda changed: changed.known)


def full(value: Any) -> Any:
    """Arguments with ordinary tensors."""
    return _each(value, PatchedTensor.full)


def _each(value: Any, change: Callable[[PatchedTensor], Tensor]) -> Any:
    if isinstance(value, PatchedTensor):
        return change(value)
    if type(value) in (list, tuple):
        return type(value)(_each(part, change) for part in value)
    if isinstance(value, dict):
        return {key: _each(part, change) for key, part in value.items()}
    return value


def _changed(value: Any) -> Iterator[PatchedTensor]:
    if isinstance(value, PatchedTensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _changed(part)
    elif isinstance(value, dict):
        yield from _changed(tuple(value.values()))
