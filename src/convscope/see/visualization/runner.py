"""From a recipe to what ascends: canvases, goals, transforms, and the pictures that are finished."""

import hashlib
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import ConvscopeError, UsageError
from convscope.nets import LayerAddress, Net, layer_shapes
from convscope.nets.inference.memory_format import channels_last, channels_last_is_faster
from convscope.see.features.recording import record_float32
from convscope.see.optimize import regularizers
from convscope.see.optimize.activations import diversity
from convscope.see.optimize.autotune import FRAMES, Workload, check_room, choose_execution
from convscope.see.optimize.gradient_flow import check_reached
from convscope.see.optimize.image_params.base import ImageParameterization, fft_image, pixel_image, shape_of
from convscope.see.optimize.image_params.cppn import cppn_image
from convscope.see.optimize.image_params.maco import maco_image
from convscope.see.optimize.loop import OptimizerConfig, Step
from convscope.see.optimize.objective import Objective, per_image
from convscope.see.optimize.transforms import Crop, Transform, lucid_transforms, single_warp, translations
from convscope.see.visualization.objective_parser import Target, expand_variants, parse_targets
from convscope.see.visualization.recipe import VisualizeRecipe

SHIFT = 14
"""Small pictures are moved by up to a share of 1/14 of their size: 2 pixels of 28."""
SMALL = 64
"""Pictures of fewer pixels along an axis are only moved, not resized and turned."""
RATES = {
    ("normalized_sgd", "fourier"): 0.1,
    ("normalized_sgd", "maco"): 0.1,
    ("adam", "cppn"): 0.01,
    ("adam", "maco"): 0.5,
}
MOMENTUM = {"normalized_sgd": 0.5, "adam": 0.9}


class VisualizationRun:
    """The pictures that are finished, and the batch that is under way."""

    objective: Objective
    params: ImageParameterization
    current: Step

    def __init__(
        self, net: Net, recipe: VisualizeRecipe, start: Tensor | None, photographs: Tensor | None
    ) -> None:
        self.net, self.recipe, self.start, self.photographs = net, recipe, start, photographs
        self.wishes = tuple(
            one
            for wish in parse_targets(net, recipe.places, recipe.reduce)
            for one in expand_variants(
                wish, both=recipe.both, negative=recipe.negative, variants=recipe.variants
            )
        )
        if start is not None and start.dim() > len(net.contract.shape) and len(start) not in (1, len(self)):
            raise UsageError(f"one image to start from, or {len(self)}", received=f"{len(start)}")
        self.shape = shape_of(net.contract, tuple(recipe.size))
        _check_effects(recipe, self.shape, self.wishes)
        check_room(self.shape, net.device)
        self.climb = optimizer_from_recipe(recipe, bool(self.shape[1:]))
        self.transforms = transforms_from_recipe(net, recipe, self.shape)
        self.frames = frozenset(_moments(recipe))
        self.finished: list[tuple[Step, dict[int, Tensor]]] = []
        self.kept: dict[int, Tensor] = {}
        self.pace = choose_execution(self._work())
        self.batches = group_by_depth(depths(net, self.wishes), self.pace.batch, recipe.variants)
        self.quick: Net | None = None
        if recipe.steps and len(self.batches) > 1:  # ascent looks at the first batch only when it is its turn
            reads = [place for wish in self.wishes for term in wish.goal.terms for place in term.term.layers]
            check_reached(net, reads, self.params_of(self.wishes[:1], _first(start, net)).images())

    def __len__(self) -> int:
        return len(self.wishes)

    def start_batch(self, batch: tuple[int, ...]) -> Net:
        """Prepare the pictures of these numbers; gives the network to ascend in."""
        part = [self.wishes[number] for number in batch]
        self.objective = per_image(self.objectives(part))
        self.params = self.params_of(part, _part(self.start, batch, self.net))
        self.kept = {}
        if self.quick is None:
            places = dict.fromkeys(place for wish in self.wishes for place in wish.goal.places)
            images = self.params.images().detach()[:2]
            self.quick = self.pace.copy_of(self.net, images, tuple(places))
        return self.quick

    def record(self, step: Step) -> None:
        """Where the batch is now; keeps it, if it is a moment of the film."""
        self.current = step
        if step.index in self.frames:
            self.kept[step.index] = step.images.cpu()

    def finish_batch(self) -> None:
        """The batch is done."""
        self.finished.append((self.current, self.kept))

    @property
    def done(self) -> int:
        """Pictures that are finished."""
        return sum(map(len, self.batches[: len(self.finished)]))

    def objectives(self, part: Sequence[Target]) -> list[Objective]:
        """What each picture ascends: its goal, less penalties and what keeps its variants apart."""
        penalty = _penalty(self.recipe)
        goals = [wish.goal - penalty if penalty.terms else wish.goal for wish in part]
        if self.recipe.variants == 1 or not self.recipe.diversity:
            return goals
        groups = [wish.text.partition(" ~")[0] for wish in part]
        return [
            goal + self.recipe.diversity * diversity(wish.place, group)
            for goal, wish, group in zip(goals, part, groups, strict=True)
        ]

    def params_of(self, part: Sequence[Target], start: Tensor | None = None) -> ImageParameterization:
        """The canvas that these pictures begin with."""
        return params_from_recipe(self.net, self.recipe, [w.seed_text for w in part], start, self.photographs)

    def _work(self) -> Workload:
        def canvas(count: int) -> ImageParameterization:
            return self.params_of([self.wishes[i % len(self)] for i in range(count)])

        return Workload(
            self.net, self.objectives(self.wishes), canvas, self.transforms, self.climb, self.recipe
        )


def _check_effects(recipe: VisualizeRecipe, shape: tuple[int, ...], asked: Sequence[Target]) -> None:
    """Refuse settings that this network and these places leave without effect.

    Raises:
        UsageError: there is one; it is named.
    """
    chosen, size, vector = recipe.chosen(), shape[1:], f"an input of shape {shape}"
    places = [place for wish in asked for term in wish.goal.terms for place in term.term.layers]
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


def _moments(recipe: VisualizeRecipe) -> set[int]:
    """The steps of the film and of the animation, whose first steps are closer together than its last."""
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
    """The canvas that a recipe begins with; each place has its own noise."""
    seeds = [seed_of(recipe.seed, place) for place in places]
    size, begin = shape_of(net.contract, tuple(recipe.size))[1:], recipe.start if start is None else start
    if recipe.canvas == "fourier" and size:
        return fft_image(net.contract, seeds, size=size, start=begin, decay=recipe.decay, device=net.device)
    if recipe.canvas in ("maco", "cppn") and start is not None:
        raise UsageError("a Fourier or pixel canvas to start from a picture", received=recipe.canvas)
    if recipe.canvas == "maco":
        return maco_image(net.contract, seeds, size=size, photographs=photographs, device=net.device)
    if recipe.canvas == "cppn":
        return cppn_image(net.contract, seeds, size=size, device=net.device)
    return pixel_image(net.contract, seeds, size=size, start=begin, device=net.device)


def optimizer_from_recipe(recipe: VisualizeRecipe, spatial: bool = True) -> OptimizerConfig:
    """The optimizer and rate of a recipe; `auto` is what was found to be best for the canvas."""
    spectral = recipe.canvas in ("fourier", "maco") and spatial
    optimizer = recipe.optimizer
    if optimizer == "auto":
        optimizer = "normalized_sgd" if spectral else "adam"
    rate = recipe.lr or RATES.get((optimizer, recipe.canvas), 0.05)
    schedule = recipe.schedule
    if schedule == "auto":
        schedule = (
            "constant_then_linear"
            if (optimizer, recipe.canvas) == ("normalized_sgd", "fourier")
            else "linear"
        )
    return OptimizerConfig(lr=rate, optimizer=optimizer, momentum=MOMENTUM[optimizer], schedule=schedule)


def transforms_from_recipe(
    net: Net, recipe: VisualizeRecipe, shape: tuple[int, ...]
) -> tuple[Transform, ...]:
    """The changes that a recipe's pictures must survive."""
    middle, size = sum(net.contract.value_range) / 2, shape[1:]
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
    return lucid_transforms(middle) if choice == "lucid" else single_warp()


def clean_scores(
    net: Net, goals: Sequence[Objective], images: Float[Tensor, "n *shape"]
) -> Float[Tensor, " n"]:
    """What each image's own goal gives, in float32, without transforms."""
    objective, images = per_image(goals).resolve(net), images.to(net.device)
    with torch.no_grad():
        looked_at = channels_last(images) if images.dim() == 4 and channels_last_is_faster(net) else images
        return objective(record_float32(net, looked_at, objective.places), images)


def seed_of(seed: int, place: LayerAddress | str) -> int:
    """The seed of one place's picture, whatever it is made together with."""
    return int.from_bytes(hashlib.sha256(f"{seed} {place}".encode()).digest()[:8], "big") >> 1


def takes_any_size(net: Net, places: Sequence[LayerAddress], size: tuple[int, ...]) -> bool:
    """Whether the network reaches these places also with an input a little larger than `size`."""
    images = torch.full(
        (1, net.contract.channels, *(extent + 3 for extent in size)), sum(net.contract.value_range) / 2
    )
    try:
        with torch.no_grad():
            record_float32(net, images, [place.layer_only for place in places])
    except (ConvscopeError, RuntimeError, ValueError, AssertionError):
        return False
    return True


def _penalty(recipe: VisualizeRecipe) -> Objective:
    return (
        recipe.l1 * regularizers.l1()
        + recipe.l2 * regularizers.l2()
        + recipe.total_variation * regularizers.total_variation()
        + recipe.blur * regularizers.blur_penalty()
    )


def _first(start: Tensor | None, net: Net) -> Tensor | None:
    return None if start is None else _part(start, (0,), net)


def _part(start: Tensor | None, batch: tuple[int, ...], net: Net) -> Tensor | None:
    if start is None or start.dim() == len(net.contract.shape) or len(start) == 1:
        return start
    return start[list(batch)]


def depths(net: Net, asked: Sequence[Target]) -> list[int]:
    """How many layers have run when the last one is reached that each picture is about."""
    ends = {layer: number for number, layer in enumerate(layer_shapes(net), start=1)}
    return [max((ends[place.layer] for place in wish.goal.places), default=1) for wish in asked]


# Which pictures are made together.


ALONE = 2.0
"""What a batch costs beside its pictures, in pictures: one of GoogLeNet or EfficientNet-lite0 takes 1.8 to
2.8 times as long alone as it does among eight."""


def group_by_depth(depths: Sequence[int], most: int, group: int = 1) -> list[tuple[int, ...]]:
    """The numbers of the pictures of each batch, so that all take least time together; shallow ones first.

    Args:
        depths: layers that the network runs for each picture.
        most: pictures at once.
        group: so many that follow each other stay together; `most` holds one group or more.

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
