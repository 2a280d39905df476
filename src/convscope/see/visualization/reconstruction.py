"""Reconstruct an image from the activations of single layers: caricatures and feature inversion."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import UsageError
from convscope.nets import LayerAddress, Net, frozen, layer_shapes, resolve
from convscope.see.activation_atlas.recipe import CaricatureRecipe, InvertRecipe
from convscope.see.features.maps import layers_with_units
from convscope.see.features.recording import record_float32
from convscope.see.optimize.gradient_flow import check_reached, require_finite
from convscope.see.optimize.image_params.base import CONTRAST, fft_image, pixel_image
from convscope.see.optimize.loop import OptimizerConfig, Step, optimize_input
from convscope.see.optimize.objectives.feature_matching import dot_cosine_match, normalized_l2
from convscope.see.optimize.objectives.regularizers import total_variation
from convscope.see.optimize.transforms import Transform, Warp
from convscope.see.visualization.visualization import seed_of
from convscope.system.progress import Progress, last_result

SHIFT = 28
"""Caricatures are optimised under random shifts of up to 1/28 of their size: 8 pixels of 224, 1 of 28."""
MOST = 8
"""Maximum number of layers that are chosen where none is named."""


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """One image, reconstructed from each of several layers.

    Attributes:
        layers: names of the layers.
        images: the reconstruction from each layer, `[n c ...]` in the spec's value range.
        cosines: cosine similarity between the layer's activations for the reconstruction and for the
            original.
        relative_errors: squared distance of the two, as a share of the original activations' squared norm.
        original: the original image `[c ...]`.
        steps: updates of the last reconstruction; fewer than the recipe's if it was stopped.
        unmoved: layers whose gradient was exactly 0 in every step: their images are the starting noise.
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


def caricature(net: Net, image: Tensor, *layers: str, **recipe: object) -> Reconstruction:
    """Synthesise images that exaggerate the features a layer detects in an image.

    The dot product between the layer's activations for the image and for the synthetic one is maximised,
    times a power of their cosine similarity, starting from noise (Fourier parameters, random shifts).

    Args:
        net: any network with one input.
        image: `[c ...]` or `[1 c ...]` in the spec's value range.
        *layers: names of the layers; the last layer of each feature-map size if left out.
        **recipe: fields of `CaricatureRecipe`.

    Returns:
        One caricature for each layer.

    Raises:
        PlaceError: a layer is not in this network.
        UsageError: a field is unknown, out of range or without effect, the image does not fit, or a layer
            has no gradient with respect to it.
        ConvscopeError: the layer's activations or a reconstruction are NaN or infinite.
    """
    wanted = CaricatureRecipe.parse({"net": net.name, "image": "", "layer": list(layers), **recipe})
    with frozen(net.module):
        return last_result(iter_reconstruct(net, image, wanted), "an inversion")


def invert(net: Net, image: Tensor, *layers: str, **recipe: object) -> Reconstruction:
    """Invert features: synthesise images that have the same activations of a layer as an image.

    The normalised squared distance of the activations is minimised with a total variation penalty, starting
    from noise. Details that the result lacks are not contained in the layer's activations.

    Args:
        net: any network with one input.
        image: `[c ...]` or `[1 c ...]` in the spec's value range.
        *layers: names of the layers; the last layer of each feature-map size if left out.
        **recipe: fields of `InvertRecipe`.

    Returns:
        One reconstruction for each layer.

    Raises:
        PlaceError: a layer is not in this network.
        UsageError: a field is unknown, out of range or without effect, the image does not fit, or a layer
            has no gradient with respect to it.
        ConvscopeError: the layer's activations or a reconstruction are NaN or infinite.
    """
    wanted = InvertRecipe.parse({"net": net.name, "image": "", "layer": list(layers), **recipe})
    with frozen(net.module):
        return last_result(iter_reconstruct(net, image, wanted), "an inversion")


def iter_reconstruct(
    net: Net, image: Tensor, recipe: CaricatureRecipe | InvertRecipe
) -> Iterator[Progress[Reconstruction]]:
    """Run `caricature` or `invert`, one layer after another, yielding after each step.

    The iterator can be closed at any time; weights should be frozen by the caller (`nets.frozen`).

    Args:
        net: any network with one input.
        image: `[c ...]` or `[1 c ...]` in the spec's value range.
        recipe: its class selects the method; `layer` names the layers.

    Yields:
        The progress with the images so far, layer by layer, after each step.

    Raises:
        PlaceError: a layer is not in this network.
        UsageError: the image does not fit, or a layer has no gradient with respect to it.
        ConvscopeError: the layer's activations or a reconstruction are NaN or infinite.
    """
    original = _single(net, image)
    layers = list(dict.fromkeys(recipe.layer)) or default_layers(net)
    places = [resolve(net, layer) for layer in layers]
    _check(net, original, places, recipe.steps)
    finished: list[Step] = []
    for number, (layer, place) in enumerate(zip(layers, places, strict=True)):
        step = None
        for step in _optimize_layer(net, original, place, recipe):
            yield Progress(
                (number + step.index / max(recipe.steps, 1)) / len(layers),
                f"{layer}, step {step.index} of {recipe.steps}",
                partial(_collect, net, original, layers, [*finished, step]),
            )
        if step is not None:
            finished.append(step)


def _check(net: Net, original: Tensor, places: Sequence[LayerAddress], steps: int) -> None:
    """Refuse layers without a gradient, or with NaN or infinite activations, before any optimisation."""
    wanted = list(dict.fromkeys(place.layer_only for place in places))
    with torch.no_grad():
        for place, activation in record_float32(net, original, wanted).items():
            require_finite(activation.float(), [str(place)], "activations for the picture")
    if steps:
        check_reached(net, places, original)


def default_layers(net: Net) -> list[str]:
    """Return the last layer of each feature-map size and the last layer without spatial axes.

    Args:
        net: the network.

    Returns:
        At most `MOST` names in the order in which the layers run; of more, an even choice.
    """
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


def _optimize_layer(
    net: Net, original: Tensor, place: LayerAddress, recipe: CaricatureRecipe | InvertRecipe
) -> Iterator[Step]:
    """Yield the steps of the optimisation for one layer."""
    with torch.no_grad():
        activation = place.select(record_float32(net, original, [place.layer_only])[place.layer_only])[0]
    seeds, size = [seed_of(recipe.seed, place)], tuple(original.shape[2:])
    invents = isinstance(recipe, CaricatureRecipe)
    if size:
        limit = CONTRAST if invents else None  # photographs have more contrast than that
        params = fft_image(net.input_spec, seeds, size=size, contrast=limit, device=net.device)
    else:
        params = pixel_image(net.input_spec, seeds, device=net.device)
    transforms: tuple[Transform, ...] = ()
    if invents:
        goal = dot_cosine_match(place, activation, cosine_power=recipe.cosine_power)
        amount = min(size, default=0) // SHIFT
        transforms = (Warp(amount),) if amount else ()
    else:
        low, high = net.input_spec.value_range
        weight = recipe.total_variation / (original.numel() * max(len(size), 1) * (high - low))
        goal = -normalized_l2(place, activation) - weight * total_variation()
    yield from optimize_input(
        net,
        goal,
        params,
        steps=recipe.steps,
        config=OptimizerConfig(lr=recipe.lr),
        transforms=transforms,
        generator=torch.Generator().manual_seed(recipe.seed),
    )


def _collect(net: Net, original: Tensor, layers: Sequence[str], last_steps: Sequence[Step]) -> Reconstruction:
    """Measure the reconstructions so far and collect them."""
    cosines, relative_errors = [], []
    with torch.no_grad():
        for layer, step in zip(layers, last_steps, strict=False):
            place = LayerAddress.parse(layer)
            both = record_float32(net, torch.cat([original.to(step.images.device), step.images]), [place])[
                place
            ]
            wanted, here = both.flatten(1).double()
            cosines.append(float(torch.cosine_similarity(wanted, here, dim=0)))
            relative_errors.append(
                float((wanted - here).square().sum() / wanted.square().sum().clamp_min(1e-12))
            )
    done = tuple(layers[: len(last_steps)])
    numbers = torch.tensor([cosines, relative_errors])
    require_finite(numbers.T, done, "activations for the drawings")
    unmoved = (
        n for n, step in zip(done, last_steps, strict=True) if step.index and not bool(step.changed.any())
    )
    return Reconstruction(
        done,
        torch.cat([step.images for step in last_steps]).cpu(),
        numbers[0],
        numbers[1],
        original[0].cpu(),
        last_steps[-1].index,
        tuple(unmoved),
    )


def _single(net: Net, image: Tensor) -> Tensor:
    """Return the image as a batch of one, or refuse one that does not fit the network."""
    original = image[None] if image.dim() == len(net.input_spec.shape) else image
    if len(net.input_specs) != 1 or len(original) != 1 or original.dim() != len(net.input_spec.shape) + 1:
        raise UsageError(
            f"one picture of {net.input_spec.shape} for a network with one input",
            received=f"{tuple(image.shape)}",
        )
    return original.detach().float()
