"""Selections: some elements of the parameters and buffers of a network, as masks by name."""

import hashlib
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

Mask = Tensor | None
"""Boolean, of the tensor's shape and on the CPU; None for all elements."""
Selection = dict[str, Mask]
"""Masks by name of the tensor in the network's state; none of them is empty."""


def union(selections: Iterable[Selection]) -> Selection:
    """Return what is in at least one of several selections.

    Args:
        selections: of the same network.

    Returns:
        A new selection; masks that cover a whole tensor become None.
    """
    found: Selection = {}
    for selection in selections:
        for name, mask in selection.items():
            other = found.get(name, mask)
            found[name] = None if mask is None or other is None else _plain(mask | other)
    return found


def difference(first: Selection, second: Selection, shapes: Mapping[str, Tensor]) -> Selection:
    """Return what is in one selection and not in another.

    Args:
        first: a selection.
        second: what is taken away.
        shapes: tensors of the network by name, for the shape of what is wholly in `first`.

    Returns:
        A new selection.
    """
    found: Selection = {}
    for name, mask in first.items():
        if name not in second:
            found[name] = mask
            continue
        away = second[name]
        if away is None:
            continue
        whole = torch.ones(shapes[name].shape, dtype=torch.bool) if mask is None else mask
        rest = whole & ~away
        if bool(rest.any()):
            found[name] = _plain(rest)
    return found


def overlaps(first: Selection, second: Selection) -> bool:
    """Return whether two selections share an element.

    Args:
        first: a selection.
        second: another one.

    Returns:
        True if they do.
    """
    for name in first.keys() & second.keys():
        one, other = first[name], second[name]
        if one is None or other is None or bool((one & other).any()):
            return True
    return False


def count(selection: Selection, tensors: Mapping[str, Tensor]) -> int:
    """Return the number of values in a selection.

    Args:
        selection: what is counted.
        tensors: tensors by name; those that are not there are left out.

    Returns:
        The number of elements.
    """
    masks = ((tensors[name], mask) for name, mask in selection.items() if name in tensors)
    return sum(tensor.numel() if mask is None else int(mask.sum()) for tensor, mask in masks)


def digest(selection: Selection, tensors: Mapping[str, Tensor]) -> str:
    """Compute the SHA-256 of the selected values, whatever device and memory format they are in.

    Args:
        selection: what is hashed.
        tensors: tensors by name, as in `state_dict()`; those that are not there are left out.

    Returns:
        The hexadecimal digest of names, dtypes and bytes.
    """
    found = hashlib.sha256()
    for name in sorted(selection.keys() & tensors.keys()):
        value, mask = tensors[name].detach(), selection[name]
        chosen = value if mask is None else value[mask.to(value.device)]
        found.update(f"{name} {value.dtype} {chosen.numel()}\n".encode())
        plain = torch.view_as_real(chosen) if chosen.is_complex() else chosen
        found.update(plain.contiguous().reshape(-1).cpu().view(torch.uint8).numpy().data)
    return found.hexdigest()


def _plain(mask: Tensor) -> Mask:
    return None if bool(mask.all()) else mask
