"""Build parameterizations, objectives, transforms and batches of a visualization from its recipe."""

import hashlib
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import ConvscopeError, UsageError
from convscope.graph.spec import TensorSpec
from convscope.nets import LayerAddress, Net, layer_shapes, takes_network
from convscope.nets.inference.inference_copy import inference_copy
from convscope.nets.inference.memory_format import channels_last, channels_last_is_faster
from convscope.nets.network import is_out_of_memory
from convscope.see.features.recording import record_float32
from convscope.see.optimize.gradient_flow import check_reached
from convscope.see.optimize.image_params.base import ImageParameterization, fft_image, pixel_image, shape_of
from convscope.see.optimize.image_params.cppn import cppn_image
from convscope.see.optimize.image_params.maco import maco_image
from convscope.see.optimize.loop import OptimizerConfig, Step
from convscope.see.optimize.objectives import regularizers
from convscope.see.optimize.objectives.activations import diversity
from convscope.see.optimize.objectives.objective import Objective, per_image
from convscope.see.optimize.transforms import Crop, Transform, lucid_transforms, single_warp, translations
from convscope.see.visualization.execution import FRAMES, VisualizationWork, check_room, choose_execution
from convscope.see.visualization.objective_parser import Target, expand_variants, parse_targets
from convscope.see.visualization.recipe import VisualizeRecipe

SHIFT = 14
"""Small images are shifted by up to 1/14 of their size: 2 pixels of 28."""
SMALL = 64
"""Images of fewer pixels along an axis are only shifted, not scaled and rotated."""
RATES = {
    ("normalized_sgd", "fourier"): 0.1,
    ("normalized_sgd", "maco"): 0.1,
    ("adam", "cppn"): 0.01,
    ("adam", "maco"): 0.5,
}
"""Default learning rate by optimizer and parameterization; 0.05 for all others."""
FEW_STEPS = 32
"""Steps beyond which more of them go into detail: normalised SGD's rate in spectra, and the share of views
at a small picture's own scale, fall with the square root of their number. Steps of fixed length add noise,
and many get as far with shorter ones."""
MOMENTUM = {"normalized_sgd": 0.5, "adam": 0.9}
"""Momentum (for Adam, beta 1) by optimizer."""


class VisualizationRun:
    """State of a visualization: the images that are finished, and the batch that is being optimised.

    Attributes:
        objective: the objective of the current batch, one for each image.
        params: the parameters of the current batch.
        current: the latest step of the current batch.
    """

    objective: Objective
    params: ImageParameterization
    current: Step

    def __init__(
        self, net: Net, recipe: VisualizeRecipe, start: Tensor | None, photographs: Tensor | None
    ) -> None:
        self.net, self.recipe, self.start, self.photographs = net, recipe, start, photographs
        self.targets = tuple(
            one
            for target in parse_targets(net, recipe.places, recipe.reduce)
            for one in expand_variants(
                target, both=recipe.both, negative=recipe.negative, variants=recipe.variants
            )
        )
        if start is not None and start.dim() > len(net.input_spec.shape) and len(start) not in (1, len(self)):
            raise UsageError(f"one image to start from, or {len(self)}", received=f"{len(start)}")
        self.shape = shape_of(net.input_spec, tuple(recipe.size))
        _check_effects(recipe, self.shape, self.targets)
        check_room(self.shape, net.device)
        self.config = optimizer_from_recipe(recipe, bool(self.shape[1:]))
        self.transforms = transforms_from_recipe(net, recipe, self.shape)
        self.frames = frozenset(_kept_steps(recipe))
        self.finished: list[tuple[Step, dict[int, Tensor]]] = []
        self.kept: dict[int, Tensor] = {}
        self.execution = choose_execution(self._work())
        self.batches = group_by_depth(depths(net, self.targets), self.execution.batch, recipe.variants)
        self.fast_net: Net | None = None
        if recipe.steps and len(self.batches) > 1:  # ascent looks at the first batch only when it is its turn
            reads = [
                place for target in self.targets for term in target.goal.terms for place in term.term.layers
            ]
            check_reached(net, reads, self.params_of(self.targets[:1], _first_start(start, net)).images())

    def __len__(self) -> int:
        return len(self.targets)

    def start_batch(self, batch: tuple[int, ...]) -> Net:
        """Prepare objective and parameters for a batch of images.

        Args:
            batch: indices of the images, in the order of the targets.

        Returns:
            The network to optimise through: a copy for fast inference, made at the first batch.
        """
        part = [self.targets[number] for number in batch]
        self.objective = per_image(self.objectives(part))
        self.params = self.params_of(part, _start_of_batch(self.start, batch, self.net))
        self.kept = {}
        if self.fast_net is None:
            places = dict.fromkeys(place for target in self.targets for place in target.goal.places)
            images = self.params.images().detach()[:2]
            self.fast_net = inference_copy(self.net, images, tuple(places), self.execution)
        return self.fast_net

    def record(self, step: Step) -> None:
        """Store the latest step of the current batch, and its images if the step is to be kept as a frame.

        Args:
            step: the state after an update.
        """
        self.current = step
        if step.index in self.frames:
            self.kept[step.index] = step.images.cpu()

    def finish_batch(self) -> None:
        """Move the current batch to the finished ones."""
        self.finished.append((self.current, self.kept))

    @property
    def done(self) -> int:
        """Number of finished images."""
        return sum(map(len, self.batches[: len(self.finished)]))

    def objectives(self, part: Sequence[Target]) -> list[Objective]:
        """Return the objective of each image: its target minus penalties, plus diversity for variants.

        Args:
            part: the targets.

        Returns:
            One objective for each target.
        """
        penalty = _penalty(self.recipe)
        goals = [target.goal - penalty if penalty.terms else target.goal for target in part]
        if self.recipe.variants == 1 or not self.recipe.diversity:
            return goals
        groups = [target.text.partition(" ~")[0] for target in part]
        return [
            goal + self.recipe.diversity * diversity(target.place, group)
            for goal, target, group in zip(goals, part, groups, strict=True)
        ]

    def params_of(self, part: Sequence[Target], start: Tensor | None = None) -> ImageParameterization:
        """Return the starting parameters of the images of some targets.

        Args:
            part: the targets.
            start: images to start from, in the spec's value range; the recipe's start if None.

        Returns:
            The parameterization, with one image for each target.
        """
        return params_from_recipe(self.net, self.recipe, [w.seed_text for w in part], start, self.photographs)

    def _work(self) -> VisualizationWork:
        """Describe the work to the choice of batch size, precision and memory format."""

        def canvas(count: int) -> ImageParameterization:
            return self.params_of([self.targets[i % len(self)] for i in range(count)])

        return VisualizationWork(
            self.net, self.objectives(self.targets), canvas, self.transforms, self.config, self.recipe
        )


def _check_effects(recipe: VisualizeRecipe, shape: tuple[int, ...], targets: Sequence[Target]) -> None:
    """Refuse settings that have no effect for this network and these targets.

    Raises:
        UsageError: there is one; it is named.
    """
    chosen, size, vector = recipe.chosen(), shape[1:], f"an input of shape {shape}"
    places = [place for target in targets for term in target.goal.terms for place in term.term.layers]
    one_value = all(place.unit is None or place.position is not None for place in places)
    small = size and recipe.transforms == "shifts" and min(size) < SHIFT
    without = {
        "decay": (not size, "an input with width, for frequencies to damp", vector),
        "transforms": (
            recipe.transforms != "none" and (not size or bool(small)),
            f"an input with width, of {SHIFT} pixels or more for shifts",
            vector,
        ),
        "reduce": (one_value, "a unit with a map, like conv2:17, to reduce", ", ".join(map(str, places[:3]))),
    }
    for name, (useless, expected, received) in without.items():
        if name in chosen and useless:
            raise UsageError(f"{name}: {expected}", received=received, hint=f"Leave out --{name}.")


def _kept_steps(recipe: VisualizeRecipe) -> set[int]:
    """Return the steps to keep: those of `save_steps`, and the animation's frames, denser at first."""
    last, film = recipe.steps, {step for step in recipe.save_steps if step <= recipe.steps}
    if not recipe.animate:
        return film
    return film | {round(last * (i / (FRAMES - 1)) ** 2) for i in range(FRAMES)}


def params_from_recipe(
    net: Net,
    recipe: VisualizeRecipe,
    places: Sequence[LayerAddress | str],
    start: Tensor | None = None,
    photographs: Tensor | None = None,
) -> ImageParameterization:
    """Return the image parameterization that a recipe starts with.

    Each image has its own noise, whose seed is derived from the recipe's seed and its place.

    Args:
        net: the network whose spec sets shape and value range.
        recipe: its `canvas`, `size`, `start`, `seed` and `decay` are used. A Fourier parameterization falls
            back to pixels where the input has no spatial axes.
        places: one address or seed text for each image.
        start: images in the spec's value range to start from, instead of the recipe's `start`.
        photographs: images `[n c h w]` whose mean spectrum `canvas="maco"` holds fixed.

    Returns:
        The parameterization, with one image for each place.

    Raises:
        UsageError: the size does not fit, or `start` is given for a `maco` or `cppn` canvas.
    """
    seeds = [seed_of(recipe.seed, place) for place in places]
    size, begin = shape_of(net.input_spec, tuple(recipe.size))[1:], recipe.start if start is None else start
    if recipe.canvas == "fourier" and size:
        return fft_image(net.input_spec, seeds, size=size, start=begin, decay=recipe.decay, device=net.device)
    if recipe.canvas in ("maco", "cppn") and start is not None:
        raise UsageError(
            "a Fourier or pixel canvas to start from a picture",
            received=recipe.canvas,
            hint="Write: --canvas fourier",
        )
    if recipe.canvas == "maco":
        return maco_image(net.input_spec, seeds, size=size, photographs=photographs, device=net.device)
    if recipe.canvas == "cppn":
        return cppn_image(net.input_spec, seeds, size=size, device=net.device)
    return pixel_image(net.input_spec, seeds, size=size, start=begin, device=net.device)


def optimizer_from_recipe(recipe: VisualizeRecipe, spatial: bool = True) -> OptimizerConfig:
    """Return the optimizer settings of a recipe, with `auto` replaced by the canvas's defaults.

    Args:
        recipe: its `canvas`, `optimizer`, `lr` and `schedule` are used.
        spatial: whether the input has spatial axes; without them there is no spectrum.

    Returns:
        Optimizer, learning rate, momentum and schedule.
    """
    spectral = recipe.canvas in ("fourier", "maco") and spatial
    optimizer = recipe.optimizer
    if optimizer == "auto":
        optimizer = "normalized_sgd" if spectral else "adam"
    usual = (optimizer, recipe.canvas) == ("normalized_sgd", "fourier")
    rate = RATES.get((optimizer, recipe.canvas), 0.05)
    rate *= _coarseness(recipe.steps) if usual else 1.0
    schedule = recipe.schedule
    if schedule == "auto":
        schedule = "constant_then_linear" if usual else "linear"
    return OptimizerConfig(
        lr=recipe.lr or rate, optimizer=optimizer, momentum=MOMENTUM[optimizer], schedule=schedule
    )


def transforms_from_recipe(
    net: Net, recipe: VisualizeRecipe, shape: tuple[int, ...]
) -> tuple[Transform, ...]:
    """Return the random transforms that are applied at each step.

    Args:
        net: the network; padding is filled with the middle of its value range.
        recipe: its `transforms` and `canvas` are used.
        shape: channels and spatial extent of the images.

    Returns:
        The transforms in the order of application; none for inputs without spatial axes.
    """
    middle, size = sum(net.input_spec.value_range) / 2, shape[1:]
    choice = recipe.transforms
    if not size or choice == "none":
        return ()
    if choice == "auto":
        choice = "shifts" if min(size) < SMALL else "crops" if recipe.canvas == "maco" else "standard"
    if choice == "shifts":
        amount = min(size) // SHIFT
        return translations(size, amount, middle) if amount else ()
    if choice == "crops":
        return (Crop(size),)
    if choice == "lucid":
        return lucid_transforms(middle)
    return single_warp(enlargement(net.input_spec, size), _coarseness(recipe.steps) / 2)


def _coarseness(steps: int) -> float:
    """Return 1 for few steps, and less for more."""
    return (FEW_STEPS / max(steps, FEW_STEPS)) ** 0.5


def enlargement(spec: TensorSpec, size: tuple[int, ...]) -> float:
    """Return the factor by which an image is enlarged until it fits the size that a spec states.

    Args:
        spec: of the network's input.
        size: spatial extent of the image.

    Returns:
        1 or more; 1 where the image is larger along some axis.
    """
    return max(1.0, min((own / extent for own, extent in zip(spec.size, size, strict=True)), default=1.0))


@takes_network
def clean_scores(
    net: Net, goals: Sequence[Objective], images: Float[Tensor, "n *shape"]
) -> Float[Tensor, " n"]:
    """Return each image's own objective in float32, without transforms.

    Args:
        net: the network that is evaluated.
        goals: one objective for each image.
        images: `[n c ...]` in the spec's value range.

    Returns:
        Scores `[n]`, on the network's device.
    """
    objective, images = per_image(goals).resolve(net), images.to(net.device)
    with torch.no_grad():
        looked_at = channels_last(images) if images.dim() == 4 and channels_last_is_faster(net) else images
        return objective(record_float32(net, looked_at, objective.places), images)


def seed_of(seed: int, place: LayerAddress | str) -> int:
    """Derive the seed of one image from a global seed and its place.

    The result does not depend on what other images are made with it.

    Args:
        seed: the global seed.
        place: the address, or any text that identifies the image.

    Returns:
        A non-negative 63-bit integer.
    """
    return int.from_bytes(hashlib.sha256(f"{seed} {place}".encode()).digest()[:8], "big") >> 1


def takes_any_size(net: Net, places: Sequence[LayerAddress], size: tuple[int, ...]) -> bool:
    """Return whether the network runs on an input that is 3 pixels larger along each axis.

    Args:
        net: the network.
        places: the layers that the forward pass must reach.
        size: spatial extent in pixels, without channels.

    Returns:
        True if the layers are reached without an error.
    """
    images = torch.full(
        (1, net.input_spec.channels, *(extent + 3 for extent in size)), sum(net.input_spec.value_range) / 2
    )
    try:
        with torch.no_grad():
            record_float32(net, images, [place.layer_only for place in places])
    except (ConvscopeError, RuntimeError, ValueError, AssertionError) as error:
        if is_out_of_memory(error):
            raise
        return False
    return True


def _penalty(recipe: VisualizeRecipe) -> Objective:
    """Return the weighted sum of the recipe's penalties."""
    return (
        recipe.l1 * regularizers.l1()
        + recipe.l2 * regularizers.l2()
        + recipe.total_variation * regularizers.total_variation()
        + recipe.blur * regularizers.blur_penalty()
    )


def _first_start(start: Tensor | None, net: Net) -> Tensor | None:
    return None if start is None else _start_of_batch(start, (0,), net)


def _start_of_batch(start: Tensor | None, batch: tuple[int, ...], net: Net) -> Tensor | None:
    if start is None or start.dim() == len(net.input_spec.shape) or len(start) == 1:
        return start
    return start[list(batch)]


def depths(net: Net, asked: Sequence[Target]) -> list[int]:
    """Return for each target the number of layers that run until its deepest layer is reached.

    Args:
        net: the network.
        asked: the targets.

    Returns:
        One depth for each target, from 1 on.
    """
    ends = {layer: number for number, layer in enumerate(layer_shapes(net), start=1)}
    return [max((ends[place.layer] for place in target.goal.places), default=1) for target in asked]


# Division of the images into batches.


ALONE = 2.0
"""Fixed cost of a batch, as a number of images; an image of GoogLeNet or EfficientNet-lite0 takes 1.8 to
2.8 times as long alone as it does among eight.
"""


def group_by_depth(depths: Sequence[int], most: int, group: int = 1) -> list[tuple[int, ...]]:
    """Divide images into batches of minimal total cost, shallow ones first.

    The cost of a batch is its largest depth times its number of images plus `ALONE`.

    Args:
        depths: number of layers that run for each image.
        most: maximum number of images in a batch.
        group: this many consecutive images stay together; `most` holds one group or more.

    Returns:
        For each batch the indices of its images.

    Source: least cost over all ways to cut a sorted sequence, by dynamic programming.
    """
    groups = [tuple(range(first, first + group)) for first in range(0, len(depths), group)]
    deep = [max(depths[i] for i in one) for one in groups]
    order = sorted(range(len(groups)), key=deep.__getitem__)
    least, cut, room = [0.0], [0], max(1, most // group)
    for end in range(1, len(order) + 1):
        costs = {
            first: least[first] + deep[order[end - 1]] * ((end - first) * group + ALONE)
            for first in range(max(0, end - room), end)
        }
        cut.append(min(costs, key=lambda first: (round(costs[first], 9), -first)))
        least.append(costs[cut[-1]])
    found, end = [], len(order)
    while end:
        found.append(tuple(i for at in sorted(order[cut[end] : end]) for i in groups[at]))
        end = cut[end]
    return found[::-1]
