"""Neural style transfer: match the features of one image and how features vary together in others.

The optimisation goes from coarse to fine: structures as large as a layer's receptive field are formed where
the image is small and steps are cheap; each finer scale starts from the result of the coarser one.

Source: Gatys, Ecker and Bethge 2016, "Image Style Transfer Using Convolutional Neural Networks", CVPR, whose
Gram matrices are compared with the scalings `gatys` and `neural-style`; `relative` compares correlations;
scales: Gatys et al. 2017, arXiv:1611.07865, section 6.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import UsageError
from convscope.nets import Net, frozen, takes_network
from convscope.nets.inference.execution import ExecutionConfig, Precision
from convscope.nets.inference.inference_copy import inference_copy
from convscope.nets.inference.memory import retain_heap, trim_heap, used_bytes
from convscope.recipe.result import Result
from convscope.see.features.recording import record_float32
from convscope.see.optimize.gradient_flow import require_finite
from convscope.see.optimize.image_params.base import ImageParameterization, noise
from convscope.see.optimize.loop import OptimizerConfig, Step, optimize_input
from convscope.see.optimize.objectives.objective import Objective
from convscope.see.optimize.tiling.evaluate import tiled_scores
from convscope.see.optimize.tiling.geometry import TileConfig
from convscope.see.optimize.tiling.memory import SAMPLE, tiles_for_budget
from convscope.see.style import color
from convscope.see.style.detail import KEPT_SCALES, content_share, with_detail_of
from convscope.see.style.precision import choose_precision
from convscope.see.style.problem import WHOLE, ScaleObjective, StyleProblem, resized, tiles_for
from convscope.see.style.recipe import StyleRecipe
from convscope.see.style.share_of_time import share_of_time
from convscope.system.progress import Progress, last_result
from convscope.worlds import InputLike, name_of

RATES = {"lbfgs": 0.02, "adam": 0.02}
"""Default learning rate by optimizer."""
NOISE = 0.1
"""Standard deviation of the noise in a start from noise, around middle grey."""
COPIES = 32
"""Number of copies of the image that are held in memory by L-BFGS and around it."""
EXACT = 0.25
"""Share of the finest scale's steps that are taken in float32, where the others are not."""


@dataclass(frozen=True)
class StyleLosses:
    """How far an image is from the content of one image and the style of others.

    Attributes:
        style: style loss by layer, relative to what there is to reach: 0 is a perfect match. 1 is the loss of
            an image with the style's mean activations and no variation (`scaling` `relative`), or without any
            activation (the others).
        style_of_content: the same for the content image.
        values: content loss by layer, relative to the energy of the content's activations.
        score: the objective that was maximised, in float32.
    """

    style: dict[str, float]
    style_of_content: dict[str, float]
    values: dict[str, float]
    score: float


@dataclass(frozen=True, eq=False)
class StyleResult(Result):
    """The result of a style transfer.

    Attributes:
        image: `[3 h w]`, values from 0 to 1.
        content: the content image, at the same size.
        steps: number of updates at each scale.
        sizes: height and width at each scale.
        layers: names of the style and content layers, and how they were chosen.
        settled: the recipe with every automatic choice replaced by its value.
        measure: computes the losses of the image, in several forward passes.
        unmoved: whether the network's gradient was exactly 0 in every step, so that no style was transferred.
    """

    image: Float[Tensor, "3 h w"]
    content: Float[Tensor, "3 h w"]
    steps: tuple[int, ...]
    sizes: tuple[tuple[int, int], ...]
    layers: dict[str, object]
    settled: StyleRecipe
    measure: Callable[[], StyleLosses]
    unmoved: bool = False

    @cached_property
    def losses(self) -> StyleLosses:
        """The losses of the image in each layer, computed when they are first read."""
        return self.measure()


class _Run:
    """State of a style transfer, with the best image so far."""

    def __init__(self, problem: StyleProblem, recipe: StyleRecipe) -> None:
        self.problem, self.recipe = problem, recipe
        self.sizes = problem.sizes
        self.counts = [0 for _ in self.sizes]
        self.best: Tensor | None = None
        self.score = float("-inf")
        self.scale_objective: ScaleObjective | None = None
        self.precision: Precision | None = None
        self.used = used_bytes(problem.net.device)
        self.changed = False
        self.root = None if recipe.color == "luminance" else problem.colour_root

    def exact_steps(self, scale: int) -> int:
        """Return how many of a scale's steps, its last ones, are in float32 where the others are not."""
        last = scale == len(self.sizes) - 1
        return round(EXACT * self.recipe.steps_at(scale)) if last and self.precision != "fp32" else 0

    def params(self, scale_objective: ScaleObjective) -> ImageParameterization:
        """Return the parameters at this size: the best image so far with content detail, or the start."""
        channels = 1 if self.recipe.color == "luminance" else 3
        if self.best is not None:
            early = scale_objective.size in self.sizes[: 1 + KEPT_SCALES]
            kept = content_share(scale_objective.content) if early else None
            start = with_detail_of(scale_objective.start[:, :channels], self.best, kept)
        elif self.recipe.start == "content":
            start = scale_objective.start[:, :channels]
        else:
            start = 0.5 + NOISE * noise((channels, *scale_objective.size), [self.recipe.seed])
        start = start.detach().clone().to(self.problem.net.device).clamp(0, 1)
        low, high = self.problem.net.input_spec.value_range
        decode = _Decode(scale_objective.content, scale_objective.mask, low, high, self.root)
        return ImageParameterization((decode.encode(start).requires_grad_(),), decode, decode.clamp)

    def record(self, step: Step, params: ImageParameterization, scale: int) -> None:
        """Keep the image if its score is the best, and count the step."""
        score = float(step.scores[0])
        if score > self.score or self.best is None:
            self.best = color.transform_colours(self.root, params.parameters[0].detach()).clone()
            self.score = score
        self.counts[scale] += step.index > 0
        self.changed = self.changed or bool(step.changed.any())

    def image(self) -> Float[Tensor, "3 h w"]:
        """Return the best image so far at the result's size, with the recipe's colours and mask applied."""
        scale_objective = self.scale_objective
        if self.best is None or scale_objective is None:
            raise UsageError("a picture that was begun", received="no step yet")
        size, problem = self.sizes[-1], self.problem
        image = resized(self.best.cpu(), size)[0]
        content = resized(problem.picture[None].cpu(), size)[0]
        if self.recipe.color == "luminance":
            image = color.with_colours_of(image, content).clamp(0, 1)
        image = image.expand(3, -1, -1)
        if problem.mask is not None:
            share = resized(problem.mask[None].cpu(), size)[0]
            image = share * image + (1 - share) * content
        return image

    def result(self) -> StyleResult:
        """Return the best image so far; its losses are computed when they are read."""
        scale_objective = self.scale_objective
        if scale_objective is None or self.best is None:
            raise UsageError("a picture that was begun", received="no step yet")
        layers = self.problem.layers
        return StyleResult(
            self.image(),
            resized(self.problem.picture[None].cpu(), self.sizes[-1])[0],
            tuple(self.counts),
            self.sizes,
            {
                "style": [str(place) for place in layers.style],
                "content": [str(place) for place in layers.content],
                "how": layers.how,
            },
            self.recipe.model_copy(update={"precision": self.precision or self.recipe.precision}),
            partial(self._losses, scale_objective, self.best),
            not self.changed and sum(self.counts) > 0,
        )

    def _losses(self, scale_objective: ScaleObjective, best: Tensor) -> StyleLosses:
        """Return the losses of parameters of one scale in each layer."""
        low, high = self.problem.net.input_spec.value_range
        decode = _Decode(scale_objective.content, scale_objective.mask, low, high)
        with torch.no_grad():
            here, before = decode(best), decode(scale_objective.content)
        return StyleLosses(
            self._shares(scale_objective.style, here),
            self._shares(scale_objective.style, before),
            self._shares(scale_objective.values, here),
            self._shares({"goal": scale_objective.goal}, here)["goal"],
        )

    def _shares(self, parts: dict[str, Objective], image: Tensor) -> dict[str, float]:
        """Return the score of each objective, in float32."""
        total = sum(parts.values(), Objective()).resolve(self.problem.net)
        net = self.problem.net
        with torch.no_grad():
            tiles = tiles_for(image, self.recipe.memory)
            if image[0, 0].numel() > tiles.pixels:
                scores = {
                    n: tiled_scores(net, part.resolve(net), image, image, tiles) for n, part in parts.items()
                }
            else:
                found = record_float32(net, image, total.places)
                scores = {n: part.resolve(net)(found, image) for n, part in parts.items()}
        for name, score in scores.items():
            require_finite(score, [name], "distances")
        return {name: float(score[0]) for name, score in scores.items()}


@dataclass(frozen=True, eq=False)
class _Decode:
    """Decode parameters to the network's input: three channels, the content image outside the mask.

    With a root, parameters are decorrelated colours: RGB is the root times them.
    """

    content: Float[Tensor, "1 3 h w"]
    mask: Float[Tensor, "1 1 h w"] | None
    low: float
    high: float
    root: Float[Tensor, "3 3"] | None = None

    def encode(self, image: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 c h w"]:
        """Return the parameters of an image with values from 0 to 1."""
        return color.transform_colours(None if self.root is None else torch.linalg.inv(self.root), image)

    def clamp(self, free: Float[Tensor, "1 c h w"]) -> None:
        """Clamp the colours of parameters to [0, 1], in place."""
        free.copy_(self.encode(color.transform_colours(self.root, free).clamp(0, 1)))

    def __call__(self, free: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 3 h w"]:
        """Return images in the spec's value range."""
        image = color.transform_colours(self.root, free).expand(-1, 3, -1, -1)
        if self.mask is not None:
            mask = self.mask.to(free.device)
            image = mask * image + (1 - mask) * self.content.to(free.device)
        plain = (self.low, self.high) == (0.0, 1.0)
        return image if plain else self.low + (self.high - self.low) * image


@takes_network
def style_transfer(
    net: Net,
    content: InputLike,
    *paintings: InputLike,
    mask: InputLike | None = None,
    guide: InputLike | None = None,
    style_guides: Sequence[InputLike] = (),
    **recipe: object,
) -> StyleResult:
    """Optimise an image to have the content of one image and the style of others (Gatys et al.).

    Args:
        net: a trained network for RGB images, or its name.
        content: the content image: a path, an opened image, an array or a tensor; `worlds.open_whole` says
            how each is read (values are from 0 to 1).
        *paintings: the style images, likewise, of any size.
        mask: how much of the style each pixel gets, as `worlds.open_mask` takes it; all of it if None.
        guide: regions of the content image as flat colours; each gets the style of the paintings' regions of
            the same colour.
        style_guides: for each painting its regions as the same flat colours.
        **recipe: fields of `StyleRecipe`.

    Returns:
        The image with its losses in each layer.

    Raises:
        PlaceError: a layer is not in this network.
        MissingError: the network is untrained, and the recipe does not allow it.
        DataError: an image cannot be read, the mask is 0 everywhere, the guides have too many or different
            colours, or a mask or guide has other proportions than its image.
        UsageError: a field is unknown, out of range or without effect, the images do not fit, or a layer
            has no gradient with respect to them.
        ConvscopeError: a layer's activations are NaN or infinite.
    """
    names: dict[str, object] = {"content": name_of(content), "net": net.name}
    names["style"] = [name_of(one) or f"painting {k}" for k, one in enumerate(paintings)]
    if mask is not None:
        names["mask"] = name_of(mask) or "mask"
    if guide is not None:
        names["guide"] = name_of(guide) or "guide"
        names["style_guide"] = [name_of(one) or f"guide {k}" for k, one in enumerate(style_guides)]
    wanted = StyleRecipe.parse({**names, **recipe})
    problem = StyleProblem(net, content, paintings, wanted, mask=mask, guide=guide, style_guides=style_guides)
    with frozen(net.module):
        return last_result(iter_style_transfer(problem), "a painting")


def iter_style_transfer(problem: StyleProblem) -> Iterator[Progress[StyleResult]]:
    """Run a style transfer, yielding after each step.

    The iterator can be closed at any time; weights should be frozen by the caller (`nets.frozen`).

    Args:
        problem: images, layers and settings.

    Yields:
        The progress with the best image so far at the result's size, from the coarsest scale to the finest.

    Raises:
        UsageError: a layer has no gradient with respect to the image.
        ConvscopeError: a layer's activations are NaN or infinite.
    """
    recipe = problem.recipe
    run = _Run(problem, recipe)
    counts = [recipe.steps_at(scale) for scale in range(len(problem.sizes))]
    with retain_heap():
        for scale, size in enumerate(problem.sizes):
            run.scale_objective = scale_objective = problem.scale_objective(size)
            run.score = float("-inf")
            for step in _optimize_scale(run, scale_objective, scale):
                words = f"{size[1]}x{size[0]}, step {step} of {counts[scale]}, score {run.score:.4g}"
                exact = run.exact_steps(len(counts) - 1)
                fraction = share_of_time(problem.sizes, counts, exact, scale, step)
                yield Progress(fraction, words, run.result)


def _optimize_scale(run: _Run, scale_objective: ScaleObjective, scale: int) -> Iterator[int]:
    """Run the steps at one size in the fast precision, and the last of the finest scale in float32."""
    recipe, net = run.recipe, run.problem.net
    steps = recipe.steps_at(scale)
    if run.precision is None:
        run.precision = choose_precision(net, scale_objective.goal, recipe, run.sizes)
    exact = run.exact_steps(scale)
    config = OptimizerConfig(lr=recipe.lr or RATES[recipe.optimizer], optimizer=recipe.optimizer)
    taken = 0
    for part, quick in ((steps - exact, True), (exact, False)):
        if not part and not (quick and not steps):
            continue
        trim_heap()
        params = run.params(scale_objective)
        with torch.no_grad():
            sample = params.images()[..., :SAMPLE, :SAMPLE]
            execution = ExecutionConfig(run.precision if quick else "fp32", "channels_last")
            used = inference_copy(net, sample, scale_objective.goal.places, execution)
        if not quick:
            run.score = float("-inf")
        tiles = _tiles(run, used, scale_objective)
        for step in optimize_input(
            used, scale_objective.goal, params, steps=part, config=config, tiles=tiles
        ):
            run.record(step, params, scale)
            if step.index or not taken:
                yield taken + step.index
        taken += part


def _tiles(run: _Run, net: Net, scale_objective: ScaleObjective) -> TileConfig | None:
    """Return the tiling that keeps steps within the memory limit; None for none."""
    memory, size = run.recipe.memory, scale_objective.size
    if not memory and size[0] * size[1] <= WHOLE:
        return None
    least = run.problem.net.input_spec.size
    height, width = (max(low, min(SAMPLE, extent)) for low, extent in zip(least, size, strict=True))
    goal = run.problem.scale_objective((height, width)).goal
    return tiles_for_budget(net, goal, size, memory, copies=COPIES, used=run.used)
