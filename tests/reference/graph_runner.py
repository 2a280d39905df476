"""The slow, obvious way to run a graph: one module per layer, a dict of results."""

from importlib import import_module

import torch
from torch import nn

from convscope.graph.graph import Graph
from convscope.graph.layer import Layer


def module_of(layer: Layer, *shapes: tuple[int, ...]) -> nn.Module:
    """The module that the layer names, with the arguments it states."""
    package, _, name = layer.module.rpartition(".")
    return getattr(import_module(package), name)(**layer.arguments(*shapes))


def modules_of(graph: Graph) -> dict[str, nn.Module]:
    return {node.name: module_of(node.layer, *graph.input_shapes(node.name)) for node in graph.nodes}


def run(
    graph: Graph, modules: dict[str, nn.Module], inputs: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """What every layer gives, by name."""
    values = dict(inputs)
    for node in graph.nodes:
        values[node.name] = modules[node.name](*[values[name] for name in node.inputs])
    return values
