"""Replace the head of a classifier, its last layer with weights, by a fresh one for other classes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from convscope.errors import DataError, UsageError
from convscope.graph.graph import Graph, Node
from convscope.graph.layer import Layer
from convscope.graph.layers.conv import Conv2d
from convscope.graph.layers.dense import Dense
from convscope.graph.spec import OutputSpec
from convscope.nets.activations.classifier_output import select_output
from convscope.nets.activations.freezing import frozen, run
from convscope.nets.adapters.fetching import repeatable
from convscope.nets.io.graph_module import GraphModule, build
from convscope.nets.io.loading import LIBRARIES, LITE, load
from convscope.nets.network import Net, takes_network
from convscope.recipe import shortened

READOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "": lambda maps: maps.flatten(1),
    "mean": lambda maps: maps.mean((2, 3)),
    "mean of the ReLU": lambda maps: maps.relu().mean((2, 3)),
    "maximum": lambda maps: maps.amax((2, 3)),
}
"""What a network makes of the output of its last convolution, by name."""
CANDIDATES = 4
"""Layers, the last ones that run, of which the head is looked for."""


@dataclass(frozen=True)
class Head:
    """The last layer of a classifier with weights: a linear layer, or a convolution that is pooled after it.

    Attributes:
        path: path of the module, as in `named_modules`.
        layer: the module.
        readout: what the network's output is of the layer's: a key of `READOUTS`.
    """

    path: str
    layer: nn.Linear | nn.Conv2d
    readout: str = ""

    @property
    def in_features(self) -> int:
        """Number of features that it reads for each sample, or each position."""
        return self.layer.in_features if isinstance(self.layer, nn.Linear) else self.layer.in_channels

    @property
    def nonlinear(self) -> str:
        """Why the network's output is no linear function of the mean of what the head reads; else empty.

        The mean of a 1x1 convolution is that convolution of the mean.
        """
        layer = self.layer
        if isinstance(layer, nn.Linear):
            return ""
        plain = (layer.kernel_size, layer.stride, layer.groups) == ((1, 1), (1, 1), 1)
        if not plain or layer.padding not in ((0, 0), "valid"):
            return "its head is a convolution over several positions"
        if self.readout in ("", "mean"):
            return ""
        return f"its output is the {self.readout} of its last convolution"

    def features(self, read: Tensor) -> Tensor:
        """Return the features that a head of which `nonlinear` is empty is a linear function of.

        Args:
            read: what the layer reads, `[b f]`, or maps `[b f h w]`.

        Returns:
            `[b f]`: of maps the mean over their positions.
        """
        return read.mean((2, 3)) if read.ndim == 4 else read

    def logits(self, features: Tensor, module: nn.Module) -> Tensor:
        """Return the head's output for features.

        Args:
            features: `[b f]`, from `features`.
            module: the network's module, or a copy of it, whose layer is run.

        Returns:
            `[b classes]`.
        """
        layer = module.get_submodule(self.path)
        if isinstance(self.layer, nn.Linear):
            return layer(features)
        return layer(features[:, :, None, None]).flatten(1)


def build_replaced_head(name: str, head: str, classes: int) -> nn.Module:
    """Build a network of torchvision, timm or this package again whose head has been replaced.

    Args:
        name: of the network, as `load` takes it.
        head: path of its head.
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
    if not isinstance(layer, nn.Linear | nn.Conv2d):
        raise DataError(f"a linear or convolutional layer {head} of {name}", received=type(layer).__name__)
    _set(module, head, _fresh(layer, classes))
    return module


@takes_network
def find_head(net: Net) -> Head:
    """Find the head of a classifier: the last layer, linear or a convolution, which decides its output alone.

    The linear layers and convolutions are watched in a forward pass in evaluation mode. Then random numbers
    are put in the place of the output of the last ones: the network's output is that of the head where it is
    these numbers themselves, or what one of `READOUTS` makes of them.

    Args:
        net: a classifier; left unchanged.

    Returns:
        The head.

    Raises:
        UsageError: the network's output follows from no single one of these layers in such a way.
    """
    ran: list[tuple[str, Any, torch.Size]] = []

    def watch(path: str) -> Any:
        return lambda layer, _inputs, output: ran.append((path, layer, output.shape))

    layers = {
        path: part for path, part in net.module.named_modules() if isinstance(part, nn.Linear | nn.Conv2d)
    }
    with torch.no_grad(), frozen(net.module):
        handles = [part.register_forward_hook(watch(path)) for path, part in layers.items()]
        try:
            result = _result(net)
        finally:
            for handle in handles:
                handle.remove()
        for path, layer, shape in reversed(ran[-CANDIDATES:]):
            if result is not None and result.ndim == 2 and shape[:2] == result.shape:
                readout = _readout(net, layer, shape)
                if readout is not None:
                    return Head(path, layer, readout)
    raise UsageError(
        "a classifier that ends in a linear layer, or in a convolution and a global pooling",
        received=f"{net.name}, in which that is not so ({ran[-1][0]} comes last)"
        if ran
        else f"{net.name}, with neither",
        hint="Choose another network: convscope nets lists them.",
    )


def _result(net: Net) -> Tensor | None:
    """Return the network's first output for two examples."""
    return select_output(net, run(net.module, *net.normalise(*_examples(net))))


def _readout(net: Net, layer: nn.Module, shape: torch.Size) -> str | None:
    """Return what the network makes of a layer's output, found by random numbers in its place."""
    numbers = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(net.device, net.dtype)
    handle = layer.register_forward_hook(lambda *_: numbers.clone())
    try:
        result = _result(net)
    finally:
        handle.remove()
    if result is None:
        return None
    for name, read in READOUTS.items():
        if numbers.ndim == 4 or not name:
            found = read(numbers)
            if found.shape == result.shape and torch.allclose(found, result, rtol=1e-4, atol=1e-5):
                return name
    return None


@takes_network
def replace_head(net: Net, classes: Sequence[str], *, seed: int | None = None) -> Net:
    """Return a classifier for other classes: the same weights, but a fresh head.

    A network that was built from a graph is built again; of any other the module itself is changed.

    Args:
        net: a classifier that ends in a linear layer, or in a convolution that is pooled.
        classes: names of the new classes.
        seed: of the new layer's weights, which are drawn as torch does; its bias is 0.

    Returns:
        The network, which `save` and `load` know where it came from torchvision, timm or this package.

    Raises:
        UsageError: the network ends otherwise, or the classes are not names.
    """
    if isinstance(classes, str | int):
        raise UsageError(
            "the names of the classes, in order",
            received=repr(classes),
            hint="For example: replace_head(net, classes=('ant', 'bee')); a data set's are data.classes.",
        )
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
    """Return a graph whose head has another number of outputs."""

    def changed(layer: Layer) -> Layer:
        if isinstance(layer, Conv2d):
            return replace(layer, out_channels=classes)
        return Dense(classes, layer.bias) if isinstance(layer, Dense) else layer

    nodes = tuple(Node(n.name, changed(n.layer), n.inputs) if n.name == name else n for n in graph.nodes)
    return Graph(graph.inputs, nodes, graph.outputs)


def _fresh(layer: nn.Linear | nn.Conv2d, classes: int) -> nn.Linear | nn.Conv2d:
    """Return a layer with the same inputs, and a bias."""
    place: dict[str, Any] = {"device": layer.weight.device, "dtype": layer.weight.dtype}
    if isinstance(layer, nn.Linear):
        return nn.Linear(layer.in_features, classes, **place)
    window = (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
    return nn.Conv2d(layer.in_channels, classes, *window, **place)  # pyright: ignore[reportArgumentType]


def _zero_bias(layer: nn.Module) -> None:
    if isinstance(layer, nn.Linear | nn.Conv2d) and layer.bias is not None:
        nn.init.zeros_(layer.bias)


def _set(module: nn.Module, path: str, part: nn.Module) -> None:
    """Put a submodule in the place of another."""
    parent, _, name = path.rpartition(".")
    setattr(module.get_submodule(parent), name, part)
