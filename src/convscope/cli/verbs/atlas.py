"""Map everything a layer says to real pictures, drawn by the layer itself.

Answers at random positions of many pictures are laid out so that those alike lie close together; every cell
with enough of them gets a picture, the classes that it speaks for, and real examples. One HTML page to wander
on and one PNG. The default layout needs UMAP: pip install 'convscope[atlas]'; --layout pca does without.

    convscope atlas digits relu2 --data digits --each 4
    convscope atlas efficientnet_lite0 blocks.4 --data photographs --each 8
"""

from typing import TYPE_CHECKING, Any

from convscope.cli import inputs, pictures
from convscope.cli.shell import Answer, Shell
from convscope.errors import Interrupted
from convscope.printable import printable
from convscope.see.layer_recipe import Atlas

if TYPE_CHECKING:
    from convscope.nets import Net
    from convscope.see.charting import Atlas as Map
    from convscope.worlds import Samples

schema = Atlas


def run(recipe: Atlas, shell: Shell) -> Answer:
    """Collect, lay out, draw.

    Ctrl-C while it collects goes on with what there is; while it draws, the cells so far are saved.
    """
    from convscope.cli.stamp import stamp
    from convscope.show import atlas_page

    net = inputs.looks_at_pictures(inputs.network(recipe.net, recipe, shell))
    data = inputs.samples(recipe.data, net, recipe, shell)
    with shell.folder(f"atlas-{net.name}-{recipe.layer}") as folder:
        atlas, pictures_seen, stopped = _mapped(net, data, recipe, shell)
        early = pictures_seen < min(recipe.images, len(data))
        made = recipe.model_copy(update={"images": pictures_seen}) if early else recipe
        html = atlas_page.page(atlas, net, data, command=made.command(), seed=made.seed)
        (folder.path / "atlas.html").write_text(html, encoding="utf-8")
        pictures.save(atlas_page.sheet(atlas, net), folder.path / "atlas.png", stamp(made))
        if stopped:
            cells = f"{len(atlas.images)} of {len(atlas)} cells"
            raise Interrupted(
                f"stopped after {pictures_seen:,} pictures and {cells}; they are in {folder.place}",
                hint="Run the same command with another --out to finish.",
            )
    data_found = {"net": net.name, **_data(atlas, data), "out": str(folder.place)}
    return Answer(data_found, lambda: _lines(atlas, folder.place))


def _mapped(net: "Net", data: "Samples", recipe: Atlas, shell: Shell) -> "tuple[Map, int, bool]":
    """The atlas, of how many pictures it is, and whether it was stopped on the way."""
    from convscope.nets import frozen
    from convscope.see.charting import mapping
    from convscope.see.interrupts import asking

    so_far, seen, stopped = None, 0, False
    with (
        shell.progress(f"atlas of {recipe.layer}", 1.0) as progress, frozen(net.module), asking() as request,
    ):  # fmt: skip
        try:
            for step in mapping(net, data, recipe, enough=lambda: request.asked):
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


def _data(atlas: "Map", data: "Samples") -> dict[str, Any]:
    cells = [
        {
            "row": cell.row, "column": cell.column, "count": cell.count,
            "speaks_for": [
                {"unit": unit, "label": name, "logit": value} for unit, name, value in cell.speaks_for
            ],
            "found_in": dict(zip(("class", "share", "times"), cell.found_in, strict=True))
            if cell.found_in else None,
            "examples": [
                {"image": sight.image, "class": data.classes[sight.label], "at": list(sight.at)}
                for sight in cell.sights
            ],
        }
        for cell in atlas.cells
    ]  # fmt: skip
    return {
        "place": atlas.place, "grid": atlas.grid, "vectors": atlas.vectors, "placed": atlas.placed,
        "layout": atlas.layout, "cells": cells, "unmoved": list(atlas.unmoved),
    }  # fmt: skip


def _lines(atlas: "Map", place: Any) -> str:
    share = atlas.placed / max(atlas.vectors, 1)
    still = f"\n{len(atlas.unmoved)} cells: {pictures.UNMOVED}" if atlas.unmoved else ""
    return (
        f"{atlas.place}: {len(atlas)} cells hold {share:.0%} of {atlas.vectors:,} answers\n"
        f"Layout: {atlas.layout}{still}\nThe page: {printable(place / 'atlas.html')}  (open it in a browser)"
    )
