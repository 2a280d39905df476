"""Make a faster copy of a network that computes the same function.

Batch normalisation in evaluation mode is a multiplication and an addition per channel; where it follows a
convolution, both are folded into the convolution's weights. Local response normalisation is computed by
`convscope.nets.inference.fast_lrn`. The network itself is not changed.

Source: Jacob et al. 2018, "Quantization and Training of Neural Networks", section 3.2 (folding).
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from convscope.nets.activations.address import RESULT, LayerAddress
from convscope.nets.activations.freezing import changes_itself, freeze_
from convscope.nets.activations.recording import layer_shapes, record
from convscope.nets.inference.fast_lrn import DetectLRN, use_fast_lrn
from convscope.nets.inference.memory_format import supports_channels_last
from convscope.nets.network import Net

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
CLOSE = 1e-3
"""Largest allowed difference of activations from the network's own, relative to the largest activation."""


def inference_copy(
    net: Net,
    images: Float[Tensor, "b *shape"],
    places: Iterable[LayerAddress],
    *,
    dtype: torch.dtype | None = None,
    channels_last: bool = False,
) -> Net:
    """Return a faster copy of a network, with the same activations at `places`.

    Args:
        net: the network; it is not changed.
        images: inputs `[b c ...]` in the spec's range; folding is kept only if the copy agrees with the
            network on the first of them, within `CLOSE`.
        places: addresses whose activations will be read; the network's result if empty. Convolutions that
            are read are not folded.
        dtype: dtype of the copy's weights and arithmetic; None keeps the network's own.
        channels_last: convert the copy's weights to the channels-last memory format, where the network
            supports it.

    Returns:
        The copy, frozen; the network itself where a copy would be no faster, or cannot be made.
    """
    places = tuple(place.layer_only for place in places) or (LayerAddress(RESULT),)
    layer_shapes(net)  # cached for the copy too, so that `_find_pairs` needs only one pass
    if changes_itself(net.module):  # a copy outside `frozen` would go on changing
        return net
    if any(isinstance(part, torch.jit.ScriptModule) for part in net.module.modules()):  # nothing to fold
        return net
    try:
        module = deepcopy(net.module)
    except Exception:  # whatever a module's own `__deepcopy__` raises
        return net
    copy = _with(net, module)
    with torch.no_grad():
        with DetectLRN() as watch:
            pairs, before = _find_pairs(copy, images[:1], places)
        for pair in pairs:
            pair.fold(module)
        if watch.seen:
            use_fast_lrn(module)
        changed = bool(pairs) or watch.seen
        if changed and not _agree(before, record(copy, images[:1], places)):
            copy = _with(net, module := deepcopy(net.module))
        channels_last = channels_last and supports_channels_last(net, *_inputs(net, images[:1]))
    if not changed and dtype is None and not channels_last:
        return net
    if dtype is not None:
        module.to(dtype)
    if channels_last:
        module.to(memory_format=torch.channels_last)
    copy._cache["channels last"] = channels_last
    return copy


def _with(net: Net, module: nn.Module) -> Net:
    copy = net.with_module(freeze_(module))
    copy._cache.update(
        {key: found for key, found in net._cache.items() if isinstance(key, tuple) and key[0] == "survey"}
    )
    return copy


@dataclass(frozen=True)
class _ConvBnPair:
    """Names of a convolution and of the batch normalisation that alone reads its output."""

    convolution: str
    norm: str

    def fold(self, module: nn.Module) -> None:
        first: Any = module.get_submodule(self.convolution)
        second: Any = module.get_submodule(self.norm)
        weight, bias = fuse_conv_bn_weights(
            first.weight,
            first.bias,
            second.running_mean,
            second.running_var,
            second.eps,
            second.weight,
            second.bias,
        )
        first.weight, first.bias = weight.requires_grad_(False), bias.requires_grad_(False)
        parent, _, name = self.norm.rpartition(".")
        setattr(module.get_submodule(parent), name, _after_norm(second))


def _after_norm(norm: nn.Module) -> nn.Module:
    """Return what a normalisation does besides normalising: nothing, or dropout and activation in timm's."""
    if type(norm) in NORMS:
        return nn.Identity()
    return nn.Sequential(OrderedDict((name, part) for name, part in norm.named_children()))


def _find_pairs(
    net: Net, images: Tensor, places: tuple[LayerAddress, ...]
) -> tuple[list[_ConvBnPair], dict[LayerAddress, Tensor]]:
    """Find batch normalisations that read a convolution's output, each run once, in one forward pass.

    The pass ends where the last of the places is reached; the activations there are returned, too.
    """
    read = {place.layer for place in places}
    made: dict[int, tuple[str, Tensor]] = {}
    follows: dict[str, str] = {}
    calls: Counter[str] = Counter()

    def begin(*_: Any) -> None:  # `record` runs a second pass if something overwrites what is read
        for found in (made, follows, calls):
            found.clear()

    handles = [net.module.register_forward_pre_hook(begin)]
    for name, part in net.module.named_modules():
        if isinstance(part, CONVOLUTIONS) and _own_weights(part):

            def note(_part: Any, _inputs: Any, output: Any, name: str = name) -> None:
                calls[name] += 1
                made[id(output)] = (name, output)

            handles.append(part.register_forward_hook(note))
        elif isinstance(part, NORMS) and part.running_mean is not None and _can_fold(part):

            def look(_part: Any, inputs: Any, name: str = name) -> None:
                calls[name] += 1
                if inputs and id(inputs[0]) in made:
                    follows[name] = made[id(inputs[0])][0]

            handles.append(part.register_forward_pre_hook(look))
    try:
        before = record(net, _inputs(net, images), places)
    finally:
        for handle in handles:
            handle.remove()
    readers = Counter(follows.values())
    pairs = [
        _ConvBnPair(convolution, norm)
        for norm, convolution in follows.items()
        if calls[norm] == calls[convolution] == 1 and readers[convolution] == 1 and convolution not in read
    ]
    return pairs, before


def _inputs(net: Net, images: Tensor) -> tuple[Tensor, ...]:
    example = net.example(len(images)) if len(net.input_specs) > 1 else images
    return (images.to(net.device), *(() if isinstance(example, Tensor) else tuple(example[1:])))


def _own_weights(part: nn.Module) -> bool:
    """Return whether the weights are the layer's own: no parametrisation and no hooks."""
    hooked = part._forward_hooks or part._forward_pre_hooks or part._backward_hooks
    return isinstance(part._parameters.get("weight"), nn.Parameter) and not hooked


def _can_fold(norm: nn.Module) -> bool:
    """Return whether it is torch's own batch norm, or timm's with `drop` and `act`; others are not folded."""
    if norm._forward_hooks or norm._forward_pre_hooks:
        return False
    return type(norm) in NORMS or [name for name, _ in norm.named_children()] == ["drop", "act"]


def _agree(one: dict[LayerAddress, Tensor], other: dict[LayerAddress, Tensor]) -> bool:
    return all(
        torch.isfinite(b).all() and float((a - b).abs().max()) <= CLOSE * float(a.abs().max())
        for a, b in zip(one.values(), other.values(), strict=True)
    )
