"""Rules of functions on a `PatchedTensor`: those that read only a neighbourhood of each position.

A rule applies the function to the reference (once for all batches), and to the boxes with as much around
them as it reads. Functions without a rule, and uses that a rule does not cover, return `NotImplemented` and
are computed in full.
"""

from collections.abc import Callable
from functools import reduce
from math import inf
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convscope.nets.inference.bn_folding import convolution, normalisation
from convscope.see.attribution.incremental.boxes import Boxes, KernelWindow, extract, paste
from convscope.see.attribution.incremental.tensor import WHOLE, PatchedTensor, Rule, known

_POINTWISE = """
relu relu6 leaky_relu prelu elu selu celu gelu silu mish sigmoid tanh softplus hardsigmoid hardswish hardtanh
logsigmoid softsign threshold tanhshrink softshrink hardshrink clamp clamp_min clamp_max neg abs exp expm1
log log1p sqrt rsqrt square sin cos erf clone contiguous to float double half bfloat16 detach
local_response_norm
"""
POINTWISE = frozenset(_POINTWISE.split())
"""Functions of each position alone."""
_COMBINING = """
add radd iadd sub rsub isub mul rmul imul multiply div divide true_divide truediv rtruediv itruediv idiv
pow maximum minimum
"""
COMBINING = frozenset(_COMBINING.split())
"""Functions of each position of two operands, or of one operand and a constant."""
IN_PLACE = ("__iadd__", "__isub__", "__imul__", "__itruediv__", "__idiv__")
"""Names of augmented assignments, which work in place."""
DROPOUTS = frozenset(
    (
        "dropout",
        "dropout1d",
        "dropout2d",
        "dropout3d",
        "alpha_dropout",
        "feature_dropout",
        "feature_alpha_dropout",
    )
)
"""Dropout functions, which do nothing outside training."""


def _finished(made: PatchedTensor) -> Any:
    """Return the result, in full where its boxes cover most of it."""
    return made.full() if made.region.share >= WHOLE else made


def _inplace(func: Callable[..., Any], kwargs: Any) -> bool:
    """Test whether a call works in place."""
    name = func.__name__
    return bool(kwargs.get("inplace")) or name in IN_PLACE or (name.endswith("_") and not name.endswith("__"))


def _pointwise(func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Rule of functions of each position alone."""
    x, *rest = args or (kwargs.get("input"),)
    if not args or any(isinstance(value, PatchedTensor) for value in (*rest, *kwargs.values())):
        return NotImplemented
    inplace = _inplace(func, kwargs) or (len(rest) > 0 and rest[-1] is True)

    def run(t: Tensor) -> Tensor:
        return func(t.clone() if inplace else t, *rest, **kwargs)

    values = run(x.inside)
    if values is x.inside:
        return x
    base = x.memory.recall(func, args, kwargs, lambda: run(x.known))
    made = x.like(base, values)
    return x.replace_(made) if inplace else made


def _combined(func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Rule of functions of two operands, of which one or both are patched."""
    if len(args) != 2 or any(isinstance(value, Tensor) for value in kwargs.values()) or "out" in kwargs:
        return NotImplemented
    changed = [value for value in args if isinstance(value, PatchedTensor)]
    first = changed[0]
    region = reduce(Boxes.union, (one.region for one in changed))
    if any(one.shape != first.shape for one in changed):
        return NotImplemented
    parts = [_operand(value, first, region) for value in args]
    if any(part is NotImplemented for part in parts):
        return NotImplemented
    inplace = _inplace(func, kwargs)
    if inplace and not isinstance(args[0], PatchedTensor):
        return NotImplemented

    def run(a: Any, b: Any) -> Tensor:
        return func(a.clone() if inplace else a, b, **kwargs)

    base = first.memory.recall(
        func, args, kwargs, lambda: run(*(v.known if isinstance(v, PatchedTensor) else v for v in args))
    )
    values = run(*parts)
    if base.shape[1:] != first.shape[1:] or values.shape[1] != first.shape[1]:
        return NotImplemented
    made = first.like(base, values, region)
    return args[0].replace_(made) if inplace else _finished(made)


def _operand(value: Any, like: PatchedTensor, region: Boxes) -> Any:
    """Return an operand's values in the boxes; NotImplemented if it differs between rows, or is larger."""
    if isinstance(value, PatchedTensor):
        return value.values_in(region)
    if not isinstance(value, Tensor) or value.dim() == 0:
        return value
    if value.dim() < like.dim():
        value = value.reshape((1,) * (like.dim() - value.dim()) + tuple(value.shape))
    if value.dim() > like.dim() or len(value) != 1 or value.shape[1] not in (1, like.shape[1]):
        return NotImplemented
    if all(extent == 1 for extent in value.shape[2:]):
        return value
    return extract(value, region.starts, region.size) if value.shape[2:] == like.shape[2:] else NotImplemented


def _normalised(func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Rule of batch normalisation with running statistics."""
    norm = normalisation(args, kwargs)
    x = norm["input"]
    if norm["training"] or norm["running_mean"] is None or not isinstance(x, PatchedTensor):
        return NotImplemented
    rest = {key: value for key, value in norm.items() if key != "input"}
    base = x.memory.recall(func, args, kwargs, lambda: F.batch_norm(x.known, **rest))
    return x.like(base, F.batch_norm(x.inside, **rest))


def _dropped(_func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Rule of dropout outside training, which returns its input."""
    training = kwargs["training"] if "training" in kwargs else args[2] if len(args) > 2 else True
    return NotImplemented if training or not args else args[0]


def _convolved(func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Rule of convolutions."""
    x, weight, bias, rest, named = convolution(args, kwargs)
    options = dict(zip(("stride", "padding", "dilation", "groups"), rest, strict=False)) | named
    axes = weight.dim() - 2
    if not isinstance(x, PatchedTensor) or isinstance(weight, PatchedTensor) or x.dim() != axes + 2:
        return NotImplemented
    stride, dilation = (_each(options.get(name, 1), axes) for name in ("stride", "dilation"))
    padding, kernel = options.get("padding", 0), tuple(weight.shape[2:])
    if padding == "same":
        padding = tuple(d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True))
    padding = (0,) * axes if padding == "valid" else _each(padding, axes)
    windows = [KernelWindow(*w) for w in zip(kernel, stride, padding, dilation, strict=True)]
    groups = options.get("groups", 1)
    return _windowed(
        func, args, kwargs, x, windows, 0.0, lambda t: func(t, weight, bias, stride, 0, dilation, groups)
    )


def _largest(func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Rule of max pooling."""
    names = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
    given = dict(zip(names, args, strict=False)) | kwargs
    x = given["input"]
    axes = x.dim() - 2
    if given.get("return_indices") or axes != int(func.__name__.strip("_")[len("max_pool")]):
        return NotImplemented
    kernel = _each(given["kernel_size"], axes)
    stride = _each(given.get("stride") or kernel, axes)
    padding, dilation = _each(given.get("padding", 0), axes), _each(given.get("dilation", 1), axes)
    windows = [KernelWindow(*w) for w in zip(kernel, stride, padding, dilation, strict=True)]
    return _windowed(func, args, kwargs, x, windows, -inf, lambda t: func(t, kernel, stride, 0, dilation))


def _averaged(func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Rule of average pooling."""
    names = (
        "input",
        "kernel_size",
        "stride",
        "padding",
        "ceil_mode",
        "count_include_pad",
        "divisor_override",
    )
    given = dict(zip(names, args, strict=False)) | kwargs
    x = given["input"]
    axes = x.dim() - 2
    kernel = _each(given["kernel_size"], axes)
    stride = _each(given.get("stride") or kernel, axes)
    padding = _each(given.get("padding", 0), axes)
    plain = not given.get("ceil_mode") and given.get("divisor_override") is None
    if not plain or (any(padding) and not given.get("count_include_pad", True)):
        return NotImplemented
    windows = [KernelWindow(*w) for w in zip(kernel, stride, padding, strict=True)]
    return _windowed(func, args, kwargs, x, windows, 0.0, lambda t: func(t, kernel, stride, 0))


def _windowed(
    func: Callable[..., Any],
    args: Any,
    kwargs: Any,
    x: PatchedTensor,
    windows: list[KernelWindow],
    fill: float,
    run: Callable[[Tensor], Tensor],
) -> Any:
    """Apply a function that reads windows to the reference and to the boxes.

    Args:
        func: the function, as it was called.
        args: its positional arguments.
        kwargs: its keyword arguments.
        x: the patched input.
        windows: one for each spatial axis.
        fill: the value of padding.
        run: the same function without padding.

    Returns:
        The patched output; NotImplemented where boxes would cover most of it.
    """
    base = x.memory.recall(func, args, kwargs, lambda: func(*known(args), **known(kwargs)))
    region = x.region.propagate(windows, tuple(base.shape[2:]))
    if region.share >= WHOLE:
        return NotImplemented
    if all(w == KernelWindow() for w in windows):
        return x.like(base, run(x.inside))
    padded = x.memory.recall(
        F.pad, (x, windows, fill), {}, lambda: _padded(x.known, windows, fill, region.extent)
    )
    spans = [
        [w.reading(start, size) for w, start, size in zip(windows, row, region.size, strict=True)]
        for row in region.starts
    ]
    starts = [tuple(low for low, _ in row) for row in spans]
    made = extract(padded, starts, [high - low for low, high in spans[0]])
    moved = [tuple(at + w.before for at, w in zip(row, windows, strict=True)) for row in x.region.starts]
    paste(x.inside, moved, made, starts)
    return x.like(base, run(made), region)


def _padded(known: Tensor, windows: list[KernelWindow], fill: float, outputs: tuple[int, ...]) -> Tensor:
    """Pad the reference with as much as the first and the last output read beyond its border."""
    sides: list[int] = []
    for window, extent, count in reversed(list(zip(windows, known.shape[2:], outputs, strict=True))):
        _, end = window.reading(0, count)
        sides += [window.before, max(0, end - extent - window.before)]
    return F.pad(known, sides, value=fill) if any(sides) else known


def _padding(func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Rule of constant padding."""
    given = dict(zip(("input", "pad", "mode", "value"), args, strict=False)) | kwargs
    x, pad = given["input"], given["pad"]
    axes = x.dim() - 2
    if given.get("mode", "constant") != "constant" or len(pad) > 2 * axes or min(pad) < 0:
        return NotImplemented
    base = x.memory.recall(func, args, kwargs, lambda: func(*known(args), **known(kwargs)))
    before = [0] * (axes - len(pad) // 2) + list(reversed(pad[::2]))
    region = x.region.shift(before, tuple(base.shape[2:]))
    made = extract(base, region.starts, region.size)
    moved = [tuple(at + step for at, step in zip(row, before, strict=True)) for row in x.region.starts]
    paste(x.inside, moved, made, region.starts)
    return x.like(base, made, region)


def _joined(func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Rule of concatenation along channels."""
    given = dict(zip(("tensors", "dim"), args, strict=False)) | kwargs
    tensors = given["tensors"]
    if not all(isinstance(t, PatchedTensor) for t in tensors) or given.get("dim", 0) not in (
        1,
        1 - tensors[0].dim(),
    ):
        return NotImplemented
    first = tensors[0]
    if any(t.shape[2:] != first.shape[2:] for t in tensors):
        return NotImplemented
    base = first.memory.recall(func, (tensors,), {}, lambda: torch.cat([t.known for t in tensors], 1))
    region = reduce(Boxes.union, (t.region for t in tensors))
    return _finished(first.like(base, torch.cat([t.values_in(region) for t in tensors], 1), region))


def _split(func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Rule of splitting along channels."""
    x, *rest = args
    dim = kwargs.get("dim", rest[1] if len(rest) > 1 else 0)
    if not isinstance(x, PatchedTensor) or dim not in (1, 1 - x.dim()):
        return NotImplemented
    base = x.memory.recall(func, args, kwargs, lambda: func(x.known, *rest, **kwargs))
    pairs = zip(base, func(x.inside, *rest, **kwargs), strict=True)
    return tuple(x.like(one, values) for one, values in pairs)


def _chosen(func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Rule of indexing that takes a range of channels, as `x[:, a:b]`."""
    x, index = args
    full = slice(None)
    if not isinstance(x, PatchedTensor) or not isinstance(index, tuple) or len(index) < 2 or index[0] != full:
        return NotImplemented
    if not isinstance(index[1], slice) or any(one != full for one in index[2:]):
        return NotImplemented
    base = x.memory.recall(func, args[:1], {"channels": str(index[1])}, lambda: x.known[index])
    return x.like(base, x.inside[index])


def _each(value: Any, axes: int) -> tuple[int, ...]:
    """Expand one value to all axes."""
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    return values if len(values) == axes else values[:1] * axes


PATCH_RULES: dict[str, Rule] = {
    **dict.fromkeys(POINTWISE, _pointwise),
    **dict.fromkeys(COMBINING, _combined),
    **dict.fromkeys(DROPOUTS, _dropped),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _convolved),
    **dict.fromkeys(("max_pool1d", "max_pool2d", "max_pool3d"), _largest),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d", "avg_pool3d"), _averaged),
    **dict.fromkeys(("cat", "concat", "concatenate"), _joined),
    **dict.fromkeys(("split", "chunk", "tensor_split"), _split),
    "batch_norm": _normalised,
    "pad": _padding,
    "getitem": _chosen,
}
"""Rule of each function, by its name without underscores."""
