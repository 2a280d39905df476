"""Real inputs as points in the plane, by the activations of a layer: similar ones lie close together.

Source: Smilkov et al. 2016, "Embedding Projector", arXiv:1611.05469, for inputs as thumbnails on a projection
of a layer; Carter et al. 2019, "Activation Atlas", doi:10.23915/distill.00015, for directions and UMAP.
"""

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from convscope.errors import UsageError
from convscope.nets import HookedNet, LayerAddress, Net, read_output, resolve, takes_network
from convscope.recipe.result import Result
from convscope.see.activation_atlas.layout import check, embed_2d
from convscope.see.activation_atlas.recipe import EmbedRecipe as Recipe
from convscope.see.features.batching import MEMORY, batch_size_for
from convscope.see.features.recording import check_rows
from convscope.see.optimize.gradient_flow import require_finite
from convscope.system.progress import Progress, last_result
from convscope.worlds import DataLike, open_labelled
from convscope.worlds.dataset import LabelledDataset

RECORDED_FRACTION, PROJECTED_FRACTION = 0.4, 0.6
"""Estimated shares of the duration when activations are recorded, and when the first layout is there."""
MIN_DIST = 0.9
"""UMAP's min_dist: thumbnails have an extent, and need more room than points."""
ASPECT = 4 / 3
"""Width of the grid for its height."""


@dataclass(frozen=True, eq=False)
class InputEmbedding(Result):
    """Inputs of a data set as points in the unit square.

    Attributes:
        place: the layer.
        layouts: coordinates from 0 to 1, x to the right and y upwards, by layout: `pca`, and `umap` if it was
            computed; the last one is the one that was chosen.
        cells: row from the top and column of each input in a grid that is nearly full, by the last layout.
        grid: rows and columns of that grid.
        spread: share of the vectors' variance that the axes of `pca` hold.
        images: index of each input in the data set, ascending.
        labels: class of each input in the data.
        predictions: number of the network's likeliest class; empty where it is no classifier.
        probabilities: probability of that class; empty where it is no classifier.
        activations: what places the inputs: the mean of each of the layer's feature maps, or its units.
        units: the unit that is most above its own mean over all inputs, in standard deviations.
        data: the data set.
        net: the network.
        recipe: the recipe as it was given.
    """

    place: str
    layouts: dict[str, Float[Tensor, "n 2"]]
    cells: Int64[Tensor, "n 2"]
    grid: tuple[int, int]
    spread: float
    images: Int64[Tensor, " n"]
    labels: Int64[Tensor, " n"]
    predictions: Int64[Tensor, " k"]
    probabilities: Float[Tensor, " k"]
    activations: Float[Tensor, "n c"]
    units: Int64[Tensor, " n"]
    data: LabelledDataset
    net: Net
    recipe: Recipe

    def __len__(self) -> int:
        return len(self.images)


@takes_network
def embed_inputs(net: Net, layer: str, data: DataLike, **recipe: object) -> InputEmbedding:
    """Embed the inputs of a data set in two dimensions by the activations of a layer.

    An input is the mean of each of the layer's feature maps; the directions of these vectors are embedded
    with PCA, and with UMAP where it is installed or asked for.

    Args:
        net: any network with one input, or its name.
        layer: name of the layer.
        data: real inputs of the network's input shape, or the name or folder of a data set.
        **recipe: fields of `EmbedRecipe`: `layout`, `images`, ...

    Returns:
        The points, with labels and predictions.

    Raises:
        PlaceError: the layer is not in this network.
        MissingError: UMAP was asked for and is not installed.
        UsageError: there are fewer than 16 inputs, or the network has several.
        ConvscopeError: the layer's activations are NaN or infinite.
    """
    data = open_labelled(data, net.input_spec)
    wanted = Recipe.parse({"net": net.name, "layer": layer, "data": data.name, **recipe})
    return last_result(iter_embed_inputs(net, data, wanted), "an embedding")


@takes_network
def iter_embed_inputs(
    net: Net, data: LabelledDataset, recipe: Recipe, *, enough: Callable[[], bool] = lambda: False
) -> Iterator[Progress[InputEmbedding | None]]:
    """Run `embed_inputs`, yielding after each batch of inputs and each layout.

    Args:
        net: any network with one input.
        data: real inputs of the network's input shape.
        recipe: layer and settings.
        enough: called after each batch; once it returns True, no further inputs are run and only PCA is
            computed.

    Yields:
        The progress with the embedding so far: None up to a fraction of `RECORDED_FRACTION`, then by PCA,
        then by UMAP.

    Raises:
        PlaceError: the layer is not in this network.
        MissingError: UMAP was asked for and is not installed.
        UsageError: there are fewer than 16 inputs, or the network has several.
        ConvscopeError: the layer's activations are NaN or infinite.
    """
    layouts = chosen_layouts(recipe.layout)
    place = resolve(net, recipe.layer).layer_only
    seen: _Recorded | None = None
    for step in _iter_record(net, data, place, recipe, enough):
        yield Progress(RECORDED_FRACTION * step.fraction, step.message, lambda: None)
        seen = step.result()
    if seen is None:
        raise UsageError("inputs", received="none", hint="Choose data with inputs.")
    require_finite(seen.activations, [f"input {n}" for n in seen.images.tolist()], "activations")
    made: InputEmbedding | None = None
    for name in layouts[:1] if enough() else layouts:
        if made is not None:
            message = f"laying out {len(seen.images):,} inputs with {name.upper()}"
            yield Progress(PROJECTED_FRACTION, message, lambda made=made: made, milestone=True)
        made = _embedded(net, data, recipe, place, seen, name, made)
    yield Progress(1.0, f"{len(seen.images):,} inputs", lambda: made)


def chosen_layouts(layout: str) -> tuple[str, ...]:
    """Return the layouts to compute, the one that was asked for last.

    Args:
        layout: `auto`, `umap` or `pca`.

    Returns:
        `pca`, and `umap` where it was asked for, or is installed.

    Raises:
        MissingError: UMAP was asked for and is not installed.
    """
    if layout == "auto":
        return ("pca", "umap") if importlib.util.find_spec("umap") is not None else ("pca",)
    check(layout)
    return ("pca",) if layout == "pca" else ("pca", "umap")


@dataclass(frozen=True)
class _Recorded:
    """What the network has made of the inputs, in their order in the data."""

    images: Tensor
    activations: Tensor
    predictions: Tensor
    probabilities: Tensor


def _iter_record(
    net: Net, data: LabelledDataset, place: LayerAddress, recipe: Recipe, enough: Callable[[], bool]
) -> Iterator[Progress[_Recorded]]:
    """Record activations and predictions, of inputs in random order so that the first ones are a sample."""
    if len(data) == 0 or len(net.input_specs) != 1:
        raise UsageError(
            "inputs, and a network with one input",
            received=f"{len(data)} for {net.name}",
            hint="Choose other data or another network.",
        )
    generator = torch.Generator().manual_seed(recipe.seed)
    chosen = torch.randperm(len(data), generator=generator)[: recipe.images]
    size, total, done = batch_size_for(net, [place], MEMORY, most=64), len(chosen), 0
    rows: list[tuple[Tensor, Tensor, Tensor]] = []

    def collected() -> _Recorded:
        vectors, likeliest, chances = (torch.cat(parts) for parts in zip(*rows, strict=True))
        order = chosen[: len(vectors)].argsort()
        known = len(likeliest) == len(vectors)
        return _Recorded(
            chosen[order],
            vectors[order],
            likeliest[order] if known else likeliest,
            chances[order] if known else chances,
        )

    with HookedNet(net, [place]) as hooked:
        while done < total and not (done and enough()):
            part = chosen[done : done + size]
            inputs = data.inputs(part, net.input_spec).to(net.device)
            result, found = hooked.run(inputs)
            check_rows(net, [inputs], found)
            rows.append((_means(found[place]), *_prediction(net, result)))
            done += len(part)
            yield Progress(min(done / total, 1.0), f"{done:,} of {total:,} inputs", collected)


def _means(act: Float[Tensor, "b c *size"]) -> Float[Tensor, "b c"]:
    """Return the mean of each feature map, on the CPU."""
    return (act.float().flatten(2).mean(2) if act.dim() > 2 else act.float()).cpu()


def _prediction(net: Net, result: object) -> tuple[Tensor, Tensor]:
    """Return the likeliest class of each input and its probability; empty for what is no classifier."""
    output = read_output(net, result)
    if output is None:
        return torch.zeros(0, dtype=torch.int64), torch.zeros(0)
    best = output.log_probabilities().detach().float().cpu().max(1)
    return best.indices, best.values.exp()


def _embedded(
    net: Net,
    data: LabelledDataset,
    recipe: Recipe,
    place: LayerAddress,
    seen: _Recorded,
    layout: str,
    before: InputEmbedding | None,
) -> InputEmbedding:
    """Lay the inputs out; what an earlier layout has found is kept."""
    laid = embed_2d(seen.activations, layout, recipe.seed, outliers=0.0, min_dist=MIN_DIST)
    grid, cells = grid_cells(laid.points)
    spread = before.spread if before is not None else float(laid.spread or 0.0)
    return InputEmbedding(
        str(place),
        {**(before.layouts if before is not None else {}), layout: laid.points},
        cells,
        grid,
        spread,
        seen.images,
        data.labels[seen.images],
        seen.predictions,
        seen.probabilities,
        seen.activations,
        _most_above_mean(seen.activations),
        data,
        net,
        recipe,
    )


def _most_above_mean(values: Float[Tensor, "n c"]) -> Int64[Tensor, " n"]:
    """Return for each input the unit that is most above its mean, in standard deviations."""
    centred = values - values.mean(0)
    deviation = centred.square().mean(0).sqrt()
    return (centred / deviation.where(deviation > 0, torch.ones(()))).argmax(1)


def grid_cells(points: Float[Tensor, "n 2"]) -> tuple[tuple[int, int], Int64[Tensor, "n 2"]]:
    """Give every point a cell of its own in a grid, so that neighbours stay near each other.

    The grid is halved along its longer side and the points along the same axis, each half in proportion to
    its cells, until every cell is one.

    Args:
        points: coordinates, y upwards.

    Returns:
        Rows and columns of the grid, and the row from the top and the column of each point.
    """
    columns = max(1, ceil(sqrt(len(points) * ASPECT)))
    rows = max(1, ceil(len(points) / columns))
    across, down = points[:, 0].numpy(), -points[:, 1].numpy()
    cells = np.zeros((len(points), 2), dtype=np.int64)
    left = [(np.arange(len(points)), 0, rows, 0, columns)]
    while left:
        inside, top, bottom, first, last = left.pop()
        height, width = bottom - top, last - first
        if height * width == 1:
            cells[inside] = top, first
            continue
        wide = width >= height
        middle = (first + last) // 2 if wide else (top + bottom) // 2
        room = (middle - first) * height if wide else (middle - top) * width
        wanted = round(len(inside) * room / (height * width))
        count = min(max(wanted, len(inside) - (height * width - room)), room)
        inside = inside[np.argsort((across if wide else down)[inside], kind="stable")]
        halves = (
            ((top, bottom, first, middle), (top, bottom, middle, last))
            if wide
            else ((top, middle, first, last), (middle, bottom, first, last))
        )
        for part, box in zip((inside[:count], inside[count:]), halves, strict=True):
            if len(part):
                left.append((part, *box))
    return (rows, columns), torch.from_numpy(cells)
