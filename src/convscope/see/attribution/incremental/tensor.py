"""A batch that equals one reference input except for a box in each row.

Layers recompute only what the box can change.

Where a layer reads only a neighbourhood of each position, most of its output equals that for the reference.
`PatchedTensor` holds the reference once for the whole batch, and beside it the boxes that may differ;
`rules.py` has what functions make of both. All other functions get the whole batch as an ordinary tensor,
and their outputs are ordinary tensors, so that any network can be run.

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
"""Share of a map from which on it is computed in full: extracting and pasting would cost more."""
_METADATA_FIELD_WORDS = """
shape dtype device ndim layout requires_grad is_cuda is_cpu is_sparse is_quantized is_meta is_mps is_nested
is_leaf grad_fn names itemsize nbytes
"""
_METADATA_FIELDS = frozenset(_METADATA_FIELD_WORDS.split())
_METADATA_CALL_WORDS = """
size dim ndimension numel nelement is_floating_point is_complex element_size __len__ get_device is_signed
is_inference
"""
_METADATA_CALLS = frozenset(_METADATA_CALL_WORDS.split())


Rule = Callable[[Callable[..., Any], Any, Any], Any]
"""Gets a function, its positional and its keyword arguments; returns the result, or NotImplemented."""


class ReferenceCache:
    """Results for the unchanged input, by function and arguments; and the rules of functions.

    Keys hold tensors by `id`; the tensors are kept alive, so that no `id` is reused.

    Args:
        rules: by the function's name without underscores.
    """

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self.rules = rules
        self.known: dict[Hashable, Any] = {}
        self.kept: list[Any] = []

    def recall(self, func: Callable[..., Any], args: Any, kwargs: Any, make: Callable[[], Any]) -> Any:
        """Return a cached result, or compute it.

        Args:
            func: the function.
            args: its positional arguments; patched tensors stand for their references.
            kwargs: its keyword arguments.
            make: computes the result for the references.

        Returns:
            The result of the first such call.
        """
        key = (func, _key(args), _key(kwargs))
        if key not in self.known:
            self.known[key] = make()
            self.kept.append((known(args), known(kwargs)))
        return self.known[key]


def _key(value: Any) -> Hashable:
    """Return a hashable key of arguments: tensors by `id`, other values with their type."""
    if isinstance(value, Tensor):
        return "tensor", id(value.known if isinstance(value, PatchedTensor) else value)
    if isinstance(value, list | tuple):
        return tuple(_key(part) for part in value)
    if isinstance(value, dict):
        return tuple((name, _key(part)) for name, part in value.items())
    return type(value), value


class PatchedTensor(Tensor):
    """One reference tensor `[1 c *size]`, and boxes `[b c *box]` in which the rows of a batch differ from it.

    Args:
        known: the reference, which holds everywhere outside the boxes.
        inside: the values in the boxes.
        region: the position of each row's box.
        memory: results for the reference, and the rules.
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
        """Take the value of another tensor, as functions that work in place do.

        Args:
            other: has the same shape.

        Returns:
            This tensor.
        """
        self.known, self.inside, self.region, self._full = other.known, other.inside, other.region, None
        return self

    def full(self) -> Tensor:
        """Return the batch as an ordinary tensor `[b c *size]`; it is computed once."""
        if self._full is None:
            corner = [(0,) * len(self.region.extent)] * len(self.inside)
            self._full = extract(self.known, corner, self.region.extent)
            paste(self.inside, self.region.starts, self._full, corner)
            self._edition = self._full._version
        return self._full

    def absorb_writes(self) -> None:
        """Take over the ordinary tensor's values if a function has written into it."""
        if self._full is not None and self._full._version != self._edition:
            self._edition, self.inside = self._full._version, self._full
            everywhere = tuple((0, extent) for extent in self.region.extent)
            self.region = Boxes((everywhere,) * len(self.inside), self.region.extent)

    def values_in(self, region: Boxes) -> Tensor:
        """Return the values in larger boxes.

        Args:
            region: boxes that contain this tensor's own.

        Returns:
            `[b c *box]`.
        """
        if region.starts == self.region.starts and region.size == self.region.size:
            return self.inside
        made = extract(self.known, region.starts, region.size)
        paste(self.inside, self.region.starts, made, region.starts)
        return made

    def like(self, known: Tensor, inside: Tensor, region: Boxes | None = None) -> "PatchedTensor":
        """Create a patched tensor with the same cache.

        Args:
            known: its reference.
            inside: its values in the boxes.
            region: its boxes; by default this tensor's.

        Returns:
            The new tensor.
        """
        return PatchedTensor(known, inside, region or self.region, self.memory)

    @override
    def __repr__(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        return (
            f"<PatchedTensor {tuple(self.known.shape[1:])}: {len(self.inside)} boxes of {self.region.size}>"
        )

    @classmethod
    @override
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        with torch._C.DisableTorchFunctionSubclass():
            if name in _METADATA_CALLS or (
                name == "__get__"
                and getattr(getattr(func, "__self__", None), "__name__", "") in _METADATA_FIELDS
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
    """Replace patched tensors in arguments by their references.

    Args:
        value: an argument, or nested lists, tuples and dictionaries.

    Returns:
        The same structure.
    """
    return _each(value, lambda changed: changed.known)


def full(value: Any) -> Any:
    """Replace patched tensors in arguments by ordinary ones.

    Args:
        value: an argument, or nested lists, tuples and dictionaries.

    Returns:
        The same structure.
    """
    return _each(value, PatchedTensor.full)


def _each(value: Any, change: Callable[[PatchedTensor], Tensor]) -> Any:
    """Apply a function to every patched tensor in nested arguments."""
    if isinstance(value, PatchedTensor):
        return change(value)
    if type(value) in (list, tuple):
        return type(value)(_each(part, change) for part in value)
    if isinstance(value, dict):
        return {key: _each(part, change) for key, part in value.items()}
    return value


def _changed(value: Any) -> Iterator[PatchedTensor]:
    """Yield every patched tensor in nested arguments."""
    if isinstance(value, PatchedTensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _changed(part)
    elif isinstance(value, dict):
        yield from _changed(tuple(value.values()))
