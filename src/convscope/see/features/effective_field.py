"""Effective receptive field: how strongly each input pixel influences a unit, measured by its gradient."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import PlaceError
from convscope.nets import LayerAddress, Net, frozen, resolve, takes_network
from convscope.recipe.result import Result
from convscope.see.features.recording import record_float32
from convscope.see.optimize.gradient_flow import differentiable, no_gradient, require_finite
from convscope.worlds import InputLike, open_inputs

EDGE = 1 - 0.9545
"""Pixels with more than this share of the largest influence count as part of the effective field."""


@dataclass(frozen=True, eq=False)
class EffectiveReceptiveField(Result):
    """The influence of each input pixel on a unit, averaged over images.

    Attributes:
        place: the unit or layer, with the position that was measured.
        influence: mean over the images of |gradient|, summed over channels, divided by its total so that it
            sums to 1; all 0 where every gradient is 0.
        images: how many images were averaged.
    """

    place: str
    influence: Float[Tensor, "*size"]
    images: int

    @property
    def size(self) -> float:
        """Side in pixels of a square (in one dimension: length) of the same area as the effective field.

        The field holds the pixels whose influence exceeds 4.55% of the largest, within 2 standard deviations
        where influence is Gaussian.

        Source: Luo, Li, Urtasun and Zemel 2016, Understanding the Effective Receptive Field in Deep
            Convolutional Neural Networks, section 3, arXiv:1701.04128; they compare with the centre, which is
            the largest there.
        """
        peak = float(self.influence.max()) if self.influence.numel() else 0.0
        count = int((self.influence > EDGE * peak).sum()) if peak > 0 else 0
        return count ** (1 / self.influence.dim()) if self.influence.dim() else float(count)

    @property
    def box(self) -> tuple[tuple[float, float], ...]:
        """Interval along each axis, in pixels: mean position of the influence -+ 2 standard deviations.

        Clipped to the input; `()` where there is no influence.
        """
        if float(self.influence.sum()) == 0:
            return ()
        spans = []
        for axis, extent in enumerate(self.influence.shape):
            others = [a for a in range(self.influence.dim()) if a != axis]
            share = self.influence.sum(others) if others else self.influence
            at = torch.arange(extent, dtype=share.dtype) + 0.5
            middle = float((share * at).sum())
            reach = 2 * sqrt(max(float((share * (at - middle).square()).sum()), 0.0))
            spans.append((max(0.0, middle - reach), min(float(extent), middle + reach)))
        return tuple(spans)


@takes_network
def effective_receptive_field(
    net: Net,
    place: str | LayerAddress,
    images: InputLike | Sequence[InputLike],
    *,
    batch: int = 16,
    seed: int = 0,
) -> EffectiveReceptiveField:
    """Measure the effective receptive field of a unit at one position.

    Differentiates the activation at that position with respect to the input. For a whole layer the gradient
    is that of a sum over its units with random signs, so that units do not cancel. Saturated and inactive
    units pass no gradient: take several images.

    Args:
        net: any network, or its name; its state is restored afterwards.
        place: a unit or a layer, either with a position; the middle of the map if it has none.
        images: one or more, as `worlds.open_inputs` takes them; natural images or noise.
        batch: images for each pass.
        seed: of the random signs.

    Returns:
        The influence of each pixel, averaged over `images`.

    Raises:
        PlaceError: the place is not in this network, or its position is outside of the map.
        DataError: an image cannot be read or does not fit.
        UsageError: the place has no gradient with respect to them.
        ConvscopeError: a gradient is NaN or infinite.
    """
    (images,) = open_inputs(images, net.input_specs[:1])
    wanted = resolve(net, place, check_position=False)
    total = torch.zeros(images.shape[2:], dtype=torch.float64)
    generator, position = torch.Generator().manual_seed(seed), wanted.position
    for part in images.split(batch):
        inputs = part.detach().clone().requires_grad_()
        with frozen(net.module), torch.enable_grad():
            act = record_float32(net, inputs, [wanted.layer_only])[wanted.layer_only]
            position = _position(wanted, act)
            chosen = act[(slice(None), slice(None), *position)]
            signs = torch.randint(0, 2, chosen.shape[1:], generator=generator).to(chosen) * 2 - 1
            value = chosen[:, wanted.unit] if isinstance(wanted.unit, int) else (chosen * signs).sum(1)
            if not differentiable(value, [inputs]):
                raise no_gradient(net, [str(wanted)], [value])
            require_finite(value, [str(wanted)] * len(value), "activations")
            gradient = _gradient(value, inputs)
            require_finite(gradient, [str(wanted)] * len(gradient), "gradients")
        total += gradient.abs().sum((0, 1)).double().cpu()
    share = total / total.sum() if float(total.sum()) > 0 else total
    at = f"@{','.join(map(str, position))}" if position else ""
    return EffectiveReceptiveField(
        f"{LayerAddress(wanted.layer, wanted.call, wanted.key, wanted.unit)}{at}", share, len(images)
    )


def _gradient(value: Float[Tensor, " b"], inputs: Float[Tensor, "b *shape"]) -> Float[Tensor, "b *shape"]:
    (gradient,) = torch.autograd.grad(value.sum(), inputs, allow_unused=True)
    return torch.zeros_like(inputs) if gradient is None else gradient


def _position(place: LayerAddress, act: Float[Tensor, "b u *size"]) -> tuple[int, ...]:
    """Return the place's position, checked against the map; the middle of the map where it has none."""
    size = tuple(act.shape[2:])
    if place.position is None:
        return tuple(extent // 2 for extent in size)
    if len(place.position) != len(size) or any(p >= s for p, s in zip(place.position, size, strict=True)):
        raise PlaceError(
            f"a position on a map of {size}",
            received=str(place),
            hint="Leave the position out for the middle of the map.",
        )
    return place.position
