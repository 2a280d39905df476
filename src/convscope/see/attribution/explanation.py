"""Explaining an answer: a method's attributions, and what checks say of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

from jaxtyping import Float
from torch import Tensor

from convscope.iteration import last_result
from convscope.nets import LayerAddress, Net, frozen
from convscope.nets.inference.execution import retain_heap
from convscope.see.attribution.faithfulness import Faithfulness, iter_metrics
from convscope.see.attribution.heatmaps import per_position
from convscope.see.attribution.method import Method, PartialAttribution
from convscope.see.attribution.metrics.pointing_game import Boxes
from convscope.see.attribution.passes import ordinary, stepped, stored
from convscope.see.attribution.registry import get_method as method_named
from convscope.see.attribution.target import AttributionTask, Target, make_task


@dataclass(frozen=True, eq=False)
class Explanation:
    """What one method says about one row or many: which values of the inputs the targets came from.

    `attributions` has one tensor `[b c *size]` for each input (`[b 1 *size]` for class activation maps),
    `heats` one number for each position: `[b *size]`.
    """

    method: Method
    task: AttributionTask
    attributions: tuple[Tensor, ...]
    seconds: float = 0.0
    """What the method took, for all rows together."""
    share: float = 1.0
    """How much of the method's work was done; below 1 if it was stopped."""
    faithfulness: tuple[Faithfulness, ...] = field(default=())
    """What the checks say, one for each row; empty if there were none."""
    layer: LayerAddress | None = None
    """Whose maps were weighed, by methods that weigh a layer's maps."""

    @property
    def scores(self) -> Float[Tensor, " b"]:
        """The targets' values; computed when they are first asked for."""
        return self.task.input_scores[0].cpu()

    @property
    def probabilities(self) -> Float[Tensor, " b"]:
        """Their probabilities, where they are classes, else their values."""
        return self.task.input_scores[1].cpu()

    def __len__(self) -> int:
        return len(self.task)

    @property
    def targets(self) -> tuple[str, ...]:
        """What each row explains."""
        return self.task.target_names

    @property
    def attribution(self) -> Tensor:
        """The attribution of the first input."""
        return self.attributions[0]

    @property
    def heatmaps(self) -> tuple[Tensor, ...]:
        """One number for each position of each input."""
        return tuple(per_position(a, strongest=self.method.channel_max) for a in self.attributions)

    @property
    def heatmap(self) -> Tensor:
        """One number for each position of the first input."""
        return self.heatmaps[0]


@dataclass(frozen=True, eq=False)
class AttributionProgress:
    """How far an explanation is; it is good for use at any time."""

    stage: str
    share: float
    explanation: Explanation


def explain(
    net: Net,
    image: Tensor | Sequence[Tensor],
    method: str | Method = "gradcam",
    target: Target | Sequence[Target] | None = None,
    *,
    checks: Sequence[str] = (),
    boxes: Boxes = (),
    **settings: Any,
) -> Explanation:
    """Which part of an input an answer came from, and how far that can be believed.

    The network is afterwards exactly as it was, whatever happens.

    Args:
        net: any network.
        image: `[c ...]` or `[b c ...]` in the contract's range; one tensor for each input.
        method: its name (`convscope.see.attribution.registry.METHODS` lists them), or the method itself.
        target: a class (number or label), a place (`conv2:17`, `output:tench`) or an objective; several of
            one image, or one for each image. Without it, each image's likeliest class.
        checks: which of `deletion`, `drop`, `completeness`, `randomisation` to make; none with `()`.
        boxes: for each row the boxes `(left, top, right, bottom)` in pixels of the input where the target
            is; adds the pointing game.
        **settings: the method's own, as in `explain(net, image, "rise", samples=4000)`.

    Raises:
        UsageError: there is no such method or setting, it does not suit this network, or a target is missing.
        PlaceError: a target is not in this network.
        GraphError: the image does not fit the network.
    """
    question = make_task(net, image, target)
    chosen = method_named(method, **settings)
    return last_result(iter_explain(question, chosen, checks=checks, boxes=boxes), chosen.title).explanation


def iter_explain(
    question: AttributionTask,
    method: Method,
    *,
    checks: Sequence[str] = (),
    boxes: Boxes = (),
) -> Iterator[AttributionProgress]:
    """Explain, and yield after each part of the work; can be stopped at any time."""
    made: Explanation | None = None
    with retain_heap():
        for part, seconds in _timed(question, method):
            made = Explanation(method, question, part.attributions, seconds, part.share, layer=part.layer)
            yield AttributionProgress("attributing", part.share, made)
        if made is not None and (checks or boxes):
            steps = iter_metrics(question, method, made.attributions, checks, boxes)
            for stage, share, found in stepped(steps, _passes):
                made = replace(made, faithfulness=found)
                yield AttributionProgress(stage, share, made)


@contextmanager
def _passes() -> Iterator[None]:
    with ordinary(), stored():
        yield


def _timed(question: AttributionTask, method: Method) -> Iterator[tuple[PartialAttribution, float]]:
    """Each part, and the seconds that the method itself has taken; between parts, nothing is frozen."""
    seconds = 0.0

    @contextmanager
    def clocked() -> Iterator[None]:
        nonlocal seconds
        start = perf_counter()
        with _passes(), frozen(question.net.module):
            yield
        seconds += perf_counter() - start

    for part in stepped(iter(method.attributions(question)), clocked):
        yield replace(part, attributions=tuple(a.detach() for a in part.attributions)), seconds
