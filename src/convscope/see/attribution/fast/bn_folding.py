"""Batch normalisation folded into the preceding convolution, for passes without training.

Results are the same up to rounding, with fewer operations; relevance propagation also needs it, since signs
of folded weights are those of contributions. The network is not modified: a function mode replaces the
arguments of its calls.
"""

import inspect
from collections.abc import Callable, Mapping, Set
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from convscope.nets.inference.memory_format import channels_last, supports_channels_last
from convscope.see.attribution.target import AttributionTask

CONVOLUTIONS = (torch.conv1d, torch.conv2d, torch.conv3d, F.linear)
"""Functions into whose weights a normalisation can be folded."""
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


@dataclass(frozen=True)
class FoldedConv:
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
        """Return weight and bias of convolution and normalisation together, in the weight's dtype."""
        norm = {name: _precise(value) for name, value in self.norm.items()}
        own, bias = _precise(self.weight), _precise(self.bias)
        scale = (norm["running_var"] + norm["eps"]).rsqrt()
        scale = scale if norm["weight"] is None else scale * norm["weight"]
        shift = -norm["running_mean"] if bias is None else bias - norm["running_mean"]
        shift = shift * scale if norm["bias"] is None else shift * scale + norm["bias"]
        weight = (own * scale.view(-1, *[1] * (own.dim() - 1))).to(self.weight.dtype)
        if weight.dim() == 4:
            weight = weight.contiguous(memory_format=torch.channels_last)
        return weight, shift.to(self.weight.dtype)


def _precise(value: Any) -> Any:
    """Convert half precision to float32; return everything else as it is."""
    half = isinstance(value, Tensor) and value.dtype in (torch.float16, torch.bfloat16)
    return value.float() if half else value


@dataclass(frozen=True)
class FoldPlan:
    """Folded weights of one network: calling it returns a context in which passes use them.

    `weights` maps the `id` of a convolution's weight to its folded weight and bias; `norms` has the `id` of
    the running mean of each normalisation that is skipped.
    """

    weights: Mapping[int, tuple[Tensor, Tensor]]
    norms: set[int]
    channels_last: bool = True
    """Whether passes run in channels-last memory format."""
    first: Tensor | None = None
    """The weight of the first convolution or dense layer that runs, if it runs once; else None."""

    def __call__(self) -> AbstractContextManager[object]:
        """Return a context in which convolutions contain their normalisations."""
        return FoldedMode(self.weights, self.norms) if self.weights else nullcontext()

    def laid_out(self, x: Tensor) -> Tensor:
        """Convert an input to the memory format of the passes: channels last where the network supports it.

        Args:
            x: an input of any shape; only those with four axes are converted.

        Returns:
            The same values.
        """
        return channels_last(x) if self.channels_last and x.dim() == 4 else x

    def contiguous(self) -> "FoldPlan":
        """Return the same plan in contiguous memory format."""
        weights = {key: (weight.contiguous(), bias) for key, (weight, bias) in self.weights.items()}
        return FoldPlan(weights, self.norms, channels_last=False, first=self.first)


def plan_folding(question: AttributionTask, *, every_format: bool = False) -> FoldPlan:
    """Fold batch normalisations into convolutions, and return a plan for passes with them.

    Two passes record which convolution's output goes to one normalisation and nowhere else. Only weights
    that are the network's own tensors are folded, once. Networks that do not support channels last (they
    call `view` on a convolution's output) run in contiguous memory format.

    Args:
        question: the task: network, inputs and targets.
        every_format: fold in every dtype, where the result depends on folding (relevance propagation).
            Otherwise only float32 is folded: half precision would round the folded weights once more.

    Returns:
        The plan; without anything to fold, its contexts do nothing.
    """
    watch = _watched(question)
    module = question.net.module
    own = {id(tensor) for tensor in chain(module.parameters(), module.buffers())}
    found = watch.folds() if every_format or question.net.dtype == torch.float32 else []
    found = [fold for fold in found if fold.within(own)]
    with torch.no_grad():
        weights = {id(fold.weight): fold.folded() for fold in found}
    first = watch.first()
    first = first if first is not None and id(first) in own else None
    made = FoldPlan(weights, {id(fold.norm["running_mean"]) for fold in found}, first=first)
    return made if supports_channels_last(question.net, *question.inputs) else made.contiguous()


class FoldedMode(TorchFunctionMode):
    """Function mode that replaces convolutions' weights by folded ones, and skips their normalisations."""

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


class _PairFinder(TorchFunctionMode):
    """Function mode that finds convolutions whose output goes to one normalisation and nowhere else.

    A weight or normalisation that is used more than once is not folded, nor one whose output anything else
    reads.
    """

    def __init__(self) -> None:
        super().__init__()
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

    def first(self) -> Tensor | None:
        """Return the weight of the first convolution or dense layer, if it ran once."""
        weight = next((weight for _, weight, _ in self.made.values()), None)
        return weight if weight is not None and self.uses[id(weight)] == 1 else None

    def folds(self) -> list[FoldedConv]:
        """Return the pairs that can be folded."""
        weights = {id(weight): (weight, bias) for _, weight, bias in self.made.values()}
        return [
            FoldedConv(*weights[key], norm)
            for key, norm in self.normed.items()
            if key not in self.spoiled and self.uses[key] == self.uses[id(norm["running_mean"])] == 1
        ]


def _watched(question: AttributionTask) -> _PairFinder:
    """Run one pass with one row for each set of layers that targets read, and record its pairs."""
    read = [frozenset((p.layer, p.call, p.key) for p in goal.places) for goal in question.objectives]
    rows = [read.index(places) for places in dict.fromkeys(read)]
    watch = _PairFinder()
    with torch.no_grad():
        question.scores(question.repeated(rows), rows)  # the first pass of a network may run it several times
        with watch:
            question.scores(question.repeated(rows), rows)
    return watch
