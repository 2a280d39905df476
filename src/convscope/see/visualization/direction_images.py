"""Pictures for directions: what a layer would have to see so that its units answer in given proportions."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.nets import LayerAddress, Net
from convscope.see.features.recording import record_float32
from convscope.see.optimize.activations import direction
from convscope.see.optimize.gradient_flow import require_finite
from convscope.see.optimize.image_params.base import fft_image, pixel_image
from convscope.see.optimize.loop import OptimizerConfig, optimize_input
from convscope.see.optimize.objective import per_image
from convscope.see.optimize.transforms import Transform, Warp, single_warp
from convscope.see.visualization.visualization import seed_of

SIDE = 112
"""Pixels along each side of a picture where nothing else is asked: enough for an icon."""
SMALL, SHIFT = 64, 14
"""Pictures with a side below 64 must only survive moves of up to 1/14 of it: 2 pixels of 28."""


@dataclass(frozen=True)
class RenderConfig:
    """How to draw."""

    steps: int = 64
    lr: float = 0.1
    cosine_power: float | int = 2.0
    size: int | None = None
    batch: int = 16
    seed: int = 0


@dataclass(frozen=True, eq=False)
class RenderedDirections:
    """The pictures so far, `[n c ...]` in the contract's range; the last batch is under way."""

    images: Float[Tensor, "n *shape"]
    done: float
    """From 0 to 1."""
    unmoved: tuple[int, ...] = ()
    """Directions whose gradient was exactly 0 in every step: their pictures are noise."""


def iter_render_directions(
    net: Net, place: LayerAddress, vectors: Float[Tensor, "n c"], pencil: RenderConfig
) -> Iterator[RenderedDirections]:
    """A picture for each direction, in batches; yields after each step.

    Directions count by their angle alone. A picture depends on its own direction and number only, not on the
    batch.

    Raises:
        UsageError: the layer has no gradient with respect to the image (with steps above 0).
        ConvscopeError: a direction, a score or a picture is NaN or infinite.
    """
    require_finite(
        vectors, [f"direction {number} of {place}" for number in range(len(vectors))], "directions"
    )
    size = render_size(net, place, pencil.size)
    transforms = _transforms(size)
    wanted = torch.nn.functional.normalize(vectors.double(), dim=1)
    finished: list[Tensor] = []
    still: list[int] = []
    for first in range(0, len(wanted), pencil.batch):
        part = wanted[first : first + pencil.batch]
        goals = [direction(place, vector, cosine_power=pencil.cosine_power) for vector in part]
        seeds = [seed_of(pencil.seed, place) + first + i for i in range(len(part))]
        canvas = (fft_image if size else pixel_image)(net.contract, seeds, size=size, device=net.device)
        images, here = None, []
        for step in optimize_input(
            net,
            per_image(goals),
            canvas,
            steps=pencil.steps,
            config=_climb(pencil, size),
            transforms=transforms,
            generator=torch.Generator().manual_seed(pencil.seed),
        ):
            images = step.images.cpu()
            share = step.index / max(pencil.steps, 1)
            if step.index == pencil.steps > 0:
                here = [first + row for row in (~step.changed).nonzero().flatten().tolist()]
            done = (first + len(part) * share) / len(wanted)
            yield RenderedDirections(torch.cat([*finished, images]), done, (*still, *here))
        if images is not None:
            finished.append(images)
            still += here


def render_size(net: Net, place: LayerAddress, side: int | None = None) -> tuple[int, ...]:
    """The extent to draw at: what is asked for, a small one where the network takes it, else its own."""
    own = net.contract.size
    if side is not None:
        return (side,) * len(own)
    small = tuple(min(extent, SIDE) for extent in own)
    return small if small == own or _reaches(net, place, small) else own


def _reaches(net: Net, place: LayerAddress, size: tuple[int, ...]) -> bool:
    try:
        with torch.no_grad():
            record_float32(
                net, torch.full((1, net.contract.channels, *size), sum(net.contract.value_range) / 2), [place]
            )
    except (ConvscopeError, RuntimeError, ValueError, AssertionError):
        return False
    return True


def _climb(pencil: RenderConfig, size: tuple[int, ...]) -> OptimizerConfig:
    """Spectra go along the gradient itself: the same directions, with less grain, in half of Adam's steps."""
    if not size:
        return OptimizerConfig(lr=pencil.lr)
    return OptimizerConfig(lr=pencil.lr, optimizer="normalized_sgd", momentum=0.5, schedule="linear")


def _transforms(size: tuple[int, ...]) -> tuple[Transform, ...]:
    if not size or min(size) < SHIFT:
        return ()
    return single_warp() if min(size) >= SMALL else (Warp(min(size) // SHIFT),)
