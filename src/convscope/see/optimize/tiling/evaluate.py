"""Scores and exact gradients of large images, evaluated tile by tile with the memory of one tile.

A score that is a sum over positions needs one pass. Any other follows from sums over positions (a Gram
matrix) or from whole maps: a first pass without gradients gathers those, the score's gradient with respect to
them is computed once, and a second pass propagates it to the image through one tile after another.

Source: the second pass is checkpointing over space instead of depth (Chen et al. 2016, Training Deep Nets
with Sublinear Memory Cost, arXiv:1604.06174).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.nets import LayerAddress, Net
from convscope.see.features.recording import record_float32
from convscope.see.optimize.gradient_flow import no_gradient
from convscope.see.optimize.objectives.activation_batch import ActivationBatch
from convscope.see.optimize.objectives.objective import Objective
from convscope.see.optimize.tiling.geometry import Tile, TileConfig, TilePlan, plan_tiles


def tiled_scores(
    net: Net,
    objective: Objective,
    looked_at: Float[Tensor, "b *size"],
    images: Float[Tensor, "b *shape"],
    tiles: TileConfig,
) -> Float[Tensor, " b"]:
    """Score images tile by tile: `objective(record_float32(net, looked_at, objective.places), images)`.

    Differentiable with respect to `looked_at` and `images`. Each score is taken to depend on its own image
    alone, as it does for all terms but `Diversity`; there the gradient is that of the sum of scores.

    Args:
        net: any network.
        objective: resolved for the network.
        looked_at: the network's input: the images after their transforms.
        images: as the parameterization decoded them, for regularizers.
        tiles: how to cut.

    Returns:
        One score for each image.

    Raises:
        UsageError: a layer's map does not scale with the image's size, or tiles are too small.
    """
    kind = looked_at.device.type
    autocast = partial(torch.autocast, kind, torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind))
    with autocast():
        plan = plan_tiles(net, objective.places, tuple(looked_at.shape[2:]), tiles)
    with torch.autocast(kind, enabled=False):
        return _TiledScores.apply(looked_at, images, _TiledPass(net, objective, plan, autocast))


def iter_tiled_activations(
    net: Net, images: Float[Tensor, "b *size"], places: Sequence[LayerAddress], tiles: TileConfig
) -> Iterator[ActivationBatch]:
    """Iterate over the tiles of large images, with the activations of each tile's own positions.

    Without gradients. Images that fit into one tile are run whole.

    Args:
        net: any network.
        images: in the spec's range.
        places: the layers to record.
        tiles: how to cut.

    Yields:
        A batch for each tile; over all of them, every position of a layer's map occurs once.

    Raises:
        UsageError: a layer's map does not scale with the image's size, or tiles are too small.
    """
    if prod(images.shape[2:]) <= tiles.pixels:
        with torch.no_grad():
            found = record_float32(net, images, places)
        yield ActivationBatch(found, images)
        return
    plan = plan_tiles(net, places, tuple(images.shape[2:]), tiles)
    for tile in plan:
        with torch.no_grad():
            found = record_float32(net, _crop(images, tile), places)
        cut = {place: plan.crop_output(place, tile, act) for place, act in found.items()}
        yield ActivationBatch(cut, images, {place: plan.output_slices(place, tile) for place in places})


class _TiledScores(torch.autograd.Function):
    """Computes the gradient together with the scores, while each tile's activations are in memory."""

    @staticmethod
    def forward(ctx: Any, looked_at: Tensor, images: Tensor, work: "_TiledPass") -> Tensor:
        scores, gradients = work.run(looked_at.detach(), images.detach(), any(ctx.needs_input_grad))
        ctx.save_for_backward(*gradients)
        return scores

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        ones = [1] * (ctx.saved_tensors[0].dim() - 1)
        given = tuple(gradient * outer[0].view(-1, *ones) for gradient in ctx.saved_tensors)
        return (*given, None)


@dataclass
class _Gathered:
    """Sums for each term that has them and whole maps for the others; or their gradients."""

    sums: list[Tensor]
    maps: dict[LayerAddress, Tensor]

    def leaves(self) -> list[Tensor]:
        """Return all tensors, sums first."""
        return [*self.sums, *self.maps.values()]


class _TiledPass:
    """The terms of an objective, grouped by what they need, and the passes over the tiles."""

    def __init__(
        self,
        net: Net,
        objective: Objective,
        plan: TilePlan,
        autocast: Callable[[], AbstractContextManager[Any]],
    ) -> None:
        self.net, self.plan, self.autocast, self.places = net, plan, autocast, objective.places
        additive = [t for t in objective.terms if t.rows is None and t.term.additive]
        self.plain = [t for t in additive if t.term.additive == "plainly"]
        self.summed = [t for t in additive if t.term.additive == "sums"]
        rest = [t for t in objective.terms if t not in additive]
        self.rest = Objective(tuple(rest), objective.images)

    def run(
        self, looked_at: Tensor, images: Tensor, differentiate: bool
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the scores, and the gradients of their sum for the network's input and for the images."""
        gathered = self._first_pass(looked_at, images)
        scores, outer, of_images = self._score_gathered(gathered, images)
        if self.plain or (differentiate and gathered.leaves()):
            more, of_looked_at = self._second_pass(looked_at, images, outer, differentiate)
            return scores + more, (of_looked_at, of_images)
        return scores, (torch.zeros_like(looked_at), of_images)

    def _tile_batches(
        self, looked_at: Tensor, images: Tensor
    ) -> Iterator[tuple[Tile, Tensor, ActivationBatch]]:
        """Run the network tile by tile; yield each tile, its input, and the activations of its core."""
        for tile in self.plan:
            window = _crop(looked_at, tile).requires_grad_(torch.is_grad_enabled())
            with self.autocast():
                found = record_float32(self.net, window, self.places)
            if torch.is_grad_enabled() and not all(act.requires_grad for act in found.values()):
                cut_off = [str(place) for place, act in found.items() if not act.requires_grad]
                raise no_gradient(self.net, cut_off)
            cut = {place: self.plan.crop_output(place, tile, act) for place, act in found.items()}
            slices = {place: self.plan.output_slices(place, tile) for place in self.places}
            yield tile, window, ActivationBatch(cut, images, slices)

    @torch.no_grad()
    def _first_pass(self, looked_at: Tensor, images: Tensor) -> _Gathered:
        """Add up the sums over all tiles, and assemble the whole maps that are needed."""
        sums: list[Tensor] = []
        maps: dict[LayerAddress, Tensor] = {}
        if not self.summed and not self.rest.places:
            return _Gathered(sums, maps)
        for _, _, scene in self._tile_batches(looked_at, images):
            found = [term.term.sums(scene) for term in self.summed]
            sums = [a + b for a, b in zip(sums, found, strict=True)] if sums else found
            for place in self.rest.places:
                here = scene[place]
                if place not in maps:
                    maps[place] = here.new_empty(*here.shape[:2], *scene.extent(place))
                maps[place][(..., *scene.window(place))] = here
        return _Gathered(sums, maps)

    @torch.enable_grad()
    def _score_gathered(self, gathered: _Gathered, images: Tensor) -> tuple[Tensor, _Gathered, Tensor]:
        """Return the scores of gathered sums and maps, and their gradients for these and for the images."""
        image = images.clone().requires_grad_()
        leaves = [leaf.requires_grad_() for leaf in gathered.leaves()]
        scores = self.rest(gathered.maps, image) if self.rest.terms else image.new_zeros(len(image))
        for term, sums in zip(self.summed, gathered.sums, strict=True):
            scores = scores + term.weight * term.term.from_sums(sums)
        if not scores.requires_grad:
            return scores, gathered, torch.zeros_like(images)
        *outer, of_images = torch.autograd.grad(
            scores.sum(), [*leaves, image], allow_unused=True, materialize_grads=True
        )
        count = len(gathered.sums)
        maps = dict(zip(gathered.maps, outer[count:], strict=True))
        return scores.detach(), _Gathered(outer[:count], maps), of_images

    def _second_pass(
        self, looked_at: Tensor, images: Tensor, outer: _Gathered, differentiate: bool
    ) -> tuple[Tensor, Tensor]:
        """Return the additive scores, and the gradient of all scores with respect to the network's input."""
        scores, gradient = images.new_zeros(len(images)), torch.zeros_like(looked_at)
        with torch.set_grad_enabled(differentiate):
            for tile, window, scene in self._tile_batches(looked_at, images):
                added = self._additive_scores(scene)
                scores = scores + added.detach()
                if differentiate:
                    value = added.sum() + self._surrogate(scene, outer)
                    gradient[tile.window] += _input_gradient(value, window)
        return scores, gradient

    def _additive_scores(self, scene: ActivationBatch) -> Tensor:
        """Return the tile's share of the terms that are plain sums over positions."""
        total = scene.image.new_zeros(len(scene.image))
        for term in self.plain:
            total = total + term.weight * term.term.sums(scene)
        return total

    def _surrogate(self, scene: ActivationBatch, outer: _Gathered) -> Tensor:
        """Return a number whose gradient is that of the gathered scores, restricted to this tile."""
        value = scene.image.new_zeros(())
        for term, gradient in zip(self.summed, outer.sums, strict=True):
            value = value + (term.term.sums(scene) * gradient).sum()
        for place, gradient in outer.maps.items():
            value = value + (scene[place] * gradient[(..., *scene.window(place))]).sum()
        return value


def _crop(images: Tensor, tile: Tile) -> Tensor:
    """Copy a tile's window out of the images, in their memory format."""
    last = images.dim() == 4 and images.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if last else torch.contiguous_format
    return images[tile.window].clone(memory_format=layout)


def _input_gradient(value: Tensor, window: Tensor) -> Tensor:
    """Return the gradient with respect to the tile's input; zeros where there is none."""
    if not value.requires_grad:
        return torch.zeros_like(window)
    (gradient,) = torch.autograd.grad(value, window, allow_unused=True)
    return torch.zeros_like(window) if gradient is None else gradient
