"""Receptive fields measured: the pixels whose gradient is not zero.

Weights and inputs are positive, so that nothing cancels. What picks one value of a window (max) is replaced
by what sums all of them, and what acts on single values by nothing.
"""

from itertools import product

import torch
from torch import nn
from torch.nn import functional

from convscope.graph.graph import Graph
from convscope.graph.layers import activation, norm, pooling, resizing
from tests.reference.graph_runner import module_of, run


class WindowSum(nn.Module):
    """The sum of every window, with dilation, uneven padding and windows that end beyond the input."""

    def __init__(self, layer, shape) -> None:
        super().__init__()
        self.layer, self.shape = layer, shape

    def forward(self, x):
        sweep, sizes = self.layer.sweep, self.shape[1:]
        outputs = self.layer.output_shape(self.shape)[1:]
        around = []
        for n, (before, _), out, stride, reach in zip(
            sizes, sweep.pads(sizes), outputs, sweep.stride, sweep.reach, strict=True
        ):
            around = [before, (out - 1) * stride + reach - n - before, *around]
        kernel = torch.ones(x.shape[1], 1, *sweep.kernel, dtype=x.dtype)
        conv = functional.conv1d if len(sizes) == 1 else functional.conv2d
        return conv(
            functional.pad(x, around), kernel, stride=sweep.stride, dilation=sweep.dilation, groups=x.shape[1]
        )


class EverythingAndItself(nn.Module):
    """What a norm reads; a real one has no gradient where there is a single value."""

    def forward(self, x):
        return x + x.mean()


def transparent(layer, shape):
    """A module that reads what the layer reads and lets every gradient pass."""
    if isinstance(layer, pooling._Pool):
        return WindowSum(layer, shape)
    if isinstance(layer, resizing._AdaptivePool):
        return getattr(nn, f"AdaptiveAvgPool{len(shape) - 1}d")(layer.output_size)
    if isinstance(layer, resizing.GlobalMaxPool):
        return module_of(resizing.GlobalAvgPool(), shape)
    if isinstance(layer, norm.LayerNorm):
        return EverythingAndItself()
    if isinstance(layer, activation.Elementwise) and not isinstance(layer, norm.LRN):
        return nn.Identity()
    return None


def measured(graph: Graph, name: str, position: tuple[int, ...], source: str):
    """First pixel and the one after the last that the unit reads, axis by axis; None if it reads nothing."""
    torch.manual_seed(0)
    modules = {}
    for node in graph.nodes:
        read = graph.input_shapes(node.name)
        module = (transparent(node.layer, *read) if len(read) == 1 else None) or module_of(node.layer, *read)
        modules[node.name] = module.double().eval()
        for parameter in modules[node.name].parameters():
            nn.init.uniform_(parameter, 0.5, 1.5)
    inputs = {
        n: torch.empty(1, *shape, dtype=torch.float64).uniform_(0.5, 1.5).requires_grad_()
        for n, shape in graph.inputs.items()
    }
    value = run(graph, modules, inputs)[name][0]
    place = value[(slice(None), *position)] if position else value
    weights = torch.rand_like(place) + 0.5
    (gradient,) = torch.autograd.grad((place * weights).sum(), inputs[source], allow_unused=True)
    if gradient is None:
        return None
    seen = gradient[0].abs().sum(0).nonzero()
    if not len(seen):
        return None
    return tuple((int(low), int(high) + 1) for low, high in zip(seen.amin(0), seen.amax(0), strict=True))


def corners(sizes: tuple[int, ...]):
    """First, middle and last position along each axis."""
    return list(product(*[sorted({0, n // 2, n - 1}) for n in sizes]))
