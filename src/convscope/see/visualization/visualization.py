"""Feature visualization by activation maximisation: images that maximise units, layers and outputs.

Source: Erhan et al. 2009 (activation maximisation); Olah et al. 2017, "Feature Visualization", Distill.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePath
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from convscope.nets import LayerAddress, Net, frozen, takes_network
from convscope.nets.inference.memory import retain_heap
from convscope.recipe.result import Result
from convscope.see.optimize.gradient_flow import gradient_left, require_finite
from convscope.see.optimize.image_params.base import shape_of
from convscope.see.optimize.loop import Step, optimize_input
from convscope.see.optimize.objectives.objective import Objective
from convscope.see.visualization.execution import with_execution
from convscope.see.visualization.objective_parser import Target
from convscope.see.visualization.recipe import VisualizeRecipe
from convscope.see.visualization.robustness import clipped_shares, robust_scores
from convscope.see.visualization.runner import (
    SHIFT,
    VisualizationRun,
    clean_scores,
    params_from_recipe,
    seed_of,
    takes_any_size,
)
from convscope.system.progress import Progress, last_result
from convscope.worlds import InputLike, open_inputs

__all__ = [
    "SHIFT",
    "Visualization",
    "clean_scores",
    "iter_visualize",
    "params_from_recipe",
    "seed_of",
    "takes_any_size",
    "visualize",
]


@dataclass(frozen=True, eq=False)
class Visualization(Result):
    """Synthetic images that maximise activations, one or more for each place.

    Attributes:
        places: names of the images: the place or sum as it was given, with `-` before it where it was
            minimised and the other sign is there too, and ` ~2` after it for the second of its variants.
        images: `[n c ...]` in the spec's value range.
        scores: objectives under the last step's transforms, with penalties.
        clean_scores: objectives of the final images in float32, without transforms and penalties; negated
            activations where they were minimised.
        robust_scores: the same, when the images are enlarged to the network's own size, shifted, turned and
            scaled by a little; mean of five views.
        clipped: share of each image's values that are 0 or 255 in a picture of 8 bits.
        uninformative: names of images that carry no information: their objective is 0 without a gradient at
            the end, or they are among `unmoved`.
        steps: updates of the last batch.
        recipe: the recipe as it was given.
        settled: the recipe with every automatic choice replaced by its value; it reproduces the images.
        goals: objective of each image.
        starts: text from which, with the recipe's seed, the seed of each image's starting noise is derived.
        film: kept steps in order, each with all images at that step.
        unmoved: names of images whose gradient was exactly 0 in every step (zero weights, or a piecewise
            constant function like rounding): they are still the starting images.
        net: the network; its input spec says how the images are drawn.
    """

    places: tuple[str, ...]
    images: Float[Tensor, "n *shape"]
    scores: Float[Tensor, " n"]
    clean_scores: Float[Tensor, " n"]
    robust_scores: Float[Tensor, " n"]
    clipped: Float[Tensor, " n"]
    uninformative: tuple[str, ...]
    steps: int
    recipe: VisualizeRecipe
    settled: VisualizeRecipe
    goals: tuple[Objective, ...]
    starts: tuple[str, ...]
    net: Net
    film: tuple[tuple[int, Float[Tensor, "n *shape"]], ...] = ()
    unmoved: tuple[str, ...] = ()

    def _answer(self) -> Iterator[tuple[str, Any]]:
        yield "places", self.places
        yield "clean_scores", self.clean_scores

    def __len__(self) -> int:
        return len(self.images)

    @property
    def minimized(self) -> tuple[bool, ...]:
        """Whether each image minimises its place instead of maximising it."""
        if not self.recipe.both:
            return (self.recipe.negative,) * len(self.places)
        named = set(self.places)
        return tuple(place.startswith("-") and place[1:] in named for place in self.places)

    @property
    def captions(self) -> tuple[str, ...]:
        """What each image is of: its place, ` ~2` for the second variant, and ` (minimised)`."""
        lines = zip(self.places, self.minimized, strict=True)
        return tuple(
            f"{place.removeprefix('-') if self.recipe.both else place} (minimised)" if down else place
            for place, down in lines
        )


@takes_network
def visualize(
    net: Net,
    *places: str | LayerAddress | Sequence[str | LayerAddress],
    start: InputLike | Sequence[InputLike] = "noise",
    photographs: InputLike | Sequence[InputLike] | None = None,
    **recipe: object,
) -> Visualization:
    """Synthesise images that maximise units, layers or outputs (activation maximisation).

    The objective is ascended by gradient steps on an image parameterization (by default a decorrelated
    Fourier basis) under random transforms. The network's weights are frozen meanwhile.

    Args:
        net: any network, or its name.
        *places: `conv2:17` (a channel), `conv2:17@5,5` (a neuron), `conv2:*` (every channel of a layer),
            `conv2` (the energy of a layer), `output:3` (a logit), or a sum: `conv2:17 - 0.3*conv2:7`; lists
            of these as well.
        start: `noise`, `zeros` (the middle of the value range), or one image, or one for each result, as
            `worlds.open_inputs` takes them.
        photographs: likewise, images whose mean spectrum `canvas="maco"` holds fixed.
        **recipe: fields of `VisualizeRecipe`.

    Returns:
        The images in the order of `places`, with their scores.

    Raises:
        PlaceError: a place is not in this network.
        GraphError: the image's size does not fit the network.
        UsageError: a field is unknown, out of range or without effect, or a place has no gradient with
            respect to the image.
        ConvscopeError: scores or images are NaN or infinite.
    """
    given = None if isinstance(start, str) and not PurePath(start).suffix else start
    begin = {"start": start} if given is None else {}
    every = [one for place in places for one in (place if isinstance(place, list | tuple) else [place])]
    named = {"net": net.name, "places": [str(place) for place in every]}
    wanted = VisualizeRecipe.parse({**named, **begin, **recipe})
    course = iter_visualize(net, wanted, start=given, photographs=photographs)
    with frozen(net.module):
        return last_result(course, "a visualization")


@takes_network
def iter_visualize(
    net: Net,
    recipe: VisualizeRecipe,
    *,
    start: InputLike | Sequence[InputLike] | None = None,
    photographs: InputLike | Sequence[InputLike] | None = None,
) -> Iterator[Progress[Visualization]]:
    """Run the visualization of a recipe, yielding after each step.

    An image depends on the recipe and its own place alone, not on the other places or on the batch. The
    iterator can be closed at any time; weights should be frozen by the caller (`nets.frozen`).

    Args:
        net: any network.
        recipe: places and settings.
        start: images to start from, one or one for each result, as `worlds.open_inputs` takes them; the
            recipe's `start` if None.
        photographs: likewise, images whose mean spectrum `canvas="maco"` holds fixed.

    Yields:
        The progress with the images so far, batch by batch, after each step.

    Raises:
        PlaceError: a place is not in this network.
        GraphError: the image's size does not fit the network.
        UsageError: a setting has no effect, or a place has no gradient with respect to the image.
        ConvscopeError: scores or images are NaN or infinite.
    """
    spec = replace(net.input_spec, shape=shape_of(net.input_spec, tuple(recipe.size)))
    opened = [None if given is None else open_inputs(given, [spec])[0] for given in (start, photographs)]
    run = VisualizationRun(net, recipe, *opened)
    with retain_heap():
        for batch in run.batches:
            fast_net = run.start_batch(batch)
            for step in optimize_input(
                fast_net,
                run.objective,
                run.params,
                steps=recipe.steps,
                config=run.config,
                transforms=run.transforms,
                generator=torch.Generator().manual_seed(recipe.seed),
            ):
                run.record(step)
                yield Progress(
                    (run.done + len(batch) * step.index / max(recipe.steps, 1)) / len(run),
                    f"step {step.index} of {recipe.steps}, score {float(step.scores.mean()):.4g}",
                    partial(_so_far, run, step),
                )
            run.finish_batch()


def _so_far(run: VisualizationRun, current: Step) -> Visualization:
    """Collect the finished images and those of the current batch, in the order of the targets."""
    parts = list(run.finished)
    if not parts or parts[-1][0] is not current:
        parts.append((current, run.kept))
    made = run.batches[: len(parts)]
    clean, robust = (
        torch.cat(
            [
                measure(run.net, [run.targets[number].goal for number in batch], step.images)
                for batch, (step, _) in zip(made, parts, strict=True)
            ]
        )
        for measure in (clean_scores, robust_scores)
    )
    numbers = torch.tensor([number for batch in made for number in batch])
    order = numbers.argsort()
    targets = [run.targets[number] for number in numbers[order].tolist()]
    images = torch.cat([step.images for step, _ in parts]).cpu()[order]
    clean = clean.cpu()[order]
    require_finite(clean, [target.text for target in targets], "scores of the finished pictures")
    unmoved = torch.cat([~step.changed & (step.index > 0) for step, _ in parts]).cpu()[order]
    uninformative = unmoved | _is_uninformative(run, targets, images, clean)
    return Visualization(
        tuple(target.text for target in targets),
        images,
        torch.cat([step.scores for step, _ in parts]).cpu()[order],
        clean,
        robust.cpu()[order],
        clipped_shares(images, run.net.input_spec),
        _named(targets, uninformative),
        current.index,
        run.recipe,
        with_execution(run.recipe, run.execution),
        tuple(target.goal for target in targets),
        tuple(target.seed_text for target in targets),
        run.net,
        _kept_frames(parts, order),
        _named(targets, unmoved),
    )


def _is_uninformative(
    run: VisualizationRun, targets: list[Target], images: Tensor, clean: Tensor
) -> Bool[Tensor, " n"]:
    """Return which images have a score of 0 and no gradient of their own objective."""
    found = clean == 0
    for number in found.nonzero().flatten().tolist():
        found[number] = not gradient_left(run.net, [targets[number].goal], images[number][None])[0]
    return found


def _named(targets: list[Target], chosen: Bool[Tensor, " n"]) -> tuple[str, ...]:
    """Return the names of the chosen targets."""
    return tuple(target.text for target, here in zip(targets, chosen.tolist(), strict=True) if here)


def _kept_frames(
    parts: list[tuple[Step, dict[int, Tensor]]], order: Tensor
) -> tuple[tuple[int, Tensor], ...]:
    """Collect the kept steps; a batch that ended earlier is represented by its last images."""
    moments = sorted({index for _, kept in parts for index in kept})
    return tuple(
        (moment, torch.cat([kept.get(moment, step.images.cpu()) for step, kept in parts])[order])
        for moment in moments
    )
