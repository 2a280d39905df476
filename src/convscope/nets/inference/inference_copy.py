"""Make a faster copy of a network that computes the same function.

Batch normalisations are folded into convolutions (`convscope.nets.inference.bn_folding`), local response
normalisation is computed by `convscope.nets.inference.fast_lrn`, and weights are converted to a precision and
a memory format. The network itself is not changed.
"""

from collections.abc import Iterable
from copy import deepcopy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convscope.nets.activations.address import RESULT, LayerAddress
from convscope.nets.activations.freezing import changes_itself, freeze_
from convscope.nets.activations.recording import layer_shapes, record, share_layer_shapes
from convscope.nets.inference.bn_folding import PairFinder, fold_modules
from convscope.nets.inference.execution import DTYPES, PLAIN, ExecutionConfig
from convscope.nets.inference.fast_lrn import DetectLRN, use_fast_lrn
from convscope.nets.inference.memory_format import CHANNELS_LAST, supports_channels_last
from convscope.nets.network import Net

CLOSE = 1e-3
"""Largest allowed difference of activations from the network's own, relative to the largest activation."""


def inference_copy(
    net: Net,
    images: Float[Tensor, "b *shape"],
    places: Iterable[LayerAddress],
    execution: ExecutionConfig = PLAIN,
) -> Net:
    """Return a faster copy of a network, with the same activations at `places`.

    Args:
        net: the network; it is not changed.
        images: inputs `[b c ...]` in the spec's range; folding is kept only if the copy agrees with the
            network on the first of them, within `CLOSE`.
        places: addresses whose activations will be read; the network's result if empty. Convolutions that
            are read are not folded.
        execution: precision of the copy's weights and arithmetic, where fp32 stands for the network's own
            dtype; and their memory format, where the network supports it.

    Returns:
        The copy, frozen; the network itself where a copy would be no faster, or cannot be made.
    """
    places = tuple(place.layer_only for place in places) or (LayerAddress(RESULT),)
    layer_shapes(net)  # known to the copy too, so that finding pairs needs only one pass
    if changes_itself(net.module):  # a copy outside `frozen` would go on changing
        return net
    if any(isinstance(part, torch.jit.ScriptModule) for part in net.module.modules()):  # nothing to fold
        return net
    try:
        module = deepcopy(net.module)
    except Exception:  # whatever a module's own `__deepcopy__` raises
        return net
    copy, first = _with(net, module), _inputs(net, images[:1])
    with torch.no_grad():
        before, changed = _simplify(copy, first, places)
        if changed and not _agree(before, record(copy, first, places)):
            copy = _with(net, module := deepcopy(net.module))
        channels_last = execution.channels_last and supports_channels_last(net, *first)
    if not changed and execution.precision == "fp32" and not channels_last:
        return net
    if execution.precision != "fp32":
        module.to(DTYPES[execution.precision])
    if channels_last:
        module.to(memory_format=torch.channels_last)
    copy.cache(CHANNELS_LAST, lambda: channels_last)
    return copy


def _simplify(
    copy: Net, inputs: tuple[Tensor, ...], places: tuple[LayerAddress, ...]
) -> tuple[dict[LayerAddress, Tensor], bool]:
    """Fold and replace normalisations of a copy, in place.

    Returns the activations at the places before that, and whether there was something to simplify.
    """
    with DetectLRN() as watch, PairFinder() as finder:
        again = copy.module.register_forward_pre_hook(lambda *_: finder.reset())
        try:
            before = record(copy, inputs, places)  # runs twice if something overwrites what is read
        finally:
            again.remove()
    folded = fold_modules(copy.module, finder.pairs(), {place.layer for place in places})
    if watch.seen:
        use_fast_lrn(copy.module)
    return before, bool(folded or watch.seen)


def _with(net: Net, module: nn.Module) -> Net:
    copy = net.with_module(freeze_(module))
    share_layer_shapes(net, copy)
    return copy


def _inputs(net: Net, images: Tensor) -> tuple[Tensor, ...]:
    example = net.example(len(images)) if len(net.input_specs) > 1 else images
    return (images.to(net.device), *(() if isinstance(example, Tensor) else tuple(example[1:])))


def _agree(one: dict[LayerAddress, Tensor], other: dict[LayerAddress, Tensor]) -> bool:
    return all(
        torch.isfinite(b).all() and float((a - b).abs().max()) <= CLOSE * float(a.abs().max())
        for a, b in zip(one.values(), other.values(), strict=True)
    )
