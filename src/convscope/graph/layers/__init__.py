"""The registry of layer kinds, which live in one small file for each family."""

from convscope.graph.layer import Layer
from convscope.graph.layers import (
    activation,
    conv,
    dense,
    foreign,
    merge,
    norm,
    pooling,
    position_bias,
    resizing,
    transposed,
)
from convscope.graph.layers.classics import capsules, lenet, local

LAYERS: dict[str, type[Layer]] = {}
"""Every kind by its name."""

for _layer in (
    conv.Conv1d,
    conv.Conv2d,
    transposed.ConvTranspose1d,
    transposed.ConvTranspose2d,
    local.Local1d,
    local.Local2d,
    dense.Dense,
    dense.Flatten,
    position_bias.PositionBias,
    pooling.MaxPool1d,
    pooling.MaxPool2d,
    pooling.AvgPool1d,
    pooling.AvgPool2d,
    pooling.SoftPool2d,
    resizing.AdaptiveAvgPool1d,
    resizing.AdaptiveAvgPool2d,
    resizing.AdaptiveMaxPool1d,
    resizing.AdaptiveMaxPool2d,
    resizing.GlobalAvgPool,
    resizing.GlobalMaxPool,
    resizing.Upsample,
    resizing.Shortcut,
    resizing.SpatialTransformer,
    activation.Identity,
    activation.Sigmoid,
    activation.Tanh,
    activation.ReLU,
    activation.ReLU6,
    activation.LeakyReLU,
    activation.ELU,
    activation.GELU,
    activation.SiLU,
    activation.Hardswish,
    activation.Hardsigmoid,
    activation.Softplus,
    activation.Softmax,
    activation.ScaledTanh,
    activation.Maxout,
    norm.BatchNorm1d,
    norm.BatchNorm2d,
    norm.LayerNorm,
    norm.LRN,
    norm.Dropout,
    merge.Add,
    merge.Concat,
    merge.Multiply,
    lenet.PartialConv2d,
    lenet.Subsample,
    lenet.RBF,
    capsules.Squash,
    capsules.Capsules,
    capsules.CapsuleLength,
    capsules.CapsuleMask,
    foreign.Foreign,
):
    if _layer.kind in LAYERS:
        raise ValueError(f"two layers call themselves {_layer.kind}")
    LAYERS[_layer.kind] = _layer
