"""Build an activation atlas: a map of a layer's activations over many pictures, with an image for each cell.

Activations at random positions of the pictures are laid out so that similar ones lie close together; every
cell with enough of them gets an optimised image and real examples, and a name where the labels of the data or
the network's classes support one. One HTML page and one PNG. The default layout needs UMAP: pip install
umap-learn; --layout pca does without.

    convscope atlas digits relu3 --data digits --layout pca
    convscope atlas efficientnet_lite0 blocks.4 --data photographs --per-image 8
"""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from convscope.jobs import inputs, pictures
from convscope.jobs.job import Document, Steps, finished, save_results
from convscope.jobs.output.workspace import ResultFolder, Workspace
from convscope.see.activation_atlas import AtlasRecipe
from convscope.system.counting import counted
from convscope.system.interrupts import InterruptRequest, soft_interrupt
from convscope.system.progress import Progress

if TYPE_CHECKING:
    from convscope.nets import Net
    from convscope.see.activation_atlas import Atlas as Map
    from convscope.worlds import LabelledDataset

schema = AtlasRecipe


def run(recipe: AtlasRecipe, workspace: Workspace) -> Steps:
    """Build an activation atlas of one layer, and save it as a page and an image.

    Activation vectors at random positions of many images are laid out in two dimensions; an image is
    synthesised for the mean vector of each cell of a grid. Writes `atlas.html` and `atlas.png`. A stop while
    activations are collected ends collecting and builds the atlas from those there are; a stop during the
    synthesis ends it.

    Args:
        recipe: network, layer, data, number of images and vectors, layout and settings of the synthesis.
        workspace: where the result goes, and what is logged.

    Yields:
        The progress with the document so far; JSON fields `net`, `input` (see `inputs.input_fit`), `said` and
        `said_zh` (how much of cropped photographs the network sees, in English and Chinese; else empty),
        `place` (the layer), `grid` (cells along each side), `vectors`, `placed` (vectors in the cells),
        `layout`, `spread` (share of the variance on the axes, null for UMAP), `cells`, `regions`, `unmoved`
        (indices of cells whose gradient was 0 in every step), `attributed` (whether contributions to classes
        were computed) and `out` (the folder). Each cell has `row`, `column`, `count` (vectors), `pictures`,
        `label` (of the data, if one is typical of it), `labels` (the most common: `name`, `count`,
        `pictures`, `usual`, the share of all pictures, and `together`, the number of cells tested), `classes`
        (of the network, whose logits the vectors raise: `unit`, `name`, `contribution`, `support`,
        `pictures`, `likeliest`) and `examples` (`image`, `class`, and `at`, the position relative to the
        image's extent, y before x). Each region has
        `name`, `kind` (`label` or `class`), `cells` (indices), `count`, `row`, `column` and `label`.

    Raises:
        Interrupted: stopped; the cells so far are saved (exit code 130).
        UsageError: the network does not take one image, or there are too few images (exit code 2).
        DataError: the data cannot be read, or a weight is NaN or infinite (exit code 3).
        MissingError: UMAP is not installed, and no other layout was chosen (exit code 4).
    """
    net = inputs.require_drawn_input(inputs.network(recipe.net, recipe, workspace))
    data = inputs.samples(recipe.data, net, recipe, workspace)
    with workspace.folder(f"atlas-{net.name}-{recipe.layer}") as folder, soft_interrupt() as request:
        document = yield from save_results(
            _mapped(net, data, recipe, request),
            lambda atlas: _save(atlas, net, data, recipe, folder),
            lambda atlas, _: (
                f"stopped after {counted(atlas.sampled, 'picture')} and {len(atlas.images)} "
                f"of {counted(len(atlas), 'cell')}; they are in {folder.out}"
            ),
            lambda: request.asked,
        )
    yield finished({**document, "out": str(folder.out)})


def _mapped(
    net: "Net", data: "LabelledDataset", recipe: AtlasRecipe, request: InterruptRequest
) -> "Iterator[Progress[Map | None]]":
    """Run the atlas; the first stop while activations are collected ends that alone."""
    from convscope.nets import frozen
    from convscope.see.activation_atlas import COLLECTED_FRACTION, iter_atlas

    with frozen(net.module):
        for step in iter_atlas(net, data, recipe, enough=lambda: request.asked):
            request.heard = step.fraction < COLLECTED_FRACTION
            try:
                yield step
            except KeyboardInterrupt:
                if not request.ask():
                    raise


def _save(
    atlas: "Map", net: "Net", data: "LabelledDataset", recipe: AtlasRecipe, folder: ResultFolder
) -> Document:
    from convscope.recipe import stamp
    from convscope.show.pages import atlas as page

    early = atlas.sampled < min(recipe.images, len(data))
    made = recipe.model_copy(update={"images": atlas.sampled}) if early else recipe
    caption = f"an atlas of {atlas.place}"
    html = page.page(atlas, net, data, command=made.command(), seed=made.seed)
    folder.save_page(html, "atlas.html", caption)
    folder.save_image(page.sheet(atlas, net), "atlas.png", stamp(made), caption)
    fit, said = inputs.input_fit(data, net), pictures.said_of_data(data)
    return {"net": net.name, "input": fit, **said, **_data(atlas, data)}


def _data(atlas: "Map", data: "LabelledDataset") -> dict[str, Any]:
    cells = [
        {
            "row": cell.row,
            "column": cell.column,
            "count": cell.count,
            "pictures": cell.pictures,
            "label": cell.label.name if cell.label else None,
            "labels": [asdict(label) for label in cell.labels],
            "classes": [asdict(found) for found in cell.classes],
            "examples": [
                {"image": sight.image, "class": data.classes[sight.label], "at": list(sight.position)}
                for sight in cell.examples
            ],
        }
        for cell in atlas.cells
    ]
    return {
        "place": atlas.place,
        "grid": atlas.grid,
        "vectors": atlas.vectors,
        "placed": atlas.placed,
        "layout": atlas.layout,
        "spread": atlas.spread,
        "cells": cells,
        "regions": [{**asdict(region), "cells": list(region.cells)} for region in atlas.regions],
        "unmoved": list(atlas.unmoved),
        "attributed": atlas.attributed,
    }
