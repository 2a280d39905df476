"""Map everything a layer says to real pictures, drawn by the layer itself.

Answers at random positions of many pictures are laid out so that those alike lie close together; every cell
with enough of them gets a picture, the classes that it speaks for, and real examples. One HTML page to wander
on and one PNG. The default layout needs UMAP: pip install 'convscope[atlas]'; --layout pca does without.

    convscope atlas digits relu2 --data digits --per-image 4
    convscope atlas efficientnet_lite0 blocks.4 --data photographs --per-image 8
"""

from typing import TYPE_CHECKING, Any

from convscope.cli.core import inputs, pictures
from convscope.cli.core.shell import Shell, VerbResult
from convscope.errors import Interrupted
from convscope.printable import printable
from convscope.see.activation_atlas import AtlasRecipe

if TYPE_CHECKING:
    from convscope.nets import Net
    from convscope.see.activation_atlas import Atlas as Map
    from convscope.worlds import LabelledImages

schema = AtlasRecipe


def run(recipe: AtlasRecipe, shell: Shell) -> VerbResult:
    """Build an activation atlas of one layer, and save it as a page and an image.

    Activation vectors at random positions of many images are laid out in two dimensions; an image is
    synthesised for the mean vector of each cell of a grid. Writes `atlas.html` and `atlas.png`. Ctrl-C while
    activations are collected stops collecting and builds the atlas from those there are; Ctrl-C during the
    synthesis stops it.

    Args:
        recipe: network, layer, data, number of images and vectors, layout and settings of the synthesis.
        shell: destination of results, progress and log.

    Returns:
        JSON fields `net`, `place` (the layer), `grid` (cells along each side), `vectors`, `placed` (vectors
        in the cells), `layout`, `cells`, `unmoved` (indices of cells whose gradient was 0 in every step) and
        `out` (the folder); exit code 0. Each cell has `row`, `column`, `count` (vectors), `speaks_for`
        (classes to whose logits it contributes most: `unit`, `label`, `logit`), `found_in` (the most
        overrepresented class of the data: `class`, `share`, `times`; or null) and `examples` (`image`,
        `class`, `at`, the position relative to the image's extent, y before x).

    Raises:
        Interrupted: stopped with Ctrl-C; the cells so far are saved (exit code 130).
        UsageError: the network does not take one image, or there are too few images (exit code 2).
        DataError: the data cannot be read, or a weight is NaN or infinite (exit code 3).
        MissingError: UMAP is not installed, and no other layout was chosen (exit code 4).
    """
    from convscope.cli.core.provenance import stamp
    from convscope.show.pages import atlas as page

    net = inputs.looks_at_pictures(inputs.network(recipe.net, recipe, shell))
    data = inputs.samples(recipe.data, net, recipe, shell)
    with shell.folder(f"atlas-{net.name}-{recipe.layer}") as folder:
        atlas, pictures_seen, stopped = _mapped(net, data, recipe, shell)
        early = pictures_seen < min(recipe.images, len(data))
        made = recipe.model_copy(update={"images": pictures_seen}) if early else recipe
        html = page.page(atlas, net, data, command=made.command(), seed=made.seed)
        (folder.path / "atlas.html").write_text(html, encoding="utf-8")
        pictures.save(page.sheet(atlas, net), folder.path / "atlas.png", stamp(made))
        if stopped:
            cells = f"{len(atlas.images)} of {len(atlas)} cells"
            raise Interrupted(
                f"stopped after {pictures_seen:,} pictures and {cells}; they are in {folder.place}",
                hint="Run the same command with another --out to finish.",
            )
    data_found = {"net": net.name, **_data(atlas, data), "out": str(folder.place)}
    return VerbResult(data_found, lambda: _lines(atlas, folder.place))


def _mapped(net: "Net", data: "LabelledImages", recipe: AtlasRecipe, shell: Shell) -> "tuple[Map, int, bool]":
    """Return the atlas, the number of images whose activations it holds, and whether it was stopped."""
    from convscope.interrupts import soft_interrupt
    from convscope.nets import frozen
    from convscope.see.activation_atlas import iter_atlas

    so_far, seen, stopped = None, 0, False
    with (
        shell.progress(f"atlas of {recipe.layer}", 1.0) as progress,
        frozen(net.module),
        soft_interrupt() as request,
    ):
        try:
            for step in iter_atlas(net, data, recipe, enough=lambda: request.asked):
                seen, request.heard = max(seen, step.pictures), step.pictures > 0
                progress.update(step.done, step.note)
                so_far = step.atlas or so_far
        except KeyboardInterrupt:
            if so_far is None:
                raise
            stopped = True
    if so_far is None:
        raise Interrupted("stopped before the first cell")
    return so_far(), seen, stopped or request.asked


def _data(atlas: "Map", data: "LabelledImages") -> dict[str, Any]:
    cells = [
        {
            "row": cell.row,
            "column": cell.column,
            "count": cell.count,
            "speaks_for": [
                {"unit": unit, "label": name, "logit": value} for unit, name, value in cell.top_logit_classes
            ],
            "found_in": dict(zip(("class", "share", "times"), cell.overrepresented_class, strict=True))
            if cell.overrepresented_class
            else None,
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
        "cells": cells,
        "unmoved": list(atlas.unmoved),
    }


def _lines(atlas: "Map", place: Any) -> str:
    share = atlas.placed / max(atlas.vectors, 1)
    still = f"\n{len(atlas.unmoved)} cells: {pictures.UNMOVED}" if atlas.unmoved else ""
    return (
        f"{atlas.place}: {len(atlas)} cells hold {share:.0%} of {atlas.vectors:,} answers\n"
        f"Layout: {atlas.layout}{still}\nThe page: {printable(place / 'atlas.html')}  (open it in a browser)"
    )
