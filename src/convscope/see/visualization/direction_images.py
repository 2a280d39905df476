"""Synthesise images for directions in a layer's activation space (activation vectors over its channels)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.nets import LayerAddress, Net, takes_network
from convscope.nets.network import is_out_of_memory
from convscope.see.features.recording import record_float32
from convscope.see.optimize.gradient_flow import require_finite
from convscope.see.optimize.image_params.base import fft_image, pixel_image
from convscope.see.optimize.loop import OptimizerConfig, optimize_input
from convscope.see.optimize.objectives.activations import direction
from convscope.see.optimize.objectives.objective import per_image
from convscope.see.optimize.transforms import Transform, Warp, single_warp
from convscope.see.visualization.visualization import seed_of
from convscope.system.counting import counted
from convscope.system.progress import Progress

SIDE = 112
"""Default side of a rendered image in pixels: enough for an icon."""
SMALL, SHIFT = 64, 14
"""Images with a side below `SMALL` pixels are only shifted, by up to 1/`SHIFT` of it: 2 pixels of 28."""


@dataclass(frozen=True)
class RenderConfig:
    """Settings for rendering directions.

    Attributes:
        steps: updates of each image.
        lr: learning rate.
        cosine_power: exponent of the cosine factor of the objective; 0 leaves the plain dot product.
        size: side of the images in pixels; None lets `render_size` choose.
        batch: number of images that are optimised together.
        seed: seed of the starting noise and of the transforms.
    """

    steps: int = 64
    lr: float = 0.1
    cosine_power: float | int = 2.0
    size: int | None = None
    batch: int = 16
    seed: int = 0


@dataclass(frozen=True, eq=False)
class RenderedDirections:
    """Images so far, `[n c ...]` in the spec's value range; the last batch may be unfinished."""

    images: Float[Tensor, "n *shape"]
    unmoved: tuple[int, ...] = ()
    """Indices of directions whose gradient was 0 in every step: their images are the starting noise."""
    not_raised: tuple[int, ...] = ()
    """Indices of the other directions whose score is no higher at the end than for the starting noise."""


@takes_network
def iter_render_directions(
    net: Net, place: LayerAddress, vectors: Float[Tensor, "n c"], render_config: RenderConfig
) -> Iterator[Progress[RenderedDirections]]:
    """Synthesise an image for each direction by gradient ascent, in batches, yielding after each step.

    Directions are normalised to length 1. An image depends on its own direction and index only, not on the
    batch.

    Args:
        net: the network; its weights are not changed.
        place: the layer whose activations are projected on the directions.
        vectors: directions `[n c]` over the layer's channels.
        render_config: settings of the optimisation.

    Yields:
        The progress with the images so far, and which of them were never updated.

    Raises:
        UsageError: the layer has no gradient with respect to the image (with steps above 0).
        ConvscopeError: a direction, a score or an image is NaN or infinite.
    """
    require_finite(
        vectors, [f"direction {number} of {place}" for number in range(len(vectors))], "directions"
    )
    size = render_size(net, place, render_config.size)
    directions = torch.nn.functional.normalize(vectors.double(), dim=1)
    batches: list[RenderedDirections] = []
    for first in range(0, len(directions), render_config.batch):
        part = directions[first : first + render_config.batch]
        so_far = batches
        for share, rendered in _iter_batch(net, place, part, first, render_config, size):
            so_far = [*batches, rendered]
            yield Progress(
                (first + len(part) * share) / len(directions),
                f"{first + len(part)} of {counted(len(directions), 'image')}",
                partial(_joined, so_far),
            )
        batches = so_far


def _iter_batch(
    net: Net,
    place: LayerAddress,
    directions: Float[Tensor, "n c"],
    first: int,
    render_config: RenderConfig,
    size: tuple[int, ...],
) -> Iterator[tuple[float, RenderedDirections]]:
    """Render some directions, those from the index `first` on; yield the share of the steps done, too."""
    goals = [direction(place, vector, cosine_power=render_config.cosine_power) for vector in directions]
    seeds = [seed_of(render_config.seed, place) + first + i for i in range(len(directions))]
    params = (fft_image if size else pixel_image)(net.input_spec, seeds, size=size, device=net.device)
    start, unmoved, not_raised = None, (), ()
    for step in optimize_input(
        net,
        per_image(goals),
        params,
        steps=render_config.steps,
        config=_optimizer_config(render_config, size),
        transforms=_transforms(size),
        generator=torch.Generator().manual_seed(render_config.seed),
    ):
        start = step.scores if start is None else start
        if step.index == render_config.steps > 0:
            unmoved = _indices(~step.changed, first)
            not_raised = _indices(step.changed & (step.scores <= start), first)
        share = step.index / max(render_config.steps, 1)
        yield share, RenderedDirections(step.images.cpu(), unmoved, not_raised)


def _indices(chosen: Bool[Tensor, " n"], first: int) -> tuple[int, ...]:
    return tuple(first + row for row in chosen.nonzero().flatten().tolist())


def _joined(batches: Sequence[RenderedDirections]) -> RenderedDirections:
    return RenderedDirections(
        torch.cat([batch.images for batch in batches]),
        tuple(index for batch in batches for index in batch.unmoved),
        tuple(index for batch in batches for index in batch.not_raised),
    )


def render_size(net: Net, place: LayerAddress, side: int | None = None) -> tuple[int, ...]:
    """Return the spatial extent at which to render images for a layer.

    Args:
        net: the network.
        place: the layer that a forward pass must reach.
        side: the requested side in pixels, used for every axis; None to choose.

    Returns:
        `side` for every axis if it is given; else the spec's size, of images limited to `SIDE` pixels if the
        network runs at that size.
    """
    own = net.input_spec.size
    if side is not None:
        return (side,) * len(own)
    small = tuple(min(extent, SIDE) for extent in own) if net.input_spec.sample_rate is None else own
    return small if small == own or _reaches(net, place, small) else own


def _reaches(net: Net, place: LayerAddress, size: tuple[int, ...]) -> bool:
    """Return whether a forward pass at this size reaches the layer."""
    try:
        with torch.no_grad():
            record_float32(
                net,
                torch.full((1, net.input_spec.channels, *size), sum(net.input_spec.value_range) / 2),
                [place],
            )
    except (ConvscopeError, RuntimeError, ValueError, AssertionError) as error:
        if is_out_of_memory(error):
            raise
        return False
    return True


def _optimizer_config(render_config: RenderConfig, size: tuple[int, ...]) -> OptimizerConfig:
    """Return the optimizer settings: normalised SGD for Fourier parameters, Adam for plain vectors.

    On spectra, normalised SGD gives the same images as Adam with less grain, in half the steps.
    """
    if not size:
        return OptimizerConfig(lr=render_config.lr)
    return OptimizerConfig(lr=render_config.lr, optimizer="normalized_sgd", momentum=0.5, schedule="linear")


def _transforms(size: tuple[int, ...]) -> tuple[Transform, ...]:
    """Return the random transforms for images of this size."""
    if not size or min(size) < SHIFT:
        return ()
    return single_warp() if min(size) >= SMALL else (Warp(min(size) // SHIFT),)
