"""Scores of images that are looked at tile by tile, with exact gradients and the memory of one tile.

A score that only adds up over positions needs one pass. Any other follows from sums over positions (a Gram
matrix) or from whole maps: a first pass without gradients gathers those, the score's gradient with respect to
them is taken once, and a second pass carries it to the image through one tile after another.

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
from convscope.see.optimize.activation_batch import ActivationBatch
from convscope.see.optimize.gradient_flow import no_gradient
from convscope.see.optimize.objective import Objective
from convscope.see.optimize.tiling.geometry import Tile, TileConfig, TilePlan, plan_tiles


def tiled_scores(
    net: Net,
    objective: Objective,
    looked_at: Float[Tensor, "b *size"],
    images: Float[Tensor, "b *shape"],
    tiles: TileConfig,
) -> Float[Tensor, " b"]:
    """What `objective(seen(net, looked_at, objective.places), images)` is, without ever looking at it whole.

    Differentiable with respect to both. Scores are taken to depend on their own image alone, as they do for
    all measures but those that keep pictures apart; of these the gradient of the sum is right.

    Args:
        net: any network.
        objective: bound to the network.
        looked_at: the images after their transforms, as the network is shown them.
        images: as the canvas made them, for penalties.
        tiles: how to cut.

    Raises:
        UsageError: a layer's map does not go with the image's size, or tiles are too small.
    """
    kind = looked_at.device.type
    looking = partial(torch.autocast, kind, torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind))
    with looking():
        plan = plan_tiles(net, objective.places, tuple(looked_at.shape[2:]), tiles)
    with torch.autocast(kind, enabled=False):
        return _InTiles.apply(looked_at, images, _TiledPass(net, objective, plan, looking))


def iter_tiled_activations(
    net: Net, images: Float[Tensor, "b *size"], places: Sequence[LayerAddress], tiles: TileConfig
) -> Iterator[ActivationBatch]:
    """What the network says in each tile at the positions that the tile owns, without gradients.

    Raises:
        UsageError: a layer's map does not go with the image's size, or tiles are too small.
    """
    if prod(images.shape[2:]) <= tiles.pixels:
        with torch.no_grad():
            found = record_float32(net, images, places)
        yield ActivationBatch(found, images)
        return
    plan = plan_tiles(net, places, tuple(images.shape[2:]), tiles)
    for tile in plan:
        with torch.no_grad():
            found = record_float32(net, _apart(images, tile), places)
        cut = {place: plan.crop_output(place, tile, act) for place, act in found.items()}
        yield ActivationBatch(cut, images, {place: plan.output_slices(place, tile) for place in places})


class _InTiles(torch.autograd.Function):
    """The gradient is found together with the scores, while each tile's activations are there."""

    @staticmethod
    def forward(ctx: Any, looked_at: Tensor, images: Tensor, work: "_TiledPass") -> Tensor:
        scores, gradients = work.done(looked_at.detach(), images.detach(), any(ctx.needs_input_grad))
        ctx.save_for_backward(*gradients)
        return scores

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        ones = [1] * (ctx.saved_tensors[0].dim() - 1)
        given = tuple(gradient * outer[0].view(-1, *ones) for gradient in ctx.saved_tensors)
        return (*given, None)


@dataclass
class _Gathered:
    """What the first pass brings: sums for each term that has them, whole maps for the rest."""

    sums: list[Tensor]
    maps: dict[LayerAddress, Tensor]

    def leaves(self) -> list[Tensor]:
        return [*self.sums, *self.maps.values()]


class _TiledPass:
    """The terms of an objective by what they need, and the passes over the tiles."""

    def __init__(
        self,
        net: Net,
        objective: Objective,
        plan: TilePlan,
        looking: Callable[[], AbstractContextManager[Any]],
    ) -> None:
        self.net, self.plan, self.looking, self.places = net, plan, looking, objective.places
        additive = [t for t in objective.terms if t.rows is None and t.term.additive]
        self.plain = [t for t in additive if t.term.additive == "plainly"]
        self.summed = [t for t in additive if t.term.additive == "sums"]
        rest = [t for t in objective.terms if t not in additive]
        self.rest = Objective(tuple(rest), objective.images)

    def done(
        self, looked_at: Tensor, images: Tensor, differentiate: bool
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Scores, and their gradients with respect to both."""
        gathered = self._gathered(looked_at, images)
        scores, outer, of_images = self._whole(gathered, images)
        if self.plain or (differentiate and gathered.leaves()):
            more, of_looked_at = self._passed(looked_at, images, outer, differentiate)
            return scores + more, (of_looked_at, of_images)
        return scores, (torch.zeros_like(looked_at), of_images)

    def _scenes(self, looked_at: Tensor, images: Tensor) -> Iterator[tuple[Tile, Tensor, ActivationBatch]]:
        """Tile after tile: its window, and what the network says there."""
        for tile in self.plan:
            window = _apart(looked_at, tile).requires_grad_(torch.is_grad_enabled())
            with self.looking():
                found = record_float32(self.net, window, self.places)
            if torch.is_grad_enabled() and not all(act.requires_grad for act in found.values()):
                cut_off = [str(place) for place, act in found.items() if not act.requires_grad]
                raise no_gradient(self.net, cut_off)
            cut = {place: self.plan.crop_output(place, tile, act) for place, act in found.items()}
            stretches = {place: self.plan.output_slices(place, tile) for place in self.places}
            yield tile, window, ActivationBatch(cut, images, stretches)

    @torch.no_grad()
    def _gathered(self, looked_at: Tensor, images: Tensor) -> _Gathered:
        sums: list[Tensor] = []
        maps: dict[LayerAddress, Tensor] = {}
        if not self.summed and not self.rest.places:
            return _Gathered(sums, maps)
        for _, _, scene in self._scenes(looked_at, images):
            found = [term.term.sums(scene) for term in self.summed]
            sums = [a + b for a, b in zip(sums, found, strict=True)] if sums else found
            for place in self.rest.places:
                here = scene[place]
                if place not in maps:
                    maps[place] = here.new_empty(*here.shape[:2], *scene.extent(place))
                maps[place][(..., *scene.window(place))] = here
        return _Gathered(sums, maps)

    @torch.enable_grad()
    def _whole(self, gathered: _Gathered, images: Tensor) -> tuple[Tensor, _Gathered, Tensor]:
        """The scores that need the whole, and their gradients with respect to what was gathered."""
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

    def _passed(
        self, looked_at: Tensor, images: Tensor, outer: _Gathered, differentiate: bool
    ) -> tuple[Tensor, Tensor]:
        """What adds up, and the gradient with respect to what is looked at."""
        scores, gradient = images.new_zeros(len(images)), torch.zeros_like(looked_at)
        with torch.set_grad_enabled(differentiate):
            for tile, window, scene in self._scenes(looked_at, images):
                added = self._added(scene)
                scores = scores + added.detach()
                if differentiate:
                    value = added.sum() + self._carried(scene, outer)
                    gradient[tile.window] += _slope(value, window)
        return scores, gradient

    def _added(self, scene: ActivationBatch) -> Tensor:
        total = scene.image.new_zeros(len(scene.image))
        for term in self.plain:
            total = total + term.weight * term.term.sums(scene)
        return total

    def _carried(self, scene: ActivationBatch, outer: _Gathered) -> Tensor:
        """A number whose slope is that of the scores that need the whole."""
        value = scene.image.new_zeros(())
        for term, slope in zip(self.summed, outer.sums, strict=True):
            value = value + (term.term.sums(scene) * slope).sum()
        for place, slope in outer.maps.items():
            value = value + (scene[place] * slope[(..., *scene.window(place))]).sum()
        return value


def _apart(images: Tensor, tile: Tile) -> Tensor:
    """A tile's window as images of their own, in the memory format of the whole."""
    last = images.dim() == 4 and images.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if last else torch.contiguous_format
    return images[tile.window].clone(memory_format=layout)


def _slope(value: Tensor, window: Tensor) -> Tensor:
    if not value.requires_grad:
        return torch.zeros_like(window)
    (gradient,) = torch.autograd.grad(value, window, allow_unused=True)
    return torch.zeros_like(window) if gradient is None else gradient
