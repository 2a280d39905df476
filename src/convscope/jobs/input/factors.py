"""Split a layer's answer to pictures into a few groups of units that speak together.

The groups come from a non-negative matrix factorisation. One sheet: the pictures with all groups laid over
them in colour, each group alone, and what each group would most like to see. Several pictures share their
groups.

    convscope factors cat.jpg dog.jpg --layer blocks.4 --count 8
    convscope factors digit.png --net digits --layer relu2
"""

from typing import TYPE_CHECKING, Any

from convscope.cli.core import inputs, pictures
from convscope.cli.core.shell import Shell, VerbResult
from convscope.errors import Interrupted
from convscope.see.activation_atlas import FactorsRecipe

if TYPE_CHECKING:
    from convscope.nets import Net
    from convscope.see.activation_atlas import Factors as Found

schema = FactorsRecipe


def run(recipe: FactorsRecipe, shell: Shell) -> VerbResult:
    """Factorise a layer's activations for some images by NMF, and draw each factor.

    Writes `factors.png` (the images with all factors overlaid, and each alone) and `group-0.png`,
    `group-1.png`, ... (a synthetic image for each factor's direction); each contains the recipe.

    Args:
        recipe: images, network, layer, number of factors and settings of the optimisation.
        shell: destination of results, progress and log.

    Returns:
        JSON fields `net`, `place` (the layer), `explained` (share of the energy of the positive activations
        that the factors reconstruct), `clipped` (share of the energy of all activations that was negative and
        left out), `groups` and `out` (the folder); exit code 0. Each group has `share` (of the reconstructed
        activations' sum), `units` and `weights` (its at most 5 strongest units), `picture` (file name) and
        `unmoved` (whether the gradient was 0 in every step).

    Raises:
        Interrupted: stopped with Ctrl-C; what was computed before is saved (exit code 130).
        UsageError: the network does not take one image (exit code 2).
        DataError: an image cannot be read, or a weight is NaN or infinite (exit code 3).
    """
    import torch

    from convscope.cli.core.provenance import stamp
    from convscope.show.images import input_image, reconstruction_sheets

    net = inputs.looks_at_pictures(inputs.network(recipe.net, recipe, shell))
    images = torch.cat([inputs.picture(net, path) for path in recipe.images])
    with shell.folder(f"factors-{net.name}-{recipe.layer}") as folder:
        found, stopped = _factored(net, images, recipe, shell)
        mark = stamp(recipe)
        pictures.save(
            reconstruction_sheets.factor_sheet(found, images, net), folder.path / "factors.png", mark
        )
        names = [f"group-{k}.png" for k in range(len(found.images))]
        for name, image in zip(names, found.images, strict=True):
            pictures.save(input_image.image_of(image, net.input_spec), folder.path / name, mark)
        if stopped:
            raise Interrupted(
                f"stopped after {len(names)} of {len(found)} groups; they are in {folder.place}",
                hint="Run the same command with another --out to finish.",
            )
    data = {"net": net.name, **_data(found, names), "out": str(folder.place)}
    return VerbResult(data, lambda: _table(found))


def _factored(net: "Net", images: Any, recipe: FactorsRecipe, shell: Shell) -> "tuple[Found, bool]":
    from convscope.nets import frozen
    from convscope.see.activation_atlas import iter_factors

    last = None
    with shell.progress(f"factors of {recipe.layer}", 1.0) as progress, frozen(net.module):
        try:
            for last in iter_factors(net, images.to(net.device), recipe):
                progress.update(last.done, f"{len(last.factors.images)} of {recipe.count} groups")
        except KeyboardInterrupt:
            if last is None:
                raise
            return last.factors, True
    if last is None:
        raise Interrupted("stopped before the first step")
    return last.factors, False


def _data(found: "Found", names: list[str]) -> dict[str, Any]:
    strongest = found.directions.topk(min(5, found.directions.shape[1]), dim=1)
    groups = [
        {"share": share, "units": units, "weights": weights, "picture": name, "unmoved": k in found.unmoved}
        for k, (share, units, weights, name) in enumerate(
            zip(
                found.shares.tolist(),
                strongest.indices.tolist(),
                strongest.values.tolist(),
                [*names, *[None] * (len(found) - len(names))],
                strict=True,
            )
        )
    ]
    return {"place": found.place, "explained": found.explained, "clipped": found.clipped, "groups": groups}


def _table(found: "Found") -> Any:
    from rich.console import Group
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for head in ("group", "share", "strongest units", ""):
        table.add_column(head)
    for k, (share, direction) in enumerate(zip(found.shares.tolist(), found.directions, strict=True)):
        units = direction.topk(min(5, len(direction))).indices.tolist()
        note = pictures.UNMOVED if k in found.unmoved else ""
        table.add_row(str(k), f"{share:.0%}", ", ".join(map(str, units)), note)
    said = f"{len(found)} groups explain {found.explained:.0%} of what {found.place} says above 0"
    if found.clipped > 0.005:
        said += f"; {found.clipped:.0%} of its energy is below 0 and left out (layers after a ReLU have none)"
    return Group(said, table)
