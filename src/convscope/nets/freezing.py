"""Holding a network still while we look into it."""

from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakSet

from torch import nn

_still: WeakSet[nn.Module] = WeakSet()


@contextmanager
def frozen(module: nn.Module) -> Iterator[nn.Module]:
    """Evaluation mode and no gradients for the weights, inside `with`; afterwards every flag is as it was.

    Each module's own mode and each parameter's own flag is restored, also after an exception or Ctrl-C.
    Gradients with respect to inputs and activations still flow. Nesting is free.
    """
    if module in _still:
        yield module
        return
    modes = [part for part in module.modules() if part.training]
    flags = [parameter for parameter in module.parameters() if parameter.requires_grad]
    try:
        _still.add(module)
        for part in modes:
            part.training = False
        for parameter in flags:
            parameter.requires_grad_(False)
        yield module
    finally:
        _still.discard(module)
        for part in modes:
            part.training = True
        for parameter in flags:
            parameter.requires_grad_(True)


def kept_still(module: nn.Module) -> nn.Module:
    """The module, frozen for good: a copy that nobody teaches, which `frozen` need not look through."""
    module.requires_grad_(False).eval()
    _still.add(module)
    return module
