"""Recognise an operation of torch as one of this package's kinds of layers."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

from torch import Tensor

from convscope.errors import GraphError
from convscope.graph.layer import EVERYTHING, SAME, Layer, Window
from convscope.graph.layers import activation, conv, dense, merge, norm, pooling, resizing, transposed
from convscope.graph.layers.foreign import Foreign
from convscope.graph.spec import Shape


def words(text: str) -> frozenset[str]:
    """Split a text at whitespace into a set of words.

    Args:
        text: words separated by whitespace.

    Returns:
        The distinct words.
    """
    return frozenset(text.split())


@dataclass(frozen=True)
class TorchCall:
    """One call of a torch function during a forward pass.

    Attributes:
        name: the function's bare name: `conv2d`, `relu`, `iadd`.
        path: the function's full path, such as `torch.nn.functional.gelu`.
        args: positional arguments of the call.
        kwargs: keyword arguments of the call.
        shapes: shapes of the activations it read, without batch axis, channels first.
        shape: shape of the result, likewise.
        weights: name and shape of the parameters it read, directly or through other parameters.
        products: multiply-accumulates for one example, as its kernels were counted.
        uncounted: names of the kernels that could not be counted.
        last: whether it works on activations whose channels lie behind the spatial axes.
        batch: extent of the batch axis.
    """

    name: str
    path: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    shapes: tuple[Shape, ...]
    shape: Shape
    weights: dict[str, Shape]
    products: int
    last: bool
    batch: int
    uncounted: tuple[str, ...] = ()

    def options(self, *names: str, **defaults: Any) -> dict[str, Any]:
        """Return the arguments of the call by name.

        Args:
            *names: names of the positional arguments in order, beginning with the input.
            **defaults: values of arguments that were not given, or given as None (`bias` may be None).

        Returns:
            The value of every argument that was given or has a default.
        """
        given = dict(zip(names, self.args, strict=False)) | self.kwargs
        return defaults | {
            name: value for name, value in given.items() if value is not None or name == "bias"
        }


def match_layer(op: TorchCall) -> Layer:
    """Return the layer that an operation is.

    Args:
        op: the traced operation.

    Returns:
        A layer of one of this package's kinds where output shape and parameters agree exactly with the
        operation, otherwise a `Foreign` layer.
    """
    candidate = None if op.last else _candidate(op)
    if candidate is None:
        return _foreign(op)
    try:
        if candidate.output_shape(*op.shapes) == op.shape:
            counted = sum(prod(shape) for shape in op.weights.values())
            if candidate.parameter_count(*op.shapes) == counted:
                return candidate
            windows, products = candidate.windows(*op.shapes), candidate.macs(*op.shapes)
            return Foreign(op.path, op.shape, tuple(op.weights.items()), products, windows)
    except GraphError:  # the candidate cannot take these shapes, so the operation is none of its kind
        pass
    return _foreign(op)


def _foreign(op: TorchCall) -> Foreign:
    return Foreign(op.path, op.shape, tuple(op.weights.items()), op.products, _windows(op), op.uncounted)


def _candidate(op: TorchCall) -> Layer | None:
    make = KINDS.get(op.name)
    if make is None:
        return None
    try:
        layer = make(op)
    except (GraphError, TypeError, ValueError, KeyError, IndexError):
        return None
    if layer is None or len(op.shapes) < layer.inputs[0]:
        return None
    most = layer.inputs[1]
    return layer if most is None or len(op.shapes) <= most else None


def _windows(op: TorchCall) -> tuple[tuple[Window | None, ...], ...]:
    """Return the windows of an operation without a kind: elementwise, shifted by padding, or everything."""
    if op.name == "pad" and op.kwargs.get("mode", "constant") == "constant" and not op.last:
        zeros = op.options("input", "pad")["pad"][::2]
        axes = max(len(op.shapes[0]) - 1, 0)
        before = [0] * (axes - len(zeros)) + list(reversed(zeros))
        return (tuple(Window(start=-n) for n in before[-axes:]),)
    local = op.name in ELEMENTWISE or (op.last and op.name in CHANNELWISE)
    windows = []
    for shape in op.shapes:
        same = local and len(shape) == len(op.shape)
        pairs = zip(shape[1:], op.shape[1:], strict=True) if same else ((0, 1) for _ in shape[1:])
        windows.append(tuple(SAME if n == m else EVERYTHING for n, m in pairs))
    return tuple(windows)


def _conv(kind: Callable[..., Layer]) -> Callable[[TorchCall], Layer | None]:
    def make(op: TorchCall) -> Layer:
        names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
        o = op.options(*names, stride=1, padding=0, dilation=1, groups=1, bias=None)
        padding = 0 if o["padding"] == "valid" else _plain(o["padding"])
        out, *_ = o["weight"].shape
        kernel = tuple(o["weight"].shape[2:])
        stride, dilation, bias = _plain(o["stride"]), _plain(o["dilation"]), o["bias"] is not None
        return kind(out, kernel, stride, padding, dilation, o["groups"], bias)

    return make


def _transposed(kind: Callable[..., Layer]) -> Callable[[TorchCall], Layer | None]:
    def make(op: TorchCall) -> Layer:
        names = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
        o = op.options(*names, stride=1, padding=0, output_padding=0, groups=1, dilation=1, bias=None)
        weight = o["weight"].shape
        return kind(
            weight[1] * o["groups"],
            tuple(weight[2:]),
            bias=o["bias"] is not None,
            groups=o["groups"],
            **{n: _plain(o[n]) for n in ("stride", "padding", "output_padding", "dilation")},
        )

    return make


def _dense(op: TorchCall) -> Layer:
    o = op.options("input", "weight", "bias", bias=None)
    return dense.Dense(o["weight"].shape[0], o["bias"] is not None)


def _maxpool(kind: Callable[..., Layer]) -> Callable[[TorchCall], Layer | None]:
    def make(op: TorchCall) -> Layer:
        names = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode")
        o = op.options(*names, stride=None, padding=0, dilation=1, ceil_mode=False)
        sweep = (_plain(o[n]) for n in ("kernel_size", "stride", "padding", "dilation"))
        return kind(*sweep, o["ceil_mode"])

    return make


def _avgpool(kind: Callable[..., Layer]) -> Callable[[TorchCall], Layer | None]:
    def make(op: TorchCall) -> Layer | None:
        names = ("input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")
        o = op.options(*names, stride=None, padding=0, ceil_mode=False, count_include_pad=True)
        if o.get("divisor_override") is not None:
            return None
        sweep = (_plain(o[n]) for n in ("kernel_size", "stride", "padding"))
        return kind(*sweep, o["ceil_mode"], o["count_include_pad"])

    return make


def _adaptive(kind: Callable[..., Layer]) -> Callable[[TorchCall], Layer | None]:
    def make(op: TorchCall) -> Layer:
        return kind(op.shape[1:])

    return make


def _mean(
    kind: Callable[..., Layer], adaptive: dict[int, Callable[..., Layer]]
) -> Callable[[TorchCall], Layer | None]:
    def make(op: TorchCall) -> Layer | None:
        o = op.options("input", "dim", "keepdim", dim=None, keepdim=False)
        axes = len(op.shapes[0])
        dims = {o["dim"]} if isinstance(o["dim"], int) else set(o["dim"] or ())
        if {d % (axes + 1) for d in dims} != set(range(2, axes + 1)) or axes < 2:
            return None
        return adaptive[axes - 1](1) if o["keepdim"] else kind()

    return make


def _batchnorm(op: TorchCall) -> Layer | None:
    names = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
    o = op.options(*names, weight=None, momentum=0.1, eps=1e-5)
    if "running_mean" not in o or o.get("training"):
        return None
    kind = norm.BatchNorm2d if len(op.shapes[0]) == 3 else norm.BatchNorm1d
    return kind(o["eps"], o["momentum"], o["weight"] is not None)


def _layernorm(op: TorchCall) -> Layer | None:
    o = op.options("input", "normalized_shape", "weight", "bias", "eps", weight=None, eps=1e-5)
    whole = tuple(o["normalized_shape"]) == op.shapes[0]
    return norm.LayerNorm(o["eps"], o["weight"] is not None) if whole else None


def _lrn(op: TorchCall) -> Layer:
    o = op.options("input", "size", "alpha", "beta", "k", alpha=1e-4, beta=0.75, k=1.0)
    return norm.LRN(o["size"], o["alpha"], o["beta"], o["k"])


def _softmax(op: TorchCall) -> Layer | None:
    dim = op.options("input", "dim", dim=None)["dim"]
    return activation.Softmax() if dim == 1 or (dim == -1 and len(op.shape) == 1) else None


def _flatten(op: TorchCall) -> Layer | None:
    fits = len(op.shape) == 1 and prod(op.shapes[0]) == op.shape[0]
    return dense.Flatten() if fits else None


def _upsample(op: TorchCall) -> Layer | None:
    o = op.options(
        "input", "size", "scale_factor", "mode", "align_corners", mode="nearest", align_corners=False
    )
    pairs = list(zip(op.shape[1:], op.shapes[0][1:], strict=True))
    if o["align_corners"] or any(after % before for after, before in pairs):
        return None
    return resizing.Upsample(tuple(after // before for after, before in pairs), o["mode"])


def _merge(kind: Callable[..., Layer]) -> Callable[[TorchCall], Layer | None]:
    def make(op: TorchCall) -> Layer | None:
        plain = len(op.shapes) == 2 and op.kwargs.get("alpha", 1) == 1
        return kind() if plain else None

    return make


def _concat(op: TorchCall) -> Layer | None:
    o = op.options("tensors", "dim", dim=0)
    tensors = o["tensors"]
    return merge.Concat() if o["dim"] in (1, 1 - tensors[0].ndim) and len(tensors) == len(op.shapes) else None


def _activation(kind: Callable[..., Layer], option: str | None = None) -> Callable[[TorchCall], Layer | None]:
    def make(op: TorchCall) -> Layer:
        value = op.options("input", option).get(option) if option else None
        return kind() if value is None else kind(float(value))

    return make


def _gelu(op: TorchCall) -> Layer | None:
    return activation.GELU() if op.kwargs.get("approximate", "none") == "none" else None


def _dropout(op: TorchCall) -> Layer:
    return norm.Dropout(float(op.options("input", "p", p=0.5)["p"]))


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return int(value)
    if isinstance(value, tuple | list):
        return None if not value else value[0] if len(value) == 1 else tuple(value)
    return value


_global = {1: resizing.AdaptiveAvgPool1d, 2: resizing.AdaptiveAvgPool2d}
_global_max = {1: resizing.AdaptiveMaxPool1d, 2: resizing.AdaptiveMaxPool2d}

KINDS: dict[str, Callable[[TorchCall], Layer | None]] = {
    "conv1d": _conv(conv.Conv1d),
    "conv2d": _conv(conv.Conv2d),
    "conv_transpose1d": _transposed(transposed.ConvTranspose1d),
    "conv_transpose2d": _transposed(transposed.ConvTranspose2d),
    "linear": _dense,
    "max_pool1d": _maxpool(pooling.MaxPool1d),
    "max_pool2d": _maxpool(pooling.MaxPool2d),
    "avg_pool1d": _avgpool(pooling.AvgPool1d),
    "avg_pool2d": _avgpool(pooling.AvgPool2d),
    "adaptive_avg_pool1d": _adaptive(resizing.AdaptiveAvgPool1d),
    "adaptive_avg_pool2d": _adaptive(resizing.AdaptiveAvgPool2d),
    "adaptive_max_pool1d": _adaptive(resizing.AdaptiveMaxPool1d),
    "adaptive_max_pool2d": _adaptive(resizing.AdaptiveMaxPool2d),
    "mean": _mean(resizing.GlobalAvgPool, _global),
    "amax": _mean(resizing.GlobalMaxPool, _global_max),
    "interpolate": _upsample,
    "flatten": _flatten,
    "view": _flatten,
    "reshape": _flatten,
    "squeeze": _flatten,
    "batch_norm": _batchnorm,
    "layer_norm": _layernorm,
    "local_response_norm": _lrn,
    "dropout": _dropout,
    "softmax": _softmax,
    "relu": _activation(activation.ReLU),
    "relu6": _activation(activation.ReLU6),
    "leaky_relu": _activation(activation.LeakyReLU, "negative_slope"),
    "elu": _activation(activation.ELU, "alpha"),
    "sigmoid": _activation(activation.Sigmoid),
    "tanh": _activation(activation.Tanh),
    "silu": _activation(activation.SiLU),
    "gelu": _gelu,
    "softplus": _activation(activation.Softplus),
    "hardswish": _activation(activation.Hardswish),
    "hardsigmoid": _activation(activation.Hardsigmoid),
    "add": _merge(merge.Add),
    "iadd": _merge(merge.Add),
    "radd": _merge(merge.Add),
    "mul": _merge(merge.Multiply),
    "imul": _merge(merge.Multiply),
    "rmul": _merge(merge.Multiply),
    "cat": _concat,
    "concat": _concat,
    "concatenate": _concat,
}
"""By the bare name of a torch function: makes the layer that a call may be, or None."""

ELEMENTWISE = words("""
    add iadd radd sub isub rsub mul imul rmul div idiv itruediv truediv rtruediv true_divide neg abs exp log
    sqrt rsqrt pow ipow square sign clamp clip clamp_min clamp_max relu relu6 leaky_relu prelu elu celu selu
    silu gelu mish hardtanh hardswish hardsigmoid sigmoid tanh softplus softsign logsigmoid threshold erf sin
    cos where maximum minimum dropout dropout1d dropout2d alpha_dropout feature_dropout masked_fill lerp
    batch_norm local_response_norm permute reciprocal
""")
"""Functions that work elementwise, or over channels at each position."""

CHANNELWISE = words("linear layer_norm rms_norm")
"""Functions over the last axis; they work at each position separately where that axis holds the channels."""

TRANSPARENT = words("""
    contiguous clone to float half bfloat16 double type type_as detach requires_grad_ alias get cpu
""")
"""Functions that return their input, at most copied or in another precision."""
