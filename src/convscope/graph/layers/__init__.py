"""The kinds of layers, one small file each family. This table is the register."""

from convscope.graph.layer import Layer
from convscope.graph.layers import activation, conv, dense, merge, norm, pooling

LAYERS: dict[str, type[Layer]] = {}
for _layer in (
    conv.Conv1d, conv.Conv2d, dense.Dense, dense.Flatten,
    pooling.MaxPool1d, pooling.MaxPool2d, pooling.AvgPool1d, pooling.AvgPool2d,
    activation.Identity, activation.Sigmoid, activation.Tanh, activation.ReLU, activation.ReLU6, activation.LeakyReLU,
    activation.ELU, activation.GELU, activation.SiLU, activation.Hardswish, activation.Hardsigmoid,
    activation.Softplus, activation.Softmax, activation.ScaledTanh, activation.Maxout,
    norm.BatchNorm1d, norm.BatchNorm2d, norm.LayerNorm, norm.LRN, norm.Dropout,
    merge.Add, merge.Concat, merge.Multiply,
):  # fmt: skip
    if _layer.kind in LAYERS:
        raise ValueError(f"two layers call themselves {_layer.kind}")
    LAYERS[_layer.kind] = _layer
