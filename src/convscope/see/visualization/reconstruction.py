"""Reconstruct an image from the activations of single layers: caricatures and feature inversion."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import UsageError
from convscope.nets import LayerAddress, Net, frozen, layer_shapes, resolve, takes_network
from convscope.recipe.result import Result
from convscope.see.activation_atlas.recipe import CaricatureRecipe, InvertRecipe
from convscope.see.features.maps import layers_with_units
from convscope.see.features.recording import record_float32
from convscope.see.optimize.gradient_flow import check_reached, require_finite
from convscope.see.optimize.image_params.base import fft_image, pixel_image
from convscope.see.optimize.loop import OptimizerConfig, Step, optimize_input
from convscope.see.optimize.objectives.feature_matching import dot_cosine_match, normalized_l2
from convscope.see.optimize.objectives.objective import Objective
from convscope.see.optimize.objectives.regularizers import l2, total_variation
from convscope.see.optimize.transforms import Transform, Warp
from convscope.see.visualization.journey import evenly
from convscope.see.visualization.visualization import seed_of
from convscope.system.progress import Progress, last_result
from convscope.worlds import InputLike, name_of, open_sample

SHIFT = 28
"""Caricatures are optimised under random shifts of up to 1/28 of their size (8 pixels of 224, 1 of 28) and
half the layer's stride: more moves a position to where the original has its neighbour's activations, which
blurs what early layers see."""
FAINT = 0.03
"""Contrast of the start of a caricature, as a share of the original's: nobody sees it, and where optima
differ in what the layer hardly tells apart (colours, a second head beside the first) it leads to the one like
the original. For an owl at EfficientNet-lite0's last stage the cosine is 0.94, and 0.91 from noise."""
MOST_LAYERS = 8
"""Maximum number of layers that are chosen where none is named."""
RATE, PLAIN_RATE = 0.1, 0.05
"""Default learning rates: of normalised SGD on spectra, and of Adam for inputs without them."""
FOUND, PARTLY = 0.9, 0.5
"""Least `Reconstruction.explained` of an inversion that has found the activations, or a part of them."""
STRONGER, LEAST_COSINE = 1.0, 0.3
"""Least length of a caricature's activations along the original's, in lengths of theirs, and least cosine."""
SAME = 0.8
"""Cosine from which a caricature that is no stronger still shows what the layer detects."""


@dataclass(frozen=True)
class Verdict:
    """Whether an image is what was asked for, by its numbers.

    Attributes:
        word: `found`, `partly` or `failed`.
        text: what that means here, as a sentence.
    """

    word: Literal["found", "partly", "failed"]
    text: str


STILL = Verdict("failed", "the gradient was exactly 0 in every step: this is the start")


@dataclass(frozen=True, eq=False)
class Reconstruction(Result):
    """One image, reconstructed from each of several layers.

    Attributes:
        layers: names of the layers.
        images: the reconstruction from each layer, `[n c ...]` in the spec's value range.
        cosines: cosine similarity between the layer's activations for the reconstruction and for the
            original.
        relative_errors: squared distance of the two, as a share of the original activations' squared norm;
            above 1 where activations of 0 would be nearer.
        explained: 1 minus the squared distance, as a share of that of the start or of activations of
            0, whichever is nearer; 0 if it is no smaller. So 1 is the original's activations, 0 no better
            than the nearer of those two.
        strengths: length of the reconstruction's activations along the original's, as a multiple of theirs.
        original: the original image `[c ...]`.
        steps: updates of the last reconstruction; fewer than the recipe's if it was stopped.
        net: the network; its input spec says how the images are drawn.
        recipe: the recipe as it was given.
        unmoved: layers whose gradient was exactly 0 in every step: their images are the start.
    """

    layers: tuple[str, ...]
    images: Float[Tensor, "n *shape"]
    cosines: Float[Tensor, " n"]
    relative_errors: Float[Tensor, " n"]
    explained: Float[Tensor, " n"]
    strengths: Float[Tensor, " n"]
    original: Float[Tensor, "*shape"]
    steps: int
    net: Net
    recipe: CaricatureRecipe | InvertRecipe
    unmoved: tuple[str, ...] = ()

    def _answer(self) -> Iterator[tuple[str, Any]]:
        yield "layers", self.layers
        yield "cosines", self.cosines
        yield "explained", self.explained

    @property
    def exact(self) -> bool:
        """Whether equality was the goal (inversion), not exaggeration (caricature)."""
        return isinstance(self.recipe, InvertRecipe)

    def __len__(self) -> int:
        return len(self.layers)

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Whether each image is what was asked for."""
        judge = _inversion_verdict if self.exact else _caricature_verdict
        numbers = (self.explained if self.exact else self.strengths).tolist()
        rows = zip(self.layers, numbers, self.cosines.tolist(), strict=True)
        return tuple(
            STILL if layer in self.unmoved else judge(number, cosine) for layer, number, cosine in rows
        )


def _inversion_verdict(explained: float, cosine: float) -> Verdict:
    """Judge an inversion by how much of the activations it explains."""
    share = f"explains {explained:.0%} of the activations (cosine {cosine:.2f})"
    if explained >= FOUND:
        return Verdict("found", f"{share}: an input with almost the same activations")
    if explained >= PARTLY:
        return Verdict("partly", f"{share}: more --steps may find the rest")
    return Verdict("failed", f"{share}: no input with these activations was found; try more --steps")


def _caricature_verdict(strength: float, cosine: float) -> Verdict:
    """Judge a caricature: by the strength of the picture's own activations in it."""
    times = f"the picture's features at {strength:.1f} times their strength, cosine {cosine:.2f}"
    if strength < STRONGER and cosine < SAME:
        return Verdict("failed", f"{times}: not exaggerated; try more --steps")
    if strength < STRONGER:
        alike = "much like the picture's own, but not exaggerated: none stronger was found"
        return Verdict("partly", f"{times}: {alike}")
    if cosine < LEAST_COSINE:
        return Verdict("partly", f"{times}: others are stronger still")
    return Verdict("found", times)


@takes_network
def caricature(net: Net, image: InputLike, *layers: str, **recipe: object) -> Reconstruction:
    """Synthesise images that exaggerate the features a layer detects in an image.

    The dot product between the layer's activations for the image and for the synthetic one is maximised,
    times a power of their cosine similarity (Fourier parameters, normalised gradient steps, random shifts of
    at most half the layer's stride). Where the layer has positions it starts from the image at 3% of its
    contrast, else from noise: such a layer does not say where things are.

    Args:
        net: any network with one input, or its name.
        image: a path, an opened image, an array or a tensor; `worlds.open_sample` says how each is read.
        *layers: names of the layers; the last layer of each feature-map size if left out.
        **recipe: fields of `CaricatureRecipe`.

    Returns:
        One caricature for each layer.

    Raises:
        PlaceError: a layer is not in this network.
        UsageError: a field is unknown, out of range or without effect, or a layer has no gradient with
            respect to the image.
        DataError: the image cannot be read or does not fit.
        ConvscopeError: the layer's activations or a reconstruction are NaN or infinite.
    """
    named = {"net": net.name, "image": name_of(image), "layer": list(layers)}
    wanted = CaricatureRecipe.parse({**named, **recipe})
    with frozen(net.module):
        return last_result(iter_reconstruct(net, image, wanted), "a caricature")


@takes_network
def invert(net: Net, image: InputLike, *layers: str, **recipe: object) -> Reconstruction:
    """Invert features: synthesise images that have the same activations of a layer as an image.

    The normalised squared distance of the activations is minimised with a total variation penalty, starting
    from noise. Many inputs can have almost the same activations, and the penalties choose a smooth one: what
    differs from the original is not needed for them, which does not prove that the layer has no trace of it.

    Args:
        net: any network with one input, or its name.
        image: a path, an opened image, an array or a tensor; `worlds.open_sample` says how each is read.
        *layers: names of the layers; the last layer of each feature-map size if left out.
        **recipe: fields of `InvertRecipe`.

    Returns:
        One reconstruction for each layer.

    Raises:
        PlaceError: a layer is not in this network.
        UsageError: a field is unknown, out of range or without effect, or a layer has no gradient with
            respect to the image.
        DataError: the image cannot be read or does not fit.
        ConvscopeError: the layer's activations or a reconstruction are NaN or infinite.
    """
    named = {"net": net.name, "image": name_of(image), "layer": list(layers)}
    wanted = InvertRecipe.parse({**named, **recipe})
    with frozen(net.module):
        return last_result(iter_reconstruct(net, image, wanted), "an inversion")


@takes_network
def iter_reconstruct(
    net: Net, image: InputLike, recipe: CaricatureRecipe | InvertRecipe
) -> Iterator[Progress[Reconstruction]]:
    """Run `caricature` or `invert`, one layer after another, yielding after each step.

    The iterator can be closed at any time; weights should be frozen by the caller (`nets.frozen`).

    Args:
        net: any network with one input.
        image: what `worlds.open_sample` takes.
        recipe: its class selects the method; `layer` names the layers.

    Yields:
        The progress with the images so far, layer by layer, after each step.

    Raises:
        PlaceError: a layer is not in this network.
        UsageError: a layer has no gradient with respect to the image.
        DataError: the image cannot be read or does not fit.
        ConvscopeError: the layer's activations or a reconstruction are NaN or infinite.
    """
    original = _opened(net, image)
    layers = list(dict.fromkeys(recipe.layer)) or default_layers(net)
    places = [resolve(net, layer) for layer in layers]
    _check(net, original, places, recipe.steps)
    finished: list[tuple[Step, Step]] = []
    for number, (layer, place) in enumerate(zip(layers, places, strict=True)):
        first = step = None
        for step in _optimize_layer(net, original, place, recipe):
            first = first or step
            yield Progress(
                (number + step.index / max(recipe.steps, 1)) / len(layers),
                f"{layer}, step {step.index} of {recipe.steps}",
                partial(_collect, net, original, layers, [*finished, (first, step)], recipe),
            )
        if first is not None and step is not None:
            finished.append((first, step))


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
        At most `MOST_LAYERS` names in the order in which the layers run; of more, an even choice.
    """
    shapes = layer_shapes(net)
    last: dict[tuple[int, ...], str] = {}
    for name in layers_with_units(net):
        last[next(iter(shapes[name][-1].values()))[1:]] = name
    names = sorted(last.values(), key=list(shapes).index)
    spatial = [name for name in names if len(next(iter(shapes[name][-1].values()))) > 1]
    rest = [name for name in names if name not in spatial][-1:]
    return [*evenly(spatial, MOST_LAYERS - len(rest)), *rest]


def _optimize_layer(
    net: Net, original: Tensor, place: LayerAddress, recipe: CaricatureRecipe | InvertRecipe
) -> Iterator[Step]:
    """Yield the steps of the optimisation for one layer."""
    with torch.no_grad():
        activation = place.select(record_float32(net, original, [place.layer_only])[place.layer_only])[0]
    seeds, size = [seed_of(recipe.seed, place)], tuple(original.shape[2:])
    invents = isinstance(recipe, CaricatureRecipe)
    if size:
        located = activation.dim() > 0 and activation[0].numel() > 1
        start = _faint(net, original) if invents and located else "noise"
        limit = "auto" if invents else None  # photographs have more contrast than that
        params = fft_image(net.input_spec, seeds, size=size, start=start, contrast=limit, device=net.device)
    else:
        params = pixel_image(net.input_spec, seeds, device=net.device)
    if invents:
        goal = dot_cosine_match(place, activation, cosine_power=recipe.cosine_power)
    else:
        goal = -normalized_l2(place, activation) - _penalty(net, original, recipe)
    yield from optimize_input(
        net,
        goal,
        params,
        steps=recipe.steps,
        config=_optimizer_config(recipe, spectra=bool(size)),
        transforms=_shifts(size, tuple(activation.shape[1:])) if invents else (),
        generator=torch.Generator().manual_seed(recipe.seed),
    )


def _faint(net: Net, original: Tensor) -> Tensor:
    """Return the start of a caricature: mid-range, plus `FAINT` times the original's differences from it."""
    middle = sum(net.input_spec.value_range) / 2
    return middle + FAINT * (original - middle)


def _shifts(size: tuple[int, ...], positions: tuple[int, ...]) -> tuple[Transform, ...]:
    """Return the random shifts of a caricature, given the extents of the image and of the layer's map."""
    strides = [extent // count for extent, count in zip(size, positions, strict=False)]
    amount = min([min(size, default=0) // SHIFT, *(stride // 2 for stride in strides)])
    return (Warp(amount),) if amount else ()


def _penalty(net: Net, original: Tensor, recipe: InvertRecipe) -> Objective:
    """Return what keeps an inversion like a photograph: smooth, and away from the ends of the value range."""
    low, high = net.input_spec.value_range
    span, count = high - low, original.numel()
    differences = count * max(original.dim() - 2, 1)
    return (recipe.total_variation / (differences * span)) * total_variation() + (
        recipe.contrast / (count**0.5 * span)
    ) * l2((low + high) / 2)


def _optimizer_config(recipe: CaricatureRecipe | InvertRecipe, *, spectra: bool) -> OptimizerConfig:
    """Return the optimizer.

    Adam changes all frequencies alike: caricatures get grain and patches of false colour, and inversions of
    deep layers stay at the starting noise, around which the distance is flat. Steps along the gradient itself
    get away from it, and the falling rate ends as close as small ones.
    """
    if not spectra:
        return OptimizerConfig(lr=recipe.lr or PLAIN_RATE)
    return OptimizerConfig(lr=recipe.lr or RATE, optimizer="normalized_sgd", schedule="linear")


def _collect(
    net: Net,
    original: Tensor,
    layers: Sequence[str],
    ends: Sequence[tuple[Step, Step]],
    recipe: CaricatureRecipe | InvertRecipe,
) -> Reconstruction:
    """Measure the reconstructions so far and collect them, given the first and the last step of each."""
    done, last_steps = tuple(layers[: len(ends)]), [last for _, last in ends]
    with torch.no_grad():
        measured = [_measure(net, original, layer, *pair) for layer, pair in zip(done, ends, strict=True)]
    numbers = torch.tensor(measured)
    require_finite(numbers, done, "activations for the drawings")
    cosines, relative_errors, explained, strengths = numbers.T
    unmoved = (
        n for n, step in zip(done, last_steps, strict=True) if step.index and not bool(step.changed.any())
    )
    return Reconstruction(
        done,
        torch.cat([step.images for step in last_steps]).cpu(),
        cosines,
        relative_errors,
        explained,
        strengths,
        original[0].cpu(),
        last_steps[-1].index,
        net,
        recipe,
        tuple(unmoved),
    )


def _measure(
    net: Net, original: Tensor, layer: str, first: Step, last: Step
) -> tuple[float, float, float, float]:
    """Return cosine, relative error, explained share and strength of a layer's reconstruction."""
    place = LayerAddress.parse(layer)
    images = torch.cat([original.to(last.images.device), first.images, last.images])
    wanted, start, here = record_float32(net, images, [place])[place].reshape(len(images), -1).double()
    energy = float(wanted.square().sum().clamp_min(1e-12))
    error, from_start = (float((wanted - other).square().sum()) / energy for other in (here, start))
    explained = max(0.0, 1 - error / max(min(from_start, 1.0), 1e-12))
    cosine = float(torch.cosine_similarity(wanted, here, dim=0))
    return cosine, error, explained, float(wanted @ here) / energy


def _opened(net: Net, image: InputLike) -> Tensor:
    """Return the image as a batch of one."""
    if len(net.input_specs) != 1:
        raise UsageError(
            "a network with one input",
            received=f"{net.name} with {len(net.input_specs)}",
            hint="Choose a network with one input: convscope nets lists them.",
        )
    return open_sample(image, net.input_spec).input[None].float()
