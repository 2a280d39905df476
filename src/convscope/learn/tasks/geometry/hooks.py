"""Read and replace what one layer of a network computes, for as long as it takes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from torch import Tensor, nn

from convscope.nets import Net

L = TypeVar("L", bound=nn.Module)
T = TypeVar("T")


def find_layer(net: Net, kind: type[L], *, last: bool = False) -> L | None:
    """Return a layer of a kind.

    Args:
        net: any network.
        kind: class of the layer.
        last: whether the last of several is returned, in place of the first.

    Returns:
        The layer, in the order of `modules()`; None where there is none.
    """
    found = [module for module in net.module.modules() if isinstance(module, kind)]
    return found[-1 if last else 0] if found else None


@contextmanager
def collected(layer: nn.Module | None, read: Callable[..., T]) -> Iterator[list[T]]:
    """Collect what is read from a layer in each forward pass.

    Args:
        layer: a layer of a network; None for none.
        read: called with the layer and its inputs, after it has run.

    Yields:
        A list to which each pass adds what `read` returned; it stays empty without a layer.
    """
    found: list[T] = []

    def note(module: nn.Module, inputs: tuple[Any, ...], _: Any) -> None:
        found.append(read(module, *inputs))

    handle = layer.register_forward_hook(note) if layer is not None else None
    try:
        yield found
    finally:
        if handle is not None:
            handle.remove()


@contextmanager
def replaced(layer: L | None, make: Callable[[L, Tensor], Tensor]) -> Iterator[None]:
    """Replace the output of a layer.

    Args:
        layer: a layer of a network; None for none.
        make: returns the output from the layer and its input.

    Yields:
        Nothing; the network is run inside.
    """

    def exchange(module: Any, inputs: tuple[Tensor, ...], _: Any) -> Tensor:
        return make(module, inputs[0])

    handle = layer.register_forward_hook(exchange) if layer is not None else None
    try:
        yield
    finally:
        if handle is not None:
            handle.remove()
