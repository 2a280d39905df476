"""Choose the layers whose features represent style and content, for any network."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from convscope.errors import UsageError
from convscope.nets import LayerAddress, Net, describe, layer_shapes, resolve
from convscope.nets.description.description import LayerInfo

STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
"""Style layers of Gatys et al. in VGG, after the rectifier."""
CONTENT = "relu4_2"
"""Content layer of Gatys et al. in VGG, after the rectifier as in neural-style."""
RECTIFIERS = ("relu", "relu6", "leakyrelu", "elu", "gelu", "silu", "hardswish", "hardtanh")
"""Kinds of layers that count as rectifiers."""
MOST_LAYERS = 5
"""Maximum number of style layers that are chosen automatically."""


@dataclass(frozen=True)
class Layers:
    """Layers for style and for content.

    Attributes:
        style: addresses of the style layers.
        content: addresses of the content layers.
        how: how they were chosen, in words: named, VGG's own, or proposed.
    """

    style: tuple[LayerAddress, ...]
    content: tuple[LayerAddress, ...]
    how: str


def chosen(net: Net, style: Sequence[str], content: Sequence[str]) -> Layers:
    """Resolve the named layers, and choose defaults where none are named.

    Args:
        net: the network.
        style: names of style layers; those of Gatys et al. for VGG, else `proposed` if empty.
        content: names of content layers; likewise. VGG's names like `relu3_1` are known for every VGG.

    Returns:
        The resolved layers.

    Raises:
        PlaceError: a layer is not in this network.
        UsageError: the network has no layers with feature maps, or a place is a single unit.
    """
    names = vgg_names(net)
    if names:
        own, deep = [name for name in STYLE if name in names], CONTENT if CONTENT in names else ""
        how = "those of Gatys et al. for VGG"
    else:
        own, deep = proposed(net)
        how = "one for each map size for style, one of the last but one for content"
    if style and content:
        how = "named"
    found = [
        tuple(_place(net, names.get(name, name)) for name in wanted)
        for wanted in (style or own, content or ([deep] if deep else []))
    ]
    return Layers(found[0], found[1], how)


def _place(net: Net, name: str) -> LayerAddress:
    place = resolve(net, name)
    if place.unit is not None:
        raise UsageError(
            "a whole layer to compare style or content in",
            received=name,
            hint="Leave the unit out: a style is compared over all units of a layer.",
        )
    return place


def vgg_names(net: Net) -> dict[str, str]:
    """Map the papers' names of VGG's layers, like `conv3_1`, to the names in this network.

    Args:
        net: the network.

    Returns:
        Names by the papers' names; empty where the network is no VGG.
    """
    names: dict[str, str] = {}
    block, number, pools, last = 1, 0, 0, ""
    for layer in describe(net).layers:
        if layer.kind == "conv2d":
            number += 1
        if layer.kind in ("conv2d", "relu", "batchnorm2d"):
            last = {"conv2d": "conv", "relu": "relu", "batchnorm2d": "norm"}[layer.kind]
            names.setdefault(f"{last}{block}_{number}", layer.name)
        elif layer.kind in ("maxpool2d", "avgpool2d"):
            names.setdefault(f"pool{block}", layer.name)
            block, number, pools = block + 1, 0, pools + 1
        elif layer.plumbing:
            continue
        else:
            break
    return names if pools >= 3 and set(STYLE[:3]) <= set(names) else {}


def proposed(net: Net) -> tuple[list[str], str]:
    """Choose layers for style and content by feature-map size.

    Args:
        net: a network that is no VGG.

    Returns:
        For style the first rectifier of each feature-map size (at most five sizes), for content the second
        rectifier of the last but one of these sizes. Sizes without rectifiers use other layers.

    Raises:
        UsageError: the network has no layers with feature maps.
    """
    stages: dict[tuple[int, ...], list[LayerInfo]] = {}
    modules = layer_shapes(net)
    for layer in describe(net).layers:
        if (
            layer.name in modules
            and len(layer.output_shape) == 3
            and min(layer.output_shape[1:]) > 1
            and (layer.kind in RECTIFIERS or not layer.plumbing)  # ReLU6 has no kind of its own
        ):
            stages.setdefault(layer.output_shape[1:], []).append(layer)
    if not stages:
        raise UsageError(
            "a network with maps, to compare pictures in",
            received=f"{net.name} has none",
            hint="Choose a network with convolutions, such as hed-vgg16.",
        )
    active = [_rectified(layers) for layers in stages.values()][:MOST_LAYERS]
    deep = active[max(0, len(active) - 2)]
    return [layers[0].name for layers in active], deep[min(1, len(deep) - 1)].name


def _rectified(layers: Sequence[LayerInfo]) -> list[LayerInfo]:
    """Return the rectifiers among these layers; all layers if there are none."""
    return [layer for layer in layers if layer.kind in RECTIFIERS] or list(layers)


def adapted(net: Net, pool: str) -> Net:
    """Return the network as style transfer looks through it: pooling as chosen, and no edges in VGG.

    VGG pads its maps with zeros. Each convolution sees an edge there, at which the optimisation draws a frame
    and gratings that run into the picture; so maps are mirrored at their border instead (`MirroredConv2d`).

    Args:
        net: the network; it is not changed.
        pool: `own` for the network as it is, `average`, or `auto` for average pooling in VGG only.

    Returns:
        The network or a copy.

    Raises:
        UsageError: `average` is chosen and the network has no max pooling that is a module of its own.
    """
    vgg = bool(vgg_names(net))
    if pool == "own" or (pool == "auto" and not vgg):
        return net
    module = deepcopy(net.module)
    _average_pooling(module, net.name)
    if vgg:
        for at, part in list(module.named_modules()):
            if type(part) is nn.Conv2d and at and not isinstance(part.padding, str):
                parent, _, last = at.rpartition(".")
                setattr(module.get_submodule(parent), last, MirroredConv2d(part))
    return replace(net, module=module, graph=None)


class MirroredConv2d(nn.Conv2d):
    """A convolution whose input is mirrored at its border, without repeating the outermost values.

    Where the outermost values are repeated (`replicate`), the optimisation saturates the outermost pixels. An
    axis that is too short to be mirrored is repeated all the same.

    Args:
        given: the convolution whose weights are used.
    """

    def __init__(self, given: nn.Conv2d) -> None:
        super().__init__(1, 1, 1, device="meta")
        self.__dict__.update(given.__dict__)

    @override
    def forward(self, input: Tensor) -> Tensor:
        down, across = (int(extent) for extent in self.padding)
        short = down >= input.shape[2] or across >= input.shape[3]
        padded = F.pad(input, (across, across, down, down), "replicate" if short else "reflect")
        return F.conv2d(padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def _average_pooling(module: nn.Module, name: str) -> None:
    """Replace the max pooling of a module by average pooling, in place."""
    found = [(at, part) for at, part in module.named_modules() if type(part) is nn.MaxPool2d and at]
    if not found:
        raise UsageError(
            "a network with maximum pooling, to replace it by averages",
            received=f"{name} has none",
            hint="Leave out --pool.",
        )
    for at, part in found:
        parent, _, last = at.rpartition(".")
        averages = nn.AvgPool2d(part.kernel_size, part.stride, part.padding, part.ceil_mode)
        setattr(module.get_submodule(parent), last, averages)
