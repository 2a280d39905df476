"""One picture drawn again by each of several layers: exaggerated, or from what the layer kept of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import UsageError
from convscope.iteration import last_result
from convscope.nets import LayerAddress, Net, frozen, layer_shapes, resolve
from convscope.see.activation_atlas.recipe import CaricatureRecipe, InvertRecipe
from convscope.see.features.maps import layers_with_units
from convscope.see.features.recording import record_float32
from convscope.see.optimize.feature_matching import dot_cosine_match, normalized_l2
from convscope.see.optimize.gradient_flow import check_reached, require_finite
from convscope.see.optimize.image_params.base import fft_image, pixel_image
from convscope.see.optimize.loop import OptimizerConfig, Step, optimize_input
from convscope.see.optimize.objective import Objective
from convscope.see.optimize.regularizers import total_variation
from convscope.see.optimize.transforms import Transform, Warp
from convscope.see.visualization.visualization import seed_of

SHIFT = 28
"""Caricatures must survive moves of up to 1/28 of their size: 8 pixels of 224, 1 of 28."""
MOST = 8
"""Layers that are asked where none is named."""


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """The same picture, drawn by each layer.

    Attributes:
        layers: who drew.
        images: what each drew, `[n c ...]` in the contract's range.
        cosines: between the layer's activations for its drawing and for the picture.
        missed: squared distance of the two, as a share of the picture's squared norm.
        original: the picture `[c ...]`.
        steps: updates that each drawing took; fewer for the last one if it was stopped.
        unmoved: layers whose gradient was exactly 0 in every step: their drawings are the noise that they
            began with.
    """

    layers: tuple[str, ...]
    images: Float[Tensor, "n *shape"]
    cosines: Float[Tensor, " n"]
    relative_errors: Float[Tensor, " n"]
    original: Float[Tensor, "*shape"]
    steps: int
    unmoved: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.layers)


@dataclass(frozen=True, eq=False)
class ReconstructionProgress:
    """One step of one drawing; `redrawn()` is what there is so far."""

    layer: str
    step: int
    done: float
    """From 0 to 1, over all layers."""
    reconstruction: Callable[[], Reconstruction]


Goal = Callable[[LayerAddress, Tensor], Objective]


def caricature(net: Net, image: Tensor, *layers: str, **recipe: object) -> Reconstruction:
    """The picture with what each layer sees in it exaggerated.

    Args:
        net: any network with one input.
        image: `[c ...]` or `[1 c ...]` in the contract's range.
        *layers: who draws; the last layer of each map size if left out.
        **recipe: fields of `CaricatureRecipe`.

    Raises:
        PlaceError: a layer is not in this network.
        UsageError: a field is unknown, out of range or without effect, the picture does not fit, or a layer
            has no gradient with respect to it.
        ConvscopeError: the layer's activations or a drawing are NaN or infinite.
    """
    wanted = CaricatureRecipe.parse({"net": net.name, "image": "", "layer": list(layers), **recipe})
    with frozen(net.module):
        return last_result(iter_reconstruct(net, image, wanted), "an inversion").reconstruction()


def invert(net: Net, image: Tensor, *layers: str, **recipe: object) -> Reconstruction:
    """The picture again from nothing but each layer's activations: what is gone is what the layer forgot.

    Arguments and errors are those of `caricature`; fields are those of `InvertRecipe`.
    """
    wanted = InvertRecipe.parse({"net": net.name, "image": "", "layer": list(layers), **recipe})
    with frozen(net.module):
        return last_result(iter_reconstruct(net, image, wanted), "an inversion").reconstruction()


def iter_reconstruct(
    net: Net, image: Tensor, recipe: CaricatureRecipe | InvertRecipe
) -> Iterator[ReconstructionProgress]:
    """Draw layer after layer, and yield after each step; can be stopped at any time."""
    picture = _single(net, image)
    layers = list(dict.fromkeys(recipe.layer)) or default_layers(net)
    places = [resolve(net, layer) for layer in layers]
    _check(net, picture, places, recipe.steps)
    finished: list[Step] = []
    for number, (layer, place) in enumerate(zip(layers, places, strict=True)):
        step = None
        for step in _drawn(net, picture, place, recipe):
            done = (number + step.index / max(recipe.steps, 1)) / len(layers)
            so_far = [*finished, step]
            yield ReconstructionProgress(
                layer, step.index, done, lambda so_far=so_far: _redrawn(net, picture, layers, so_far)
            )
        if step is not None:
            finished.append(step)


def _check(net: Net, picture: Tensor, places: Sequence[LayerAddress], steps: int) -> None:
    """Refuse layers without a gradient, or with values that are no numbers, before anything is drawn."""
    wanted = list(dict.fromkeys(place.layer_only for place in places))
    with torch.no_grad():
        for place, activation in record_float32(net, picture, wanted).items():
            require_finite(activation.float(), [str(place)], "activations for the picture")
    if steps:
        check_reached(net, places, picture)


def default_layers(net: Net) -> list[str]:
    """The last layer of each size of map, and the result: at most eight, from first to last."""
    shapes = layer_shapes(net)
    last: dict[tuple[int, ...], str] = {}
    for name in layers_with_units(net):
        last[next(iter(shapes[name][-1].values()))[1:]] = name
    names = sorted(last.values(), key=list(shapes).index)
    spatial = [name for name in names if len(next(iter(shapes[name][-1].values()))) > 1]
    rest = [name for name in names if name not in spatial][-1:]
    room = MOST - len(rest)
    if len(spatial) > room:
        spatial = [spatial[round(i * (len(spatial) - 1) / (room - 1))] for i in range(room)]
    return [*spatial, *rest]


def _drawn(
    net: Net, picture: Tensor, place: LayerAddress, recipe: CaricatureRecipe | InvertRecipe
) -> Iterator[Step]:
    with torch.no_grad():
        activation = place.select(record_float32(net, picture, [place.layer_only])[place.layer_only])[0]
    seeds, size = [seed_of(recipe.seed, place)], tuple(picture.shape[2:])
    canvas = (fft_image if size else pixel_image)(net.contract, seeds, size=size, device=net.device)
    transforms: tuple[Transform, ...] = ()
    if isinstance(recipe, CaricatureRecipe):
        goal = dot_cosine_match(place, activation, cosine_power=recipe.cosine_power)
        amount = min(size, default=0) // SHIFT
        transforms = (Warp(amount),) if amount else ()
    else:
        low, high = net.contract.value_range
        weight = recipe.total_variation / (picture.numel() * max(len(size), 1) * (high - low))
        goal = -normalized_l2(place, activation) - weight * total_variation()
    yield from optimize_input(
        net,
        goal,
        canvas,
        steps=recipe.steps,
        config=OptimizerConfig(lr=recipe.lr),
        transforms=transforms,
        generator=torch.Generator().manual_seed(recipe.seed),
    )


def _redrawn(net: Net, picture: Tensor, layers: Sequence[str], drawn: Sequence[Step]) -> Reconstruction:
    cosines, missed = [], []
    with torch.no_grad():
        for layer, step in zip(layers, drawn, strict=False):
            place = LayerAddress.parse(layer)
            both = record_float32(net, torch.cat([picture.to(step.images.device), step.images]), [place])[
                place
            ]
            wanted, here = both.flatten(1).double()
            cosines.append(float(torch.cosine_similarity(wanted, here, dim=0)))
            missed.append(float((wanted - here).square().sum() / wanted.square().sum().clamp_min(1e-12)))
    done = tuple(layers[: len(drawn)])
    numbers = torch.tensor([cosines, missed])
    require_finite(numbers.T, done, "activations for the drawings")
    unmoved = (n for n, step in zip(done, drawn, strict=True) if step.index and not bool(step.changed.any()))
    return Reconstruction(
        done,
        torch.cat([step.images for step in drawn]).cpu(),
        numbers[0],
        numbers[1],
        picture[0].cpu(),
        drawn[-1].index,
        tuple(unmoved),
    )


def _single(net: Net, image: Tensor) -> Tensor:
    picture = image[None] if image.dim() == len(net.contract.shape) else image
    if len(net.contracts) != 1 or len(picture) != 1 or picture.dim() != len(net.contract.shape) + 1:
        raise UsageError(
            f"one picture of {net.contract.shape} for a network with one input",
            received=f"{tuple(image.shape)}",
        )
    return picture.detach().float()
