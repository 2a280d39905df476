"""Neural style transfer: match the features of one image and the Gram matrices of others.

The optimisation goes from coarse to fine: structures as large as a layer's receptive field are formed where
the image is small and steps are cheap; each finer scale starts from the result of the coarser one.

Source: Gatys, Ecker and Bethge 2016, "Image Style Transfer Using Convolutional Neural Networks", CVPR;
scales: Gatys et al. 2017, arXiv:1611.07865, section 6.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import UsageError
from convscope.iteration import last_result
from convscope.nets import Net, frozen
from convscope.nets.inference.execution import retain_heap, trim_heap
from convscope.see.features.recording import record_float32
from convscope.see.optimize.autotune import used_bytes
from convscope.see.optimize.gradient_flow import require_finite
from convscope.see.optimize.image_params.base import ImageParameterization, noise
from convscope.see.optimize.loop import OptimizerConfig, Step, optimize_input
from convscope.see.optimize.objective import Objective
from convscope.see.optimize.tiling.evaluate import tiled_scores
from convscope.see.optimize.tiling.geometry import TileConfig
from convscope.see.optimize.tiling.memory import SAMPLE, tiles_for_budget
from convscope.see.style import color
from convscope.see.style.precision import StyleExecution, choose_precision
from convscope.see.style.problem import WHOLE, ScaleObjective, StyleProblem, resized, tiles_for
from convscope.see.style.recipe import StyleRecipe

RATES = {"lbfgs": 0.02, "adam": 0.02}
"""Default learning rate by optimizer."""
NOISE = 0.1
"""Standard deviation of the noise in a start from noise, around middle grey."""
COPIES = 32
"""Number of copies of the image that are held in memory by L-BFGS and around it."""
EXACT = 0.25
"""Share of the finest scale's steps that are taken in float32, where the others are not."""


@dataclass(frozen=True, eq=False)
class StyleResult:
    """The result of a style transfer.

    Attributes:
        image: `[3 h w]`, values from 0 to 1.
        content: the content image, at the same size.
        style: style loss by layer, relative to the energy of the target Gram matrices: 0 is a perfect match,
            1 is the loss of an image without any activation.
        style_of_content: the same for the content image.
        values: content loss by layer, relative to the energy of the content's activations.
        score: the objective that was maximised, in float32.
        steps: number of updates at each scale.
        sizes: height and width at each scale.
        layers: names of the style and content layers, and how they were chosen.
        settled: the recipe with every automatic choice replaced by its value.
        unmoved: whether the network's gradient was exactly 0 in every step, so that no style was transferred.
    """

    image: Float[Tensor, "3 h w"]
    content: Float[Tensor, "3 h w"]
    style: dict[str, float]
    style_of_content: dict[str, float]
    values: dict[str, float]
    score: float
    steps: tuple[int, ...]
    sizes: tuple[tuple[int, int], ...]
    layers: dict[str, object]
    settled: StyleRecipe
    unmoved: bool = False


@dataclass(frozen=True, eq=False)
class StyleProgress:
    """The state after one step; `image()` returns the image so far, `result()` also its losses.

    Attributes:
        scale: index of the scale, 0 for the coarsest.
        size: height and width at this scale.
        step: number of updates at this scale.
        steps: updates that this scale takes in all.
        score: best objective at this scale.
        done: fraction of the work done, from 0 to 1, weighted by the number of pixels.
    """

    scale: int
    size: tuple[int, int]
    step: int
    steps: int
    score: float
    done: float
    _painter: "_Run"

    def image(self) -> Float[Tensor, "3 h w"]:
        """Return the best image so far, at the result's size, in [0, 1]."""
        return self._painter.picture()

    def result(self) -> StyleResult:
        """Return the best image so far with its losses; takes a forward pass."""
        return self._painter.painted()


class _Run:
    """State of a style transfer, with the best image so far."""

    def __init__(self, easel: StyleProblem, recipe: StyleRecipe) -> None:
        self.easel, self.recipe = easel, recipe
        self.sizes = easel.sizes
        self.counts = [0 for _ in self.sizes]
        self.best: Tensor | None = None
        self.score = float("-inf")
        self.sitting: ScaleObjective | None = None
        self.tempo = StyleExecution()
        self.used = used_bytes(easel.net.device)
        self.changed = False

    def canvas(self, sitting: ScaleObjective) -> ImageParameterization:
        """Return the parameters at this size: the best image so far, or the start."""
        channels = 1 if self.recipe.color == "luminance" else 3
        if self.best is not None:
            start = resized(self.best, sitting.size)
        elif self.recipe.start == "content":
            start = sitting.content[:, :channels]
        else:
            start = 0.5 + NOISE * noise((channels, *sitting.size), [self.recipe.seed])
        start = start.detach().clone().to(self.easel.net.device).clamp(0, 1)
        low, high = self.easel.net.contract.value_range
        draw = _Decode(sitting.content, sitting.mask, low, high)
        return ImageParameterization((start.requires_grad_(),), draw, _clamped)

    def note(self, step: Step, canvas: ImageParameterization, scale: int) -> None:
        """Keep the image if its score is the best, and count the step."""
        score = float(step.scores[0])
        if score > self.score or self.best is None:
            self.best = canvas.parameters[0].detach().clone()
            self.score = score
        self.counts[scale] += step.index > 0
        self.changed = self.changed or bool(step.changed.any())

    def picture(self) -> Float[Tensor, "3 h w"]:
        """Return the best image so far at the result's size, with the recipe's colours and mask applied."""
        sitting = self.sitting
        if self.best is None or sitting is None:
            raise UsageError("a picture that was begun", received="no step yet")
        size, whole = self.sizes[-1], self.easel
        image = resized(self.best.cpu(), size)[0]
        content = resized(whole.picture[None].cpu(), size)[0]
        if self.recipe.color == "luminance":
            image = color.with_colours_of(image, content).clamp(0, 1)
        image = image.expand(3, -1, -1)
        if whole.mask is not None:
            share = resized(whole.mask[None].cpu(), size)[0]
            image = share * image + (1 - share) * content
        return image

    def painted(self) -> StyleResult:
        """Return the best image so far with its losses in each layer."""
        sitting = self.sitting
        if sitting is None or self.best is None:
            raise UsageError("a picture that was begun", received="no step yet")
        low, high = self.easel.net.contract.value_range
        draw = _Decode(sitting.content, sitting.mask, low, high)
        with torch.no_grad():
            here, before = draw(self.best), draw(sitting.content)
        style = self._shares(sitting.style, here)
        layers = self.easel.layers
        return StyleResult(
            self.picture(),
            resized(self.easel.picture[None].cpu(), self.sizes[-1])[0],
            style,
            self._shares(sitting.style, before),
            self._shares(sitting.values, here),
            self._shares({"goal": sitting.goal}, here)["goal"],
            tuple(self.counts),
            self.sizes,
            {
                "style": [str(place) for place in layers.style],
                "content": [str(place) for place in layers.content],
                "how": layers.how,
            },
            choose_precision(self.recipe, self.tempo),
            not self.changed and sum(self.counts) > 0,
        )

    def _shares(self, parts: dict[str, Objective], image: Tensor) -> dict[str, float]:
        """Return the score of each objective, in float32."""
        total = sum(parts.values(), Objective()).resolve(self.easel.net)
        net = self.easel.net
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
    """Decode parameters to the network's input: three channels, the content image outside the mask."""

    content: Float[Tensor, "1 3 h w"]
    mask: Float[Tensor, "1 1 h w"] | None
    low: float
    high: float

    def __call__(self, free: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 3 h w"]:
        """Return images in the contract's value range."""
        image = free.expand(-1, 3, -1, -1)
        if self.mask is not None:
            mask = self.mask.to(free.device)
            image = mask * image + (1 - mask) * self.content.to(free.device)
        plain = (self.low, self.high) == (0.0, 1.0)
        return image if plain else self.low + (self.high - self.low) * image


def _clamped(free: Tensor) -> None:
    """Clamp the parameters to [0, 1], in place."""
    free.clamp_(0, 1)


def style_transfer(
    net: Net,
    content: Float[Tensor, "3 h w"],
    *paintings: Float[Tensor, "3 y x"],
    mask: Tensor | None = None,
    guide: Tensor | None = None,
    style_guides: Sequence[Tensor] = (),
    **recipe: object,
) -> StyleResult:
    """Optimise an image to have the content of one image and the style of others (Gatys et al.).

    Args:
        net: a trained network for RGB images.
        content: the content image, values from 0 to 1.
        *paintings: the style images, values from 0 to 1, of any size.
        mask: `[1 h w]`, how much of the style each pixel gets, from 0 to 1; all of it if None.
        guide: `[3 h w]`, regions of the content image as flat colours; each gets the style of the paintings'
            regions of the same colour.
        style_guides: `[3 y x]` for each painting, its regions as the same flat colours.
        **recipe: fields of `StyleRecipe`.

    Returns:
        The image with its losses in each layer.

    Raises:
        PlaceError: a layer is not in this network.
        MissingError: the network is untrained, and the recipe does not allow it.
        DataError: the mask is 0 everywhere, or the guides have too many or different colours.
        UsageError: a field is unknown, out of range or without effect, the images do not fit, or a layer
            has no gradient with respect to them.
        ConvscopeError: a layer's activations are NaN or infinite.
    """
    names = {"content": "", "style": [f"painting {k}" for k in range(len(paintings))], "net": net.name}
    if guide is not None:
        names |= {"guide": "guide", "style_guide": [f"guide {k}" for k in range(len(style_guides))]}
    wanted = StyleRecipe.parse({**names, **recipe})
    easel = StyleProblem(net, content, paintings, wanted, mask=mask, guide=guide, style_guides=style_guides)
    with frozen(net.module):
        return last_result(iter_style_transfer(easel), "a painting").result()


def iter_style_transfer(easel: StyleProblem) -> Iterator[StyleProgress]:
    """Run a style transfer, yielding after each step.

    The iterator can be closed at any time; weights should be frozen by the caller (`nets.frozen`).

    Args:
        easel: images, layers and settings.

    Yields:
        The state after each step, from the coarsest scale to the finest.

    Raises:
        UsageError: a layer has no gradient with respect to the image.
        ConvscopeError: a layer's activations are NaN or infinite.
    """
    recipe = easel.recipe
    painter = _Run(easel, recipe)
    pixels = [recipe.steps_at(k) * h * w for k, (h, w) in enumerate(easel.sizes)]
    with retain_heap():
        for scale, size in enumerate(easel.sizes):
            painter.sitting = sitting = easel.scale_objective(size)
            painter.score = float("-inf")
            last = scale == len(easel.sizes) - 1
            for step in _climbed(painter, sitting, scale, last):
                here = pixels[scale] * step / max(recipe.steps_at(scale), 1)
                done = (sum(pixels[:scale]) + here) / max(sum(pixels), 1)
                yield StyleProgress(scale, size, step, recipe.steps_at(scale), painter.score, done, painter)


def _climbed(painter: _Run, sitting: ScaleObjective, scale: int, last: bool) -> Iterator[int]:
    """Run the steps at one size in the fast precision, and the last of the finest scale in float32."""
    recipe, net = painter.recipe, painter.easel.net
    steps = recipe.steps_at(scale)
    painter.tempo = painter.tempo.measured(net, sitting.goal, recipe, painter.sizes[-1])
    exact = round(EXACT * steps) if last and not painter.tempo.exact else 0
    climb = OptimizerConfig(lr=recipe.lr or RATES[recipe.optimizer], optimizer=recipe.optimizer)
    taken = 0
    for part, quick in ((steps - exact, True), (exact, False)):
        if not part and not (quick and not steps):
            continue
        trim_heap()
        canvas = painter.canvas(sitting)
        with torch.no_grad():
            sample = canvas.images()[..., :SAMPLE, :SAMPLE]
            tempo = painter.tempo if quick else StyleExecution("float32")
            used = tempo.copy_of(net, sample, sitting.goal.places)
        if not quick:
            painter.score = float("-inf")
        tiles = _tiles(painter, used, sitting)
        for step in optimize_input(used, sitting.goal, canvas, steps=part, config=climb, tiles=tiles):
            painter.note(step, canvas, scale)
            if step.index or not taken:
                yield taken + step.index
        taken += part


def _tiles(painter: _Run, net: Net, sitting: ScaleObjective) -> TileConfig | None:
    """Return the tiling that keeps steps within the memory limit; None for none."""
    memory, size = painter.recipe.memory, sitting.size
    if not memory and size[0] * size[1] <= WHOLE:
        return None
    least = painter.easel.net.contract.size
    height, width = (max(low, min(SAMPLE, extent)) for low, extent in zip(least, size, strict=True))
    goal = painter.easel.scale_objective((height, width)).goal
    return tiles_for_budget(net, goal, size, memory, copies=COPIES, used=painter.used)
