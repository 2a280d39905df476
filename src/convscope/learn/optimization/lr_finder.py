"""The learning-rate finder: a short training of a copy, in which the rate grows until the loss explodes.

Source: Smith 2017, Cyclical Learning Rates, arXiv:1506.01186, section 3.3; the growth by a constant factor,
the smoothing and both suggestions as in fastai 2 (`fastai.callback.schedule`).
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isfinite, log
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from convscope.errors import TrainingError, UsageError
from convscope.learn.recipe import PROBE_LR, ClassificationRecipe, TrainRecipe, transfer_defaults
from convscope.learn.tasks.registry import is_registered, resolve_task
from convscope.learn.tasks.task import Task
from convscope.learn.trainer.events import TrainProgress
from convscope.learn.trainer.trainer import Trainer
from convscope.nets import Net, takes_network
from convscope.recipe.result import Result
from convscope.system.progress import Progress, last_result

LOWEST, HIGHEST, STEPS = 1e-7, 10.0, 100
"""Range and number of steps by default, as in fastai."""
SMOOTHING = 0.98
"""Weight of the past in the smoothed loss, as in fastai and Lightning."""
EXPLODED = 4.0
"""The sweep ends where the smoothed loss exceeds its minimum so many times, as in fastai and Lightning."""
LAST = 5
"""Steps at the end from which nothing is suggested, as in fastai; the first tenth is left out too."""
FEWEST = 10
"""Falling losses below which nothing is suggested."""

Suggestion = Literal["steepest", "valley"]
Rate = Literal["lr", "probe_lr"]
"""The setting that is looked for: the rate of all that learns, or that of the linear probe before it."""
PROBED = "probe_epochs"
AnyRecipe = TypeVar("AnyRecipe", bound=TrainRecipe)


@dataclass(frozen=True, eq=False)
class LRFinderResult(Result):
    """Hold the losses of a learning-rate sweep, and the rates that they suggest.

    Attributes:
        rates: learning rate of each step, ascending, `[steps]`.
        losses: loss that each step minimised, `[steps]`.
        smoothed: its exponential moving average without bias towards 0, `[steps]`.
        valley: rate half way down the longest fall of the smoothed loss; None where it hardly falls.
        steepest: rate at which the smoothed loss falls fastest; None where it hardly falls.
        exploded: whether the sweep ended early because the loss exploded.
        by: which of the two is the suggestion.
        recipe: recipe of the training that the rate is for.
        rate: the setting of the recipe that it is for: `lr`, or `probe_lr` where the head alone was swept.
    """

    rates: Tensor
    losses: Tensor
    smoothed: Tensor
    valley: float | None
    steepest: float | None
    exploded: bool
    by: Suggestion = "steepest"
    recipe: TrainRecipe | None = None
    rate: Rate = "lr"

    @property
    def flag(self) -> str:
        """The flag that the rate is for."""
        return "--" + self.rate.replace("_", "-")

    def _answer(self) -> Iterator[tuple[str, Any]]:
        yield "suggestion", "none" if self.suggestion is None else self.suggestion

    @property
    def suggestion(self) -> float | None:
        """The suggested highest learning rate of a schedule; None where the loss hardly falls."""
        return self.valley if self.by == "valley" else self.steepest

    @property
    def summary(self) -> str:
        """The suggestion as a sentence."""
        where = " of the linear probe" if self.rate == "probe_lr" else ""
        if not len(self.rates):
            return "No learning rate has been tried yet."
        if self.suggestion is None:
            return (
                f"The loss{where} hardly falls between the learning rates {float(self.rates[0]):.2g} and "
                f"{float(self.rates[-1]):.2g}: there is none to suggest."
            )
        return f"Suggested learning rate{where}: {self.suggestion:.2g} ({self.by})."

    def to_json(self) -> dict[str, Any]:
        """Return rates, losses and suggestions, JSON-ready."""
        return {
            "rates": self.rates.tolist(),
            "losses": self.losses.tolist(),
            "smoothed": self.smoothed.tolist(),
            "valley": self.valley,
            "steepest": self.steepest,
            "exploded": self.exploded,
            "suggestion": self.suggestion,
            "rate": self.rate,
        }


@takes_network
def find_lr(
    net: Net,
    data: Any,
    recipe: TrainRecipe | None = None,
    *,
    task: Task | None = None,
    span: tuple[float, float] = (LOWEST, HIGHEST),
    steps: int = STEPS,
    by: Suggestion | None = None,
    rate: Rate = "lr",
) -> LRFinderResult:
    """Find a learning rate: train a copy of the network for a moment while the rate grows.

    The network, its buffers and all random generators are left bit for bit as they were, also where the sweep
    is interrupted or the loss explodes: a training afterwards is the same as one without it.

    Where the recipe begins with a linear probe, `probe_lr` sweeps the head alone, on its cached features, and
    `lr` sweeps all that learns after the probe: the copy goes through the recipe's probe first.

    Args:
        net: network to train later; its module is copied.
        data: what it will learn from, as for `train`.
        recipe: recipe of that training; its epochs, learning rate and schedule are not read.
        task: defines losses and optimizers; the recipe's, if left out.
        span: lowest and highest learning rate.
        steps: number of steps from one to the other; each multiplies the rate by the same factor.
        by: `steepest` (where the loss falls fastest) or `valley` (half way down its longest fall; cautious);
            by default `valley` after a probe, since a loss that is low already falls fastest by chance, at
            the lowest rates; else `steepest`.
        rate: which setting of the recipe is looked for; `rates_to_find` lists those that it has.

    Returns:
        Rates, losses and suggestion; its picture is the curve.

    Raises:
        UsageError: network and data do not fit each other, the span is empty, or the rate of a probe is
            looked for where there is none.
        DataError: there is no data.
        TrainingError: the loss is not finite at the lowest rate, or in the probe.
    """
    sweep = iter_find_lr(net, data, recipe, task=task, span=span, steps=steps, by=by, rate=rate)
    return last_result(sweep, "find_lr")


def rates_to_find(recipe: TrainRecipe) -> tuple[Rate, ...]:
    """Return the learning rates of a recipe that a finder can look for, in the order of their use.

    Args:
        recipe: recipe of a training.

    Returns:
        `probe_lr` where there is a linear probe whose rate is not given; `lr` where more than a probe is
            trained.
    """
    probed = getattr(recipe, PROBED, 0)
    found: list[Rate] = ["probe_lr"] if probed and getattr(recipe, "probe_lr", None) == PROBE_LR else []
    return (*found, "lr") if probed < recipe.epochs else tuple(found)


def with_suggested_lr(recipe: AnyRecipe, found: LRFinderResult) -> AnyRecipe:
    """Return a recipe with the suggested learning rate.

    Args:
        recipe: recipe of a training, with `find_lr` or without.
        found: what `find_lr` returned.

    Returns:
        The recipe with the rate, in two digits; with its own or the default one where none is suggested.
    """
    own = getattr(recipe, found.rate)
    if own is None and getattr(recipe, "from_", None):
        chosen = {name: value for name, value in recipe.chosen().items() if name != "find_lr"}
        own = transfer_defaults(chosen).get(found.rate)
    value = own if found.suggestion is None else float(f"{found.suggestion:.2g}")
    return recipe.model_copy(update={found.rate: value, "find_lr": False})


@takes_network
def iter_find_lr(
    net: Net,
    data: Any,
    recipe: TrainRecipe | None = None,
    *,
    task: Task | None = None,
    span: tuple[float, float] = (LOWEST, HIGHEST),
    steps: int = STEPS,
    by: Suggestion | None = None,
    rate: Rate = "lr",
) -> Iterator[Progress[LRFinderResult]]:
    """Find a learning rate, as an iterator over the steps of the sweep.

    Args:
        net: as for `find_lr`, like everything else here.
        data: what the network will learn from.
        recipe: recipe of the training.
        task: defines losses and optimizers.
        span: lowest and highest learning rate.
        steps: number of steps.
        by: which suggestion counts.
        rate: which setting is looked for.

    Yields:
        The progress after each step, and of what comes before the first one, with the result so far.

    Raises:
        UsageError, DataError, TrainingError: as `find_lr` does.
    """
    low, high = span
    if not (0 < low < high < float("inf")) or steps < 2:
        raise UsageError(
            "learning rates from a positive one to a higher one, in 2 steps or more",
            received=f"{low:g} to {high:g} in {steps}",
            hint="For example: span=(1e-7, 10.0), steps=100",
        )
    rates = [low * (high / low) ** (k / (steps - 1)) for k in range(steps)]
    recipe, losses = recipe or ClassificationRecipe(), []
    after_probe = rate == "lr" and getattr(recipe, PROBED, 0)
    by = by or ("valley" if after_probe else "steepest")
    if rate == "probe_lr" and not getattr(recipe, PROBED, 0):
        raise UsageError(
            "a recipe with a linear probe, to find its learning rate",
            received=f"{PROBED} {getattr(recipe, PROBED, 'of no such task')}",
            hint="Look for rate='lr', or set probe_epochs.",
        )
    for step in _sweep(net, data, recipe, task, rates, rate):
        if isinstance(step, float):
            losses.append(step)
        exploded = bool(losses) and _exploded(losses)
        done = 1.0 if exploded else len(losses) / steps
        note = f"learning rate {rates[len(losses) - 1]:.2g}  loss {step:.4g}" if losses else str(step)
        yield Progress(
            done,
            note,
            lambda exploded=exploded: replace(_result(rates, losses, exploded, by, recipe), rate=rate),
        )
        if exploded:
            return


def _sweep(
    net: Net, data: Any, recipe: TrainRecipe, task: Task | None, rates: Sequence[float], rate: Rate
) -> Iterator[float | str]:
    """Yield the loss of each step of a copy that is trained at these rates; infinity if it is not finite.

    Before the first there may be notes on what is computed for it.
    """
    generators = _Generators(data, net.device)
    recipe, task = resolve_task(recipe, task)
    with generators.kept():
        copy = net.with_module(deepcopy(net.module))
    probed, steps = getattr(recipe, PROBED, 0), len(rates)
    if rate == "lr" and probed:
        yield from _probed(_trainer(copy, data, recipe, task, (probed, probed), generators), generators)
    epochs = (steps, steps if rate == "probe_lr" else 0)
    trainer = _trainer(copy, data, recipe, task, epochs, generators)
    trainer.rates.schedule = lambda step: rates[step]
    events, found = iter(trainer), 0
    while found < steps:
        trainer.pause()
        try:
            with generators.kept():
                event = next(events)
        except TrainingError:
            if not found:
                raise
            yield float("inf")
            return
        if isinstance(event, TrainProgress) and event.step:
            found += 1
            yield event.loss
        elif isinstance(event, TrainProgress) and not found:
            yield _note(event)


def _trainer(
    net: Net,
    data: Any,
    recipe: TrainRecipe,
    task: Task,
    epochs: tuple[int, int],
    generators: "_Generators",
) -> Trainer:
    """Return the training of a copy for so many epochs, and so many of a linear probe among them."""
    off = ("find_lr", "ema", "patience", "validation_split")
    settings = {"epochs": epochs[0], **dict.fromkeys(off)}
    others = {PROBED: epochs[1], "calibrate": False}
    settings |= {name: value for name, value in others.items() if hasattr(recipe, name)}
    swept = recipe.model_copy(update=settings)
    if is_registered(recipe.task, recipe.verb):
        task = type(task).from_recipe(swept)  # with this probe, and without a validation part
    with generators.kept():
        return Trainer(net, data, recipe=swept, task=task)


def _probed(trainer: Trainer, generators: "_Generators") -> Iterator[str]:
    """Run a linear probe on a copy, to its end, as the training will; yield what is being done."""
    events = iter(trainer)
    while True:
        with generators.kept():
            event = next(events, None)
        if event is None:
            return
        if isinstance(event, TrainProgress):
            yield _note(event)


def _note(event: TrainProgress) -> str:
    if event.preparing is not None:
        return f"features of the frozen layers {event.preparing:.0%}"
    return f"linear probe before the sweep, epoch {event.epoch}/{event.epochs}"


class _Generators:
    """Random streams of a sweep for all generators that a training may draw from.

    A training restores torch's global ones itself (`Randomness`), but a data set of the user's may also draw
    from Python's, NumPy's, or its loader's own.
    """

    def __init__(self, data: Any, device: torch.device) -> None:
        owners = (data, getattr(data, "sampler", None), getattr(data, "batch_sampler", None))
        own = [getattr(owner, "generator", None) for owner in owners]
        self._access: list[tuple[Callable[[], Any], Callable[[Any], Any]]] = [
            (random.getstate, random.setstate),
            (np.random.get_state, np.random.set_state),  # the global one is meant
            (torch.get_rng_state, torch.set_rng_state),
            *((one.get_state, one.set_state) for one in own if isinstance(one, torch.Generator)),
        ]
        if device.type != "cpu":
            module = torch.get_device_module(device)
            self._access.append((module.get_rng_state, module.set_rng_state))
        self._streams = self._read()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Install the streams of the sweep; afterwards restore the states from outside."""
        outside = self._read()
        self._write(self._streams)
        try:
            yield
        finally:
            self._streams = self._read()
            self._write(outside)

    def _read(self) -> list[Any]:
        return [read() for read, _write in self._access]

    def _write(self, states: list[Any]) -> None:
        for (_read, write), state in zip(self._access, states, strict=True):
            write(state)


def _exploded(losses: Sequence[float]) -> bool:
    """Return whether the smoothed loss is far above its minimum, or the last loss is not finite."""
    if not isfinite(losses[-1]):
        return True
    smoothed = _smoothed(losses)
    return smoothed[-1] > EXPLODED * min(smoothed) > 0


def _smoothed(losses: Sequence[float]) -> list[float]:
    """Return the exponential moving average of losses, without the bias towards its start at 0."""
    mean, found = 0.0, []
    for k, loss in enumerate(losses, start=1):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        found.append(mean / (1 - SMOOTHING**k))
    return found


def _result(
    rates: Sequence[float], losses: Sequence[float], exploded: bool, by: Suggestion, recipe: TrainRecipe
) -> LRFinderResult:
    """Return the result of the steps so far; suggestions are made from all but the first and last of them."""
    finite = [loss for loss in losses if isfinite(loss)]
    rates, smoothed = rates[: len(finite)], _smoothed(finite)
    inner = slice(len(rates) // 10, max(0, len(rates) - LAST))
    found = [torch.tensor(values, dtype=torch.float64) for values in (rates, finite, smoothed)]
    falls = len(rates[inner]) >= FEWEST and _longest_fall(smoothed[inner])[1] >= FEWEST
    return LRFinderResult(
        *found,
        valley=valley(rates[inner], smoothed[inner]) if falls else None,
        steepest=steepest(rates[inner], smoothed[inner]) if falls else None,
        exploded=exploded,
        by=by,
        recipe=recipe,
    )


def valley(rates: Sequence[float], losses: Sequence[float]) -> float:
    """Suggest a learning rate: half way down the longest fall of the loss.

    The fall is the longest falling subsequence of the losses, taken as a stretch of its length that ends
    where it ends.

    Args:
        rates: learning rates, ascending.
        losses: smoothed loss at each.

    Returns:
        One of the rates.

    Source: `valley` of fastai 2 (`fastai/callback/schedule.py`), after ESRI's deep learning guide.
    """
    end, length = _longest_fall(losses)
    start, third = end - length, length / 3
    return rates[max(0, start) + int(third) + int(third / 2)]


def _longest_fall(losses: Sequence[float]) -> tuple[int, int]:
    """Return where the longest falling subsequence ends, and its length."""
    lengths, end = [1] * len(losses), 0
    for i, loss in enumerate(losses):
        lengths[i] = 1 + max((lengths[j] for j in range(i) if loss < losses[j]), default=0)
        if lengths[i] > lengths[end]:
            end = i
    return end, lengths[end]


def steepest(rates: Sequence[float], losses: Sequence[float]) -> float:
    """Suggest a learning rate: where the loss falls fastest over the logarithm of the rate.

    Args:
        rates: learning rates, ascending.
        losses: smoothed loss at each.

    Returns:
        One of the rates.

    Source: `steep` of fastai 2 (`fastai/callback/schedule.py`).
    """
    pairs = pairwise(zip(rates, losses, strict=True))
    slopes = [(later - loss) / log(higher / lower) for (lower, loss), (higher, later) in pairs]
    return rates[slopes.index(min(slopes))]
