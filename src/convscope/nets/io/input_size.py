"""Networks for another input size than their own."""

from collections.abc import Iterable
from dataclasses import replace

import torch

from convscope.errors import ConvscopeError, DataError, GraphError, UsageError
from convscope.graph.graph import Graph
from convscope.graph.spec import TensorSpec
from convscope.nets.activations.freezing import frozen
from convscope.nets.io.graph_module import GraphModule, build
from convscope.nets.io.weights import load_weights
from convscope.nets.network import Net, is_out_of_memory, takes_network

TRIED = (16, 24, 28, 32, 48, 64, 96, 128, 160, 192, 224, 256, 299, 320, 384)
"""Sizes that are tried for the hint of a refusal."""


@takes_network
def with_input_size(net: Net, size: int, seed: int | None = None) -> Net:
    """Return a network for square images of another size.

    A network that was built from a graph is built again at that size. Trained weights are kept, and the size
    is refused if the shape of one would change; fresh weights are drawn again if their shapes change. Any
    other module is kept as it is, and the size is refused if a forward pass fails or returns another shape.

    Args:
        net: a network of one input with height and width; left as it is.
        size: height and width in pixels.
        seed: of fresh weights.

    Returns:
        The network with a spec of that size; the same one where that is its own.

    Raises:
        UsageError: the network takes no images, or not of that size; the hint has sizes that it takes.
    """
    if len(net.input_specs) != 1 or len(net.input_spec.size) != 2:
        shapes = " and ".join("x".join(map(str, spec.shape)) for spec in net.input_specs)
        raise UsageError(
            "a network that takes one picture",
            received=f"{net.name}, which takes {shapes}",
            hint="Leave --size out.",
        )
    if net.input_spec.size == (size, size):
        return net
    made = _resized(net, size, seed)
    if isinstance(made, Net):
        return made
    untried = ((size, size), net.input_spec.size)
    others = [n for n in TRIED if (n, n) not in untried and isinstance(_resized(net, n, seed), Net)]
    own = "x".join(map(str, net.input_spec.size))
    listed = f"Its own is {own}" + (f"; of others it takes {', '.join(map(str, others))}." if others else ".")
    raise UsageError(f"a size that {net.name} takes", received=f"{size}x{size} ({made})", hint=listed)


def _resized(net: Net, size: int, seed: int | None) -> Net | str:
    """Return the network at a size, or why it cannot take it."""
    spec = replace(net.input_spec, shape=(net.input_spec.channels, size, size))
    try:
        if isinstance(net.module, GraphModule):
            return _rebuilt(net, net.module.graph, spec, seed)
        made = replace(net, input_specs=(spec,), graph=None)
        with torch.no_grad(), frozen(made.module):
            shapes = [_shape(each(each.example())) for each in (net, made)]
    except (ConvscopeError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        received = getattr(error, "received", "") or str(error)
        return received.splitlines()[0][:160]
    return made if shapes[0] == shapes[1] else f"it returns {shapes[1]} where it returns {shapes[0]}"


def _rebuilt(net: Net, graph: Graph, spec: TensorSpec, seed: int | None) -> Net:
    """Return a network of the same layers over an input of another size."""
    (name,) = graph.inputs
    larger = Graph({name: spec.shape}, graph.nodes, graph.outputs)
    before, after = ([g.shapes[output] for output in g.outputs] for g in (graph, larger))
    if before != after:
        raise GraphError(
            "outputs of the same shape", received=f"it returns {after} where it returns {before}"
        )
    module = build(larger, seed=seed).to(net.device)
    if net.source.weights != "none" or _same_shapes(net.module, module):
        try:
            load_weights(module, net.module.state_dict(), net.name)
        except DataError as error:
            raise GraphError("weights of the same shape", received=error.received) from None
    return replace(net, module=module.eval(), input_specs=(spec,), graph=larger)


def _same_shapes(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    one, other = ({k: v.shape for k, v in m.state_dict().items()} for m in (first, second))
    return one == other


def _shape(result: object) -> object:
    """Return the shapes of a module's result, whatever it consists of."""
    if isinstance(result, torch.Tensor):
        return tuple(result.shape)
    if isinstance(result, dict):
        return {name: _shape(value) for name, value in result.items()}
    return tuple(map(_shape, result)) if isinstance(result, Iterable) else type(result).__name__
