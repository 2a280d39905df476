"""Run an attribution method for one or more targets, and measure the faithfulness of what it finds."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from os import PathLike
from time import perf_counter
from typing import Any

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from convscope.nets import LayerAddress, Net, frozen, takes_network
from convscope.nets.inference.memory import retain_heap
from convscope.recipe.result import Result
from convscope.see.attribution.gradients.passes import ordinary, stepped, stored
from convscope.see.attribution.heatmaps import per_position
from convscope.see.attribution.method import Method, PartialAttribution
from convscope.see.attribution.metrics.faithfulness import Faithfulness, iter_metrics
from convscope.see.attribution.metrics.pointing_game import Boxes
from convscope.see.attribution.recipe import ExplainRecipe
from convscope.see.attribution.registry import METHODS
from convscope.see.attribution.registry import get_method as method_named
from convscope.see.attribution.target import AttributionTask, Target, make_task
from convscope.system.progress import Progress, last_result
from convscope.worlds import InputLike, Placement, name_of, open_sample

METHOD_SHARE = 0.4
"""Estimated share of the method in the duration of an explanation with metrics."""


@dataclass(frozen=True, eq=False)
class Explanation(Result):
    """Attribution of each row of a task by one method.

    A row is one pair of an input and a target. `attributions` has one tensor for each input of the task's
    network, on its device: `[b c *size]`, or `[b 1 *size]` for class activation maps. Inputs that cannot be
    attributed (indices) get zeros. With respect to a layer (`task.wrt`) that input is the layer's output.
    """

    method: Method
    """The method and its settings."""
    task: AttributionTask
    """The network, inputs and targets."""
    attributions: tuple[Tensor, ...]
    seconds: float = 0.0
    """Wall-clock time of the method for all rows together, without the metrics."""
    share: float = 1.0
    """Finished share of the method's work, 0 to 1; below 1 if iteration was stopped early."""
    faithfulness: tuple[Faithfulness, ...] = field(default=())
    """Metrics of each row; empty if none were computed."""
    layer: LayerAddress | None = None
    """The layer whose feature maps were weighted, for class activation maps; else None."""
    cam: Tensor | None = None
    """The class activation map `[b 1 *size]` at the size of that layer's feature maps; else None.

    `attributions` are it, linearly interpolated; metrics measure those. Pictures draw it (`show`).
    """
    recipe: ExplainRecipe | None = None
    """The settings with which the terminal makes it; None where no verb has them."""
    placements: tuple[Placement | None, ...] = ()
    """Where each file or opened image lies in the input, which may show a part of it."""

    def _answer(self) -> Iterator[tuple[str, Any]]:
        yield "method", self.method.name
        yield "targets", self.targets
        classes = all(one is not None for one in self.task.classes)
        yield "probabilities" if classes else "scores", self.probabilities
        yield "layer", "" if self.layer is None else str(self.layer)

    @property
    def scores(self) -> Float[Tensor, " b"]:
        """The target's value for each row, on the CPU. Computed at first access and kept by the task."""
        return self.task.input_scores[0].cpu()

    @property
    def probabilities(self) -> Float[Tensor, " b"]:
        """The probability of each row's target if all targets are classes, else its value."""
        return self.task.input_scores[1].cpu()

    def __len__(self) -> int:
        return len(self.task)

    @property
    def targets(self) -> tuple[str, ...]:
        """The name of each row's target."""
        return self.task.target_names

    @property
    def attribution(self) -> Tensor:
        """The attribution of the network's first input, `[b c *size]`."""
        return self.attributions[0]

    @property
    def heatmaps(self) -> tuple[Tensor, ...]:
        """One value for each position of each input, `[b *size]` (vectors: `[b n]`).

        Channels are summed, or reduced to their largest absolute value where the method says so
        (`channel_max`).
        """
        return tuple(per_position(a, strongest=self.method.channel_max) for a in self.attributions)

    @property
    def heatmap(self) -> Tensor:
        """The heatmap of the network's first input, `[b *size]`."""
        return self.heatmaps[0]


@takes_network
def explain(
    net: Net,
    image: InputLike | Sequence[InputLike],
    method: str | Method = "gradcam",
    target: Target | Sequence[Target] | None = None,
    *,
    wrt: str | LayerAddress | None = None,
    checks: Sequence[str] = (),
    boxes: Boxes = (),
    **settings: Any,
) -> Explanation:
    """Compute an attribution map of a network's output, by default Grad-CAM of the likeliest class.

    Weights, training modes, hooks and gradients of the network are the same afterwards, also after an error.
    In Python no faithfulness metrics are computed by default: all of them together cost about 100 forward
    passes.

    Args:
        net: any network, or its name.
        image: one or more inputs, as `worlds.open_inputs` takes them: paths, opened images, arrays, tensors;
            for a network with several inputs a list with one of these for each.
        method: its name (`convscope.see.attribution.registry.METHODS` lists them), or a configured method.
        target: a class (number or label), an address (`conv2:17`, `output:tench`) or an objective; several
            of one image, or one for each image. Without it, each image's likeliest class.
        wrt: with respect to what: the layer whose output is attributed in place of the input (layer
            attribution), or `input`. Without it the end of the fixed front end of a network of sounds
            (spectrogram, mel bands, MFCC), and the input of others.
        checks: which metrics to compute: `deletion` (with insertion), `drop`, `completeness`,
            `randomisation`; all are `convscope.see.attribution.METRICS`.
        boxes: for each row the boxes `(left, top, right, bottom)` in pixels of the input around the target;
            adds the pointing game.
        **settings: the method's own, as in `explain(net, image, "rise", samples=4000)`.

    Returns:
        The attributions of all rows, with the metrics named in `checks`.

    Raises:
        UsageError: there is no such method or setting, it does not suit this network, or a target is
            missing; not everything passes through the layer `wrt`.
        PlaceError: a target or layer is not in this network.
        DataError: an input cannot be read or does not fit the network.
    """
    task = make_task(net, image, target, wrt=wrt)
    chosen = method_named(method, **settings)
    found = last_result(iter_explain(task, chosen, checks=checks, boxes=boxes), chosen.title)
    settled = {"wrt": str(wrt or ""), "checks": bool(checks)}
    recipe = _recipe(task, image, chosen, settled, settings)
    return replace(found, recipe=recipe, placements=_placements(net, image))


def _placements(net: Net, image: InputLike | Sequence[InputLike]) -> tuple[Placement | None, ...]:
    """Return where files and opened images lie in the input of a network of images."""
    if len(net.input_specs) != 1 or len(net.input_spec.size) != 2:
        return ()
    several = image if isinstance(image, list | tuple) else [image]
    files = [one for one in several if isinstance(one, str | PathLike | Image.Image)]
    return tuple(open_sample(one, net.input_spec).placement for one in files)


def _recipe(
    task: AttributionTask,
    image: object,
    method: Method,
    settled: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> ExplainRecipe | None:
    """Return the settings with which the terminal makes an explanation of a file; None of something else."""
    file = name_of(image)
    if not file or method.name not in METHODS:
        return None
    numbers = zip(task.target_names, task.classes, strict=True)
    values = {
        "image": file,
        "net": task.net.name,
        "method": [method.name],
        "set": [f"{method.name}.{key}={value}" for key, value in settings.items()],
        **settled,
        "target": list(dict.fromkeys(name if number is None else str(number) for name, number in numbers)),
    }
    return ExplainRecipe.parse(values)


def iter_explain(
    task: AttributionTask,
    method: Method,
    *,
    checks: Sequence[str] = (),
    boxes: Boxes = (),
) -> Iterator[Progress[Explanation]]:
    """Run a method step by step, then the metrics, and yield the explanation so far after each step.

    The caller may stop between steps: between them the network is as it was, and no context is active.

    Args:
        task: the task: network, inputs and targets, as `make_task` gives it.
        method: the method with its settings, as `get_method` gives it.
        checks: which metrics to compute; see `explain`.
        boxes: for each row the boxes for the pointing game; see `explain`.

    Yields:
        The progress with the explanation so far. Its message is the stage: `attributing`, then one for each
        group of metrics.

    Raises:
        UsageError: the method does not suit this network, a check does not exist, or boxes do not fit.
    """
    made: Explanation | None = None
    length = METHOD_SHARE if checks or boxes else 1.0
    with retain_heap():
        for part, seconds in _timed(task, method):
            made = Explanation(
                method, task, part.attributions, seconds, part.share, layer=part.layer, cam=part.cam
            )
            yield Progress(length * part.share, "attributing", lambda made=made: made)
        if made is not None and (checks or boxes):
            steps = iter_metrics(task, method, made.attributions, checks, boxes)
            for step in stepped(steps, _passes):
                made = replace(made, faithfulness=step.result())
                yield Progress(length + (1 - length) * step.fraction, step.message, lambda made=made: made)


@contextmanager
def _passes() -> Iterator[None]:
    """Make passes differentiable: outside inference mode, and without gradient checkpointing."""
    with ordinary(), stored():
        yield


def _timed(task: AttributionTask, method: Method) -> Iterator[tuple[PartialAttribution, float]]:
    """Yield each partial attribution with the seconds that the method itself has taken so far.

    Weights are frozen only while the method computes, not while the caller has a part.
    """
    seconds = 0.0

    @contextmanager
    def clocked() -> Iterator[None]:
        nonlocal seconds
        start = perf_counter()
        with _passes(), frozen(task.net.module):
            yield
        seconds += perf_counter() - start

    for part in stepped(iter(method.attributions(task)), clocked):
        yield replace(part, attributions=tuple(a.detach() for a in part.attributions)), seconds
