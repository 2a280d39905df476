"""Pictures of what units, layers and answers like best.

Source: Erhan et al. 2009 (activation maximisation); Olah et al. 2017, "Feature Visualization", Distill.
"""

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import ConvscopeError, UsageError
from convscope.nets import Net, Place, frozen
from convscope.see import penalties
from convscope.see.ascent import Climb, Step, ascend
from convscope.see.canvas import Canvas, fourier, pixels, shape_of
from convscope.see.looking import seen
from convscope.see.measures import aim
from convscope.see.objective import Objective, each
from convscope.see.recipe import Visualize
from convscope.see.transforms import Transform, shifts, standard
from convscope.see.units import expanded

SHIFT = 14
"""Networks that take one size only see pictures moved by up to a share of 1/14 of it: 2 pixels of 28."""


@dataclass(frozen=True, eq=False)
class Visualization:
    """Pictures `[n c h w]` in the contract's value range, one for each place.

    `scores` are the objective's under the last step's transforms and with its penalties; `clean_scores` are
    the activations that were asked for (their negative, for `negative`), of the pictures as they are, in
    float32 and without penalties.
    """

    places: tuple[str, ...]
    images: Float[Tensor, "n *shape"]
    scores: Float[Tensor, " n"]
    clean_scores: Float[Tensor, " n"]
    silent: tuple[str, ...]
    """Places that are 0 without a gradient at the end: nothing made them fire; their pictures say nothing."""
    steps: int
    recipe: Visualize

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, eq=False)
class Progress:
    """One step of one batch of pictures; `visualization()` is what there is so far."""

    step: int
    steps: int
    """Updates that each batch takes."""
    done: int
    """Pictures that are finished."""
    total: int
    current: Step
    _so_far: "_Studio"

    def visualization(self) -> Visualization:
        """The pictures of all batches up to now, with their clean scores; ask before going on."""
        return self._so_far.visualization(self.current)


def visualize(
    net: Net, *places: str | Place, start: Tensor | str = "noise", **recipe: object
) -> Visualization:
    """A picture for each place, made by ascending its activation.

    Args:
        net: any network.
        *places: `conv2:17` (a filter), `conv2:17@5,5` (a neuron), `conv2:*` (every filter of a layer),
            `conv2` (the energy of a layer), `output:3` (an answer).
        start: `noise`, `zeros` (the middle of the range), or images in the contract's range.
        **recipe: fields of `Visualize`.

    Raises:
        PlaceError: a place is not in this network.
        GraphError: the picture's size does not fit the network.
        UsageError: a field is unknown or out of range.
    """
    given = start if isinstance(start, Tensor) else None
    begin = {} if isinstance(start, Tensor) else {"start": start}
    named = {"net": net.name, "places": [str(place) for place in places]}
    wanted = Visualize.parse({**named, **begin, **recipe})
    with frozen(net.module):
        return deque(visualizing(net, wanted, start=given), maxlen=1).pop().visualization()


def visualizing(net: Net, recipe: Visualize, *, start: Tensor | None = None) -> Iterator[Progress]:
    """Make the pictures of a recipe, and yield after each step; can be stopped at any time.

    A picture depends on the recipe and its own place alone, not on what else is asked for or on the batch.
    """
    places = expanded(net, recipe.places)
    if start is not None and start.dim() > len(net.contract.shape) and len(start) not in (1, len(places)):
        raise UsageError(f"one image to start from, or {len(places)}", received=f"{len(start)}")
    studio = _Studio(net, recipe, places)
    for first in range(0, len(places), recipe.batch):
        studio.begin(places[first : first + recipe.batch], _part(start, first, recipe.batch, net))
        for step in ascend(
            net, studio.objective, studio.canvas, steps=recipe.steps, climb=studio.climb,
            transforms=studio.transforms, generator=torch.Generator().manual_seed(recipe.seed),
        ):  # fmt: skip
            studio.current = step
            yield Progress(step.index, recipe.steps, first, len(places), step, studio)
        studio.finish()


class _Studio:
    """The pictures that are finished, and the batch that is under way."""

    objective: Objective
    canvas: Canvas
    current: Step

    def __init__(self, net: Net, recipe: Visualize, places: tuple[Place, ...]) -> None:
        self.net, self.recipe, self.places = net, recipe, places
        self.shape = shape_of(net.contract, tuple(recipe.size))
        self.climb = Climb(rate=recipe.rate, precision=recipe.precision)
        self.transforms = _transforms(net, recipe, self.shape)
        self.finished: list[Step] = []

    def begin(self, places: tuple[Place, ...], start: Tensor | None) -> None:
        wanted = [self._aim(place) for place in places]
        penalty = _penalty(self.recipe)
        self.objective = each(goal - penalty if penalty.terms else goal for goal in wanted)
        self.canvas = canvas_for(self.net, self.recipe, places, start)

    def finish(self) -> None:
        self.finished.append(self.current)

    def visualization(self, current: Step) -> Visualization:
        steps = self.finished if self.finished and self.finished[-1] is current else [*self.finished, current]
        images = torch.cat([step.images for step in steps])
        places = self.places[: len(images)]
        clean = torch.cat([
            clean_scores(self.net, [self._aim(place) for place in part], images[first : first + len(part)])
            for first, part in _parts(places, self.recipe.batch)
        ])  # fmt: skip
        silent = ~torch.cat([step.moving for step in steps]) & (clean == 0)
        return Visualization(
            tuple(map(str, places)), images.cpu(),
            torch.cat([step.scores for step in steps]).cpu(), clean.cpu(),
            tuple(str(place) for place, still in zip(places, silent.tolist(), strict=True) if still),
            current.index, self.recipe,
        )  # fmt: skip

    def _aim(self, place: Place) -> Objective:
        goal = aim(place, reduce=self.recipe.reduce)
        return -goal if self.recipe.negative else goal


def canvas_for(net: Net, recipe: Visualize, places: Sequence[Place], start: Tensor | None = None) -> Canvas:
    """The canvas that a recipe begins with; each place has its own noise."""
    seeds = [seed_of(recipe.seed, place) for place in places]
    size, begin = shape_of(net.contract, tuple(recipe.size))[1:], recipe.start if start is None else start
    if recipe.canvas == "fourier" and size:
        return fourier(net.contract, seeds, size=size, start=begin, decay=recipe.decay, device=net.device)
    return pixels(net.contract, seeds, size=size, start=begin, device=net.device)


def clean_scores(
    net: Net, goals: Sequence[Objective], images: Float[Tensor, "n *shape"]
) -> Float[Tensor, " n"]:
    """What each image's own goal gives, in float32, without transforms."""
    objective = each(goals).bound(net)
    with torch.no_grad():
        return objective(seen(net, images, objective.places), images.to(net.device))


def seed_of(seed: int, place: Place) -> int:
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


def _transforms(net: Net, recipe: Visualize, shape: tuple[int, ...]) -> tuple[Transform, ...]:
    middle, size = sum(net.contract.value_range) / 2, shape[1:]
    choice = recipe.transforms
    if not size or choice == "none":
        return ()
    if choice == "auto":
        choice = "standard" if takes_any_size(net, expanded(net, recipe.places), size) else "shifts"
    if choice == "shifts":
        amount = min(size) // SHIFT
        return shifts(size, amount, middle) if amount else ()
    return standard(middle)


def _penalty(recipe: Visualize) -> Objective:
    return (
        recipe.l1 * penalties.l1()
        + recipe.l2 * penalties.l2()
        + recipe.total_variation * penalties.total_variation()
        + recipe.blur * penalties.blur()
    )


def _part(start: Tensor | None, first: int, count: int, net: Net) -> Tensor | None:
    if start is None or start.dim() == len(net.contract.shape) or len(start) == 1:
        return start
    return start[first : first + count]


def _parts(places: tuple[Place, ...], count: int) -> Iterator[tuple[int, tuple[Place, ...]]]:
    for first in range(0, len(places), count):
        yield first, places[first : first + count]
