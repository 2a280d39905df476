"""Show what a network makes of one picture, layer by layer.

Feature maps of the strongest units of each layer (those whose map varies most inside its border), what they
follow in the picture, and the filters themselves: one page of all layers, folded by module, and contact
sheets; with --places also a sheet for each of these. With --data also which units of each layer are dead,
saturated or redundant over inputs.

    convscope look photo.jpg
    convscope look photo.jpg --places blocks.3.0 --top-channels 16
    convscope look --net digits --data digits
"""

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from convscope.errors import UsageError
from convscope.jobs import inputs, pictures
from convscope.jobs.job import Document, Steps, finished
from convscope.jobs.output.workspace import ResultFolder, Workspace
from convscope.see.visualization import LookRecipe
from convscope.system.counting import counted
from convscope.system.progress import Progress

if TYPE_CHECKING:
    from convscope.nets import Net
    from convscope.see import FeatureMaps, Filters, LayerHealth
    from convscope.worlds import LabelledDataset, Sample

schema = LookRecipe
FILTERS = "filters.png"
"""File name of the sheet of all kernels."""


def run(recipe: LookRecipe, workspace: Workspace) -> Steps:
    """Run one forward pass, and save the feature maps of the strongest units of each layer.

    Writes `look.html` (all layers), `look.png` (of many the last activation of each group), `input.png`,
    `filters.png` if `recipe.filters` is on, and `LAYER.png` for each layer that `recipe.places` names and
    whose feature maps are images.

    Args:
        recipe: image (a bundled digit if left out, for a network of digits), network, layers, number of
            units, and data for the statistics of dead, saturated and redundant units.
        workspace: where the result goes, and what is logged.

    Yields:
        The progress with the document so far; JSON fields `net`, `said` and `said_zh` (how much of cropped
        photographs the network sees, in English and Chinese; else empty), `layers`, `filters`, `health`,
        `page` (file name) and `out` (the folder). Each layer has `place`, `shape`, `zero_maps` (number of
        units whose map is 0 everywhere), `strongest` (the units whose map varies most; entries with `unit`,
        `deviation`, the standard deviation over the map, and `inside`, that without its border, by which
        units are ranked (null where a unit has one value, by which it is then ranked), `degree`, the sum over
        the map, and in the output layer `label`), `alike` (number of units that are left out since a stronger
        one has almost the same map), `listed` (whether `look.png` and the terminal show it) and
        `picture` (file name; null without `--places`). Each entry of `filters` has `place`, `shape` (of the
        weights) and `picture` (null where kernels cover one position); each of `health` the fields of
        `LayerHealth` (none without `--data`).

    Raises:
        UsageError: no image is given, and the network is not one of digits (exit code 2).
        DataError: the image or data cannot be read, or a weight is NaN or infinite (exit code 3).
    """
    from convscope.see import feature_maps, layer_health
    from convscope.show.pages import features

    net = inputs.network(recipe.net, recipe, workspace)
    sample = _sample(net, recipe, workspace)
    places = recipe.places or features.changing_layers(net)
    seen = [_upright(maps, net) for maps in feature_maps(net, sample.input[None], places)]
    said = pictures.said_of_crops([sample], net.input_spec)
    health: tuple[LayerHealth, ...] = ()
    if recipe.data is not None:
        data = _chosen(net, recipe, workspace)
        yield Progress(0.0, f"looking at {counted(len(data), 'image')}", lambda: None)
        health = layer_health(net, data, [maps.place for maps in seen])
        said = {key: lines + said[key] for key, lines in pictures.said_of_data(data).items()}
    kernels = _kernels(net, recipe) if recipe.filters else []
    with workspace.folder(f"look-{net.name}") as folder:
        layers = _save(_Look(recipe, net, sample, seen, health, kernels), folder)
    document = {
        "net": net.name,
        **said,
        "layers": layers,
        "filters": [
            {
                "place": one.place,
                "shape": list(one.weights.shape),
                "picture": FILTERS if one.has_extent else None,
            }
            for one in kernels
        ],
        "health": [asdict(h) for h in health],
        "page": "look.html",
        "out": str(folder.out),
    }
    yield finished(document)


@dataclass(frozen=True)
class _Look:
    """What a network makes of an input: what the page and the pictures show."""

    recipe: LookRecipe
    net: "Net"
    sample: "Sample"
    seen: "list[FeatureMaps]"
    health: "tuple[LayerHealth, ...]"
    kernels: "list[Filters]"


def _save(look: _Look, folder: ResultFolder) -> list[Document]:
    """Write the pictures and the page, and return what the document says of each layer."""
    from convscope.recipe import stamp
    from convscope.show.pages import features

    recipe, net, sample, seen = look.recipe, look.net, look.sample, look.seen
    mark, count = stamp(recipe), recipe.top_channels
    listed = features.listed_layers(net, seen)
    layers = [{**_layer(maps, recipe, net, folder, mark), "listed": maps.place in listed} for maps in seen]
    if any(one.has_extent for one in look.kernels):
        folder.save_image(features.filters_sheet(look.kernels, count, seen), FILTERS, mark, "filters")
    _save_input(net, sample, folder, mark)
    page = features.page(
        net, sample, seen, strongest=count, command=recipe.command(), health=look.health, kernels=look.kernels
    )
    folder.save_page(page, "look.html", "all layers")
    folder.save_image(features.sheet(net, sample, seen, count), "look.png", mark, "all layers")
    return layers


def _chosen(net: "Net", recipe: LookRecipe, workspace: Workspace) -> "LabelledDataset":
    """Return evenly spread images of `--data`."""
    data = inputs.samples(str(recipe.data), inputs.require_single_input(net), recipe, workspace)
    chosen = range(0, len(data), max(1, len(data) // recipe.images))
    return data.take(list(chosen[: recipe.images]))


def _sample(net: "Net", recipe: LookRecipe, workspace: Workspace) -> "Sample":
    """Open the file as an input; without one, an example that ships with the network's world."""
    if recipe.image is not None:
        return inputs.sample(net, recipe.image, workspace)
    from convscope.worlds import world_of

    spec = inputs.require_single_input(net).input_spec
    example = world_of(spec).example(spec)
    if example is None:
        raise UsageError(
            f"{world_of(spec).thing} to look at",
            received=f"none, and {net.name} takes {'x'.join(map(str, spec.shape))}",
            hint=f"Add its path: {recipe.model_copy(update={'image': 'photo.jpg'}).command()}",
        )
    return example


def _upright(maps: "FeatureMaps", net: "Net") -> "FeatureMaps":
    """Return maps as they are drawn: the first row at the bottom, where the world has it there."""
    from convscope.worlds import world_of

    if maps.maps.dim() != 3 or not world_of(net.input_spec).rows_upwards:
        return maps
    return replace(maps, maps=maps.maps.flip(1))


def _layer(
    maps: "FeatureMaps", recipe: LookRecipe, net: "Net", folder: ResultFolder, mark: dict[str, Any]
) -> Document:
    from convscope.show.pages import features

    units, degrees = maps.strongest(recipe.top_channels), maps.degrees
    labels = net.classes if maps.place == "output" and len(net.classes) == len(degrees) else ()
    strongest = [
        {
            "unit": unit,
            "deviation": float(maps.deviations[unit]) if maps.has_maps else None,
            "inside": float(maps.strengths[unit]) if maps.has_maps else None,
            "degree": float(degrees[unit]),
            **({"label": labels[unit]} if labels else {}),
        }
        for unit in units
    ]
    saved = None
    if recipe.places and maps.maps.dim() == 3:
        sheet = features.layer_sheet(maps, recipe.top_channels)
        saved = folder.save_image(sheet, pictures.file_name(maps.place), mark, f"maps of {maps.place}")
    return {
        "place": maps.place,
        "shape": list(maps.maps.shape),
        "zero_maps": maps.zero_maps,
        "strongest": strongest,
        "alike": maps.alike(recipe.top_channels),
        "picture": saved,
    }


def _kernels(net: "Net", recipe: LookRecipe) -> "list[Filters]":
    """Return the kernels of each layer that is shown, averaged over channels where these are not colours."""
    from convscope.see import filters, layers_with_filters
    from convscope.worlds import world_of

    found = []
    for name in layers_with_filters(net):
        if not recipe.places or name in recipe.places:
            kernels = filters(net, name)
            kernels = kernels if kernels.pictures.dim() == 4 else filters(net, name, show="mean")
            if world_of(net.input_specs[0]).rows_upwards and kernels.pictures.dim() > 2:
                kernels = replace(kernels, pictures=kernels.pictures.flip(-2))
            found.append(kernels)
    return found


def _save_input(net: "Net", sample: "Sample", folder: ResultFolder, mark: dict[str, Any]) -> None:
    from convscope.show.images import input_image

    folder.save_image(input_image.opaque(sample.input, net.input_spec), "input.png", mark, "the input")
