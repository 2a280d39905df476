"""Ascending a score by its gradient, where what moves is the input.

The network is only touched inside a step: between two steps, and whatever ends the loop, it is as it was.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from convscope.errors import UsageError
from convscope.nets import Net, frozen
from convscope.nets.inference.memory_format import channels_last, supports_channels_last
from convscope.see.features.recording import record_float32
from convscope.see.optimize.gradient_flow import goal_names, no_gradient, require_finite, require_gradient
from convscope.see.optimize.image_params.base import ImageParameterization
from convscope.see.optimize.lbfgs import LBFGS
from convscope.see.optimize.objective import EagerScorer, Objective
from convscope.see.optimize.relu_gradients import RedirectSchedule, nonzero_gradient
from convscope.see.optimize.tiling.evaluate import tiled_scores
from convscope.see.optimize.tiling.geometry import TileConfig
from convscope.see.optimize.transforms import Transform, apply_transforms

LOOK_EVERY = 16
"""Steps between looks at whether numbers are finite and images have changed; reading them makes the program
wait."""


@dataclass(frozen=True)
class OptimizerConfig:
    """How to take steps.

    Each image has its own gradient and its own step: images of a batch do not influence each other.
    """

    lr: float = 0.05
    """Learning rate; Lucid's for Adam. For `steepest` the root mean square of each step's change, for `lbfgs`
    of the first step's, for `even` the mean of its absolute values."""
    optimizer: Literal["adam", "sgd", "normalized_sgd", "mean_abs_sgd", "lbfgs"] = "adam"
    """`steepest` goes along the gradient itself, at one length for each image: where spectra are scaled as
    photographs' are, that is a better way up than Adam's, which moves every frequency alike and fills
    pictures with grain. `even` is DeepDream's: the gradient over the mean of its absolute values. `lbfgs`
    remembers how the score bends; for scores that do not change by chance, so without transforms."""
    schedule: Literal["constant", "constant_then_linear", "linear", "cosine"] = "constant"
    """How the rate falls over the steps: not at all, or to 0: evenly in the second half, evenly from the
    start, or in half a cosine."""
    momentum: float = 0.9
    """How much of the running mean of gradients stays at each step, for Adam and `steepest`."""
    normalize: bool = False
    """Divide each image's gradient by its norm; not for `lbfgs`."""
    clip: float | None = None
    """Largest norm of an image's gradient; not for `lbfgs`."""
    relu_gradient_every: int = 16
    """Images that do not move at the start, or at every so manieth step (Lucid's 16), get gradients also
    through ReLUs that are silent for the whole image, until they move; 0 for never."""
    precision: Literal["float32", "bfloat16"] = "float32"
    channels_last: bool = False
    """The order of an image's axes in memory, where the network bears it."""


@dataclass(frozen=True, eq=False)
class Step:
    """Where ascent is after `index` updates.

    The scores are those of exactly these images, under this step's transforms. Everything stays on its
    device; reading a number is what makes the program wait for it. Nothing here is a copy: all of it is made
    anew at each step.
    """

    index: int
    scores: Float[Tensor, " b"]
    images: Float[Tensor, "b *shape"]
    has_gradient: Bool[Tensor, " b"]
    """Which images have a gradient other than 0, as far as it was looked at: at the start, at every
    `redirect`th step, and at the end where a score is 0: the last step needs no gradient, and other images
    count as moving there. It is the gradient through the network; penalties on the image do not count."""
    changed: Bool[Tensor, " b"]
    """Which images an update may have changed: False where every gradient through the network was exactly 0
    in each step so far, redirected ones too. Such an image says nothing about what was asked for."""


def optimize_input(
    net: Net,
    objective: Objective,
    canvas: ImageParameterization,
    *,
    steps: int = 256,
    config: OptimizerConfig | None = None,
    transforms: Sequence[Transform] = (),
    generator: Generator | None = None,
    tiles: TileConfig | None = None,
) -> Iterator[Step]:
    """Move the canvas so that the objective rises; yield where it is at the start and after each update.

    Args:
        net: any network.
        objective: what to raise, of any number of images or one for each.
        canvas: what moves; it can be stopped at any time and keeps what it has.
        steps: number of updates; the last `Step` has this index.
        config: learning rate, optimizer and precision.
        transforms: what images must survive, drawn anew at each step, alike for the whole batch.
        generator: of the transforms' draws; seeded with 0 if left out.
        tiles: how to cut images that are too large to be looked at whole; not cut if left out.

    Raises:
        PlaceError: the objective reads a place that is not in the network.
        GraphError: the images do not fit the network, or shrink to nothing before they reach a layer.
        UsageError: `steps` is negative, the objective is for another number of images, or it reads an
            activation that has no gradient with respect to the image (with `steps` above 0).
        ConvscopeError: scores, gradients or images are NaN or infinite, looked at in the first step, every
            16th and the last.
    """
    config = config or OptimizerConfig()
    view = _Evaluator(
        net,
        objective.resolve(net),
        canvas,
        config,
        tuple(transforms),
        generator or Generator().manual_seed(0),
        tiles,
    )
    optimizer = _optimizer(canvas, config)
    starter, changes = (
        RedirectSchedule(config.relu_gradient_every),
        _Changes(len(canvas), canvas.parameters[0].device),
    )
    for index in range(_checked(steps) + 1):
        if index and index == steps:
            images, scores, moving = view.last()
            if config.optimizer != "lbfgs":  # which takes such steps back
                view.check(scores, images)
            yield Step(index, scores, _detached_copy(images, canvas), moving, changes.known)
            return
        look = view.ascent(starter.mode(index), refuse=index == 0 < steps)
        if index == 0 or (index % LOOK_EVERY == 0 and config.optimizer != "lbfgs"):
            view.check(look.scores, look.images, *look.gradients)
        moving = starter.note(index, look.through)
        yield Step(index, look.scores, _detached_copy(look.images, canvas), moving, changes.known)
        if index < steps:
            changes.note(index, look.through)
            _update(canvas, look.gradients, look.scores, config, optimizer, index / steps)


class _Changes:
    """Which images had a gradient other than 0 in some step."""

    def __init__(self, count: int, device: torch.device) -> None:
        self.known = torch.zeros(count, dtype=torch.bool, device=device)
        self.all = False

    def note(self, index: int, gradients: Sequence[Tensor]) -> None:
        """One more step; nothing is computed any more once all images have changed."""
        if self.all:
            return
        self.known = self.known | nonzero_gradient(gradients)
        if index % LOOK_EVERY == 0:
            self.all = bool(self.known.all())


@dataclass(frozen=True, eq=False)
class _Look:
    """One look at the canvas with gradients of the loss, the negative score: each image has its own."""

    images: Tensor
    scores: Tensor
    gradients: tuple[Tensor, ...]
    """With respect to the canvas' parameters."""
    through: tuple[Tensor, ...]
    """With respect to what the network was shown: without penalties on the image. For objectives that read
    no place, those of the parameters."""


@dataclass(frozen=True, eq=False)
class _Evaluator:
    """What is looked at, how, and by whom."""

    net: Net
    objective: Objective
    canvas: ImageParameterization
    config: OptimizerConfig
    transforms: tuple[Transform, ...]
    chance: Generator
    tiles: TileConfig | None

    def ascent(self, mode: AbstractContextManager[Any], *, refuse: bool = False) -> _Look:
        """Images, their scores and gradients; `refuse` where no gradient exists."""
        with _scorer(self.net, self.config), mode:
            images, shown, score = self._looked(early=isinstance(mode, nullcontext), refuse=refuse)
        with torch.enable_grad():
            scores = score()
            gradients = self._gradients(scores, shown, refuse=refuse)
        return _Look(images, scores.detach(), *gradients)

    def _gradients(
        self, scores: Tensor, shown: Tensor, *, refuse: bool
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        parameters = self.canvas.parameters
        if not scores.requires_grad:
            if refuse and self.objective.terms:
                raise no_gradient(self.net, map(str, self.objective.places))
            zeros = tuple(torch.zeros_like(parameter) for parameter in parameters)
            return zeros, zeros
        wanted = (*parameters, shown) if self.objective.places else parameters
        found = torch.autograd.grad(-scores.sum(), wanted, allow_unused=True, materialize_grads=True)
        gradients = found[: len(parameters)]
        return gradients, found[len(parameters) :] or gradients

    def check(self, scores: Tensor, images: Tensor, *gradients: Tensor) -> None:
        """Refuse NaN and infinity."""
        names = goal_names(self.objective, len(images))
        require_finite(scores, names, "scores")
        for gradient in gradients:
            require_finite(gradient, names, "gradients")
        require_finite(images, names, "pictures")

    def last(self) -> tuple[Tensor, Tensor, Tensor]:
        """Images, scores and which images move; takes a gradient only where a score of 0 leaves that open."""
        before = self.chance.get_state()
        with _scorer(self.net, self.config), torch.no_grad():
            images, _, score = self._looked()
        with torch.no_grad():
            scores = score()
        moving = scores != 0
        if not bool(moving.all()):
            self.chance.set_state(before)
            moving = moving | nonzero_gradient(self.ascent(nullcontext()).through)
        return images, scores, moving

    def _looked(
        self, *, early: bool = True, refuse: bool = False
    ) -> tuple[Tensor, Tensor, Callable[[], Tensor]]:
        """The images, what the network is shown of them, and what scores them, to be called once.

        Measures are scored as early as they can be, which goes with plain gradients only.
        """
        images, objective = self.canvas.images(), self.objective
        looked_at = apply_transforms(images, self.transforms, self.chance)
        if self.config.channels_last and looked_at.dim() == 4 and supports_channels_last(self.net):
            looked_at = channels_last(looked_at)
        looked_at = looked_at.view_as(looked_at)  # apart from the images, which penalties read
        if self.tiles is not None:
            scores = tiled_scores(self.net, objective, looked_at, images, self.tiles)
            return images, looked_at, lambda: scores
        known = EagerScorer(objective, images)
        note = known.note if early else None
        found = [(record_float32(self.net, looked_at, objective.places, noted=note), known.scores)]
        if refuse:
            require_gradient(self.net, objective, found[0][0], self.canvas.parameters)
        del known, note

        def score() -> Tensor:
            activations, scores = found.pop()  # so that nobody holds them while gradients are taken
            return objective(activations, images, scores)

        return images, looked_at, score


def _detached_copy(images: Tensor, canvas: ImageParameterization) -> Tensor:
    """Images that the next update leaves alone."""
    images = images.detach()
    own = images.untyped_storage().data_ptr()
    shared = any(parameter.untyped_storage().data_ptr() == own for parameter in canvas.parameters)
    return images.clone() if shared else images


def _rate(climb: OptimizerConfig, share: float) -> float:
    falls = {
        "constant": 1.0,
        "constant_then_linear": min(1.0, 2.0 - 2.0 * share),
        "linear": 1.0 - share,
        "cosine": 0.5 + 0.5 * math.cos(math.pi * share),
    }
    return climb.lr * falls[climb.schedule]


def _checked(steps: int) -> int:
    if steps < 0:
        raise UsageError("0 or more steps", received=str(steps))
    return steps


@contextmanager
def _scorer(net: Net, climb: OptimizerConfig) -> Iterator[None]:
    half = climb.precision == "bfloat16"
    with (
        frozen(net.module),
        torch.enable_grad(),
        torch.autocast(net.device.type, torch.bfloat16) if half else nullcontext(),
    ):
        yield


class _NormalizedSGD:
    """Steps along the running mean of gradients, each image's divided by its root mean square."""

    def __init__(self, parameters: Sequence[Tensor], memory: float) -> None:
        self.means = [torch.zeros_like(parameter) for parameter in parameters]
        self.parameters, self.memory = parameters, memory

    def step(self, gradients: Sequence[Tensor], rate: float) -> None:
        squares = torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients]).sum(0)
        count = sum(gradient[0].numel() for gradient in gradients)
        tiny = torch.finfo(squares.dtype).tiny
        factors = (squares / count).clamp_min(tiny).rsqrt()
        for parameter, gradient, mean in zip(self.parameters, gradients, self.means, strict=True):
            mean.lerp_(gradient * _broadcast(factors, gradient), 1 - self.memory)
            parameter.sub_(mean, alpha=rate)


class _MeanAbsSGD:
    """Steps along the gradient, each image's divided by the mean of its absolute values."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self.parameters = parameters

    def step(self, gradients: Sequence[Tensor], rate: float) -> None:
        sizes = torch.stack([gradient.flatten(1).abs().sum(1) for gradient in gradients]).sum(0)
        count = sum(gradient[0].numel() for gradient in gradients)
        factors = (sizes / count).clamp_min(torch.finfo(sizes.dtype).tiny).reciprocal()
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.sub_(gradient * _broadcast(factors, gradient), alpha=rate)


class _Torch:
    """One of torch's optimizers."""

    def __init__(self, parameters: Sequence[Tensor], climb: OptimizerConfig) -> None:
        self.parameters = parameters
        if climb.optimizer == "sgd":
            self.optimizer = torch.optim.SGD(parameters, lr=climb.lr)
        else:
            fused = parameters[0].device.type in ("cpu", "cuda")
            self.optimizer = torch.optim.Adam(
                parameters, lr=climb.lr, betas=(climb.momentum, 0.999), fused=fused
            )

    def step(self, gradients: Sequence[Tensor], rate: float) -> None:
        self.optimizer.param_groups[0]["lr"] = rate
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        self.optimizer.step()
        for parameter in self.parameters:
            parameter.grad = None


_Optimizer = _NormalizedSGD | _MeanAbsSGD | _Torch | LBFGS


def _optimizer(canvas: ImageParameterization, climb: OptimizerConfig) -> _Optimizer:
    if climb.optimizer == "lbfgs":
        return LBFGS(canvas.parameters)
    if climb.optimizer == "mean_abs_sgd":
        return _MeanAbsSGD(canvas.parameters)
    if climb.optimizer == "normalized_sgd":
        return _NormalizedSGD(canvas.parameters, climb.momentum)
    return _Torch(canvas.parameters, climb)


@torch.no_grad()
def _update(
    canvas: ImageParameterization,
    gradients: Sequence[Tensor],
    scores: Tensor,
    climb: OptimizerConfig,
    optimizer: _Optimizer,
    share: float,
) -> None:
    rate = _rate(climb, share)
    if isinstance(optimizer, LBFGS):
        optimizer.step(gradients, rate, -scores)
    else:
        optimizer.step([_clip(gradient, climb) for gradient in gradients], rate)
    if canvas.project is not None:
        canvas.project(*canvas.parameters)


def _clip(gradient: Float[Tensor, "b *shape"], climb: OptimizerConfig) -> Float[Tensor, "b *shape"]:
    if not climb.normalize and climb.clip is None:
        return gradient
    norms = gradient.flatten(1).norm(dim=1).clamp_min(torch.finfo(gradient.dtype).tiny)
    factors = 1 / norms if climb.normalize else torch.ones_like(norms)
    if climb.clip is not None:
        factors = torch.minimum(factors, climb.clip / norms)
    return gradient * _broadcast(factors, gradient)


def _broadcast(factors: Float[Tensor, " b"], images: Float[Tensor, "b *shape"]) -> Float[Tensor, "b *ones"]:
    """One factor for each image."""
    return factors.view(-1, *[1] * (images.dim() - 1))
