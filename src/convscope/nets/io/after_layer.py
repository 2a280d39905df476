"""What comes after a layer of a network, as a network of its own."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from convscope.errors import UsageError, nearest
from convscope.graph.graph import Graph
from convscope.graph.spec import DEFAULTS, SPECTROGRAM, TensorSpec
from convscope.nets.activations.address import LayerAddress
from convscope.nets.activations.classifier_output import select_output
from convscope.nets.activations.freezing import frozen
from convscope.nets.activations.recording import record, resolve
from convscope.nets.description.front_end import front_end, spectrogram_axes
from convscope.nets.io.graph_module import GraphModule
from convscope.nets.network import Net, takes_network
from convscope.nets.tracing.tracer import trace

AGREE = 1e-4
"""Largest difference of both networks' results that is rounding, as a share of the largest value."""
NAMED = 8
"""Most layers that a hint lists."""


@takes_network
def after_layer(net: Net, layer: str | LayerAddress, *inputs: Tensor) -> tuple[Net, Tensor]:
    """Return what comes after a layer as a network whose input is the layer's output.

    It shares the layers behind that one, under their names, and nothing else: neither the layers before nor
    the normalisation of the inputs. Modules without a graph of their own are traced.

    Args:
        net: any network; left as it is.
        layer: a layer through which all that the network computes of its inputs passes.
        *inputs: inputs of the network, one tensor `[b ...]` for each.

    Returns:
        The network, whose spec has the shape and range of the layer's output for these inputs, and that
        output `[b ...]`.

    Raises:
        PlaceError: there is no such layer, or it returns no tensor.
        UsageError: something passes by the layer, or layers behind it cannot be run by themselves.
        GraphError: nothing is known of how the network's result is computed.
    """
    place = resolve(net, LayerAddress.parse(layer), *(x[:1] for x in inputs))
    if place.unit is not None or place.position is not None:
        raise UsageError("a whole layer", received=str(place), hint=f"Write: {place.layer_text}")
    with torch.no_grad():
        output = record(net, inputs, [place])[place].clone()
        graph = _behind(net, _graph_of(net, inputs), place)
        made = replace(
            net,
            module=_shared(graph, net.module),
            input_specs=(_spec(net, place.layer, output),),
            graph=graph,
            config=None,
        )
        if not isinstance(net.module, GraphModule):
            _check(net, made, inputs, output, place)
    return made, output


def _graph_of(net: Net, inputs: tuple[Tensor, ...]) -> Graph:
    """Return the graph that the module runs; of a module that has none it is traced."""
    if isinstance(net.module, GraphModule):
        return net.module.graph
    return trace(net.module, net.normalise(*(x[:1] for x in inputs)))


def _behind(net: Net, graph: Graph, place: LayerAddress) -> Graph:
    """Return the layers of a graph behind one of them, whose value is their only input."""
    text = place.layer_text
    inside = [node.name for node in graph.nodes if node.name == text or node.name.startswith(f"{text}.")]
    if not inside:
        raise UsageError(
            f"a layer of the graph of {net.name}",
            received=text,
            hint=nearest(text, [node.name for node in graph.nodes]),
        )
    layer = inside[-1]  # a module of several operations ends with the last one
    found = _split(graph, layer)
    if isinstance(found, Graph):
        return found
    layers = [node.name for node in graph.nodes if node.name in dict(net.module.named_modules())]
    through = [name for name in layers if isinstance(_split(graph, name), Graph)][:NAMED]
    raise UsageError(
        f"a layer of {net.name} through which everything passes",
        received=f"{text}, {found}",
        hint=f"Choose one of these: {', '.join(through)}." if through else "Explain the input itself.",
    )


def _split(graph: Graph, layer: str) -> Graph | str:
    """Return the layers behind one, or why they are no network of their own."""
    before, nodes = {layer}, {node.name: node for node in graph.nodes}
    waiting = [layer]
    while waiting:
        sources = nodes[waiting.pop()].inputs
        waiting += [name for name in sources if name in nodes and name not in before]
        before.update(sources)
    behind = tuple(node for node in graph.nodes if node.name not in before)
    known = {layer, *(node.name for node in behind)}
    past = next((n for n in behind if not known.issuperset(n.inputs)), None)
    if past is not None:
        others = ", ".join(name for name in past.inputs if name not in known)
        return f"past which {past.name} reads {others}"
    if layer in graph.outputs:
        return "which is what the network returns"
    ends = [name for name in graph.outputs if name not in known]
    if ends:
        return f"past which the output {ends[0]} is computed"
    return Graph({layer: graph.shapes[layer]}, behind, graph.outputs)


def _shared(graph: Graph, module: nn.Module) -> GraphModule:
    """Return a module that runs a graph with a module's layers; `relu#2` is a second call of `relu`."""
    own = dict(module.named_modules())
    named = {node.name: own.get(node.name.partition("#")[0]) for node in graph.nodes}
    made = GraphModule(graph, {name: layer for name, layer in named.items() if layer is not None})
    made.training = module.training
    return made


def _spec(net: Net, layer: str, output: Tensor) -> TensorSpec:
    """Return the specification of a layer's output."""
    low, high = (float(end) for end in output.float().nan_to_num(0, 0, 0).aminmax())
    shape = tuple(output.shape[1:])
    kind, axes = DEFAULTS.get(len(shape), ("tensor", "c d h w"))
    if len(shape) == 3:
        is_spectrogram = spectrogram_axes(net, layer) is not None or layer == front_end(net)
        kind = SPECTROGRAM if is_spectrogram else "tensor"
    return TensorSpec(shape, kind, axes, value_range=(low, high if high > low else low + 1), name=layer)


def _check(net: Net, made: Net, inputs: tuple[Tensor, ...], output: Tensor, place: LayerAddress) -> None:
    """Refuse a traced network that does not return of a layer's output what the whole network returns."""
    with frozen(net.module):
        wanted = select_output(net, net(*(x.clone() for x in inputs)))
        found = select_output(made, made(output.clone()))
    if wanted is None or found is None or wanted.shape != found.shape:
        different = True
    else:
        limit = AGREE * max(float(wanted.abs().max()), 1e-30)
        different = not bool((wanted.float() - found.float()).abs().max() <= limit)
    if different:
        raise UsageError(
            f"layers behind {place} that can be run by themselves",
            received=f"{net.name}, whose code does more than call its layers",
            hint="Wrap what comes after the layer as a module of its own: convscope.wrap(module, spec).",
        )
