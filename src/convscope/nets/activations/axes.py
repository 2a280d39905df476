"""Which axis of an activation counts units: the first after the batch, or, where there are tokens, the last.

Convolutions give `[b c h w]`; dense layers and layer norms that are put on every position give `[b ... c]`. A
unit is what one row of a layer's weights makes, so each kind of layer says itself where its units are; what
has no weights (sums, activation functions, whole blocks) takes after the layers whose output has the same
shape, or the same number of features.
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
LAST = (nn.Linear, nn.Bilinear, nn.Embedding, nn.LayerNorm, nn.RMSNorm, nn.MultiheadAttention)

Spot = tuple[str, int, str]
"""A tensor of a pass: its layer, the number of the call, its key in what the layer returns."""


@dataclass(frozen=True)
class Output:
    """One tensor that a layer returned."""

    spot: Spot
    shape: tuple[int, ...]
    """Without the batch axis."""
    module: nn.Module | None


def last_of(outputs: Sequence[Output]) -> frozenset[Spot]:
    """The tensors of a pass, in the order in which they came, whose units are on the last axis."""
    sure = [_says(output) for output in outputs]
    shapes: dict[tuple[int, ...], bool] = {}
    found: list[bool | None] = []
    for says, output in zip(sure, outputs, strict=True):
        if says is not None:
            shapes[output.shape] = says
        found.append(shapes.get(output.shape))
    later: dict[tuple[int, ...], bool] = {}
    for says, output in zip(reversed(sure), reversed(outputs), strict=True):
        if says is not None:
            later[output.shape] = says
    features = _features(sure, outputs)
    chosen = (
        says if says is not None else later.get(output.shape, _like(output.shape, features))
        for says, output in zip(found, outputs, strict=True)
    )
    return frozenset(
        output.spot for last, output in zip(chosen, outputs, strict=True) if last and len(output.shape) > 1
    )


def units_first(act: Tensor, spot: Spot, last: frozenset[Spot]) -> Tensor:
    """The activation as `[b c ...]`, a view where its units come last."""
    return act.movedim(-1, 1) if spot in last else act


def _says(output: Output) -> bool | None:
    """Whether units come last, for layers that decide it themselves."""
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


def _features(sure: Sequence[bool | None], outputs: Sequence[Output]) -> dict[tuple[int, int], set[bool]]:
    """By number of axes and of features: where those that are sure have them."""
    found: dict[tuple[int, int], set[bool]] = {}
    for says, output in zip(sure, outputs, strict=True):
        if says is not None:
            found.setdefault((len(output.shape), output.shape[-1 if says else 0]), set()).add(says)
    return found


def _like(shape: tuple[int, ...], features: Mapping[tuple[int, int], set[bool]]) -> bool:
    if len(shape) < 2:
        return False
    at_start, at_end = features.get((len(shape), shape[0]), ()), features.get((len(shape), shape[-1]), ())
    return True in at_end and False not in at_start
