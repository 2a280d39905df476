"""The learning rate over time, as plain functions of how much is done.

A schedule takes the share of the steps after the warm-up, 0 to 1, and returns the share of the highest
learning rate. A new one is one function and one entry in `SCHEDULES`, and its name in `plan.Schedule`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi

from convscope.learn.recipe import TrainRecipe

FLOOR = 1e-3
"""Share of the highest rate below which no schedule goes: the last steps should still count."""


@dataclass(frozen=True)
class Shape:
    """A course after the warm-up, and the warm-up that suits it, as a share of all steps."""

    course: Callable[[float], float]
    warmup: float = 0.0


def constant(done: float) -> float:
    """Always the highest."""
    return 1.0


def linear(done: float) -> float:
    """Straight down to nothing."""
    return 1.0 - done


def cosine(done: float) -> float:
    """Half a cosine, down to nothing. Source: Loshchilov, Hutter 2017, arXiv:1608.03983, without restarts."""
    return 0.5 * (1.0 + cos(pi * done))


def step(done: float) -> float:
    """A tenth after half, a hundredth after three quarters. Source: He et al. 2015, section 4.2."""
    return 1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01


SCHEDULES: dict[str, Shape] = {
    "onecycle": Shape(linear, warmup=0.25),
    "cosine": Shape(cosine, warmup=0.05),
    "step": Shape(step),
    "constant": Shape(constant),
}
"""`onecycle` is one triangle: up, then down. Source: Smith, Topin 2018, arXiv:1708.07120."""


def extends(plan: TrainRecipe) -> bool:
    """Tell whether a run can get more epochs as if they had been planned from the start.

    So it is where no step's rate depends on how many steps there are: with the constant schedule, without a
    warm-up, whose length is a share of all steps.
    """
    return plan.schedule == "constant" and not plan.warmup


def rate(plan: TrainRecipe, step: int, steps: int) -> float:
    """Share of the highest learning rate at a step, from `FLOOR` to 1.

    Args:
        plan: states the schedule and its warm-up.
        step: 0 to `steps - 1`.
        steps: of the whole training.
    """
    shape = SCHEDULES[plan.schedule]
    rising = (shape.warmup if plan.warmup is None else plan.warmup) * steps
    if step < rising:
        return max(FLOOR, (step + 1) / (rising + 1))
    return max(FLOOR, shape.course((step - rising) / max(1.0, steps - rising)))
