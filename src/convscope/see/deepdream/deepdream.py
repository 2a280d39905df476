"""DeepDream: gradient ascent on a layer's activations from a photograph, at several sizes (octaves).

The objective is the energy of the activations, so positive ones grow and negative ones fall. It is ascended
from the smallest size to the photograph's own. The change that was made at one size is scaled up and added to
the photograph at the next size, so that details lost by downscaling are restored.

Source: Mordvintsev, Olah and Tyka 2015, "Inceptionism"; their notebook's steps (1.5 of 255, over the mean
absolute gradient), ten at each of four sizes, 1.4 apart, moved by up to 32 pixels.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from convscope.errors import ConvscopeError, DataError, UsageError
from convscope.nets import LayerAddress, Net, frozen, takes_network
from convscope.nets.inference.execution import ExecutionConfig
from convscope.nets.inference.inference_copy import inference_copy
from convscope.nets.inference.memory import retain_heap
from convscope.recipe.result import Result
from convscope.see.deepdream import objectives, pyramid
from convscope.see.deepdream.recipe import DreamRecipe
from convscope.see.features.recording import record_float32
from convscope.see.optimize.execution import fastest_precision
from convscope.see.optimize.image_params.base import ImageParameterization
from convscope.see.optimize.loop import OptimizerConfig, optimize_input
from convscope.see.optimize.objectives.objective import Objective
from convscope.see.optimize.tiling.evaluate import tiled_scores
from convscope.see.optimize.tiling.geometry import TileConfig, TilePlan, plan_tiles
from convscope.see.optimize.tiling.memory import tiles_for_budget
from convscope.see.optimize.transforms import Transform
from convscope.system.progress import Progress, last_result
from convscope.worlds import InputLike, name_of, open_mask, open_whole, photos

SHADES = 255
"""The learning rate is given in units of 1/255 of the value range, as in the notebook."""
SMALL = 500_000
"""Pixels times steps below which precision is not measured, and fp32 is used."""
LARGE = 1024
"""Sizes with both sides above this are assumed to be large enough for every layer and are not tried."""


@dataclass(frozen=True)
class Octave:
    """One size of a dream.

    Attributes:
        size: height and width.
        before: objective of the clean image before the steps of this size.
        after: objective of the clean image after them.
        tiles: number of tiles in which the image was evaluated.
        exact: whether gradients were those of the whole image; False where a layer's receptive field exceeds
            a tile's overlap.
        unmoved: whether the gradient was exactly 0 in every step, so that nothing was changed.
        not_raised: whether the steps changed the image, but the objective is no higher than before.
    """

    size: tuple[int, int]
    before: float
    after: float
    tiles: int
    exact: bool
    unmoved: bool = False
    not_raised: bool = False


@dataclass(frozen=True, eq=False)
class DreamResult(Result):
    """The result of DeepDream.

    Attributes:
        image: `[c h w]` in the spec's value range, of the original's size.
        original: the image that the dream started from, likewise.
        layers: the places or sums that were amplified.
        octaves: the finished sizes; those that are too small for the network are left out.
        recipe: the recipe with every automatic choice replaced by its value.
        net: the network; its input spec says how the image is drawn.
    """

    image: Float[Tensor, "c h w"]
    original: Float[Tensor, "c h w"]
    layers: tuple[str, ...]
    octaves: tuple[Octave, ...]
    recipe: DreamRecipe
    net: Net


OnFrame = Callable[[int, DreamResult], None]
"""Called with the number and the result of a frame."""


@takes_network
def dream(
    net: Net,
    photo: InputLike,
    *layers: str,
    guide: InputLike | None = None,
    mask: InputLike | None = None,
    **recipe: object,
) -> DreamResult:
    """Amplify in an image what layers detect in it (DeepDream).

    Args:
        net: any network with one input of images, or its name.
        photo: a path, an opened image, an array or a tensor, of any size; `worlds.open_whole` says how each
            is read.
        *layers: places, or sums of places; a default layer of the network if left out.
        guide: an image of any size: activations are moved towards their best match among its activation
            vectors, instead of being amplified.
        mask: where the image may change: white or 1, as `worlds.open_mask` takes it.
        **recipe: fields of `DreamRecipe`.

    Returns:
        The image, with the objective before and after each size.

    Raises:
        PlaceError: a place is not in this network.
        UsageError: a field is unknown, out of range or without effect, the image is too small, the network is
            untrained, or a place has no gradient with respect to the image.
        DataError: an image cannot be read, or the mask has other proportions or is 0 everywhere.
        ConvscopeError: the score or the image is NaN or infinite.
    """
    files = {"photo": name_of(photo)}
    for name, file in (("guide", guide), ("mask", mask)):
        files |= {name: name_of(file) or name} if file is not None else {}
    wanted = DreamRecipe.parse({**files, "net": net.name, "layer": list(layers), **recipe})
    with frozen(net.module):
        return last_result(iter_dream(net, photo, wanted, guide=guide, mask=mask), "a dream")


@takes_network
def iter_dream(
    net: Net,
    photo: InputLike,
    recipe: DreamRecipe,
    *,
    guide: InputLike | None = None,
    mask: InputLike | None = None,
    watch: OnFrame | None = None,
) -> Iterator[Progress[DreamResult]]:
    """Run `dream`, yielding after each step.

    The iterator can be closed at any time; weights should be frozen by the caller (`nets.frozen`).

    Args:
        net: any network with one input of images.
        photo: what `worlds.open_whole` takes; the recipe's `size` is its longer side.
        recipe: layers and settings.
        guide: an image whose activation vectors are matched, as in `dream`.
        mask: where the image may change, as `worlds.open_mask` takes it.
        watch: called with the number and the result of each finished frame of the zoom; frame 0 is the image
            itself.

    Yields:
        The progress with the image so far at its full size, from the smallest size to the image's own, then
        frame by frame of the zoom.

    Raises:
        PlaceError: a place is not in this network.
        UsageError: the image is too small, the network is untrained, or a place has no gradient with respect
            to the image.
        DataError: an image cannot be read, or the mask has other proportions or is 0 everywhere.
        ConvscopeError: the score or the image is NaN or infinite.
    """
    run = _DeepDream(net, photo, recipe, guide, mask, watch)
    with retain_heap():
        yield from run.run()


class _DeepDream:
    """An image, and the state of its dream."""

    def __init__(
        self,
        net: Net,
        photo: InputLike,
        recipe: DreamRecipe,
        guide: InputLike | None,
        mask: InputLike | None,
        watch: OnFrame | None,
    ) -> None:
        self.watch, self.given = watch, net
        self.spec = _require_trained(net, recipe).input_spec
        self.original = self.photo = _opened(net, photo, recipe.size)
        self.layers = list(recipe.layer) or [objectives.default_layer(net)]
        if recipe.seamless:
            self.original = pyramid.tileable(self.original)
        self.mask = None if mask is None else _fit_mask(open_mask(mask), self.original)
        self.chance = Generator().manual_seed(recipe.seed)
        named = objectives.dream_objectives(net, self.layers, None)
        self.recipe = recipe = _with_precision(net, sum(named, Objective()), self.original, recipe)
        places = list(dict.fromkeys(place for goal in named for place in goal.places))
        self.sizes = _usable_sizes(net, places, self.original, recipe)
        precision = "bf16" if recipe.precision == "bf16" else "fp32"
        self.execution = ExecutionConfig(precision, recipe.memory_format)
        self.net = _inference_net(net, self.original, self.sizes[0], places, self.execution, recipe.seamless)
        self.parts = (
            named
            if guide is None
            else objectives.dream_objectives(net, self.layers, _opened(net, guide, max(self.spec.size)))
        )
        self.goal: Objective | None = None
        self.finished: list[Octave] = []
        self.base, self.now = self.original, self.original
        self.optimizer = OptimizerConfig(
            lr=self._rate(),
            optimizer="mean_abs_sgd",
            relu_gradient_every=0,
            precision=precision,
            memory_format=recipe.memory_format,
        )

    def run(self) -> Iterator[Progress[DreamResult]]:
        """Run all sizes, then the frames of the zoom."""
        recipe = self.recipe
        total = len(self.sizes) * recipe.steps + recipe.zoom * recipe.zoom_steps
        yield from self._optimize_sizes(self.sizes, recipe.steps, 0, (0, total))
        for frame in range(1, recipe.zoom + 1):
            self.original = pyramid.zoomed(self.now, recipe.zoom_by).clamp(*self.spec.value_range)
            before = len(self.sizes) * recipe.steps + (frame - 1) * recipe.zoom_steps
            yield from self._optimize_sizes(self.sizes[-1:], recipe.zoom_steps, frame, (before, total))

    def _optimize_sizes(
        self, sizes: list[tuple[int, int]], steps: int, frame: int, counted: tuple[int, int]
    ) -> Iterator[Progress[DreamResult]]:
        """Run the steps of the given sizes, from coarse to fine, starting from the current original."""
        detail = None
        for number, size in enumerate(sizes):
            self.base = self._resized(self.original, size)
            start = self.base if detail is None else self.base + self._resized(detail, size)
            start = start.clamp(*self.spec.value_range)
            for index in self._optimize_size(start, steps, watched=frame == 0):
                if self.watch is not None and number == len(sizes) - 1 and index == steps:
                    self.watch(frame, self.result())
                fraction = (counted[0] + number * steps + index) / counted[1] if counted[1] else 1.0
                words = f"frame {frame}, " if frame else ""
                yield Progress(fraction, f"{words}octave {number + 1}, step {index}", self.result)
            detail = self.now - self.base

    def _optimize_size(self, start: Tensor, steps: int, *, watched: bool) -> Iterator[int]:
        """Run the steps at one size; `watched` also evaluates the clean image before and after."""
        goal = self._goal(start)
        padded = pyramid.WRAP * 2 if self.recipe.seamless else 0
        evaluated = tuple(extent + padded for extent in start.shape[2:])
        tiles = tiles_for_budget(self.net, goal, evaluated, self.recipe.memory, config=self.optimizer)
        before = self._clean_score(goal, start, tiles) if watched else 0.0
        params = self._canvas(start)
        for step in optimize_input(
            self.net,
            goal,
            params,
            steps=steps,
            config=self.optimizer,
            transforms=self._transforms(),
            generator=self.chance,
            tiles=tiles,
        ):
            self.now = step.images
            if watched and step.index == steps:
                plan, after = self._plan(goal, start, tiles), self._clean_score(goal, self.now, tiles)
                changed = bool(step.changed.any())
                self.finished.append(
                    Octave(
                        (start.shape[2], start.shape[3]),
                        before,
                        after,
                        1 if plan is None else len(plan),
                        plan is None or plan.exact,
                        steps > 0 and not changed,
                        changed and after <= before,
                    )
                )
            yield step.index

    def _resized(self, image: Tensor, size: tuple[int, int]) -> Tensor:
        return pyramid.resized(image, size, around=self.recipe.seamless)

    def _goal(self, start: Tensor) -> Objective:
        if self.goal is None:
            scores = (
                [self._clean_score(part, start, None) for part in self.parts] if len(self.parts) > 1 else []
            )
            self.goal = objectives.equalize(self.parts, scores)
        return self.goal

    def _rate(self) -> float:
        """Return the learning rate in the spec's value range.

        The mean of a mask scales it, so that the change inside the mask has the same size as without one.
        """
        low, high = self.spec.value_range
        share = 1.0 if self.mask is None else float(self.mask.mean())
        return self.recipe.lr / SHADES * (high - low) * share

    def _canvas(self, start: Tensor) -> ImageParameterization:
        """Return the pixels as parameters; gradients are multiplied by the mask."""
        low, high = self.spec.value_range
        mask = None if self.mask is None else pyramid.resized(self.mask, (start.shape[2], start.shape[3]))

        def draw(pixels: Tensor) -> Tensor:
            return pixels if mask is None else pixels.detach() + mask * (pixels - pixels.detach())

        def project(pixels: Tensor) -> None:
            pixels.clamp_(low, high)

        return ImageParameterization((start.detach().clone().requires_grad_(),), draw, project)

    def _transforms(self) -> tuple[Transform, ...]:
        if self.recipe.seamless:
            return pyramid.CircularShift(1 << 16), pyramid.CircularPad()
        return (pyramid.CircularShift(self.recipe.jitter),) if self.recipe.jitter else ()

    @torch.no_grad()
    def _clean_score(self, goal: Objective, image: Tensor, tiles: TileConfig | None) -> float:
        """Return the objective of an image without random shifts."""
        with self.execution.autocast(image.device):
            if tiles is not None:
                return float(tiled_scores(self.net, goal, image, image, tiles)[0])
            found = record_float32(self.net, image, goal.places)
        return float(goal(found, image)[0])

    def _plan(self, goal: Objective, start: Tensor, tiles: TileConfig | None) -> TilePlan | None:
        return None if tiles is None else plan_tiles(self.net, goal.places, tuple(start.shape[2:]), tiles)

    def result(self) -> DreamResult:
        """Return the result so far; the change at the current size is scaled up and added to the image."""
        size = (self.original.shape[2], self.original.shape[3])
        image = self.original + self._resized(self.now - self.base, size)
        return DreamResult(
            image[0].clamp(*self.spec.value_range).cpu(),
            self.photo[0].cpu(),
            tuple(self.layers),
            tuple(self.finished),
            self.recipe,
            self.given,
        )


def _with_precision(net: Net, goal: Objective, photo: Tensor, recipe: DreamRecipe) -> DreamRecipe:
    """Return the recipe with its precision decided."""
    if recipe.precision != "auto":
        return recipe
    work = photo.shape[2] * photo.shape[3] * (2 * recipe.steps + recipe.zoom * recipe.zoom_steps)
    optimizer = OptimizerConfig(
        lr=0.01,
        optimizer="mean_abs_sgd",
        relu_gradient_every=0,
        memory_format=recipe.memory_format,
    )
    chosen = "fp32" if work < SMALL else fastest_precision(net, goal, optimizer, autocast=True)
    return recipe.model_copy(update={"precision": chosen})


def _inference_net(
    net: Net,
    photo: Tensor,
    least: tuple[int, int],
    places: list[LayerAddress],
    execution: ExecutionConfig,
    seamless: bool,
) -> Net:
    """Return a copy of the network for fast inference, checked on a small version of the image."""
    height, width = net.input_spec.size
    sample = least if least[0] * least[1] < height * width else (height, width)
    part = pyramid.resized(photo, sample)
    part = pyramid.CircularPad()(part, Generator()) if seamless else part
    return inference_copy(net, part, places, execution)


def _usable_sizes(
    net: Net, places: list[LayerAddress], photo: Tensor, recipe: DreamRecipe
) -> list[tuple[int, int]]:
    """Return the sizes at which every layer has at least one position."""
    size = (photo.shape[2], photo.shape[3])
    for least in pyramid.sizes(size, recipe.octaves, recipe.octave_scale):
        image = pyramid.resized(photo, least)
        image = pyramid.CircularPad()(image, Generator()) if recipe.seamless else image
        if min(least) > LARGE or _reaches(net, places, image):
            found = pyramid.sizes(size, recipe.octaves, recipe.octave_scale)
            return found[found.index(least) :]
    raise UsageError(
        f"a picture that is large enough for {' and '.join(map(str, places))} of {net.name}",
        received=f"{size[1]} by {size[0]} pixels",
        hint="Choose an earlier --layer, or a larger --size.",
    )


def _reaches(net: Net, places: list[LayerAddress], image: Tensor) -> bool:
    """Return whether a forward pass succeeds and every layer has at least one position."""
    try:
        with torch.no_grad():
            return all(act.numel() > 0 for act in record_float32(net, image, places).values())
    except ConvscopeError:
        return False


def _opened(net: Net, photo: InputLike, longest: int | None) -> Tensor:
    """Return a whole image as a batch of one on the network's device."""
    if len(net.input_specs) != 1 or len(net.input_spec.size) != 2:
        raise UsageError(
            "a network that looks at one picture",
            received=f"{net.name}: {' and '.join(str(spec.shape) for spec in net.input_specs)}",
            hint="Choose a network with one input: convscope nets lists them.",
        )
    image = open_whole(photo, net.input_spec, longest=longest).input[None]
    return image.float().to(net.device)


def _fit_mask(mask: Tensor, image: Tensor) -> Tensor:
    """Return the mask as `[1 1 h w]` of the image's size."""
    height, width = image.shape[2:]
    if mask.dim() != 2 or not mask.numel() or float(mask.min()) < 0 or float(mask.max()) > 1:
        raise UsageError("a mask [h w] in [0, 1]", received=f"{tuple(mask.shape)}")
    photos.require_same_aspect((mask.shape[0], mask.shape[1]), (height, width), "a mask")
    fitting = pyramid.resized(mask[None, None].float().to(image.device), (height, width)).clamp(0, 1)
    if not bool(fitting.any()):
        raise DataError("a mask with some white", received="only black", hint="White is where to dream.")
    return fitting


def _require_trained(net: Net, recipe: DreamRecipe) -> Net:
    """Return the network if it is trained, or if the recipe allows untrained ones."""
    if net.source.weights == "none" and not recipe.untrained:
        raise UsageError(
            "a network that has learned something to dream of",
            received=f"{net.name} with fresh weights",
            hint="Give --weights, or --untrained to see for yourself.",
        )
    return net
