"""Fold batch normalisations into the convolutions before them, for passes in evaluation mode.

There batch normalisation is a multiplication and an addition for each channel, which can be part of the
convolution's weights: the same results up to rounding, with fewer operations. Pairs are found by watching one
pass (`PairFinder`). They are then folded in a copy of the network (`fold_modules`), or, where the network
itself has to run, in passes inside a function mode (`FoldedMode`).

Source: Jacob et al. 2018, "Quantization and Training of Neural Networks", section 3.2.
"""

import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.overrides import TorchFunctionMode

CONVOLUTIONS = (torch.conv1d, torch.conv2d, torch.conv3d, F.linear)
"""Functions into whose weights a normalisation can be folded."""
MODULES = (nn.Conv1d, nn.Conv2d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
"""Modules that are folded in copies."""
METADATA = frozenset(
    (
        "get",
        "size",
        "dim",
        "ndimension",
        "numel",
        "nelement",
        "stride",
        "storage_offset",
        "element_size",
        "is_floating_point",
        "is_complex",
        "is_contiguous",
        "data_ptr",
        "len",
    )
)
"""Functions that read a tensor's metadata, not its values."""
_NORM = inspect.Signature(
    [
        inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)
        for name, default in (
            ("input", None),
            ("running_mean", None),
            ("running_var", None),
            ("weight", None),
            ("bias", None),
            ("training", False),
            ("momentum", 0.1),
            ("eps", 1e-5),
        )
    ]
)


@dataclass(frozen=True, eq=False)
class ConvBnPair:
    """The weights of one convolution or dense layer, and the only normalisation that reads its output."""

    weight: Tensor
    bias: Tensor | None
    norm: dict[str, Any]
    """Arguments of `torch.nn.functional.batch_norm` by name."""

    def within(self, own: Set[int]) -> bool:
        """Test whether all weights are a network's own tensors, which keep their `id` from pass to pass.

        Weights that are computed anew in every call (spectral normalisation) are not.

        Args:
            own: the `id` of each parameter and buffer of the network.

        Returns:
            True if the folded weights can be looked up by `id`.
        """
        norm = (self.norm[name] for name in ("running_mean", "running_var", "weight", "bias"))
        return all(t is None or id(t) in own for t in (self.weight, self.bias, *norm))

    def folded(self) -> tuple[Tensor, Tensor]:
        """Return weight and bias of convolution and normalisation together, in the weight's dtype.

        Half precision is folded in float32.
        """
        norm = {name: _in_float32(value) for name, value in self.norm.items()}
        weight, bias = fuse_conv_bn_weights(
            _in_float32(self.weight),
            _in_float32(self.bias),
            norm["running_mean"],
            norm["running_var"],
            norm["eps"],
            norm["weight"],
            norm["bias"],
        )
        dtype = self.weight.dtype
        return weight.detach().to(dtype), bias.detach().to(dtype)


def _in_float32(value: Any) -> Any:
    """Convert half precision to float32; return everything else as it is."""
    half = isinstance(value, Tensor) and value.dtype in (torch.float16, torch.bfloat16)
    return value.float() if half else value


def fold_modules(module: nn.Module, pairs: Iterable[ConvBnPair], read: Set[str] = frozenset()) -> int:
    """Fold pairs of torch's own layers in a module, in place.

    Only convolutions with weights of their own and without hooks are changed, before torch's batch
    normalisation, or timm's with dropout and activation.

    Args:
        module: the module in which the pairs were found.
        pairs: what `PairFinder.pairs` returned for a pass of this module.
        read: names of layers whose output is needed as it is; they are not folded.

    Returns:
        The number of pairs that were folded.
    """
    convolutions = {
        id(part.weight): (name, part)
        for name, part in module.named_modules()
        if isinstance(part, MODULES) and _own_weights(part)
    }
    norms = {
        id(part.running_mean): (name, part)
        for name, part in module.named_modules()
        if isinstance(part, NORMS) and part.running_mean is not None and _can_fold(part)
    }
    count = 0
    for pair in pairs:
        layer, norm = convolutions.get(id(pair.weight)), norms.get(id(pair.norm["running_mean"]))
        if layer is None or norm is None or layer[0] in read:
            continue
        weight, bias = pair.folded()
        layer[1].weight, layer[1].bias = (nn.Parameter(one, requires_grad=False) for one in (weight, bias))
        parent, _, name = norm[0].rpartition(".")
        setattr(module.get_submodule(parent), name, _after_norm(norm[1]))
        count += 1
    return count


def _after_norm(norm: nn.Module) -> nn.Module:
    """Return what a normalisation does besides normalising: nothing, or dropout and activation in timm's."""
    if type(norm) in NORMS:
        return nn.Identity()
    return nn.Sequential(OrderedDict((name, part) for name, part in norm.named_children()))


def _own_weights(part: nn.Module) -> bool:
    """Return whether the weights are the layer's own: no parametrisation and no hooks."""
    hooked = part._forward_hooks or part._forward_pre_hooks or part._backward_hooks
    return isinstance(part._parameters.get("weight"), nn.Parameter) and not hooked


def _can_fold(norm: nn.Module) -> bool:
    """Return whether it is torch's own batch norm, or timm's with `drop` and `act`; others are not folded."""
    if norm._forward_hooks or norm._forward_pre_hooks:
        return False
    return type(norm) in NORMS or [name for name, _ in norm.named_children()] == ["drop", "act"]


class FoldedMode(TorchFunctionMode):
    """Function mode that replaces convolutions' weights by folded ones, and skips their normalisations.

    Args:
        weights: by the `id` of a convolution's weight: its folded weight and bias.
        norms: the `id` of the running mean of each normalisation that is skipped.
    """

    def __init__(self, weights: Mapping[int, tuple[Tensor, Tensor]], norms: set[int]) -> None:
        super().__init__()
        self.weights, self.norms = weights, norms

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in CONVOLUTIONS:
            weight = args[1] if len(args) > 1 else kwargs.get("weight")
            if id(weight) in self.weights:
                x, _, _, rest, named = convolution(args, kwargs)
                return func(x, *self.weights[id(weight)], *rest, **named)
        elif func is F.batch_norm and id((norm := normalisation(args, kwargs))["running_mean"]) in self.norms:
            return norm["input"]
        return func(*args, **kwargs)


def convolution(
    args: Any, kwargs: Any
) -> tuple[Tensor, Tensor, Tensor | None, tuple[Any, ...], dict[str, Any]]:
    """Sort the arguments of a call of a convolution or dense layer.

    Args:
        args: its positional arguments.
        kwargs: its keyword arguments.

    Returns:
        Input, weight, bias, other positional arguments, other keyword arguments.
    """
    given = dict(zip(("input", "weight", "bias"), args, strict=False)) | kwargs
    rest = {k: v for k, v in kwargs.items() if k not in ("input", "weight", "bias")}
    return given["input"], given["weight"], given.get("bias"), tuple(args[3:]), rest


def normalisation(args: Any, kwargs: Any) -> dict[str, Any]:
    """Bind the arguments of a call of `torch.nn.functional.batch_norm`.

    Args:
        args: its positional arguments.
        kwargs: its keyword arguments.

    Returns:
        All arguments by name, with defaults.
    """
    bound = _NORM.bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.arguments


class PairFinder(TorchFunctionMode):
    """Function mode that finds convolutions whose output goes to one normalisation and nowhere else.

    A weight or normalisation that is used more than once is not folded, nor one whose output anything else
    reads.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reset()

    def reset(self) -> None:
        """Forget what was watched, before a pass is repeated."""
        self.made: dict[int, tuple[Tensor, Tensor, Tensor | None]] = {}
        self.normed: dict[int, dict[str, Any]] = {}
        self.uses: dict[int, int] = {}
        self.spoiled: set[int] = set()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        norm = normalisation(args, kwargs) if func is F.batch_norm else None
        source = self.made.get(id(norm["input"])) if norm is not None else None
        if norm is not None and norm["running_mean"] is not None:
            self._use(norm["running_mean"])
        if (
            source is not None
            and norm is not None
            and not norm["training"]
            and norm["running_mean"] is not None
        ):
            if id(source[1]) in self.normed:
                self.spoiled.add(id(source[1]))
            self.normed[id(source[1])] = norm
        elif getattr(func, "__name__", "").strip("_") not in METADATA:
            for value in (*args, *kwargs.values()):
                for tensor in value if isinstance(value, list | tuple) else (value,):
                    if id(tensor) in self.made:
                        self.spoiled.add(id(self.made[id(tensor)][1]))
        out = func(*args, **kwargs)
        if func in CONVOLUTIONS:
            _, weight, bias, _, _ = convolution(args, kwargs)
            self._use(weight)
            self.made[id(out)] = (out, weight, bias)
        return out

    def _use(self, tensor: Tensor) -> None:
        self.uses[id(tensor)] = self.uses.get(id(tensor), 0) + 1

    def pairs(self) -> list[ConvBnPair]:
        """Return the pairs that can be folded."""
        weights = {id(weight): (weight, bias) for _, weight, bias in self.made.values()}
        return [
            ConvBnPair(*weights[key], norm)
            for key, norm in self.normed.items()
            if key not in self.spoiled and self.uses[key] == self.uses[id(norm["running_mean"])] == 1
        ]
