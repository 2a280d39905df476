"""Pictures of what units, layers and answers like best.

Source: Erhan et al. 2009 (activation maximisation); Olah et al. 2017, "Feature Visualization", Distill.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from convscope.iteration import last_result
from convscope.nets import LayerAddress, Net, frozen
from convscope.nets.inference.execution import retain_heap
from convscope.see.optimize.gradient_flow import gradient_left, require_finite
from convscope.see.optimize.loop import Step, optimize_input
from convscope.see.optimize.objective import Objective
from convscope.see.visualization.objective_parser import Target
from convscope.see.visualization.recipe import VisualizeRecipe
from convscope.see.visualization.runner import (
    SHIFT,
    VisualizationRun,
    clean_scores,
    params_from_recipe,
    seed_of,
    takes_any_size,
)

__all__ = [
    "SHIFT",
    "Visualization",
    "VisualizationProgress",
    "clean_scores",
    "iter_visualize",
    "params_from_recipe",
    "seed_of",
    "takes_any_size",
    "visualize",
]


@dataclass(frozen=True, eq=False)
class Visualization:
    """Pictures `[n c h w]` in the contract's value range, one or more for each place.

    A name is the place, or the sum, as it was asked for; `-` before it is the picture it likes least, ` ~2`
    after it the second of its variants.

    `scores` are the objective's under the last step's transforms and with its penalties; `clean_scores` are
    the activations that were asked for (their negative, for `negative`), of the pictures as they are, in
    float32 and without penalties.
    """

    places: tuple[str, ...]
    images: Float[Tensor, "n *shape"]
    scores: Float[Tensor, " n"]
    clean_scores: Float[Tensor, " n"]
    silent: tuple[str, ...]
    """Places whose pictures say nothing: they are 0 without a gradient at the end, so that nothing made them
    fire, or they are among `unmoved`."""
    steps: int
    recipe: VisualizeRecipe
    """As it was asked for."""
    execution: VisualizeRecipe
    """With everything written down that was left to be chosen: makes the same pictures again."""
    goals: tuple[Objective, ...]
    starts: tuple[str, ...]
    """What the first noise of each picture depends on, beside the seed."""
    film: tuple[tuple[int, Float[Tensor, "n *shape"]], ...] = ()
    """Steps that were kept, in order, each with the pictures as they were then."""
    unmoved: tuple[str, ...] = ()
    """Places whose gradient was exactly 0 in every step (weights of 0, or a function constant in steps, like
    rounding): their pictures are the start that they began with."""

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, eq=False)
class VisualizationProgress:
    """One step of one batch of pictures; `visualization()` is what there is so far."""

    step: int
    steps: int
    """Updates that each batch takes."""
    done: int
    """Pictures that are finished."""
    total: int
    current: Step
    _so_far: VisualizationRun

    def visualization(self) -> Visualization:
        """The pictures of all batches up to now, with their clean scores; ask before going on."""
        return _so_far(self._so_far, self.current)


def visualize(
    net: Net,
    *places: str | LayerAddress,
    start: Tensor | str = "noise",
    photographs: Tensor | None = None,
    **recipe: object,
) -> Visualization:
    """A picture for each place, made by ascending its activation.

    Args:
        net: any network.
        *places: `conv2:17` (a filter), `conv2:17@5,5` (a neuron), `conv2:*` (every filter of a layer),
            `conv2` (the energy of a layer), `output:3` (an answer), or a sum: `conv2:17 - 0.3*conv2:7`.
        start: `noise`, `zeros` (the middle of the range), or images in the contract's range.
        photographs: `[n c h w]`, whose mean spectrum `canvas="maco"` holds fixed.
        **recipe: fields of `VisualizeRecipe`.

    Raises:
        PlaceError: a place is not in this network.
        GraphError: the picture's size does not fit the network.
        UsageError: a field is unknown, out of range or without effect, or a place has no gradient with
            respect to the image.
        ConvscopeError: scores or pictures are NaN or infinite.
    """
    given = start if isinstance(start, Tensor) else None
    begin = {} if isinstance(start, Tensor) else {"start": start}
    named = {"net": net.name, "places": [str(place) for place in places]}
    wanted = VisualizeRecipe.parse({**named, **begin, **recipe})
    course = iter_visualize(net, wanted, start=given, photographs=photographs)
    with frozen(net.module):
        return last_result(course, "a visualization").visualization()


def iter_visualize(
    net: Net, recipe: VisualizeRecipe, *, start: Tensor | None = None, photographs: Tensor | None = None
) -> Iterator[VisualizationProgress]:
    """Make the pictures of a recipe, and yield after each step; can be stopped at any time.

    A picture depends on the recipe and its own place alone, not on what else is asked for or on the batch.
    """
    studio = VisualizationRun(net, recipe, start, photographs)
    with retain_heap():
        for batch in studio.batches:
            quick = studio.start_batch(batch)
            for step in optimize_input(
                quick,
                studio.objective,
                studio.params,
                steps=recipe.steps,
                config=studio.climb,
                transforms=studio.transforms,
                generator=torch.Generator().manual_seed(recipe.seed),
            ):
                studio.record(step)
                yield VisualizationProgress(step.index, recipe.steps, studio.done, len(studio), step, studio)
            studio.finish_batch()


def _so_far(studio: VisualizationRun, current: Step) -> Visualization:
    """What is finished, and the batch under way as it is now, in the order in which it was asked for."""
    parts = list(studio.finished)
    if not parts or parts[-1][0] is not current:
        parts.append((current, studio.kept))
    made = studio.batches[: len(parts)]
    clean = torch.cat(
        [
            clean_scores(studio.net, [studio.wishes[number].goal for number in batch], step.images)
            for batch, (step, _) in zip(made, parts, strict=True)
        ]
    )
    numbers = torch.tensor([number for batch in made for number in batch])
    order = numbers.argsort()
    wishes = [studio.wishes[number] for number in numbers[order].tolist()]
    images = torch.cat([step.images for step, _ in parts]).cpu()[order]
    clean = clean.cpu()[order]
    require_finite(clean, [wish.text for wish in wishes], "scores of the finished pictures")
    unmoved = torch.cat([~step.changed & (step.index > 0) for step, _ in parts]).cpu()[order]
    silent = unmoved | _silent(studio, wishes, images, clean)
    return Visualization(
        tuple(wish.text for wish in wishes),
        images,
        torch.cat([step.scores for step, _ in parts]).cpu()[order],
        clean,
        _named(wishes, silent),
        current.index,
        studio.recipe,
        studio.pace.settled(studio.recipe),
        tuple(wish.goal for wish in wishes),
        tuple(wish.seed_text for wish in wishes),
        _film(parts, order),
        _named(wishes, unmoved),
    )


def _silent(
    studio: VisualizationRun, wishes: list[Target], images: Tensor, clean: Tensor
) -> Bool[Tensor, " n"]:
    """Pictures with a score of 0 that their own goal's gradient would leave as they are."""
    silent = clean == 0
    for number in silent.nonzero().flatten().tolist():
        silent[number] = not gradient_left(studio.net, [wishes[number].goal], images[number][None])[0]
    return silent


def _named(wishes: list[Target], chosen: Bool[Tensor, " n"]) -> tuple[str, ...]:
    return tuple(wish.text for wish, here in zip(wishes, chosen.tolist(), strict=True) if here)


def _film(parts: list[tuple[Step, dict[int, Tensor]]], order: Tensor) -> tuple[tuple[int, Tensor], ...]:
    """Every kept step; a batch that was stopped earlier shows its last picture from then on."""
    moments = sorted({index for _, kept in parts for index in kept})
    return tuple(
        (moment, torch.cat([kept.get(moment, step.images.cpu()) for step, kept in parts])[order])
        for moment in moments
    )
