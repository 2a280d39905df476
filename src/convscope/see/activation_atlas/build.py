"""Activation atlases: activation vectors of real images on a 2D grid, with a synthetic image for each cell.

Source: Carter, Armstrong, Schubert, Johnson and Olah 2019, "Activation Atlas", Distill,
doi:10.23915/distill.00015.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from math import sqrt
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from convscope.errors import UsageError
from convscope.nets import Net, frozen, resolve, takes_network
from convscope.recipe.result import Result
from convscope.see.activation_atlas.class_attribution import vectors_to_logits
from convscope.see.activation_atlas.layout import check, embed_2d
from convscope.see.activation_atlas.naming import (
    LISTED,
    ClassAttribution,
    LabelShare,
    Region,
    components,
    label_shares,
    largest_first,
    ranked,
    supported_classes,
)
from convscope.see.activation_atlas.recipe import AtlasRecipe as Recipe
from convscope.see.features.sampling import ActivationSample, iter_sample_activations
from convscope.see.optimize.gradient_flow import check_reached, require_finite
from convscope.see.visualization.direction_images import (
    RenderConfig,
    RenderedDirections,
    iter_render_directions,
)
from convscope.system.counting import counted
from convscope.system.progress import Progress, last_result
from convscope.worlds import DataLike, open_labelled
from convscope.worlds.dataset import LabelledDataset

COLLECTED_FRACTION = 0.2
"""Estimated share of collecting activations in the duration of an atlas."""
PER_CELL = 12
"""Number of vectors in a cell on average, where the grid is not given."""
ATTRIBUTED = 8
"""Number of images of each cell whose attributions to the classes are computed."""
AT_ONCE = 16
"""Number of images per forward pass of the class attribution."""
LAID_OUT, ATTRIBUTION = 0.22, 0.45
"""Estimated shares of an atlas's duration when cells are laid out, and when they have their classes."""
SHRINK = 0.05
"""Share of the mean variance that is added before inverting, so that rare directions do not dominate."""


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
        examples: the real positions whose vectors have the smallest angle to the mean.
        pictures: number of images that the vectors are from.
        labels: the most common labels of the data among these images, the most common first; empty where the
            data has fewer than two.
        classes: the network's classes whose logits the vectors raise, see `naming.supported_classes`; empty
            where the network's predictions do not support one, or where `Atlas.attributed` is False.
    """

    row: int
    column: int
    count: int
    mean: Float[Tensor, " c"]
    direction: Float[Tensor, " c"]
    examples: tuple[CellExample, ...]
    pictures: int
    labels: tuple[LabelShare, ...] = ()
    classes: tuple[ClassAttribution, ...] = ()

    @property
    def label(self) -> LabelShare | None:
        """The most common label if it is typical of the cell, else None."""
        return self.labels[0] if self.labels and self.labels[0].typical else None


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
        layout: `umap` or `pca`.
        spread: share of the vectors' variance that the axes hold; None for UMAP.
        min_count: number of vectors without which a cell stays empty.
        sampled: number of images that the vectors are from.
        net: the network; its input spec says how images are drawn.
        recipe: the recipe as it was given.
        regions: neighbouring cells with the same name, the largest region first.
        unmoved: indices of cells whose gradient was exactly 0 in every step: their images are the starting
            noise.
        attributed: whether contributions to the classes of the network were computed; they are not where
            outputs have no names, are no matrix of logits, or an operation has no forward derivative.
    """

    place: str
    grid: int
    cells: tuple[Cell, ...]
    images: Float[Tensor, "n *shape"]
    vectors: int
    placed: int
    layout: str
    spread: float | None
    min_count: int
    sampled: int
    net: Net
    recipe: Recipe
    regions: tuple[Region, ...] = ()
    unmoved: tuple[int, ...] = ()
    attributed: bool = False

    def __len__(self) -> int:
        return len(self.cells)


@takes_network
def atlas(net: Net, layer: str, data: DataLike, **recipe: object) -> Atlas:
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
    data = open_labelled(data, net.input_spec)
    wanted = Recipe.parse({"net": net.name, "layer": layer, "data": data.name, **recipe})
    with frozen(net.module):
        return last_result(iter_atlas(net, data, wanted), "an atlas")


@takes_network
def iter_atlas(
    net: Net, data: LabelledDataset, recipe: Recipe, *, enough: Callable[[], bool] = lambda: False
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
        `COLLECTED_FRACTION` activations are collected.

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
        yield Progress(COLLECTED_FRACTION * step.fraction, step.message, lambda: None)
        sample = step.result
    if sample is None:
        raise UsageError("pictures", received="none", hint="Choose data with pictures.")
    vectors = sample()
    require_finite(vectors.values, [f"picture {n}" for n in vectors.images.tolist()], "activations")
    yield Progress(COLLECTED_FRACTION, f"laying out {len(vectors):,} vectors", lambda: None)
    plan = _plan(net, data, vectors, recipe)
    for share in _attribute_classes(net, data, plan):
        done = LAID_OUT + (ATTRIBUTION - LAID_OUT) * share
        yield Progress(done, f"attributing {counted(len(plan.cells), 'cell')} to classes", lambda: None)
    regions = _regions(data, plan)
    render_config = RenderConfig(
        recipe.steps, recipe.lr, recipe.cosine_power, recipe.size, recipe.batch, recipe.seed
    )
    for step in iter_render_directions(
        net, place, torch.stack([cell.direction for cell in plan.cells]), render_config
    ):
        done = ATTRIBUTION + (1 - ATTRIBUTION) * step.fraction
        yield Progress(done, step.message, lambda step=step: plan.atlas(step.result(), regions))


@dataclass(eq=False)
class _Plan:
    """Cells and vectors, before images are synthesised."""

    net: Net
    recipe: Recipe
    place: str
    vectors: ActivationSample
    grid: int
    spread: float | None
    members: list[Tensor]
    cells: list[Cell]
    attributed: bool = False

    def atlas(self, rendered: RenderedDirections, regions: tuple[Region, ...]) -> Atlas:
        placed = sum(cell.count for cell in self.cells)
        return Atlas(
            self.place,
            self.grid,
            tuple(self.cells),
            rendered.images,
            len(self.vectors),
            placed,
            self.recipe.layout,
            self.spread,
            self.recipe.min_count,
            len(self.vectors.images.unique()),
            self.net,
            self.recipe,
            regions,
            rendered.unmoved,
            self.attributed,
        )


def _plan(net: Net, data: LabelledDataset, vectors: ActivationSample, recipe: Recipe) -> _Plan:
    embedding = embed_2d(vectors.values, recipe.layout, recipe.seed)
    grid = recipe.grid or max(2, min(40, round(sqrt(len(vectors) / PER_CELL))))
    column, row = (embedding.points * grid).long().clamp_max(grid - 1).unbind(1)
    number = (grid - 1 - row) * grid + column  # the layout's y grows upwards
    groups = [(k, (number == k).nonzero().flatten()) for k in number.unique().tolist()]
    groups = [(k, group) for k, group in groups if len(group) >= recipe.min_count]
    if not groups:
        raise UsageError(
            f"a cell with {counted(recipe.min_count, 'vector')}",
            received=f"{counted(len(vectors), 'vector')} on {grid}x{grid} cells",
            hint="Take more images, more of each (--per-image 8), a coarser --grid, a smaller --min-count.",
        )
    means = torch.stack([vectors.values[group].mean(0) for _, group in groups])
    directions = whitened(means, vectors.values) if recipe.whiten else means
    label_shares_of = partial(
        label_shares, data.labels, everywhere=vectors.images, names=data.classes, together=len(groups)
    )
    cells = [
        Cell(
            k // grid,
            k % grid,
            len(group),
            mean,
            direction,
            _examples(data, vectors, group, mean, recipe.examples),
            len(vectors.images[group].unique()),
            label_shares_of(vectors.images[group])[:LISTED],
        )
        for (k, group), mean, direction in zip(groups, means, directions, strict=True)
    ]
    members = [group for _, group in groups]
    place = str(resolve(net, recipe.layer).layer_only)
    return _Plan(net, recipe, place, vectors, grid, embedding.spread, members, cells)


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
    data: LabelledDataset, vectors: ActivationSample, group: Tensor, mean: Tensor, count: int
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


def _attribute_classes(net: Net, data: LabelledDataset, plan: _Plan) -> Iterator[float]:
    """Find the classes that name each cell, where outputs have names; yield the share done.

    Sets `plan.attributed` where the contributions to the classes could be computed.
    """
    if not net.classes:
        return
    place, vectors = resolve(net, plan.place), plan.vectors
    nearest = [
        _nearest(vectors, group, cell.mean)[:ATTRIBUTED]
        for group, cell in zip(plan.members, plan.cells, strict=True)
    ]
    owners = torch.tensor([number for number, members in enumerate(nearest) for _ in members])
    members, baseline = torch.cat(nearest), vectors.values.mean(0)
    contributions, likeliest = [], []
    for first in range(0, len(members), AT_ONCE):
        chosen = members[first : first + AT_ONCE]
        images = data.inputs(vectors.images[chosen], net.input_spec)
        found = vectors_to_logits(net, place, images, vectors.positions[chosen], baseline)
        if found is None or found.logits.shape[1] != len(net.classes):
            return
        top = found.logits.topk(ranked(len(net.classes))).indices
        contributions.append(found.contributions)
        likeliest.append(torch.zeros_like(found.logits, dtype=torch.bool).scatter(1, top, True))
        yield min(1.0, (first + AT_ONCE) / len(members))
    names = supported_classes(torch.cat(contributions), torch.cat(likeliest), owners, net.classes)
    plan.attributed = True
    plan.cells[:] = [replace(cell, classes=found) for cell, found in zip(plan.cells, names, strict=True)]


def _regions(data: LabelledDataset, plan: _Plan) -> tuple[Region, ...]:
    """Join neighbouring cells with the same name."""
    named: dict[tuple[Literal["label", "class"], str], list[int]] = {}
    for number, cell in enumerate(plan.cells):
        if cell.label:
            named.setdefault(("label", cell.label.name), []).append(number)
        if cell.classes:
            named.setdefault(("class", cell.classes[0].name), []).append(number)
    found: list[Region] = []
    for (kind, name), numbers in named.items():
        for group in components([(plan.cells[n].row, plan.cells[n].column) for n in numbers]):
            inside = [numbers[index] for index in group]
            share = _region_share(data, plan, name, inside) if kind == "label" else None
            row, column = _centre([plan.cells[n] for n in inside])
            count = sum(plan.cells[n].count for n in inside)
            found.append(Region(name, kind, tuple(inside), count, row, column, share))
    return largest_first(found)


def _region_share(data: LabelledDataset, plan: _Plan, name: str, inside: list[int]) -> LabelShare:
    """Count a label among the images of several cells."""
    images = plan.vectors.images[torch.cat([plan.members[number] for number in inside])]
    shares = label_shares(data.labels, images, plan.vectors.images, data.classes)
    return next(share for share in shares if share.name == name)


def _centre(cells: list[Cell]) -> tuple[int, int]:
    """Return the row and column of the cell that is nearest to the mean position of the vectors."""
    total = sum(cell.count for cell in cells)
    row, column = (
        sum(c.count * at for c, at in zip(cells, ats, strict=True)) / total
        for ats in ([c.row for c in cells], [c.column for c in cells])
    )
    best = min(cells, key=lambda cell: (cell.row - row) ** 2 + (cell.column - column) ** 2)
    return best.row, best.column
