"""An activation atlas: everything a layer says to real pictures, laid out by likeness and drawn by the layer.

Source: Carter, Armstrong, Schubert, Johnson and Olah 2019, "Activation Atlas", Distill,
doi:10.23915/distill.00015.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from convscope.errors import UsageError
from convscope.iteration import last_result
from convscope.nets import Net, frozen, resolve
from convscope.see.activation_atlas.class_attribution import direction_to_logits
from convscope.see.activation_atlas.layout import check, embed_2d
from convscope.see.activation_atlas.recipe import AtlasRecipe as Recipe
from convscope.see.features.sampling import ActivationSample, iter_sample_activations
from convscope.see.optimize.gradient_flow import check_reached, require_finite
from convscope.see.visualization.direction_images import (
    RenderConfig,
    RenderedDirections,
    iter_render_directions,
)
from convscope.worlds.dataset import LabelledImages, scaled

PER_CELL = 12
"""Vectors that a cell holds on average, where the grid is not given."""
ASKED = 12
"""Pictures of each cell that are asked what the cell speaks for."""
AT_ONCE = 16
"""Pictures that are asked at once."""
SHRINK = 0.05
"""Share of the mean variance that is added before inverting, so that rare directions do not explode."""
NAMED = 3
"""Classes that are named for each cell at most."""
AGREED = 5
"""A class is named if two halves of the asked pictures have it among this many; fewer where classes are few.

In middle layers the halves seldom agree on any: what a vector adds there depends on the rest of the picture.
"""


@dataclass(frozen=True)
class CellExample:
    """A real position in a cell: the picture's number and class, and where on it, from 0 to 1 (y, x)."""

    image: int
    label: int
    position: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Cell:
    """Activation vectors that lie close together.

    Attributes:
        row: from the top.
        column: from the left.
        count: how many vectors.
        mean: their mean.
        direction: what is drawn: the mean, whitened if the recipe says so.
        top_logit_classes: classes (unit of the result, name) and what the vectors add to their logits, most first;
            none where two halves of the pictures that were asked do not agree.
        overrepresented_class: the class of the data whose pictures are here most above their share: its name, its share of
            the pictures here, and how many times its share of all that is; None where there is one class.
        sights: the real positions nearest to the mean in angle.
    """

    row: int
    column: int
    count: int
    mean: Float[Tensor, " c"]
    direction: Float[Tensor, " c"]
    top_logit_classes: tuple[tuple[int, str, float], ...]
    examples: tuple[CellExample, ...]
    overrepresented_class: tuple[str, float, float] | None = None


@dataclass(frozen=True, eq=False)
class Atlas:
    """The map.

    Attributes:
        place: the layer.
        grid: cells along each side.
        cells: those with enough vectors, row by row.
        images: a picture for each of the first cells, `[n c ...]` in the contract's range; at last for all.
        vectors: how many there were.
        placed: how many of them lie in the cells.
        layout: how the vectors came to where they lie, in words.
        unmoved: cells, counted from 0, whose gradient was exactly 0 in every step: their pictures are noise.
    """

    place: str
    grid: int
    cells: tuple[Cell, ...]
    images: Float[Tensor, "n *shape"]
    vectors: int
    placed: int
    layout: str
    unmoved: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.cells)


@dataclass(frozen=True, eq=False)
class AtlasProgress:
    """How far the atlas is; from the moment when cells are drawn, what there is of it."""

    done: float
    """From 0 to 1."""
    note: str
    atlas: Callable[[], Atlas] | None = None
    pictures: int = 0
    """Whose answers have been collected so far, while they are; then 0."""


def atlas(net: Net, layer: str, data: LabelledImages, **recipe: object) -> Atlas:
    """Collect, lay out and draw what a layer says to real pictures.

    Args:
        net: any network with one input.
        layer: which layer.
        data: real pictures of the network's input shape.
        **recipe: fields of the recipe: `layout`, `grid`, `each`, `steps`, ...

    Raises:
        PlaceError: the layer is not in this network.
        MissingError: UMAP is not installed, and no other layout was asked for.
        UsageError: there are too few pictures, or the layer has no gradient with respect to them.
        ConvscopeError: the layer's activations are NaN or infinite.
    """
    wanted = Recipe.parse({"net": net.name, "layer": layer, "data": data.name, **recipe})
    with frozen(net.module):
        finished = last_result(iter_atlas(net, data, wanted), "an atlas").atlas
    if finished is None:
        raise UsageError("pictures", received="none")
    return finished()


def iter_atlas(
    net: Net, data: LabelledImages, recipe: Recipe, *, enough: Callable[[], bool] = lambda: False
) -> Iterator[AtlasProgress]:
    """As `atlas`, telling how far it is; can be stopped at any time, and keeps the cells drawn so far.

    Once `enough` says so, no more is collected, and the atlas is made of what there is.
    """
    check(recipe.layout)
    place = resolve(net, recipe.layer).layer_only
    if recipe.steps:
        check_reached(net, [place], net.example() if len(net.contracts) == 1 else net.example()[0])
    vectors = None
    for step in iter_sample_activations(
        net, data, place, most=recipe.images, each=recipe.per_image, seed=recipe.seed, enough=enough
    ):
        note = f"{step.done:,} of {step.total:,} pictures"
        yield AtlasProgress(0.2 * step.done / step.total, note, pictures=step.done)
        vectors = step.vectors
    if vectors is None:
        raise UsageError("pictures", received="none")
    require_finite(vectors.values, [f"picture {n}" for n in vectors.images.tolist()], "activations")
    yield AtlasProgress(0.2, f"laying out {len(vectors):,} vectors")
    plan = _plan(net, data, vectors, recipe)
    for share in _naming(net, data, plan):
        yield AtlasProgress(0.25 + 0.15 * share, f"asking what {len(plan.cells)} cells speak for")
    pencil = RenderConfig(
        recipe.steps, recipe.lr, recipe.cosine_power, recipe.size, recipe.batch, recipe.seed
    )
    for drawn in iter_render_directions(
        net, place, torch.stack([cell.direction for cell in plan.cells]), pencil
    ):
        note = f"{len(drawn.images)} of {len(plan.cells)} cells"
        yield AtlasProgress(0.4 + 0.6 * drawn.done, note, lambda drawn=drawn: plan.atlas(drawn))


@dataclass(eq=False)
class _Plan:
    """What is known before cells are drawn."""

    recipe: Recipe
    place: str
    vectors: ActivationSample
    grid: int
    layout: str
    members: list[Tensor]
    cells: list[Cell]

    def atlas(self, drawn: RenderedDirections) -> Atlas:
        placed = sum(cell.count for cell in self.cells)
        return Atlas(
            self.place,
            self.grid,
            tuple(self.cells),
            drawn.images,
            len(self.vectors),
            placed,
            self.layout,
            drawn.unmoved,
        )


def _plan(net: Net, data: LabelledImages, vectors: ActivationSample, recipe: Recipe) -> _Plan:
    laid = embed_2d(vectors.values, recipe.layout, recipe.seed)
    grid = recipe.grid or max(2, min(40, round(sqrt(len(vectors) / PER_CELL))))
    column, row = (laid.points * grid).long().clamp_max(grid - 1).unbind(1)
    number = (grid - 1 - row) * grid + column  # the layout's y grows upwards
    groups = [(k, (number == k).nonzero().flatten()) for k in number.unique().tolist()]
    groups = [(k, group) for k, group in groups if len(group) >= recipe.min_count]
    if not groups:
        raise UsageError(
            f"a cell with {recipe.min_count} vectors",
            received=f"{len(vectors)} vectors on {grid}x{grid} cells",
            hint="Take more images, more of each (--per-image 8), a coarser --grid, a smaller --min-count.",
        )
    means = torch.stack([vectors.values[group].mean(0) for _, group in groups])
    directions = whitened(means, vectors.values) if recipe.whiten else means
    cells = [
        Cell(
            k // grid,
            k % grid,
            len(group),
            mean,
            direction,
            (),
            _sights(data, vectors, group, mean, recipe.examples),
            _found_in(data, vectors, group),
        )
        for (k, group), mean, direction in zip(groups, means, directions, strict=True)
    ]
    members = [group for _, group in groups]
    return _Plan(recipe, str(resolve(net, recipe.layer).layer_only), vectors, grid, laid.note, members, cells)


def whitened(means: Float[Tensor, "k c"], vectors: Float[Tensor, "n c"]) -> Float[Tensor, "k c"]:
    """Means times the inverse of the vectors' second moment, a little of its trace added to the diagonal.

    Directions that all vectors share count less, so that cells show what sets them apart.
    """
    values = vectors.double()
    moment = values.T @ values / len(values)
    ridge = SHRINK * moment.diagonal().mean().clamp_min(1e-30)
    moment.diagonal().add_(ridge)
    return torch.linalg.solve(moment, means.double().T).T.to(means.dtype)


def _nearest(vectors: ActivationSample, group: Tensor, mean: Tensor) -> Tensor:
    """The group's members, the one with the most similar angle first, one for each picture."""
    closeness = normalize(vectors.values[group], dim=1) @ normalize(mean, dim=0)
    order = group[closeness.argsort(descending=True, stable=True)]
    seen: dict[int, int] = {}
    for member in order.tolist():
        seen.setdefault(int(vectors.images[member]), member)
    return torch.tensor(list(seen.values()))


def _sights(
    data: LabelledImages, vectors: ActivationSample, group: Tensor, mean: Tensor, count: int
) -> tuple[CellExample, ...]:
    sights = []
    for member in _nearest(vectors, group, mean)[:count].tolist():
        image = int(vectors.images[member])
        places = zip(vectors.positions[member].tolist(), vectors.extent, strict=True)
        sights.append(
            CellExample(image, int(data.labels[image]), tuple((p + 0.5) / size for p, size in places))
        )
    return tuple(sights)


def _found_in(
    data: LabelledImages, vectors: ActivationSample, group: Tensor
) -> tuple[str, float, float] | None:
    """Each picture counts once, however many of its positions are here."""
    if len(data.classes) < 2:
        return None
    here, everywhere = (
        torch.bincount(data.labels[images.unique()], minlength=len(data.classes)).double()
        for images in (vectors.images[group], vectors.images)
    )
    shares, usual = here / here.sum(), everywhere / everywhere.sum()
    sure = (here + usual) / (here.sum() + 1)  # as if one more picture were as usual: few pictures say little
    best = int((sure / usual.clamp_min(1e-12)).argmax())
    return data.classes[best], float(shares[best]), float(shares[best] / usual[best])


def _naming(net: Net, data: LabelledImages, plan: _Plan) -> Iterator[float]:
    """Find the classes each cell speaks for, where the result's units have names; yields the share done."""
    if not net.labels:
        return
    place = resolve(net, plan.place)
    nearest = [
        _nearest(plan.vectors, group, cell.mean)[:ASKED]
        for group, cell in zip(plan.members, plan.cells, strict=True)
    ]
    owners = torch.tensor([number for number, members in enumerate(nearest) for _ in members])
    halves = torch.cat([torch.arange(len(members)) % 2 for members in nearest])
    members, sums = torch.cat(nearest), torch.zeros(2, len(plan.cells), len(net.labels))
    for first in range(0, len(members), AT_ONCE):
        asked = members[first : first + AT_ONCE]
        images = scaled(data.batch(plan.vectors.images[asked]), net.contract)
        found = direction_to_logits(net, place, images, plan.vectors.positions[asked])
        if found is None or found.shape[1] != len(net.labels):
            return
        part = slice(first, first + AT_ONCE)
        sums.index_put_((halves[part], owners[part]), found, accumulate=True)
        yield min(1.0, (first + AT_ONCE) / len(members))
    means = sums.sum(0) / owners.bincount()[:, None]
    for number, (cell, mean) in enumerate(zip(plan.cells, means, strict=True)):
        units = stable_classes(mean, sums[:, number])
        spoken = tuple((unit, net.labels[unit], float(mean[unit])) for unit in units)
        plan.cells[number] = replace(cell, top_logit_classes=spoken)


def stable_classes(mean: Float[Tensor, " k"], halves: Float[Tensor, "2 k"]) -> list[int]:
    """The classes with the largest mean among those that both halves have among their largest."""
    count = max(1, min(AGREED, len(mean) // 20))
    first, second = (set(half.topk(count).indices.tolist()) if bool(half.any()) else set() for half in halves)
    return sorted(first & second, key=lambda unit: float(mean[unit]), reverse=True)[:NAMED]
