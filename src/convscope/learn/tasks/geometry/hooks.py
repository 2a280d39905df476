"""Read and replace what one layer of a network computes, for as long as it takes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from torch import Tensor, nn

from convscope.nets import Net

L = TypeVar("L", bound=nn.Module)
T = TypeVar("T")


def find_layer(net: Net, kind: type[L]) -> L | None:
    """Return the first layer of a kind.

    Args:
        net: any network.
        kind: class of the layer.

    Returns:
        The layer, in the order of `modules()`; None where there is none.
    """
    return next((module for module in net.module.modules() if isinstance(module, kind)), None)


@contextmanager
def collected(net: Net, kind: type[L], read: Callable[..., T]) -> Iterator[list[T]]:
    """Collect what is read from the first layer of a kind, in each forward pass.

    Args:
        net: any network.
        kind: class of the layer.
        read: called with the layer and its inputs, after the layer has run.

    Yields:
        A list to which each pass adds what `read` returned; it stays empty without such a layer.
    """
    found: list[T] = []
    layer = find_layer(net, kind)

    def note(module: nn.Module, inputs: tuple[Any, ...], _: Any) -> None:
        found.append(read(module, *inputs))

    handle = layer.register_forward_hook(note) if layer is not None else None
    try:
        yield found
    finally:
        if handle is not None:
            handle.remove()


@contextmanager
def replaced(net: Net, kind: type[L], make: Callable[[L, Tensor], Tensor]) -> Iterator[None]:
    """Replace the output of the first layer of a kind; nothing where there is none.

    Args:
        net: any network.
        kind: class of the layer.
        make: returns the output from the layer and its input.

    Yields:
        Nothing; the network is run inside.
    """
    layer = find_layer(net, kind)

    def exchange(module: Any, inputs: tuple[Tensor, ...], _: Any) -> Tensor:
        return make(module, inputs[0])

    handle = layer.register_forward_hook(exchange) if layer is not None else None
    try:
        yield
    finally:
        if handle is not None:
            handle.remove()
