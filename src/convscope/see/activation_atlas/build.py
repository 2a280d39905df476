"""Activation atlases: activation vectors of real images on a 2D grid, with a synthetic image for each cell.

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
from convscope.nets import Net, NetLike, as_net, frozen, resolve
from convscope.result import Result
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
from convscope.system.progress import Progress, last_result
from convscope.worlds import DataLike, open_labelled
from convscope.worlds.dataset import LabelledImages, scaled

COLLECTED = 0.2
"""Estimated share of collecting activations in the duration of an atlas."""
PER_CELL = 12
"""Number of vectors in a cell on average, where the grid is not given."""
ATTRIBUTED = 12
"""Number of images of each cell whose attributions to the classes are computed."""
AT_ONCE = 16
"""Number of images per forward pass of the class attribution."""
SHRINK = 0.05
"""Share of the mean variance that is added before inverting, so that rare directions do not dominate."""
NAMED = 3
"""Maximum number of classes that are named for each cell."""
AGREED = 5
"""A class is named if it is among this many largest in both halves of a cell's images; where there are fewer
than 100 classes, among the largest twentieth.

In middle layers the halves seldom agree: there the attribution of a vector depends on the rest of the image.
"""


@dataclass(frozen=True)
class CellExample:
    """A real image position whose activation vector lies in a cell.

    Attributes:
        image: index of the image.
        label: its class.
        position: position in the image, relative to its extent, from 0 to 1 (y, x).
    """

    image: int
    label: int
    position: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Cell:
    """A cell of the grid: activation vectors that are close together in the layout.

    Attributes:
        row: from the top, from 0.
        column: from the left, from 0.
        count: number of vectors.
        mean: mean of the vectors.
        direction: direction for which the image is synthesised: the mean, whitened if the recipe says so.
        top_logit_classes: classes to which the vectors contribute most: unit of the output, name and mean
            contribution to the logit, in descending order; empty where two halves of the images do not agree.
        examples: the real positions whose vectors have the smallest angle to the mean.
        overrepresented_class: the class of the data that is most overrepresented among the cell's images: its
            name, its share of the images here, and the ratio of that to its share of all images; None where
            there are fewer than two classes.
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
class Atlas(Result):
    """An activation atlas.

    Attributes:
        place: the layer.
        grid: number of cells along each side.
        cells: cells with enough vectors, row by row.
        images: synthetic images of the first cells, `[n c ...]` in the spec's value range; of all cells
            at the end.
        vectors: number of activation vectors.
        placed: number of vectors that lie in the cells.
        layout: description of the layout.
        sampled: number of images that the vectors are from.
        net: the network; its input spec says how images are drawn.
        recipe: the recipe as it was given.
        unmoved: indices of cells whose gradient was exactly 0 in every step: their images are the starting
            noise.
    """

    place: str
    grid: int
    cells: tuple[Cell, ...]
    images: Float[Tensor, "n *shape"]
    vectors: int
    placed: int
    layout: str
    sampled: int
    net: Net
    recipe: Recipe
    unmoved: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.cells)


def atlas(net: NetLike, layer: str, data: DataLike, **recipe: object) -> Atlas:
    """Compute an activation atlas of a layer.

    Activation vectors at random positions of real images are embedded in two dimensions (UMAP or PCA),
    averaged over the cells of a grid, and a synthetic image is optimised for the direction of each cell.

    Args:
        net: any network with one input, or its name.
        layer: name of the layer.
        data: real images of the network's input shape, or the name or folder of a data set.
        **recipe: fields of `AtlasRecipe`: `layout`, `grid`, `per_image`, `steps`, ...

    Returns:
        The atlas with the images of all cells.

    Raises:
        PlaceError: the layer is not in this network.
        MissingError: UMAP is not installed, and no other layout was chosen.
        UsageError: there are too few images, or the layer has no gradient with respect to them.
        ConvscopeError: the layer's activations are NaN or infinite.
    """
    net = as_net(net)
    data = open_labelled(data, net.input_spec)
    wanted = Recipe.parse({"net": net.name, "layer": layer, "data": data.name, **recipe})
    with frozen(net.module):
        return last_result(iter_atlas(net, data, wanted), "an atlas")


def iter_atlas(
    net: Net, data: LabelledImages, recipe: Recipe, *, enough: Callable[[], bool] = lambda: False
) -> Iterator[Progress[Atlas | None]]:
    """Run `atlas`, yielding after each batch of images and each step of the synthetic images.

    The iterator can be closed at any time; the cells that are finished by then stay available. Weights should
    be frozen by the caller (`nets.frozen`).

    Args:
        net: any network with one input.
        data: real images of the network's input shape.
        recipe: layer and settings.
        enough: called after each batch of images; once it returns True, no more activations are collected,
            and the atlas is made from those there are.

    Yields:
        The progress with the atlas so far, None until the first synthesis step. Up to a fraction of
        `COLLECTED` activations are collected.

    Raises:
        PlaceError: the layer is not in this network.
        MissingError: UMAP is not installed, and no other layout was chosen.
        UsageError: there are too few images, or the layer has no gradient with respect to them.
        ConvscopeError: the layer's activations are NaN or infinite.
    """
    check(recipe.layout)
    place = resolve(net, recipe.layer).layer_only
    if recipe.steps:
        check_reached(net, [place], net.example() if len(net.input_specs) == 1 else net.example()[0])
    sample: Callable[[], ActivationSample] | None = None
    for step in iter_sample_activations(
        net, data, place, most=recipe.images, each=recipe.per_image, seed=recipe.seed, enough=enough
    ):
        yield Progress(COLLECTED * step.fraction, step.message, lambda: None)
        sample = step.result
    if sample is None:
        raise UsageError("pictures", received="none")
    vectors = sample()
    require_finite(vectors.values, [f"picture {n}" for n in vectors.images.tolist()], "activations")
    yield Progress(COLLECTED, f"laying out {len(vectors):,} vectors", lambda: None)
    plan = _plan(net, data, vectors, recipe)
    for share in _attribute_classes(net, data, plan):
        yield Progress(0.25 + 0.15 * share, f"attributing {len(plan.cells)} cells to classes", lambda: None)
    render_config = RenderConfig(
        recipe.steps, recipe.lr, recipe.cosine_power, recipe.size, recipe.batch, recipe.seed
    )
    for step in iter_render_directions(
        net, place, torch.stack([cell.direction for cell in plan.cells]), render_config
    ):
        yield Progress(0.4 + 0.6 * step.fraction, step.message, lambda step=step: plan.atlas(step.result()))


@dataclass(eq=False)
class _Plan:
    """Cells and vectors, before images are synthesised."""

    net: Net
    recipe: Recipe
    place: str
    vectors: ActivationSample
    grid: int
    layout: str
    members: list[Tensor]
    cells: list[Cell]

    def atlas(self, rendered: RenderedDirections) -> Atlas:
        placed = sum(cell.count for cell in self.cells)
        return Atlas(
            self.place,
            self.grid,
            tuple(self.cells),
            rendered.images,
            len(self.vectors),
            placed,
            self.layout,
            len(self.vectors.images.unique()),
            self.net,
            self.recipe,
            rendered.unmoved,
        )


def _plan(net: Net, data: LabelledImages, vectors: ActivationSample, recipe: Recipe) -> _Plan:
    embedding = embed_2d(vectors.values, recipe.layout, recipe.seed)
    grid = recipe.grid or max(2, min(40, round(sqrt(len(vectors) / PER_CELL))))
    column, row = (embedding.points * grid).long().clamp_max(grid - 1).unbind(1)
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
            _examples(data, vectors, group, mean, recipe.examples),
            _overrepresented_class(data, vectors, group),
        )
        for (k, group), mean, direction in zip(groups, means, directions, strict=True)
    ]
    members = [group for _, group in groups]
    place = str(resolve(net, recipe.layer).layer_only)
    return _Plan(net, recipe, place, vectors, grid, embedding.note, members, cells)


def whitened(means: Float[Tensor, "k c"], vectors: Float[Tensor, "n c"]) -> Float[Tensor, "k c"]:
    """Multiply mean vectors by the regularised inverse of the vectors' uncentred second moment.

    Directions that all vectors have in common get less weight, so that the results show what distinguishes
    cells.

    Args:
        means: mean vectors of the cells.
        vectors: all activation vectors.

    Returns:
        The whitened means.
    """
    values = vectors.double()
    moment = values.T @ values / len(values)
    ridge = SHRINK * moment.diagonal().mean().clamp_min(1e-30)
    moment.diagonal().add_(ridge)
    return torch.linalg.solve(moment, means.double().T).T.to(means.dtype)


def _nearest(vectors: ActivationSample, group: Tensor, mean: Tensor) -> Tensor:
    """Return the group's members by increasing angle to the mean, one for each image."""
    closeness = normalize(vectors.values[group], dim=1) @ normalize(mean, dim=0)
    order = group[closeness.argsort(descending=True, stable=True)]
    seen: dict[int, int] = {}
    for member in order.tolist():
        seen.setdefault(int(vectors.images[member]), member)
    return torch.tensor(list(seen.values()))


def _examples(
    data: LabelledImages, vectors: ActivationSample, group: Tensor, mean: Tensor, count: int
) -> tuple[CellExample, ...]:
    """Return the members nearest to the mean as examples."""
    examples = []
    for member in _nearest(vectors, group, mean)[:count].tolist():
        image = int(vectors.images[member])
        places = zip(vectors.positions[member].tolist(), vectors.extent, strict=True)
        examples.append(
            CellExample(image, int(data.labels[image]), tuple((p + 0.5) / size for p, size in places))
        )
    return tuple(examples)


def _overrepresented_class(
    data: LabelledImages, vectors: ActivationSample, group: Tensor
) -> tuple[str, float, float] | None:
    """Return the most overrepresented class; each image counts once, whatever its number of positions."""
    if len(data.classes) < 2:
        return None
    here, everywhere = (
        torch.bincount(data.labels[images.unique()], minlength=len(data.classes)).double()
        for images in (vectors.images[group], vectors.images)
    )
    shares, usual = here / here.sum(), everywhere / everywhere.sum()
    # As if one more image had the usual shares: few images are weak evidence.
    smoothed = (here + usual) / (here.sum() + 1)
    best = int((smoothed / usual.clamp_min(1e-12)).argmax())
    return data.classes[best], float(shares[best]), float(shares[best] / usual[best])


def _attribute_classes(net: Net, data: LabelledImages, plan: _Plan) -> Iterator[float]:
    """Find the classes to which each cell contributes, where outputs have names; yield the share done."""
    if not net.classes:
        return
    place = resolve(net, plan.place)
    nearest = [
        _nearest(plan.vectors, group, cell.mean)[:ATTRIBUTED]
        for group, cell in zip(plan.members, plan.cells, strict=True)
    ]
    owners = torch.tensor([number for number, members in enumerate(nearest) for _ in members])
    halves = torch.cat([torch.arange(len(members)) % 2 for members in nearest])
    members, sums = torch.cat(nearest), torch.zeros(2, len(plan.cells), len(net.classes))
    for first in range(0, len(members), AT_ONCE):
        chosen = members[first : first + AT_ONCE]
        images = scaled(data.pixels(plan.vectors.images[chosen]), net.input_spec)
        found = direction_to_logits(net, place, images, plan.vectors.positions[chosen])
        if found is None or found.shape[1] != len(net.classes):
            return
        part = slice(first, first + AT_ONCE)
        sums.index_put_((halves[part], owners[part]), found, accumulate=True)
        yield min(1.0, (first + AT_ONCE) / len(members))
    means = sums.sum(0) / owners.bincount()[:, None]
    for number, (cell, mean) in enumerate(zip(plan.cells, means, strict=True)):
        units = stable_classes(mean, sums[:, number])
        contributions = tuple((unit, net.classes[unit], float(mean[unit])) for unit in units)
        plan.cells[number] = replace(cell, top_logit_classes=contributions)


def stable_classes(mean: Float[Tensor, " k"], halves: Float[Tensor, "2 k"]) -> list[int]:
    """Return the classes with the largest mean among those that are among the largest in both halves.

    Args:
        mean: mean contribution to each class's logit.
        halves: sums of the contributions over either half of the images.

    Returns:
        At most `NAMED` indices of classes, in descending order of the mean.
    """
    count = max(1, min(AGREED, len(mean) // 20))
    first, second = (set(half.topk(count).indices.tolist()) if bool(half.any()) else set() for half in halves)
    return sorted(first & second, key=lambda unit: float(mean[unit]), reverse=True)[:NAMED]
