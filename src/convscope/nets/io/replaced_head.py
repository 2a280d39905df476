"""Replace the head of a classifier, its last linear layer, by a fresh one for other classes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from convscope.errors import DataError, UsageError
from convscope.graph.graph import Graph, Node
from convscope.graph.layers.dense import Dense
from convscope.graph.spec import OutputSpec
from convscope.nets.activations.classifier_output import select_output
from convscope.nets.activations.freezing import frozen, run
from convscope.nets.adapters.fetching import repeatable
from convscope.nets.io.graph_module import GraphModule, build
from convscope.nets.io.loading import LIBRARIES, LITE, load
from convscope.nets.network import Net
from convscope.recipe import shortened


@dataclass(frozen=True)
class Head:
    """The last linear layer of a classifier, whose output is the network's.

    Attributes:
        path: path of the module, as in `named_modules`.
        layer: the module.
    """

    path: str
    layer: nn.Linear

    @property
    def in_features(self) -> int:
        """Number of features that it reads for each sample."""
        return self.layer.in_features


def build_replaced_head(name: str, head: str, classes: int) -> nn.Module:
    """Build a network of torchvision, timm or this package again whose head has been replaced.

    Args:
        name: of the network, as `load` takes it.
        head: path of its last linear layer.
        classes: number of outputs of the new one.

    Returns:
        The module, with fresh weights.

    Raises:
        DataError: the name is of another kind, or it has no such layer.
    """
    sound = isinstance(name, str) and isinstance(head, str) and type(classes) is int and classes > 0
    if not sound or not _is_from_library(name):
        raise DataError(
            "a network of torchvision or timm, a layer and a number of classes", received=shortened(name)
        )
    module = load(name, weights=None, seed=0).module
    layer = dict(module.named_modules()).get(head)
    if not isinstance(layer, nn.Linear):
        raise DataError(f"a linear layer {head} of {name}", received=type(layer).__name__)
    _set(module, head, _fresh(layer, classes))
    return module


def find_head(net: Net) -> Head:
    """Find the head of a classifier: the linear layer whose output is the network's output.

    One forward pass in evaluation mode; every linear layer is watched.

    Args:
        net: a classifier; left unchanged.

    Returns:
        The head.

    Raises:
        UsageError: the network's output is not that of a linear layer that reads one row for each sample.
    """
    found: list[tuple[str, nn.Linear, Tensor]] = []

    def watch(path: str) -> Any:
        def note(layer: nn.Linear, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if output.ndim == 2:
                found.append((path, layer, output.detach()))

        return note

    handles = [
        part.register_forward_hook(watch(path))
        for path, part in net.module.named_modules()
        if isinstance(part, nn.Linear)
    ]
    try:
        with torch.no_grad(), frozen(net.module):
            result = select_output(net, run(net.module, *net.normalise(*_examples(net))))
    finally:
        for handle in handles:
            handle.remove()
    for path, layer, output in reversed(found):
        if result is not None and output.shape == result.shape and torch.equal(output, result):
            return Head(path, layer)
    last = found[-1][0] if found else "no linear layer"
    raise UsageError(
        "a classifier that ends in a linear layer, whose output is that of the network",
        received=f"{net.name}, in which that is not so ({last} comes last)"
        if found
        else f"{net.name}, with none",
        hint="Choose another network: convscope nets lists them.",
    )


def replace_head(net: Net, classes: Sequence[str], *, seed: int | None = None) -> Net:
    """Return a classifier for other classes: the same weights, but a fresh last linear layer.

    A network that was built from a graph is built again; of any other the module itself is changed.

    Args:
        net: a classifier that ends in a linear layer.
        classes: names of the new classes.
        seed: of the new layer's weights, which are drawn as `torch.nn.Linear` does; its bias is 0.

    Returns:
        The network, which `save` and `load` know where it came from torchvision, timm or this package.

    Raises:
        UsageError: the network has no such layer.
    """
    head = find_head(net)
    outputs = (OutputSpec("logits", tuple(classes)), *net.output_specs[1:])
    if isinstance(net.module, GraphModule):
        graph = _with_classes(net.module.graph, head.path, len(classes))
        module = build(graph, seed=seed).to(net.device)
        kept = {n: t for n, t in net.module.state_dict().items() if not n.startswith(f"{head.path}.")}
        module.load_state_dict(kept, strict=False)
        _zero_bias(module.get_submodule(head.path))
        return replace(net, module=module.eval(), graph=graph, output_specs=outputs)
    with repeatable(seed):
        layer = _fresh(head.layer, len(classes))
    _zero_bias(layer)
    _set(net.module, head.path, layer)
    config = {"name": net.source.name, "head": head.path, "classes": len(classes)}
    rebuilt = {"kind": "replaced_head", "options": config} if _is_from_library(net.source.name) else None
    return replace(net, output_specs=outputs, config=rebuilt)


def _is_from_library(name: str) -> bool:
    """Return whether `load` builds a network of this name by a function of its library."""
    return name == LITE or name.partition("/")[0] in LIBRARIES


def _examples(net: Net) -> tuple[Tensor, ...]:
    """Return inputs of two samples, as a tuple."""
    made = net.example(2)
    return made if isinstance(made, tuple) else (made,)


def _with_classes(graph: Graph, name: str, classes: int) -> Graph:
    """Return a graph whose last dense layer has another number of outputs."""
    nodes = tuple(
        Node(n.name, Dense(classes, n.layer.bias), n.inputs)
        if n.name == name and isinstance(n.layer, Dense)
        else n
        for n in graph.nodes
    )
    return Graph(graph.inputs, nodes, graph.outputs)


def _fresh(layer: nn.Linear, classes: int) -> nn.Linear:
    """Return a linear layer with the same inputs, and a bias."""
    return nn.Linear(layer.in_features, classes, device=layer.weight.device, dtype=layer.weight.dtype)


def _zero_bias(layer: nn.Module) -> None:
    if isinstance(layer, nn.Linear) and layer.bias is not None:
        nn.init.zeros_(layer.bias)


def _set(module: nn.Module, path: str, part: nn.Module) -> None:
    """Put a submodule in the place of another."""
    parent, _, name = path.rpartition(".")
    setattr(module.get_submodule(parent), name, part)
