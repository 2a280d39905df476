"""Lay out real inputs by the activations of a layer: similar ones lie close together, each as a thumbnail.

Every input is the mean of each of the layer's feature maps; the directions of these vectors are embedded
in two dimensions. Written are a picture of the map, the numbers as safetensors, and sheets of thumbnails in
three sizes. UMAP is used where it is installed: pip install umap-learn; --layout pca does without.

    convscope embed digits relu3 --data digits
    convscope embed efficientnet_lite0 blocks.6 --data photographs --layout pca
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from convscope.jobs import inputs, pictures
from convscope.jobs.job import Document, Steps, finished, save_results
from convscope.jobs.output.workspace import ResultFolder, Workspace
from convscope.see.activation_atlas import EmbedRecipe
from convscope.system.counting import counted
from convscope.system.interrupts import InterruptRequest, soft_interrupt
from convscope.system.progress import Progress

if TYPE_CHECKING:
    from convscope.nets import Net
    from convscope.see.activation_atlas import InputEmbedding
    from convscope.worlds import LabelledDataset

schema = EmbedRecipe
POINTS, ACTIVATIONS, PICTURE = "embedding.safetensors", "activations.safetensors", "embedding.png"
"""Files of the result."""


def run(recipe: EmbedRecipe, workspace: Workspace) -> Steps:
    """Embed the inputs of a data set by one layer, and save map, numbers and thumbnails.

    Writes `embedding.png` (the map), `embedding.safetensors` (`layouts.pca`, `layouts.umap`, `cells`,
    `images`, `labels`, `predictions`, `probabilities`, `units`, `values`, those of `units`, and `tiles`, the
    numbers of the thumbnails; see `InputEmbedding`), `activations.safetensors` (`activations`
    `[units inputs]`) and `thumbnails/SIDE-NUMBER`. The map by PCA is there before UMAP begins. A stop while
    inputs are run ends that and lays out those there are.

    Args:
        recipe: network, layer, data, number of inputs and layout.
        workspace: where the result goes, and what is logged.

    Yields:
        The progress with the document so far; JSON fields `net`, `input` (see `inputs.input_fit`), `said` and
        `said_zh` (how much of cropped photographs the network sees, in English and Chinese; else empty),
        `world` (the kind of the network's inputs), `place` (the layer), `units` (their number), `inputs`
        (their number), `data`, `parts` (`name` and `count` of each part of the data), `classes` (`name`,
        `count` and `right`, the correct predictions, null where the network has no such class), `predicted`
        (names of the network's classes), `layouts`, `spread` (share of the variance on the axes of PCA),
        `grid` (rows and columns), `thumbnails` (`ink`, `format` and `levels`: `side`, `columns` and `sheets`)
        and `out` (the folder).

    Raises:
        Interrupted: stopped; what is laid out is saved (exit code 130).
        UsageError: the network has several inputs, or there are too few inputs (exit code 2).
        DataError: the data cannot be read, or a weight is NaN or infinite (exit code 3).
        MissingError: UMAP is not installed, and was asked for (exit code 4).
    """
    net = inputs.require_single_input(inputs.network(recipe.net, recipe, workspace))
    data = inputs.samples(recipe.data, net, recipe, workspace, all_parts=True)
    with workspace.folder(f"embed-{net.name}-{recipe.layer}") as folder, soft_interrupt() as request:
        document = yield from save_results(
            _embedded(net, data, recipe, request, folder),
            lambda embedding: _save(embedding, data, recipe, folder),
            lambda embedding, _: (
                f"stopped after {counted(len(embedding), 'input')} and {' and '.join(embedding.layouts)}; "
                f"they are in {folder.out}"
            ),
            lambda: request.asked,
        )
    yield finished({**document, "out": str(folder.out)})


def _embedded(
    net: "Net", data: "LabelledDataset", recipe: EmbedRecipe, request: InterruptRequest, folder: ResultFolder
) -> "Iterator[Progress[InputEmbedding | None]]":
    """Run the embedding; the thumbnails are drawn as soon as it is known of which inputs."""
    from convscope.nets import frozen
    from convscope.see.activation_atlas import iter_embed_inputs

    drawn = False
    with frozen(net.module):
        for step in iter_embed_inputs(net, data, recipe, enough=lambda: request.asked):
            embedding = step.result()
            if embedding is not None and not drawn:
                drawn = True
                for progress in _draw(embedding, folder):
                    yield from _stoppable(progress, request)
            request.heard = not drawn
            yield from _stoppable(step, request)


def _stoppable(
    step: "Progress[InputEmbedding | None]", request: InterruptRequest
) -> "Iterator[Progress[InputEmbedding | None]]":
    """Yield a step; the first stop is recorded as a request where one is heard."""
    try:
        yield step
    except KeyboardInterrupt:
        if not request.ask():
            raise


def _draw(embedding: "InputEmbedding", folder: ResultFolder) -> "Iterator[Progress[InputEmbedding | None]]":
    """Draw the sheets of thumbnails."""
    from convscope.see.activation_atlas import PROJECTED_FRACTION, RECORDED_FRACTION
    from convscope.show.images import thumbnails

    ink, levels = _levels(embedding)
    beside = folder.path / "thumbnails"
    beside.mkdir()
    order = thumbnails.by_class(embedding)
    total = sum(level.sheets for level in levels)
    pictures = thumbnails.drawn_inputs(embedding, order)
    sheets = thumbnails.iter_thumbnail_sheets(pictures, levels, ink=ink)
    for count, sheet in enumerate(sheets, 1):
        (beside / f"{sheet.side}-{sheet.number}.{thumbnails.file_format(ink)}").write_bytes(sheet.encoded())
        done = RECORDED_FRACTION + (PROJECTED_FRACTION - RECORDED_FRACTION) * count / total
        yield Progress(done, f"drawing {counted(len(embedding), 'thumbnail')}", lambda: None)


def _levels(embedding: "InputEmbedding") -> tuple[bool, Any]:
    """Return whether the inputs are ink, and the sizes of their thumbnails."""
    from convscope.show.images import thumbnails
    from convscope.worlds import world_of

    first = next(thumbnails.drawn_inputs(embedding, [0]))
    levels = thumbnails.thumbnail_levels(len(embedding), max(first.size))
    return world_of(embedding.net.input_spec).is_ink, levels


def _save(
    embedding: "InputEmbedding", data: "LabelledDataset", recipe: EmbedRecipe, folder: ResultFolder
) -> Document:
    from safetensors.torch import save

    from convscope.recipe import stamp
    from convscope.show.images import thumbnails

    early = len(embedding) < min(recipe.images, len(data))
    settled: dict[str, Any] = {"layout": list(embedding.layouts)[-1]}
    made = recipe.model_copy(update=settled | ({"images": len(embedding)} if early else {}))
    caption = f"{counted(len(embedding), 'input')} by {embedding.place}"
    folder.save_image(thumbnails.map_sheet(embedding), PICTURE, stamp(made), caption)
    folder.save_file(save(_numbers(embedding)), POINTS, "places, classes and predictions")
    units = {"activations": embedding.activations.T.contiguous()}
    folder.save_file(save(units), ACTIVATIONS, f"activations of {embedding.place}")
    return {
        "net": embedding.net.name,
        "input": inputs.input_fit(data, embedding.net),
        **pictures.said_of_data(data),
        **_described(embedding, data),
    }


def _numbers(embedding: "InputEmbedding") -> dict[str, Any]:
    """Return what is known of each input, as tensors by name."""
    import torch

    from convscope.show.images import thumbnails

    order = torch.tensor(thumbnails.by_class(embedding))
    rows = torch.arange(len(embedding))
    whole = {
        "cells": embedding.cells,
        "images": embedding.images,
        "labels": embedding.labels,
        "predictions": embedding.predictions,
        "units": embedding.units,
        "tiles": order.argsort(),
    }
    return {
        **{f"layouts.{name}": points.contiguous() for name, points in embedding.layouts.items()},
        **{name: values.to(torch.int32).contiguous() for name, values in whole.items()},
        "probabilities": embedding.probabilities,
        "values": embedding.activations[rows, embedding.units],
    }


def _described(embedding: "InputEmbedding", data: "LabelledDataset") -> Document:
    from convscope.show.images import thumbnails
    from convscope.worlds import JoinedSamples

    net, labels, predictions = embedding.net, embedding.labels, embedding.predictions
    ink, levels = _levels(embedding)
    parts = data.parts if isinstance(data, JoinedSamples) else {data.name: data}
    classes: list[dict[str, Any]] = []
    for number, name in enumerate(data.classes):
        known = name in net.classes and len(predictions) > 0
        inside = labels == number
        right = int((predictions[inside] == net.classes.index(name)).sum()) if known else None
        classes.append({"name": name, "count": int(inside.sum()), "right": right})
    return {
        "world": net.input_spec.kind,
        "place": embedding.place,
        "units": embedding.activations.shape[1],
        "inputs": len(embedding),
        "data": data.name,
        "parts": [{"name": name, "count": len(part)} for name, part in parts.items()],
        "classes": classes,
        "predicted": list(net.classes),
        "layouts": list(embedding.layouts),
        "spread": embedding.spread,
        "grid": list(embedding.grid),
        "thumbnails": {
            "ink": ink,
            "format": thumbnails.file_format(ink),
            "levels": [
                {"side": level.side, "columns": level.columns, "sheets": level.sheets} for level in levels
            ],
        },
    }
