"""Find the channel axis of every activation: the first after the batch, or the last where there are tokens.

Convolutions return `[b c h w]`; dense layers and layer norms applied to every position return `[b ... c]`.
For modules of the kinds in `FIRST` and `LAST` the channel axis follows from the kind. What has no weights
(sums, activation functions, whole blocks) takes the axis of the layers whose output has the same shape, or
the same number of channels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

FIRST = (
    nn.modules.conv._ConvNd,
    nn.modules.batchnorm._NormBase,
    nn.GroupNorm,
    nn.modules.pooling._MaxPoolNd,
    nn.modules.pooling._AvgPoolNd,
    nn.modules.pooling._AdaptiveMaxPoolNd,
    nn.modules.pooling._AdaptiveAvgPoolNd,
)
"""Kinds of modules whose channel axis is the first after the batch."""

LAST = (nn.Linear, nn.Bilinear, nn.Embedding, nn.LayerNorm, nn.RMSNorm, nn.MultiheadAttention)
"""Kinds of modules whose channel axis is the last."""

Spot = tuple[str, int, str]
"""Identifies a tensor of a forward pass: layer name, call number (from 1), key in the layer's output."""


@dataclass(frozen=True)
class Output:
    """One tensor that a layer returned.

    Attributes:
        spot: layer, call and key of the tensor.
        shape: its shape without the batch axis.
        module: the module that returned it; None for the network's result when no module of that name runs.
    """

    spot: Spot
    shape: tuple[int, ...]
    module: nn.Module | None


def last_of(outputs: Sequence[Output]) -> frozenset[Spot]:
    """Find the tensors whose channels lie on the last axis.

    The axis is decided by the kind of module where that is clear; otherwise by the latest such tensor of
    the same shape before it, then the next one after it, then by tensors with as many axes and as many
    channels.

    Args:
        outputs: all tensors of one forward pass, in the order in which they were returned.

    Returns:
        The identifiers of the tensors, with at least two axes besides the batch, whose last axis counts
        channels.
    """
    decided = [_last_by_kind(output) for output in outputs]
    shapes: dict[tuple[int, ...], bool] = {}
    found: list[bool | None] = []
    for known, output in zip(decided, outputs, strict=True):
        if known is not None:
            shapes[output.shape] = known
        found.append(shapes.get(output.shape))
    later: dict[tuple[int, ...], bool] = {}
    for known, output in zip(reversed(decided), reversed(outputs), strict=True):
        if known is not None:
            later[output.shape] = known
    features = _channel_axes(decided, outputs)
    chosen = (
        known if known is not None else later.get(output.shape, _last_by_channels(output.shape, features))
        for known, output in zip(found, outputs, strict=True)
    )
    return frozenset(
        output.spot for last, output in zip(chosen, outputs, strict=True) if last and len(output.shape) > 1
    )


def units_first(act: Tensor, spot: Spot, last: frozenset[Spot]) -> Tensor:
    """Move the channel axis of an activation behind the batch axis.

    Args:
        act: an activation, `[b c ...]` or `[b ... c]`.
        spot: the identifier of the tensor.
        last: identifiers of the tensors whose channels lie on the last axis, see `last_of`.

    Returns:
        The activation as `[b c ...]`; a view where the axis is moved.
    """
    return act.movedim(-1, 1) if spot in last else act


def _last_by_kind(output: Output) -> bool | None:
    """Decide from the kind of module whether channels lie last; None where the kind leaves it open."""
    module, shape = output.module, output.shape
    if len(shape) < 2 or isinstance(module, FIRST):
        return None if len(shape) < 2 else False
    if not isinstance(module, LAST) or not getattr(module, "batch_first", True):
        return None
    if output.spot[2] not in ("", "0"):  # attention's second part is its weights
        return None
    if isinstance(module, nn.LayerNorm | nn.RMSNorm):  # some move the channels there and back
        wanted = tuple(module.normalized_shape)
        return len(wanted) == 1 and shape[-1:] == wanted and not type(module).__name__.endswith("2d")
    return True


def _channel_axes(
    decided: Sequence[bool | None], outputs: Sequence[Output]
) -> dict[tuple[int, int], set[bool]]:
    """Collect, by number of axes and of channels, on which axis the decided tensors have their channels."""
    found: dict[tuple[int, int], set[bool]] = {}
    for last, output in zip(decided, outputs, strict=True):
        if last is not None:
            found.setdefault((len(output.shape), output.shape[-1 if last else 0]), set()).add(last)
    return found


def _last_by_channels(shape: tuple[int, ...], features: Mapping[tuple[int, int], set[bool]]) -> bool:
    """Decide from tensors with as many axes and as many channels whether channels lie last."""
    if len(shape) < 2:
        return False
    at_start, at_end = features.get((len(shape), shape[0]), ()), features.get((len(shape), shape[-1]), ())
    return True in at_end and False not in at_start
