"""Traverse what a module returns (a tensor, or tensors in dicts, tuples, dataclasses); hook any module."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


def tree_leaves(value: Any, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """Iterate over all tensors in a nested structure.

    Args:
        value: a tensor, or mappings, lists, tuples, named tuples and dataclasses that hold tensors. Other
            objects are skipped.
        path: prefix of the keys.

    Yields:
        Each tensor with its key: nested keys are joined by dots; a bare tensor has the key `path`.
    """
    if isinstance(value, Tensor):
        yield path, value
        return
    for key, part in _parts(value):
        yield from tree_leaves(part, f"{path}.{key}" if path else key)


def tree_replace(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Map a function over all tensors in a nested structure.

    Args:
        value: a structure as for `tree_leaves`.
        change: called with each tensor; returns its replacement.

    Returns:
        A structure of the same form with the replacements. Subclasses of list and mappings that are no
        dicts are returned unchanged, as are other objects.
    """
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(tree_replace(part, change) for part in value))
    if type(value) in (tuple, list):
        return type(value)(tree_replace(part, change) for part in value)
    if isinstance(value, dict):
        copy = value.copy()
        for key, part in value.items():
            copy[key] = tree_replace(part, change)
        return copy
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value, **{f.name: tree_replace(getattr(value, f.name), change) for f in fields(value) if f.init}
        )
    return value


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((str(key), part) for key, part in value.items())
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        yield from value._asdict().items()  # pyright: ignore[reportAttributeAccessIssue]
    elif isinstance(value, (tuple, list)):
        yield from ((str(index), part) for index, part in enumerate(value))
    elif is_dataclass(value) and not isinstance(value, type):
        yield from ((f.name, getattr(value, f.name)) for f in fields(value))


def before(part: nn.Module, hook: Callable[..., Any]) -> RemovableHandle:
    """Register a forward pre-hook, also on TorchScript modules, which offer no method for it.

    Args:
        part: the module.
        hook: called with the module and its positional arguments, as in
            `nn.Module.register_forward_pre_hook`.

    Returns:
        A handle whose `remove` takes the hook off.
    """
    return nn.Module.register_forward_pre_hook(part, hook)


def after(part: nn.Module, hook: Callable[..., Any], *, with_kwargs: bool = False) -> RemovableHandle:
    """Register a forward hook, also on TorchScript modules, which offer no method for it.

    Args:
        part: the module.
        hook: called with the module, its positional arguments and its output, as in
            `nn.Module.register_forward_hook`; what it returns replaces the output unless None.
        with_kwargs: pass the keyword arguments to the hook, too, before the output.

    Returns:
        A handle whose `remove` takes the hook off.
    """
    return nn.Module.register_forward_hook(part, hook, with_kwargs=with_kwargs)
