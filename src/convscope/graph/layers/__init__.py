"""The kinds of layers, one small file each. This table is the register."""

from convscope.graph.layer import Layer
from convscope.graph.layers.conv import Conv1d, Conv2d

LAYERS: dict[str, type[Layer]] = {}
for _layer in (Conv1d, Conv2d):
    if _layer.kind in LAYERS:
        raise ValueError(f"two layers call themselves {_layer.kind}")
    LAYERS[_layer.kind] = _layer
