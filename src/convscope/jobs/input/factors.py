"""Factor a layer's activations into a few groups of units that are active together.

The groups come from a non-negative matrix factorisation. One sheet: the pictures with all groups laid over
them in colour, each group alone, and an image optimised for each group. Several pictures share their
groups. Without --layer it is the last activation with a map of 7x7 positions or more.

    convscope factors cat.jpg
    convscope factors cat.jpg dog.jpg --layer blocks.4 --count 8
    convscope factors digit.png --net digits --layer relu2
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from convscope.jobs import inputs, pictures
from convscope.jobs.job import Document, Steps, finished, save_results
from convscope.jobs.output.workspace import ResultFolder, Workspace
from convscope.see.activation_atlas import FactorsRecipe
from convscope.system.counting import counted
from convscope.system.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor

    from convscope.nets import Net
    from convscope.see.activation_atlas import Factors as Found

schema = FactorsRecipe


def run(recipe: FactorsRecipe, workspace: Workspace) -> Steps:
    """Factorise a layer's activations for some images by NMF, and draw each factor.

    Writes `factors.png` (the images with all factors overlaid, and each alone) and `group-0.png`,
    `group-1.png`, ... (a synthetic image for each factor's direction); each contains the recipe.

    Args:
        recipe: images, network, layer, number of factors and settings of the optimisation.
        workspace: where the result goes, and what is logged.

    Yields:
        The progress with the document so far; JSON fields `net`, `place` (the layer), `explained` (share of
        the energy of the positive activations that the factors reconstruct), `clipped` (share of the energy
        of all activations that was negative and left out), `said` and `said_zh` (how much of cropped
        photographs the network sees, in English and Chinese; else empty), `groups` and `out` (the folder).
        Each group has `share` (of the reconstructed activations' sum), `units` and `weights` (its at most 5
        strongest units), `picture` (file name), `where` (for each image the third of its height and width in
        which the group is most active, such as `most active: top left`; empty where it is hardly seen),
        `unmoved` (whether the gradient was 0 in every step) and `not_raised` (whether the picture excites the
        group no more than the noise that it started from).

    Raises:
        Interrupted: stopped; what was computed before is saved (exit code 130).
        UsageError: the network does not take one image (exit code 2).
        DataError: an image cannot be read, or a weight is NaN or infinite (exit code 3).
    """
    import torch

    from convscope.see.activation_atlas import default_factors_layer

    net = inputs.require_drawn_input(inputs.network(recipe.net, recipe, workspace))
    if recipe.layer is None:
        recipe = recipe.model_copy(update={"layer": default_factors_layer(net)})
        workspace.log(
            f"Layer: {recipe.layer}, the last activation with a map of 7x7 positions or more; "
            "--layer names another."
        )
    samples = [inputs.sample(net, path) for path in recipe.images]
    images = torch.stack([sample.input for sample in samples])
    said = pictures.said_of_crops(samples, net.input_spec)
    with workspace.folder(f"factors-{net.name}-{recipe.layer}") as folder:
        document = yield from save_results(
            _factored(net, images, recipe),
            lambda found: {**_save(found, images, net, recipe, folder), **said},
            lambda found, _: (
                f"stopped after {len(found.images)} of {counted(len(found), 'group')}; "
                f"they are in {folder.out}"
            ),
        )
    yield finished({**document, "out": str(folder.out)})


def _factored(net: "Net", images: "Tensor", recipe: FactorsRecipe) -> "Iterator[Progress[Found]]":
    from convscope.nets import frozen
    from convscope.see.activation_atlas import iter_factors

    with frozen(net.module):
        yield from iter_factors(net, images.to(net.device), recipe)


def _save(
    found: "Found", images: "Tensor", net: "Net", recipe: FactorsRecipe, folder: ResultFolder
) -> Document:
    from convscope.recipe import stamp
    from convscope.show.images import input_image
    from convscope.show.pages import factors as page

    mark = stamp(recipe)
    sheet = page.sheet(found, images, net)
    folder.save_image(sheet, "factors.png", mark, f"groups of {found.place} over the pictures")
    names = [f"group-{k}.png" for k in range(len(found.images))]
    for k, (name, image) in enumerate(zip(names, found.images, strict=True)):
        folder.save_image(input_image.opaque(image, net.input_spec), name, mark, f"group {k}")
    where = [page.places(page.shares_of(maps, found)) for maps in found.maps]
    return {"net": net.name, **_data(found, names, where)}


def _data(found: "Found", names: list[str], where: list[list[str]]) -> dict[str, Any]:
    strongest = found.directions.topk(min(5, found.directions.shape[1]), dim=1)
    groups = [
        {
            "share": share,
            "units": units,
            "weights": weights,
            "picture": name,
            "where": [places[k] for places in where],
            "unmoved": k in found.unmoved,
            "not_raised": k in found.not_raised,
        }
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
