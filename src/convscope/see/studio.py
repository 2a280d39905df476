"""From a recipe to what ascends: canvases, goals, transforms, and the pictures that are finished."""

import hashlib
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import ConvscopeError, UsageError
from convscope.nets import Net, Place, survey
from convscope.nets.layout import channels_last, gains
from convscope.see import penalties
from convscope.see.algebra import Wish, multiplied, wishes
from convscope.see.ascent import Climb, Step
from convscope.see.batching import batches
from convscope.see.canvas import Canvas, fourier, pixels, shape_of
from convscope.see.cppn import cppn
from convscope.see.looking import seen
from convscope.see.measures import diversity
from convscope.see.objective import Objective, each
from convscope.see.pace import FRAMES, Work, check_room, settle
from convscope.see.phases import phases
from convscope.see.reaching import check_reached
from convscope.see.recipe import Visualize
from convscope.see.transforms import Crop, Transform, robust, shifts, standard

SHIFT = 14
"""Small pictures are moved by up to a share of 1/14 of their size: 2 pixels of 28."""
SMALL = 64
"""Pictures of fewer pixels along an axis are only moved, not resized and turned."""
RATES = {
    ("steepest", "fourier"): 0.1,
    ("steepest", "maco"): 0.1,
    ("adam", "cppn"): 0.01,
    ("adam", "maco"): 0.5,
}
MOMENTUM = {"steepest": 0.5, "adam": 0.9}


class Studio:
    """The pictures that are finished, and the batch that is under way."""

    objective: Objective
    canvas: Canvas
    current: Step

    def __init__(self, net: Net, recipe: Visualize, start: Tensor | None, photographs: Tensor | None) -> None:
        self.net, self.recipe, self.start, self.photographs = net, recipe, start, photographs
        self.wishes = tuple(
            one
            for wish in wishes(net, recipe.places, recipe.reduce)
            for one in multiplied(wish, both=recipe.both, negative=recipe.negative, variants=recipe.variants)
        )
        if start is not None and start.dim() > len(net.contract.shape) and len(start) not in (1, len(self)):
            raise UsageError(f"one image to start from, or {len(self)}", received=f"{len(start)}")
        self.shape = shape_of(net.contract, tuple(recipe.size))
        _check_effects(recipe, self.shape, self.wishes)
        check_room(self.shape, net.device)
        self.climb = climb_for(recipe, bool(self.shape[1:]))
        self.transforms = transforms_for(net, recipe, self.shape)
        self.frames = frozenset(_moments(recipe))
        self.finished: list[tuple[Step, dict[int, Tensor]]] = []
        self.kept: dict[int, Tensor] = {}
        self.pace = settle(self._work())
        self.batches = batches(depths(net, self.wishes), self.pace.batch, recipe.variants)
        self.quick: Net | None = None
        if recipe.steps and len(self.batches) > 1:  # ascent looks at the first batch only when it is its turn
            reads = [
                place for wish in self.wishes for term in wish.goal.terms for place in term.measure.reads
            ]
            check_reached(net, reads, self.canvas_of(self.wishes[:1], _first(start, net)).images())

    def __len__(self) -> int:
        return len(self.wishes)

    def begin(self, batch: tuple[int, ...]) -> Net:
        """Prepare the pictures of these numbers; gives the network to ascend in."""
        part = [self.wishes[number] for number in batch]
        self.objective = each(self.goals(part))
        self.canvas = self.canvas_of(part, _part(self.start, batch, self.net))
        self.kept = {}
        if self.quick is None:
            places = dict.fromkeys(place for wish in self.wishes for place in wish.goal.places)
            images = self.canvas.images().detach()[:2]
            self.quick = self.pace.copy_of(self.net, images, tuple(places))
        return self.quick

    def note(self, step: Step) -> None:
        """Where the batch is now; keeps it, if it is a moment of the film."""
        self.current = step
        if step.index in self.frames:
            self.kept[step.index] = step.images.cpu()

    def finish(self) -> None:
        """The batch is done."""
        self.finished.append((self.current, self.kept))

    @property
    def done(self) -> int:
        """Pictures that are finished."""
        return sum(map(len, self.batches[: len(self.finished)]))

    def goals(self, part: Sequence[Wish]) -> list[Objective]:
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

    def canvas_of(self, part: Sequence[Wish], start: Tensor | None = None) -> Canvas:
        """The canvas that these pictures begin with."""
        return canvas_for(self.net, self.recipe, [w.seed_text for w in part], start, self.photographs)

    def _work(self) -> Work:
        def canvas(count: int) -> Canvas:
            return self.canvas_of([self.wishes[i % len(self)] for i in range(count)])

        return Work(self.net, self.goals(self.wishes), canvas, self.transforms, self.climb, self.recipe)


def _check_effects(recipe: Visualize, shape: tuple[int, ...], asked: Sequence[Wish]) -> None:
    """Refuse settings that this network and these places leave without effect.

    Raises:
        UsageError: there is one; it is named.
    """
    chosen, size, vector = recipe.chosen(), shape[1:], f"an input of shape {shape}"
    places = [place for wish in asked for term in wish.goal.terms for place in term.measure.reads]
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


def _moments(recipe: Visualize) -> set[int]:
    """The steps of the film and of the animation, whose first steps are closer together than its last."""
    last, film = recipe.steps, {step for step in recipe.film if step <= recipe.steps}
    if not recipe.animate:
        return film
    return film | {round(last * (i / (FRAMES - 1)) ** 2) for i in range(FRAMES)}


def canvas_for(
    net: Net,
    recipe: Visualize,
    places: Sequence[Place | str],
    start: Tensor | None = None,
    photographs: Tensor | None = None,
) -> Canvas:
    """The canvas that a recipe begins with; each place has its own noise."""
    seeds = [seed_of(recipe.seed, place) for place in places]
    size, begin = shape_of(net.contract, tuple(recipe.size))[1:], recipe.start if start is None else start
    if recipe.canvas == "fourier" and size:
        return fourier(net.contract, seeds, size=size, start=begin, decay=recipe.decay, device=net.device)
    if recipe.canvas in ("maco", "cppn") and start is not None:
        raise UsageError("a Fourier or pixel canvas to start from a picture", received=recipe.canvas)
    if recipe.canvas == "maco":
        return phases(net.contract, seeds, size=size, photographs=photographs, device=net.device)
    if recipe.canvas == "cppn":
        return cppn(net.contract, seeds, size=size, device=net.device)
    return pixels(net.contract, seeds, size=size, start=begin, device=net.device)


def climb_for(recipe: Visualize, spatial: bool = True) -> Climb:
    """The optimiser and rate of a recipe; `auto` is what was found to be best for the canvas."""
    spectral = recipe.canvas in ("fourier", "maco") and spatial
    optimiser = recipe.optimiser
    if optimiser == "auto":
        optimiser = "steepest" if spectral else "adam"
    rate = recipe.rate or RATES.get((optimiser, recipe.canvas), 0.05)
    schedule = recipe.schedule
    if schedule == "auto":
        schedule = "late" if (optimiser, recipe.canvas) == ("steepest", "fourier") else "linear"
    return Climb(rate=rate, optimiser=optimiser, momentum=MOMENTUM[optimiser], schedule=schedule)


def transforms_for(net: Net, recipe: Visualize, shape: tuple[int, ...]) -> tuple[Transform, ...]:
    """The changes that a recipe's pictures must survive."""
    middle, size = sum(net.contract.value_range) / 2, shape[1:]
    choice = recipe.transforms
    if not size or choice == "none":
        return ()
    if choice == "auto":
        choice = "shifts" if min(size) < SMALL else "crops" if recipe.canvas == "maco" else "standard"
    if choice == "shifts":
        amount = min(size) // SHIFT
        return shifts(size, amount, middle) if amount else ()
    if choice == "crops":
        return (Crop(size),)
    return standard(middle) if choice == "lucid" else robust()


def clean_scores(
    net: Net, goals: Sequence[Objective], images: Float[Tensor, "n *shape"]
) -> Float[Tensor, " n"]:
    """What each image's own goal gives, in float32, without transforms."""
    objective, images = each(goals).bound(net), images.to(net.device)
    with torch.no_grad():
        looked_at = channels_last(images) if images.dim() == 4 and gains(net) else images
        return objective(seen(net, looked_at, objective.places), images)


def seed_of(seed: int, place: Place | str) -> int:
    """The seed of one place's picture, whatever it is made together with."""
    return int.from_bytes(hashlib.sha256(f"{seed} {place}".encode()).digest()[:8], "big") >> 1


def takes_any_size(net: Net, places: Sequence[Place], size: tuple[int, ...]) -> bool:
    """Whether the network reaches these places also with an input a little larger than `size`."""
    images = torch.full(
        (1, net.contract.channels, *(extent + 3 for extent in size)), sum(net.contract.value_range) / 2
    )
    try:
        with torch.no_grad():
            seen(net, images, [place.whole for place in places])
    except (ConvscopeError, RuntimeError, ValueError, AssertionError):
        return False
    return True


def _penalty(recipe: Visualize) -> Objective:
    return (
        recipe.l1 * penalties.l1()
        + recipe.l2 * penalties.l2()
        + recipe.total_variation * penalties.total_variation()
        + recipe.blur * penalties.blur()
    )


def _first(start: Tensor | None, net: Net) -> Tensor | None:
    return None if start is None else _part(start, (0,), net)


def _part(start: Tensor | None, batch: tuple[int, ...], net: Net) -> Tensor | None:
    if start is None or start.dim() == len(net.contract.shape) or len(start) == 1:
        return start
    return start[list(batch)]


def depths(net: Net, asked: Sequence[Wish]) -> list[int]:
    """How many layers have run when the last one is reached that each picture is about."""
    ends = {layer: number for number, layer in enumerate(survey(net), start=1)}
    return [max((ends[place.layer] for place in wish.goal.places), default=1) for wish in asked]
