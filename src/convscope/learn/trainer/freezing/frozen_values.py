"""Keep a selection of a network's values exactly as they are while the rest is trained."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn, optim

from convscope.learn.trainer.freezing.resolving import Names
from convscope.learn.trainer.freezing.selection import Mask, Selection

MEAN = "running_mean"
"""Buffer by which a normalisation with running statistics is recognised."""


class FrozenValues:
    """Keep the selected values of a network through steps of a training.

    Wholly selected parameters need no gradient meanwhile. Of others, the selected elements of gradients are
    set to zero, and weights and optimizer entries are restored after each step. Normalisations whose running
    statistics are selected use these, as in evaluation; selected buffers are restored after each batch.

    Args:
        module: the network.
        selection: what must not move.

    Attributes:
        whole: wholly selected parameters.
        partial: other parameters with selected elements, and the masks of these.
    """

    def __init__(self, module: nn.Module, selection: Selection) -> None:
        names = Names(module)
        self.whole: dict[Tensor, None] = {}
        self.partial: dict[Tensor, Tensor] = {}
        self._buffers: list[tuple[nn.Module, str, Mask]] = []
        self._norms: dict[nn.Module, Mask] = {}
        for name, mask in selection.items():
            tensor, layer, part = names.tensors[name], names.layer(name), name.rpartition(".")[2]
            there = None if mask is None else mask.to(tensor.device)
            if name not in names.parameters:
                self._buffers.append((layer, part, there))
                if part == MEAN:
                    self._norms[layer] = there
            elif there is None:
                self.whole[tensor] = None
            else:
                self.partial[tensor] = there

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Keep them while the losses of a batch are computed and the optimizers take their steps.

        Everything but the values (`requires_grad`, modes, hooks) is as before at the end.

        Yields:
            None.
        """
        saved = [
            (layer, part, mask, tensor, tensor.detach().clone())
            for layer, part, mask in self._buffers
            for tensor in [layer.get_buffer(part)]
        ]
        flagged = [parameter for parameter in self.whole if parameter.requires_grad]
        modes = [(layer, layer.training) for layer, mask in self._norms.items() if mask is None]
        statistics: dict[nn.Module, dict[str, Tensor]] = {}
        for layer, part, _mask, _tensor, value in saved:
            statistics.setdefault(layer, {})[part] = value
        with ExitStack() as hooks:
            for layer, mask in self._norms.items():
                if mask is not None:
                    hook = _PartlyFrozen(mask, statistics[layer])
                    hooks.callback(layer.register_forward_hook(hook, with_kwargs=True).remove)
            try:
                for parameter in flagged:
                    parameter.requires_grad_(False)
                for layer, _ in modes:
                    layer.training = False
                yield
            finally:
                for parameter in flagged:
                    parameter.requires_grad_(True)
                for layer, training in modes:
                    layer.training = training
                for layer, part, mask, tensor, value in saved:
                    setattr(layer, part, tensor)
                    _put_back(tensor, mask, value)

    @contextmanager
    def update(self, optimizer: optim.Optimizer) -> Iterator[None]:
        """Keep them while an optimizer takes a step: between the backward pass and the next forward pass.

        Gradients of selected elements are zero inside, so that clipping ignores them.

        Args:
            optimizer: takes the step inside `with`.

        Yields:
            None.
        """
        saved = []
        for parameter, mask in self.partial.items():
            if parameter.grad is not None:
                parameter.grad.masked_fill_(mask, 0)
                entries = {name: value.clone() for name, value in _entries(optimizer, parameter)}
                saved.append((parameter, mask, parameter.detach().clone(), entries))
        try:
            yield
        finally:
            for parameter, mask, value, entries in saved:
                _put_back(parameter, mask, value)
                for name, entry in _entries(optimizer, parameter):
                    _put_back(entry, mask, entries.get(name, torch.zeros_like(entry)))


class _PartlyFrozen:
    """A forward hook for a normalisation: the selected units use their frozen running statistics."""

    def __init__(self, mask: Tensor, statistics: dict[str, Tensor]) -> None:
        self.mask, self.statistics = mask, statistics

    def __call__(self, layer: nn.Module, inputs: Any, options: Any, output: Tensor) -> Tensor | None:
        if not layer.training:
            return None
        moving = {name: layer.get_buffer(name) for name in self.statistics}
        try:
            layer.training = False
            for name, value in self.statistics.items():
                setattr(layer, name, value)
            fixed = layer.forward(*inputs, **options)
        finally:
            layer.training = True
            for name, value in moving.items():
                setattr(layer, name, value)
        return torch.where(self.mask.view(-1, *[1] * (output.ndim - 2)), fixed, output)


def copy_selected(selection: Selection, source: nn.Module, target: nn.Module) -> None:
    """Copy the selected values of a network into a copy of it, such as an average of its weights.

    Args:
        selection: what is copied.
        source: the network.
        target: another one of the same names.
    """
    values, tensors = Names(source).tensors, Names(target).tensors
    for name, mask in selection.items():
        _put_back(
            tensors[name], None if mask is None else mask.to(tensors[name].device), values[name].detach()
        )


def _entries(optimizer: optim.Optimizer, parameter: Tensor) -> Iterable[tuple[str, Tensor]]:
    """Return what an optimizer keeps for each element of a parameter, by name."""
    entries = optimizer.state.get(parameter, {}).items()
    return [(n, e) for n, e in entries if isinstance(e, Tensor) and e.shape == parameter.shape]


def _put_back(tensor: Tensor, mask: Mask, value: Tensor) -> None:
    with torch.no_grad():
        tensor.copy_(value if mask is None else torch.where(mask, value, tensor))
