"""Which layers to compare style and content in, of any network."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from convscope.errors import UsageError
from convscope.nets import LayerAddress, Net, layer_shapes, resolve
from convscope.nets.description.description import LayerInfo

STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
CONTENT = "relu4_2"
"""Where Gatys et al. compare them in VGG, after the rectifier as neural-style does."""
RECTIFIERS = ("relu", "relu6", "leakyrelu", "elu", "gelu", "silu", "hardswish", "hardtanh")
MOST = 5


@dataclass(frozen=True)
class Layers:
    """Places for style and for content, as they were found."""

    style: tuple[LayerAddress, ...]
    content: tuple[LayerAddress, ...]
    how: str
    """In words: named, VGG's own, or proposed."""


def chosen(net: Net, style: Sequence[str], content: Sequence[str]) -> Layers:
    """The layers that are named; what is left out is proposed.

    Raises:
        PlaceError: a layer is not in this network.
        UsageError: the network has no layers with maps, or a place is but a part of a layer.
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
        raise UsageError("a whole layer to compare style or content in", received=name)
    return place


def vgg_names(net: Net) -> dict[str, str]:
    """From the papers' names, like conv3_1, to this network's; empty where it is no VGG."""
    names: dict[str, str] = {}
    block, number, pools, last = 1, 0, 0, ""
    for layer in net.layers():
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
    """For style the first rectifier of each map size, for content the second of the last but one."""
    stages: dict[tuple[int, ...], list[LayerInfo]] = {}
    modules = layer_shapes(net)
    for layer in net.layers():
        if (
            layer.name in modules
            and len(layer.output_shape) == 3
            and min(layer.output_shape[1:]) > 1
            and (layer.kind in RECTIFIERS or not layer.plumbing)  # ReLU6 has no kind of its own
        ):
            stages.setdefault(layer.output_shape[1:], []).append(layer)
    if not stages:
        raise UsageError("a network with maps, to compare pictures in", received=f"{net.name} has none")
    active = [_rectified(layers) for layers in stages.values()][:MOST]
    deep = active[max(0, len(active) - 2)]
    return [layers[0].name for layers in active], deep[min(1, len(deep) - 1)].name


def _rectified(layers: Sequence[LayerInfo]) -> list[LayerInfo]:
    """Those that end in a rectifier; all of them where none does."""
    return [layer for layer in layers if layer.kind in RECTIFIERS] or list(layers)


def pooled(net: Net, how: str) -> Net:
    """The network with its own pooling, or with averages; `auto` averages in VGG alone."""
    return averaging(net) if how == "average" or (how == "auto" and vgg_names(net)) else net


def averaging(net: Net) -> Net:
    """A copy of the network whose maximum pooling takes averages.

    Raises:
        UsageError: it has no maximum pooling that is a layer of its own.
    """
    from copy import deepcopy

    module = deepcopy(net.module)
    found = [(name, part) for name, part in module.named_modules() if type(part) is nn.MaxPool2d and name]
    if not found:
        raise UsageError(
            "a network with maximum pooling, to replace it by averages",
            received=f"{net.name} has none",
            hint="Leave out --pool.",
        )
    for name, part in found:
        parent, _, last = name.rpartition(".")
        averages = nn.AvgPool2d(part.kernel_size, part.stride, part.padding, part.ceil_mode)
        setattr(module.get_submodule(parent), last, averages)
    return Net(module, net.contracts, net.labels, net.source, None, net.name)
