"""Show what a network makes of one picture, layer by layer.

Feature maps of the strongest units of each layer, their degree of activation (the sum over the map), and the
filters themselves: one page and one contact sheet of all, and a sheet for each layer. With --data also which
units of each layer are dead, saturated or redundant over real inputs.

    convscope look photo.jpg
    convscope look photo.jpg --places blocks.3.0 --top-channels 16
    convscope look --net digits --data digits
"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from convscope.errors import UsageError
from convscope.jobs import inputs, pictures
from convscope.jobs.job import Document, Steps, finished
from convscope.jobs.workspace import ResultFolder, Workspace
from convscope.see.visualization import LookRecipe
from convscope.system.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor

    from convscope.nets import Net
    from convscope.see import FeatureMaps, LayerHealth
    from convscope.worlds import LabelledImages

schema = LookRecipe


def run(recipe: LookRecipe, workspace: Workspace) -> Steps:
    """Run one forward pass, and save the feature maps of the strongest units of each layer.

    Writes `look.html` and `look.png` (all layers), `LAYER.png` for each layer whose feature maps are images,
    `LAYER-filters.png` for layers with filters if `recipe.filters` is on, and `input.png`.

    Args:
        recipe: image (a bundled digit if left out, for a network of digits), network, layers, number of
            units, and data for the statistics of dead, saturated and redundant units.
        workspace: where the result goes, and what is logged.

    Yields:
        The progress with the document so far; JSON fields `net`, `layers`, `filters`, `health`, `page` (file
        name) and `out` (the folder). Each layer has `place`, `shape`, `silent` (number of units whose map is
        0 everywhere), `strongest` (entries with `unit`, `degree`, the sum over the map, and in the output
        layer `label`) and `picture` (file name or null). Each entry of `filters` has `place`, `shape` (of the
        weights) and `picture`; each of `health` the fields of `LayerHealth` (none without `--data`).

    Raises:
        UsageError: no image is given, and the network is not one of digits (exit code 2).
        DataError: the image or data cannot be read, or a weight is NaN or infinite (exit code 3).
    """
    from convscope.jobs.provenance import stamp
    from convscope.see import feature_maps, layer_health
    from convscope.show.pages import features

    net = inputs.network(recipe.net, recipe, workspace)
    image = _image(net, recipe)
    mark = stamp(recipe)
    seen = list(feature_maps(net, image, recipe.places or features.changing_layers(net)))
    health: tuple[LayerHealth, ...] = ()
    if recipe.data is not None:
        data = _chosen(net, recipe, workspace)
        yield Progress(0.0, f"looking at {len(data):,} images", lambda: None)
        health = layer_health(net, data, [maps.place for maps in seen])
    with workspace.folder(f"look-{net.name}") as folder:
        layers = [_layer(maps, recipe.top_channels, net, folder, mark) for maps in seen]
        sheets = _filters(net, recipe, folder, mark) if recipe.filters else []
        _save_input(net, image, folder, mark)
        page = features.page(
            net, image[0], seen, strongest=recipe.top_channels, command=recipe.command(), health=health
        )
        folder.save_page(page, "look.html", "all layers")
        sheet = features.sheet(net, image[0], seen, recipe.top_channels)
        folder.save_image(sheet, "look.png", mark, "all layers")
    document = {
        "net": net.name,
        "layers": layers,
        "filters": sheets,
        "health": [asdict(h) for h in health],
        "page": "look.html",
        "out": str(folder.place),
    }
    yield finished(document)


def _chosen(net: "Net", recipe: LookRecipe, workspace: Workspace) -> "LabelledImages":
    """Return evenly spread images of `--data`."""
    data = inputs.samples(str(recipe.data), inputs.require_image_input(net), recipe, workspace)
    chosen = range(0, len(data), max(1, len(data) // recipe.images))
    return data.take(list(chosen[: recipe.images]))


def _image(net: "Net", recipe: LookRecipe) -> "Tensor":
    """Return the input `[1 ...]` of the file; without one, an example that ships with the network's world."""
    if recipe.image is not None:
        return inputs.sample(net, recipe.image).input[None]
    from convscope.worlds import world_of

    spec = inputs.require_single_input(net).input_spec
    example = world_of(spec).example(spec)
    if example is None:
        raise UsageError(
            f"{world_of(spec).thing} to look at",
            received=f"none, and {net.name} takes {'x'.join(map(str, spec.shape))}",
            hint=f"Add its path: {recipe.model_copy(update={'image': 'photo.jpg'}).command()}",
        )
    return example.input[None]


def _layer(
    maps: "FeatureMaps", count: int, net: "Net", folder: ResultFolder, mark: dict[str, Any]
) -> Document:
    units, degrees = maps.strongest(count), maps.degrees
    labels = net.classes if maps.place == "output" and len(net.classes) == len(degrees) else ()
    strongest = [
        {"unit": unit, "degree": float(degrees[unit]), **({"label": labels[unit]} if labels else {})}
        for unit in units
    ]
    shape = list(maps.maps.shape)
    saved = None
    if maps.maps.dim() == 3:
        sheet = pictures.maps_sheet(maps.maps, units)
        saved = folder.save_image(sheet, pictures.file_name(maps.place), mark, f"maps of {maps.place}")
    return {
        "place": maps.place,
        "shape": shape,
        "silent": maps.silent,
        "strongest": strongest,
        "picture": saved,
    }


def _filters(net: "Net", recipe: LookRecipe, folder: ResultFolder, mark: dict[str, Any]) -> list[Document]:
    """Save a sheet of each layer's first filters, averaged over channels where these are many."""
    from convscope.see import filters, layers_with_filters
    from convscope.show.images import contact_sheet, draw
    from convscope.worlds.images import rgb

    sheets = []
    for name in layers_with_filters(net):
        if recipe.places and name not in recipe.places:
            continue
        kernels = filters(net, name)
        colour = kernels.pictures.dim() == 4
        if not colour:
            kernels = filters(net, name, show="mean")
        shown = kernels.pictures.reshape(len(kernels.pictures), *kernels.pictures.shape[-3:])[
            : recipe.top_channels
        ]
        images = [rgb(p) if colour else draw.diverging(p * 2 - 1) for p in shown]
        sheet = contact_sheet.grid(images, [str(i) for i in range(len(images))])
        file = pictures.file_name(name, ending="-filters")
        saved = folder.save_image(sheet, file, mark, f"filters of {name}")
        sheets.append({"place": name, "shape": list(kernels.weights.shape), "picture": saved})
    return sheets


def _save_input(net: "Net", image: "Tensor", folder: ResultFolder, mark: dict[str, Any]) -> None:
    from convscope.show.images import input_image

    folder.save_image(input_image.opaque(image[0], net.input_spec), "input.png", mark, "the input")
