"""Learning-rate schedules, as plain functions of the share of the training that is done.

A schedule takes the share of the steps after the warm-up, 0 to 1, and returns the share of the highest
learning rate. A new one is one function and one entry in `SCHEDULES`, and its name in `recipe.Schedule`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi

from convscope.learn.recipe import TrainRecipe

FLOOR = 1e-3
"""Least share of the highest learning rate in every schedule: the last steps should still have an effect."""


@dataclass(frozen=True)
class Shape:
    """Describe a schedule: its course after the warm-up, and its default warm-up.

    Attributes:
        course: maps the share of the steps after the warm-up (0 to 1) to a share of the highest learning
            rate.
        warmup: default length of the linear warm-up, as a share of all steps.
    """

    course: Callable[[float], float]
    warmup: float = 0.0


def constant(done: float) -> float:
    """Return 1: the highest learning rate throughout.

    Args:
        done: share of the steps after the warm-up, 0 to 1.

    Returns:
        1.0.
    """
    return 1.0


def linear(done: float) -> float:
    """Decay linearly from 1 to 0.

    Args:
        done: share of the steps after the warm-up, 0 to 1.

    Returns:
        Share of the highest learning rate, 0 to 1.
    """
    return 1.0 - done


def cosine(done: float) -> float:
    """Decay from 1 to 0 along half a cosine, without restarts.

    Args:
        done: share of the steps after the warm-up, 0 to 1.

    Returns:
        Share of the highest learning rate, 0 to 1.

    Source: Loshchilov, Hutter 2017, arXiv:1608.03983.
    """
    return 0.5 * (1.0 + cos(pi * done))


def step(done: float) -> float:
    """Decay in steps: a tenth after half of the training, a hundredth after three quarters.

    Args:
        done: share of the steps after the warm-up, 0 to 1.

    Returns:
        Share of the highest learning rate: 1, 0.1 or 0.01.

    Source: He et al. 2015, section 4.2.
    """
    return 1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01


SCHEDULES: dict[str, Shape] = {
    "onecycle": Shape(linear, warmup=0.25),
    "cosine": Shape(cosine, warmup=0.05),
    "step": Shape(step),
    "constant": Shape(constant),
}
"""By name. `onecycle` is one triangle: linear warm-up, then linear decay. Source: Smith, Topin 2018,
arXiv:1708.07120."""


def extends(recipe: TrainRecipe) -> bool:
    """Return whether epochs can be added to a run as if they had been planned from the start.

    That holds where no step's learning rate depends on the number of steps: with the constant schedule and
    without a warm-up, whose length is a share of all steps.

    Args:
        recipe: recipe with the schedule and its warm-up.

    Returns:
        True if epochs can be added.
    """
    return recipe.schedule == "constant" and not recipe.warmup


def lr_factor(recipe: TrainRecipe, step: int, steps: int) -> float:
    """Return the learning rate at a step, as a share of the highest one.

    The rate rises linearly during the warm-up and then follows the schedule.

    Args:
        recipe: recipe with the schedule and its warm-up.
        step: 0 to `steps - 1`, counted over the whole training.
        steps: number of steps of the whole training.

    Returns:
        A share from `FLOOR` to 1.
    """
    shape = SCHEDULES[recipe.schedule]
    rising = (shape.warmup if recipe.warmup is None else recipe.warmup) * steps
    if step < rising:
        return max(FLOOR, (step + 1) / (rising + 1))
    return max(FLOOR, shape.course((step - rising) / max(1.0, steps - rising)))
