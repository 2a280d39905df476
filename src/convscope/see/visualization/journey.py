"""Visualize a whole network: layers along its depth, and units of each.

Early layers respond to textures, later ones to patterns, parts and objects (Olah et al. 2017). What a unit of
the first layers sees is smaller than any texture. Moreover a convolution is linear in the image, so that its
mean over all positions is maximised by one flat colour, whatever its kernel. There one neuron's receptive
field is optimised instead.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convscope.errors import UsageError
from convscope.graph import Field
from convscope.nets import LayerAddress, Net, describe, layer_shapes, resolve, takes_network
from convscope.nets.activations.address import RESULT
from convscope.recipe.result import Result
from convscope.see.optimize.image_params.base import shape_of
from convscope.see.units.index.unit_index import NEGLIGIBLE
from convscope.see.visualization.objective_parser import unit_count
from convscope.see.visualization.recipe import VisualizeRecipe
from convscope.see.visualization.visualization import Visualization, iter_visualize
from convscope.system.progress import Progress
from convscope.worlds import InputLike

DIVIDED = 0.5
"""A block with more than this share of the parameters is replaced by its children."""
Box = tuple[tuple[int, int], ...]
"""For each axis of the input the first pixel and the one after the last."""
PATCH = 8
"""Layers whose receptive field has at most this many pixels along each axis are shown by such patches."""
FEW = 12
"""An output of at most this many classes is shown with all of them."""


@dataclass(frozen=True)
class LayerSelection(Result):
    """One chosen layer.

    Attributes:
        layer: its name.
        units: indices of the chosen units.
        shape: shape of its output, without the batch axis.
        receptive_field: extent of its receptive field in pixels, axis by axis; None where it is not known.
        covers_input: whether the receptive field covers the whole input.
        box: receptive field of the neuron in the middle, inside the input: for each axis the first pixel and
            the one after the last; None where it is not known.
    """

    layer: str
    units: tuple[int, ...]
    shape: tuple[int, ...]
    receptive_field: tuple[int, ...] | None
    covers_input: bool = False
    box: Box | None = None

    @property
    def is_patch(self) -> bool:
        """Whether a unit sees so little that its receptive field is shown, not a texture."""
        sides = {high - low for low, high in self.box or ()}
        return len(sides) == 1 and max(sides) <= PATCH and not self.covers_input

    @property
    def places(self) -> tuple[str, ...]:
        """Addresses of the chosen units, `layer:unit`."""
        return tuple(f"{self.layer}:{unit}" for unit in self.units)


@takes_network
def choose_layers(
    net: Net, layers: Sequence[str] = (), *, stops: int = 9, units: int = 5
) -> tuple[LayerSelection, ...]:
    """Choose layers from the first to the last, and evenly spread units of each.

    Layers with outputs of one shape show different units: between blocks with a residual connection unit 7 of
    one is added to unit 7 of the next, so that both look the same.

    Args:
        net: any network whose layers give feature maps, or its name.
        layers: names of the layers to use; if empty, blocks (or convolutions, where there are no blocks) are
            chosen evenly from first to last, and the network's output.
        stops: maximum number of layers to choose; without effect if `layers` is given.
        units: number of units of each layer, evenly spread over its channels; all of an output of at most 12.

    Returns:
        The chosen layers, in the given order or in the order in which they run.

    Raises:
        PlaceError: a layer is not in this network.
        UsageError: the network has no layers that give feature maps.
    """
    chosen = [str(resolve(net, layer).layer_only) for layer in layers] or evenly(top_level_blocks(net), stops)
    if not chosen:
        raise UsageError(
            "a network with layers that give maps",
            received=net.name,
            hint="Choose a network with convolutions: convscope nets lists them.",
        )
    names = list(dict.fromkeys(chosen))
    shapes = [_shape(net, name) for name in names]
    return tuple(
        _stop(net, name, units, shapes[:i].count(shapes[i]), shapes.count(shapes[i]))
        for i, name in enumerate(names)
    )


def top_level_blocks(net: Net) -> list[str]:
    """Return the names of the blocks or layers that divide a network by depth.

    Containers, and blocks with more than half of the parameters, are replaced by their children; only modules
    with weights and spatial output are listed.

    Args:
        net: the network.

    Returns:
        Module names in the order in which they run; the last is `output`, if the network's result is a
        vector.
    """
    shapes = layer_shapes(net)
    total = sum(p.numel() for p in net.module.parameters()) or 1
    found = [name for name in _opened(net.module, "", total) if _has_maps(shapes.get(name))]
    order = list(shapes)
    answer = shapes.get(RESULT, ({},))[-1]
    ends = [RESULT] if any(len(shape) == 1 for shape in answer.values()) else []
    return sorted(found, key=order.index) + ends


def _opened(module: nn.Module, name: str, total: int) -> Iterator[str]:
    """Yield names of modules with weights, entering containers and blocks with most of the parameters."""
    for child, part in module.named_children():
        path = f"{name}.{child}" if name else child
        weights = sum(p.numel() for p in part.parameters())
        nested = isinstance(part, nn.Sequential | nn.ModuleList | nn.ModuleDict) or weights > DIVIDED * total
        if nested and any(True for _ in part.children()):
            yield from _opened(part, path, total)
        elif any(p.dim() > 1 for p in part.parameters()):
            yield path


def _has_maps(calls: tuple[dict[str, tuple[int, ...]], ...] | None) -> bool:
    first = next(iter(calls[-1].values()), ()) if calls else ()
    return len(first) > 1 and max(first[1:]) > 1


def evenly(names: list[str], count: int) -> list[str]:
    """Choose evenly spread names, the first and the last among them.

    Args:
        names: to choose from, in order.
        count: how many, at least 1; of one, the last.

    Returns:
        The chosen names in the same order; all where there are no more.
    """
    if len(names) <= count:
        return names
    if count == 1:
        return names[-1:]
    return [names[round(i * (len(names) - 1) / (count - 1))] for i in range(count)]


def _shape(net: Net, layer: str) -> tuple[int, ...]:
    return next(iter(layer_shapes(net)[LayerAddress.parse(layer).layer][-1].values()))


def _spread(count: int, units: int, turn: int, turns: int) -> tuple[int, ...]:
    """Return evenly spread units of a layer, others in each turn as far as there are enough."""
    units = min(units, count)
    turns = max(1, min(turns, count // units))
    return tuple(
        round((i * turns + turn % turns) * (count - 1) / max(units * turns - 1, 1)) for i in range(units)
    )


def _varying(net: Net, layer: str, count: int) -> list[int]:
    """Return the units of a layer that depend on the input; all where the layer's own weights do not tell.

    Trained networks have units with weights near 0: what is optimised for them is noise.
    """
    module = None if layer == RESULT else net.module.get_submodule(LayerAddress.parse(layer).layer)
    weight = getattr(module, "weight", None)
    if not isinstance(module, nn.modules.conv._ConvNd | nn.Linear) or weight is None or len(weight) != count:
        return list(range(count))
    sizes = weight.detach().float().flatten(1).norm(dim=1)
    return (sizes > NEGLIGIBLE * sizes.mean()).nonzero().flatten().tolist() or list(range(count))


def _stop(net: Net, layer: str, units: int, turn: int, turns: int) -> LayerSelection:
    """Choose units of a layer, which is number `turn` of `turns` with outputs of its shape."""
    count, shape = unit_count(net, LayerAddress.parse(layer)), _shape(net, layer)
    units = count if layer == RESULT and count <= FEW else units
    varying = _varying(net, layer, count)
    chosen = tuple(varying[k] for k in _spread(len(varying), units, turn, turns))
    if layer == RESULT and units == 1:
        chosen = (count // 2,)
    field = None if layer == RESULT else _field(net, layer)
    extent = tuple(field.size) if field else None
    whole = layer == RESULT or (field is not None and all(field.covers_all))
    middle = tuple(extent // 2 for extent in shape[1:])
    box = field.box(middle) if field and field.positions == shape[1:] and middle else None
    return LayerSelection(layer, tuple(dict.fromkeys(chosen)), shape, extent, whole, box)


def _field(net: Net, layer: str) -> Field | None:
    """Return the largest receptive field of the layers inside."""
    inside = [
        info.field
        for info in describe(net).layers
        if info.field is not None and (info.name == layer or info.name.startswith(f"{layer}."))
    ]
    return max(inside, key=lambda field: field.size, default=None)


@takes_network
def iter_journey(
    net: Net,
    recipe: VisualizeRecipe,
    stops: Sequence[LayerSelection],
    *,
    photographs: InputLike | Sequence[InputLike] | None = None,
) -> Iterator[Progress[Visualization]]:
    """Visualize the units of the chosen layers, yielding after each step.

    Where a unit sees at most 8 pixels along each axis, the receptive field of the neuron in the middle is
    optimised, without transforms, and enlarged to the size of the other images; unless the recipe names
    another `reduce` or other transforms.

    Args:
        net: the network of the stops.
        recipe: settings; its places are not used.
        stops: what `choose_layers` has chosen.
        photographs: what `worlds.open_inputs` takes, whose mean spectrum `canvas="maco"` holds fixed.

    Yields:
        The progress with the images so far, in the order of the stops.

    Raises:
        UsageError: a setting has no effect, or a place has no gradient with respect to the image.
        ConvscopeError: scores or images are NaN or infinite.
    """
    runs = [[stop] for stop in stops if stop.is_patch and _leaves_open(recipe)]
    textures = [stop for stop in stops if [stop] not in runs]
    runs += [textures] if textures else []
    size = shape_of(net.input_spec, tuple(recipe.size))[1:]
    total, finished = sum(len(stop.units) for stop in stops), []
    for run in runs:
        box = None if run is textures else run[0].box
        made: Callable[[], Visualization] | None = None
        course = iter_visualize(
            net, _recipe_of(recipe, run, box), photographs=photographs if box is None else None
        )
        for step in course:
            made = partial(_enlarged, step.result, box, size)
            fraction = (
                sum(map(len, finished)) + sum(len(stop.units) for stop in run) * step.fraction
            ) / total
            yield Progress(fraction, step.message, partial(_joined, recipe, list(finished), made))
        finished += [made()] if made else []


def _leaves_open(recipe: VisualizeRecipe) -> bool:
    """Return whether nothing in the recipe says how a unit's map is reduced or how images are transformed."""
    return recipe.reduce == "mean" and recipe.transforms == "auto" and recipe.canvas != "maco"


def _recipe_of(recipe: VisualizeRecipe, run: Sequence[LayerSelection], box: Box | None) -> VisualizeRecipe:
    """Return the recipe of some stops: of textures, or of the neuron in the middle at the network's size."""
    patch = {"reduce": "centre", "transforms": "none", "size": []} if box else {}
    places = [place for stop in run for place in stop.places]
    return recipe.model_copy(update={"places": places, "journey": False, **patch})


def _enlarged(result: Callable[[], Visualization], box: Box | None, size: tuple[int, ...]) -> Visualization:
    """Return what was made, its images cropped to a box and enlarged to a size, if there is a box."""
    made = result()
    if box is None:
        return made
    window = tuple(slice(low, high) for low, high in box)

    def enlarged(images: Float[Tensor, "n c *own"]) -> Float[Tensor, "n c *size"]:
        return nn.functional.interpolate(images[(..., *window)], size=size, mode="nearest-exact")

    film = tuple((moment, enlarged(images)) for moment, images in made.film)
    return replace(made, images=enlarged(made.images), film=film)


def _joined(
    recipe: VisualizeRecipe, finished: Sequence[Visualization], last: Callable[[], Visualization]
) -> Visualization:
    """Return several visualizations as one; its recipe is that of the journey."""
    parts = [*finished, last()]
    joined: dict[str, Any] = {}
    for field in fields(Visualization):
        values = [getattr(part, field.name) for part in parts]
        if isinstance(values[0], Tensor):
            joined[field.name] = torch.cat(values)
        elif isinstance(values[0], tuple):
            joined[field.name] = tuple(entry for value in values for entry in value)
    moments = [moment for moment, _ in parts[0].film]
    films = [dict(part.film) for part in parts]
    joined["film"] = tuple((moment, torch.cat([film[moment] for film in films])) for moment in moments)
    kept = {name: getattr(recipe, name) for name in ("places", "journey", "reduce", "transforms", "size")}
    return replace(parts[-1], **joined, recipe=recipe, settled=parts[-1].settled.model_copy(update=kept))
