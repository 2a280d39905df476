"""Rules of layer-wise relevance propagation as modified gradients.

The gradient that arrives at a value is its relevance divided by the value. In this form sums, pools, slices,
reshapes and everything else that is linear without a bias need no rule: their own gradient is right. A rule
replaces a function by another one with the same value, whose gradient distributes relevance as the rule
demands: `modified * (value / modified).detach()`. Unknown functions are refused.

Source: Montavon et al. 2019, "Layer-Wise Relevance Propagation: An Overview", §10.2; Ali et al. 2022,
arXiv:2202.07304, §3 (rules as modified gradients).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from convscope.errors import UsageError
from convscope.nets.inference.bn_folding import convolution, normalisation
from convscope.see.attribution.methods.opaque_operations import Watched, flat

DENSE = (F.linear,)
"""Functions that take the rule of dense layers."""
CONVOLUTIONS = (
    torch.conv1d,
    torch.conv2d,
    torch.conv3d,
    torch.conv_transpose1d,
    torch.conv_transpose2d,
    torch.conv_transpose3d,
)
"""Functions that take the rule of convolutions."""
_PASSED = """
relu relu6 leaky_relu prelu elu selu celu gelu silu mish sigmoid tanh softplus hardsigmoid hardswish
hardtanh logsigmoid softsign softmax log_softmax clamp clamp_min clamp_max clip threshold rrelu
tanhshrink softshrink local_response_norm layer_norm group_norm instance_norm normalize
"""
PASSED = frozenset(_PASSED.split())
"""Element-wise functions and normalisations, through which each value keeps its relevance."""
_PLAIN = """
add radd sub rsub sum mean cat concat stack split chunk flatten reshape view view_as reshape_as permute
transpose t movedim squeeze unsqueeze expand expand_as repeat contiguous clone getitem pad narrow select
flip roll unbind neg max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d
adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d max
amax maximum masked_fill dropout dropout1d dropout2d dropout3d alpha_dropout feature_dropout batch_norm
interpolate upsample pixel_shuffle pixel_unshuffle channel_shuffle to float double half bfloat16 type
type_as cpu cuda identity iadd isub unfold fold swapaxes unflatten index_select gather constant_pad_nd diff
max_pool1d_with_indices max_pool2d_with_indices boolean_dispatch fn where setitem copy ravel as_strided
cumsum positive
"""
PLAIN = frozenset(_PLAIN.split())
"""Functions whose own gradient is right: linear (a bias keeps its share), or selecting values."""
_PRODUCTS = """
mul rmul multiply imul div divide truediv itruediv true_divide
"""
PRODUCTS = frozenset(_PRODUCTS.split())
"""Products and quotients; relevance of a product of two activations is halved between the factors."""


@dataclass(frozen=True)
class RuleMap:
    """The rule of each kind of layer: `epsilon`, `gamma` or `zplus`.

    `epsilon` keeps denominators away from 0, `gamma` is the extra weight of contributions with the result's
    own sign.
    """

    dense: str = "epsilon"
    convolution: str = "zplus"
    epsilon: float = 1e-6
    gamma: float = 0.25


class LrpMode(Watched):
    """Function mode in which gradients times inputs are relevances.

    Args:
        module: the network, whose layers are named in errors.
        rules: the rule of each kind of layer.
    """

    def __init__(self, module: nn.Module, rules: RuleMap) -> None:
        super().__init__(module)
        self.rules = rules

    @override
    def handled(self, func: Callable[..., Any], args: Any, kwargs: Any, flows: list[Tensor]) -> Any:
        """Apply the rule of a function; refuse functions without one."""
        name = getattr(func, "__name__", "").strip("_")
        if _foreign(func):
            raise self.refusal(f"the custom operation {func}")
        if func is F.batch_norm and normalisation(args, kwargs)["training"]:
            raise self.refusal("batch_norm by the statistics of the batch itself")
        if func in DENSE or func in CONVOLUTIONS:
            return self._linear(func, args, kwargs)
        if name in PASSED:
            out = _passed(func, args, kwargs)
            return _overwriting(args, out) if _inplace(func, args, kwargs) else out
        if name in PRODUCTS:
            return self._product(func, args, kwargs, name)
        if name in ("matmul", "mm", "bmm", "addmm", "einsum") and len(flows) == 1:
            return func(*args, **kwargs)
        out = func(*args, **kwargs)
        if (
            name not in PLAIN
            and any(t.requires_grad for t in flat(out))
            and name not in ("get", "requires_grad")
        ):
            raise self.refusal(name)
        return out

    def _linear(self, func: Callable[..., Any], args: Any, kwargs: Any) -> Tensor:
        """Apply the epsilon, gamma or z-plus rule to a convolution or dense layer."""
        x, weight, bias, rest, named = convolution(args, kwargs)
        if weight.requires_grad:
            raise self.refusal(f"{func.__name__} with weights that depend on the input")

        def run(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
            return func(x, weight, bias, *rest, **named)

        rule = self.rules.dense if func in DENSE else self.rules.convolution
        value = run(x, weight, bias).detach()
        if rule == "epsilon":
            return _surrogate_gradient(value, run(x, weight, bias), self.rules.epsilon)
        share = None if rule == "zplus" else self.rules.gamma
        return _surrogate_gradient(
            value, _gamma_forward(run, x, weight, bias, value, share), self.rules.epsilon
        )

    def _product(self, func: Callable[..., Any], args: Any, kwargs: Any, name: str) -> Any:
        """Halve relevance between two factors; of factors of different size the larger one gets all."""
        a, b = (*args, *kwargs.values())[:2]
        both = isinstance(a, Tensor) and isinstance(b, Tensor) and a.requires_grad and b.requires_grad
        if not both:
            if "div" in name and isinstance(b, Tensor) and b.requires_grad:
                raise self.refusal("division by what depends on the input")
            return func(*args, **kwargs)
        if "div" in name:
            out = a / b.detach()
        elif a.numel() != b.numel():
            out = a * b.detach() if a.numel() > b.numel() else a.detach() * b
        else:
            out = (a * b.detach() + a.detach() * b) / 2
            out = out + (a.detach() * b.detach() - out.detach())
        return (
            _overwriting(args, out)
            if name.startswith("i") or (func.__name__.endswith("_") and not func.__name__.endswith("__"))
            else out
        )

    @override
    def refusal(self, what: str) -> UsageError:
        """Create the error for an operation without a rule."""
        return UsageError(
            "layers that relevance has a rule for: convolution, dense, pool, activation, norm, sum, gate",
            received=f"{what} in {self.layer}",
            hint="Use a method that any network takes (integrated, occlusion, rise), or an earlier --target.",
        )


def _foreign(func: Callable[..., Any]) -> bool:
    """Test whether a function is an operator registered outside PyTorch, whatever its name."""
    if isinstance(func, torch._ops.OpOverload):
        return func.namespace != "aten"
    return isinstance(func, torch._ops.OpOverloadPacket) and not func._qualified_op_name.startswith("aten::")


def _gamma_forward(
    run: Callable[..., Tensor],
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    value: Tensor,
    gamma: float | None,
) -> Tensor:
    """Compute the modified layer of the gamma rule, or of z-plus where gamma is None.

    Contributions in the direction of the result's sign count 1 + gamma times. For z-plus only positive
    contributions count, and no bias.
    """
    positive, negative = x.clamp_min(0), x.clamp_max(0)
    up, down = weight.clamp_min(0), weight.clamp_max(0)
    rising = run(positive, up, None) + run(negative, down, None)
    if gamma is None:
        return rising
    falling = run(positive, down, None) + run(negative, up, None)
    plain = run(x, weight, bias)
    extra = bias.clamp_min(0) if bias is not None else None
    lift, drop = gamma * rising, gamma * falling
    if bias is not None and extra is not None:
        spread = (1, -1, *[1] * (value.dim() - 2))
        lift = lift + gamma * extra.view(spread)
        drop = drop + gamma * (bias - extra).view(spread)
    return plain + torch.where(value >= 0, lift, drop)


def _surrogate_gradient(value: Tensor, modified: Tensor, epsilon: float) -> Tensor:
    """Return `value` exactly, with the gradient of `modified` times value / modified."""
    away = torch.where(modified >= 0, epsilon, -epsilon).to(modified) if epsilon else 0.0
    below = (modified + away).detach()
    ratio = torch.where(below == 0, torch.zeros_like(value), value / below)
    made = modified * ratio
    return made + (value - made.detach())


def _passed(func: Callable[..., Any], args: Any, kwargs: Any) -> Tensor:
    """Apply a function so that each value keeps its relevance: the input times a constant."""
    x = args[0] if args else kwargs["input"]
    out = (
        func(x.detach().clone(), *args[1:], **kwargs)
        if args
        else func(**{**kwargs, "input": x.detach().clone()})
    )
    return _surrogate_gradient(out, x, 1e-9)


def _inplace(func: Callable[..., Any], args: Any, kwargs: Any) -> bool:
    """Test whether a call works in place."""
    name = func.__name__
    by_name = name.endswith("_") and not name.endswith("__")
    return by_name or bool(kwargs.get("inplace")) or (len(args) > 1 and args[-1] is True)


def _overwriting(args: Any, out: Tensor) -> Tensor:
    """Write the result into the first argument, as functions that work in place do."""
    return args[0].copy_(out)
