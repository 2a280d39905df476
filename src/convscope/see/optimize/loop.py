"""Gradient ascent of an objective over the input of a network.

The network is changed only inside a step: between two steps, and however the loop ends, it is in its original
state.
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
from convscope.nets import Net, frozen, takes_network
from convscope.nets.inference.execution import ExecutionConfig, MemoryFormat, Precision
from convscope.nets.inference.memory_format import channels_last, supports_channels_last
from convscope.nets.inference.pass_replay import LARGEST, Pass, PassReplay, recorded
from convscope.recipe.result import Result
from convscope.see.features.recording import record_float32
from convscope.see.optimize.gradient_flow import goal_names, no_gradient, require_finite, require_gradient
from convscope.see.optimize.image_params.base import ImageParameterization
from convscope.see.optimize.lbfgs import LBFGS
from convscope.see.optimize.objectives.objective import EagerScorer, Objective
from convscope.see.optimize.relu_gradients import RedirectSchedule, nonzero_gradient
from convscope.see.optimize.tiling.evaluate import tiled_scores
from convscope.see.optimize.tiling.geometry import TileConfig
from convscope.see.optimize.transforms import Transform, apply_transforms

REPLAY_FROM = 32
"""Steps from which on the network's pass is recorded and replayed: to record costs what 25 steps gain."""
CHECK_EVERY = 16
"""Steps between checks for NaN and infinity, and of whether all images have changed; each synchronises with
the device."""


@dataclass(frozen=True)
class OptimizerConfig:
    """Optimizer, schedule and precision of the optimisation loop.

    Each image has its own gradient and its own step: images of a batch do not influence each other.
    """

    lr: float = 0.05
    """Learning rate; the default is Lucid's for Adam. For `normalized_sgd` it is the largest root mean square
    of a step's change, for `lbfgs` the root mean square of the first step's, for `mean_abs_sgd` the mean
    absolute value of each step's."""
    optimizer: Literal["adam", "sgd", "normalized_sgd", "mean_abs_sgd", "lbfgs"] = "adam"
    """`adam` and `sgd` are torch's. `normalized_sgd` divides each image's gradient by its root mean square:
    for spectra that are scaled as photographs' are it does better than Adam, which changes every frequency by
    the same amount and adds high-frequency noise. `mean_abs_sgd` divides by the mean absolute value
    (DeepDream's). `lbfgs` approximates the curvature of the score; for deterministic scores only, so without
    transforms."""
    schedule: Literal["constant", "constant_then_linear", "linear", "cosine"] = "constant"
    """Learning rate over the steps: constant, or falling to 0: linearly in the second half, linearly from the
    start, or along half a cosine."""
    momentum: float = 0.9
    """Decay of the running mean of gradients, for `adam` (its beta1) and `normalized_sgd`; in [0, 1)."""
    normalize: bool = False
    """Divide each image's gradient by its norm; ignored by `lbfgs`."""
    clip: float | None = None
    """Largest norm of an image's gradient; None for no limit; ignored by `lbfgs`."""
    relu_gradient_every: int = 16
    """Period in steps at which images are checked for a zero gradient, step 0 included. Those without one get
    gradients also through ReLUs that are inactive for the whole image, until a later check finds a true
    gradient; 0 turns this off. The default is the number of steps for which Lucid does so."""
    precision: Precision = "fp32"
    """Other than `fp32`: the forward pass runs under `torch.autocast`; scores stay in float32."""
    memory_format: MemoryFormat = "contiguous"
    """`channels_last` shows images to the network in that memory format, where it supports it."""


@dataclass(frozen=True, eq=False)
class Step(Result):
    """State of the optimisation after `index` updates.

    The scores are those of exactly these images, under this step's transforms. All tensors stay on their
    device: reading a number synchronises with it. They are made anew at each step and may be kept without a
    copy.
    """

    index: int
    scores: Float[Tensor, " b"]
    images: Float[Tensor, "b *shape"]
    has_gradient: Bool[Tensor, " b"]
    """Which images have a gradient other than 0, as of the last check: at the start, at every
    `relu_gradient_every`th step, and at the end for images whose score is 0 (the last step takes no gradient,
    and other images count as having one). It is the gradient through the network; regularizers of the image
    do not count."""
    changed: Bool[Tensor, " b"]
    """Which images an update may have changed: False where every gradient through the network was exactly 0
    in each step so far, redirected ones too. Such an image shows nothing of its objective."""


@takes_network
def optimize_input(
    net: Net,
    objective: Objective,
    params: ImageParameterization,
    *,
    steps: int = 256,
    config: OptimizerConfig | None = None,
    transforms: Sequence[Transform] = (),
    generator: Generator | None = None,
    tiles: TileConfig | None = None,
) -> Iterator[Step]:
    """Maximise an objective over the input by gradient ascent, step by step.

    Yields before the first update and after each, so that the caller may show, save or stop at any time.

    Args:
        net: any network.
        objective: what to maximise, for any number of images or one for each.
        params: parameterization of the images, updated in place; it keeps its state when the loop is stopped.
        steps: number of updates; the last `Step` has this index.
        config: learning rate, optimizer and precision; the defaults if left out.
        transforms: random transformations applied before the network, drawn anew at each step, the same for
            the whole batch.
        generator: of the transforms' random numbers; seeded with 0 if left out.
        tiles: how to cut images that are too large for one pass; not cut if left out.

    Yields:
        `steps + 1` states, from index 0 on.

    Raises:
        PlaceError: the objective reads a place that is not in the network.
        GraphError: the images do not fit the network, or shrink to nothing before they reach a layer.
        UsageError: `steps` is negative, the objective is for another number of images, or it reads an
            activation that has no gradient with respect to the image (with `steps` above 0).
        ConvscopeError: scores, gradients or images are NaN or infinite, checked in the first step, every
            16th and the last; in the first alone for `lbfgs`, which undoes such steps.
    """
    config = config or OptimizerConfig()
    evaluator = _Evaluator(
        net,
        objective.resolve(net),
        params,
        config,
        tuple(transforms),
        generator or Generator().manual_seed(0),
        tiles,
        _Replays(steps >= REPLAY_FROM and tiles is None and config.precision == "fp32"),
    )
    optimizer = _optimizer(params, config)
    schedule = RedirectSchedule(config.relu_gradient_every)
    changes = _ChangedImages(len(params), params.parameters[0].device)
    for index in range(_checked(steps) + 1):
        if index and index == steps:
            yield evaluator.last_step(index, changes.known)
            return
        evaluation = evaluator.with_gradients(schedule.mode(index), refuse=index == 0 < steps)
        if index == 0 or (index % CHECK_EVERY == 0 and config.optimizer != "lbfgs"):
            evaluator.check(evaluation.scores, evaluation.images, *evaluation.gradients)
        moving = schedule.note(index, evaluation.input_gradients)
        yield Step(index, evaluation.scores, _detached_copy(evaluation.images, params), moving, changes.known)
        if index < steps:
            changes.note(index, evaluation.input_gradients)
            _update(params, evaluation.gradients, evaluation.scores, config, optimizer, index / steps)


class _ChangedImages:
    """Track which images had a gradient other than 0 in some step."""

    def __init__(self, count: int, device: torch.device) -> None:
        self.known = torch.zeros(count, dtype=torch.bool, device=device)
        self.all = False

    def note(self, index: int, gradients: Sequence[Tensor]) -> None:
        """Add the gradients of one more step; does nothing once all images have changed."""
        if self.all:
            return
        self.known = self.known | nonzero_gradient(gradients)
        if index % CHECK_EVERY == 0:
            self.all = bool(self.known.all())


@dataclass(frozen=True, eq=False)
class _Evaluation:
    """One evaluation of the objective, with gradients of the loss (the negative score) for each image."""

    images: Tensor
    scores: Tensor
    gradients: tuple[Tensor, ...]
    """With respect to the parameters of the images."""
    input_gradients: tuple[Tensor, ...]
    """With respect to the network's input, so without regularizers of the image. With respect to the
    parameters, for objectives that read no layer."""


class _Replays:
    """The network's pass as `PassReplay` records it at the first chance, if it can.

    Args:
        wanted: whether to record at all.
    """

    def __init__(self, wanted: bool) -> None:
        self.wanted, self.replay = wanted, None

    def of(self, run: Pass, shown: Tensor) -> PassReplay | None:
        """Return the replay for a network input; None where the network itself has to run."""
        if self.wanted and shown.device.type == "cpu" and shown.numel() <= LARGEST:
            self.wanted = False
            self.replay = recorded(run, shown)
        return self.replay if self.replay and self.replay.fits(shown) else None


@dataclass(frozen=True, eq=False)
class _Evaluator:
    """Evaluates an objective on parameterized images, with or without gradients."""

    net: Net
    objective: Objective
    params: ImageParameterization
    config: OptimizerConfig
    transforms: tuple[Transform, ...]
    generator: Generator
    tiles: TileConfig | None
    replays: _Replays

    def with_gradients(self, mode: AbstractContextManager[Any], *, refuse: bool = False) -> _Evaluation:
        """Return images, scores and gradients; `mode` is entered for the forward pass.

        With `refuse`, raise `UsageError` where an activation has no gradient with respect to the parameters.
        """
        with _network_context(self.net, self.config), mode:
            images, shown, score = self._forward(early=isinstance(mode, nullcontext), refuse=refuse)
        with torch.enable_grad():
            scores = score()
            gradients = self._gradients(scores, shown, refuse=refuse)
        return _Evaluation(images, scores.detach(), *gradients)

    def _gradients(
        self, scores: Tensor, shown: Tensor, *, refuse: bool
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Return the loss's gradients with respect to the parameters and to the network's input."""
        parameters = self.params.parameters
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
        """Raise `ConvscopeError` for NaN and infinity."""
        names = goal_names(self.objective, len(images))
        require_finite(scores, names, "scores")
        for gradient in gradients:
            require_finite(gradient, names, "gradients")
        require_finite(images, names, "pictures")

    def without_gradients(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return images, scores and which images have a gradient.

        A gradient is computed only if a score is 0, with the same random transforms.
        """
        before = self.generator.get_state()
        with _network_context(self.net, self.config), torch.no_grad():
            images, _, score = self._forward()
        with torch.no_grad():
            scores = score()
        moving = scores != 0
        if not bool(moving.all()):
            self.generator.set_state(before)
            moving = moving | nonzero_gradient(self.with_gradients(nullcontext()).input_gradients)
        return images, scores, moving

    def last_step(self, index: int, changed: Tensor) -> Step:
        """Return the state after the last update, which needs no gradients."""
        images, scores, moving = self.without_gradients()
        if self.config.optimizer != "lbfgs":  # which undoes such steps
            self.check(scores, images)
        return Step(index, scores, _detached_copy(images, self.params), moving, changed)

    def _forward(
        self, *, early: bool = True, refuse: bool = False
    ) -> tuple[Tensor, Tensor, Callable[[], Tensor]]:
        """Run the forward pass; return images, network input, and a function that gives the scores once.

        With `early`, terms are scored during the forward pass, which is possible without redirected ReLU
        gradients only.
        """
        images, objective = self.params.images(), self.objective
        shown = apply_transforms(images, self.transforms, self.generator)
        wanted = self.config.memory_format == "channels_last" and shown.dim() == 4
        if wanted and supports_channels_last(self.net):
            shown = channels_last(shown)
        shown = shown.view_as(shown)  # a node of its own: regularizers read the images too
        if self.tiles is not None:
            scores = tiled_scores(self.net, objective, shown, images, self.tiles)
            return images, shown, lambda: scores
        enlarged = shown.numel() > images.numel()  # which few views are
        if early and not enlarged and not refuse and torch.is_grad_enabled():
            replay = self.replays.of(self._activations, shown)
            if replay is not None:
                replayed = dict(zip(objective.places, replay(shown), strict=True))
                return images, shown, lambda: objective(replayed, images)
        eager = EagerScorer(objective, images)
        note = eager.note if early else None
        found = [(record_float32(self.net, shown, objective.places, noted=note), eager.scores)]
        if refuse:
            require_gradient(self.net, objective, found[0][0], self.params.parameters)
        del eager, note

        def score() -> Tensor:
            activations, scores = found.pop()  # so that backward can free them
            return objective(activations, images, scores)

        return images, shown, score

    def _activations(self, shown: Tensor) -> tuple[Tensor, ...]:
        return tuple(record_float32(self.net, shown, self.objective.places).values())


def _detached_copy(images: Tensor, params: ImageParameterization) -> Tensor:
    """Detach the images; copy them if they share memory with parameters, which updates overwrite."""
    images = images.detach()
    own = images.untyped_storage().data_ptr()
    shared = any(parameter.untyped_storage().data_ptr() == own for parameter in params.parameters)
    return images.clone() if shared else images


def _learning_rate(config: OptimizerConfig, share: float) -> float:
    """Return the learning rate after this share of the steps, in [0, 1]."""
    factors = {
        "constant": 1.0,
        "constant_then_linear": min(1.0, 2.0 - 2.0 * share),
        "linear": 1.0 - share,
        "cosine": 0.5 + 0.5 * math.cos(math.pi * share),
    }
    return config.lr * factors[config.schedule]


def _checked(steps: int) -> int:
    if steps < 0:
        raise UsageError("0 or more steps", received=str(steps))
    return steps


@contextmanager
def _network_context(net: Net, config: OptimizerConfig) -> Iterator[None]:
    """Freeze the network, enable gradients, and autocast if the config sets it."""
    with frozen(net.module), torch.enable_grad(), ExecutionConfig(config.precision).autocast(net.device):
        yield


class _NormalizedSGD:
    """Momentum SGD with each image's gradient divided by its root mean square."""

    def __init__(self, parameters: Sequence[Tensor], momentum: float) -> None:
        self.means = [torch.zeros_like(parameter) for parameter in parameters]
        self.parameters, self.momentum = parameters, momentum

    def step(self, gradients: Sequence[Tensor], rate: float) -> None:
        squares = torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients]).sum(0)
        count = sum(gradient[0].numel() for gradient in gradients)
        tiny = torch.finfo(squares.dtype).tiny
        factors = (squares / count).clamp_min(tiny).rsqrt()
        for parameter, gradient, mean in zip(self.parameters, gradients, self.means, strict=True):
            mean.lerp_(gradient * _broadcast(factors, gradient), 1 - self.momentum)
            parameter.sub_(mean, alpha=rate)


class _MeanAbsSGD:
    """SGD with each image's gradient divided by its mean absolute value."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self.parameters = parameters

    def step(self, gradients: Sequence[Tensor], rate: float) -> None:
        sizes = torch.stack([gradient.flatten(1).abs().sum(1) for gradient in gradients]).sum(0)
        count = sum(gradient[0].numel() for gradient in gradients)
        factors = (sizes / count).clamp_min(torch.finfo(sizes.dtype).tiny).reciprocal()
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.sub_(gradient * _broadcast(factors, gradient), alpha=rate)


class _TorchOptimizer:
    """SGD or Adam of torch, with a learning rate for each step."""

    def __init__(self, parameters: Sequence[Tensor], config: OptimizerConfig) -> None:
        self.parameters = parameters
        if config.optimizer == "sgd":
            self.optimizer = torch.optim.SGD(parameters, lr=config.lr)
        else:
            fused = parameters[0].device.type in ("cpu", "cuda")
            self.optimizer = torch.optim.Adam(
                parameters, lr=config.lr, betas=(config.momentum, 0.999), fused=fused
            )

    def step(self, gradients: Sequence[Tensor], rate: float) -> None:
        self.optimizer.param_groups[0]["lr"] = rate
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        self.optimizer.step()
        for parameter in self.parameters:
            parameter.grad = None


_Optimizer = _NormalizedSGD | _MeanAbsSGD | _TorchOptimizer | LBFGS


def _optimizer(params: ImageParameterization, config: OptimizerConfig) -> _Optimizer:
    if config.optimizer == "lbfgs":
        return LBFGS(params.parameters)
    if config.optimizer == "mean_abs_sgd":
        return _MeanAbsSGD(params.parameters)
    if config.optimizer == "normalized_sgd":
        return _NormalizedSGD(params.parameters, config.momentum)
    return _TorchOptimizer(params.parameters, config)


@torch.no_grad()
def _update(
    params: ImageParameterization,
    gradients: Sequence[Tensor],
    scores: Tensor,
    config: OptimizerConfig,
    optimizer: _Optimizer,
    share: float,
) -> None:
    rate = _learning_rate(config, share)
    if isinstance(optimizer, LBFGS):
        optimizer.step(gradients, rate, -scores)
    else:
        optimizer.step([_clip(gradient, config) for gradient in gradients], rate)
    if params.project is not None:
        params.project(*params.parameters)


def _clip(gradient: Float[Tensor, "b *shape"], config: OptimizerConfig) -> Float[Tensor, "b *shape"]:
    """Normalise or clip each image's gradient, as configured."""
    if not config.normalize and config.clip is None:
        return gradient
    norms = gradient.flatten(1).norm(dim=1).clamp_min(torch.finfo(gradient.dtype).tiny)
    factors = 1 / norms if config.normalize else torch.ones_like(norms)
    if config.clip is not None:
        factors = torch.minimum(factors, config.clip / norms)
    return gradient * _broadcast(factors, gradient)


def _broadcast(factors: Float[Tensor, " b"], images: Float[Tensor, "b *shape"]) -> Float[Tensor, "b *ones"]:
    """Reshape one factor for each image so that it broadcasts against the images."""
    return factors.view(-1, *[1] * (images.dim() - 1))
