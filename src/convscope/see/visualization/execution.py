"""Choose the fastest execution of feature visualization within a memory budget.

Precision, memory format and batch size are measured in a few seconds, once for a network, a layer and a
machine; what the recipe fixes is used. Short work is not worth measuring, and always uses the defaults, so
that the same command makes the same image whatever was measured before.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from math import prod

import torch

from convscope.errors import ConvscopeError
from convscope.nets import Net
from convscope.nets.inference.autotune import Workload, fastest, network_facts, precisions
from convscope.nets.inference.execution import ExecutionConfig
from convscope.nets.inference.inference_copy import inference_copy
from convscope.nets.inference.memory import free_bytes, used_bytes
from convscope.nets.inference.memory_format import channels_last_is_faster
from convscope.recipe import in_bytes
from convscope.see.optimize.execution import SampleRun
from convscope.see.optimize.image_params.base import ImageParameterization
from convscope.see.optimize.loop import OptimizerConfig
from convscope.see.optimize.objectives.objective import Objective, per_image
from convscope.see.optimize.transforms import Transform
from convscope.see.visualization.recipe import VisualizeRecipe

SMALL = 1024
"""Work of fewer image updates (images times steps) is not measured."""
PLAIN_BATCH = 12
BATCHES = (4, 8, 12, 16, 32)
IMAGE_COPIES = 8
"""Tensors of an image's size that exist at once, at least: image, spectrum, gradients, momentum,
transforms."""
FRAMES = 40
"""Images of an animation."""


@dataclass(frozen=True, eq=False)
class VisualizationWork:
    """What is to be computed: any number of images, optimised in the same way.

    Attributes:
        net: the network itself.
        goals: one objective for each image.
        params: makes a parameterization of that many images, for sample runs.
        transforms: applied at each step.
        config: the optimizer's settings.
        recipe: what is fixed, the steps and the memory budget.
    """

    net: Net
    goals: Sequence[Objective]
    params: Callable[[int], ImageParameterization]
    transforms: tuple[Transform, ...]
    config: OptimizerConfig
    recipe: VisualizeRecipe

    def sample(self, execution: ExecutionConfig, net: Net | None = None) -> SampleRun:
        """Return a sample of this work, not yet run.

        Args:
            execution: precision, memory format and batch size; objectives are repeated to fill the batch.
            net: the network to run; a copy for `execution` if left out.

        Returns:
            A run of one batch.
        """
        goal = per_image([self.goals[i % len(self.goals)].resolve(self.net) for i in range(execution.batch)])
        params = self.params(execution.batch)
        used = net or inference_copy(self.net, params.images().detach()[:2], goal.places, execution)
        return SampleRun(used, goal, params, self.config, self.transforms)


def choose_execution(work: VisualizationWork) -> ExecutionConfig:
    """Choose precision, memory format and batch size for some work.

    Args:
        work: what is to be computed.

    Returns:
        What the recipe fixes; else what was measured to be fastest, or the defaults for short work. The
        batch is a multiple of `variants` that fits into memory.

    Raises:
        ConvscopeError: not even one image, with its variants, fits into the memory that the recipe allows.
    """
    recipe, group = work.recipe, work.recipe.variants
    plain = _default(recipe, work.net)
    most = max(group, _largest_batch(work, plain) // group * group)
    if _is_long(work):
        plain = replace(plain, batch=min(plain.batch, most))
        batches = () if recipe.batch else [batch for batch in BATCHES if batch <= most]
        workload = Workload(_facts(work), work.net.device, lambda one: work.sample(one).step())
        plain = fastest(workload, _candidates(plain, recipe, work.net), batches)
    return replace(plain, batch=max(group, min(plain.batch, most) // group * group))


def _is_long(work: VisualizationWork) -> bool:
    """Return whether the work is long enough to be measured before."""
    return len(work.goals) * work.recipe.steps >= SMALL


def with_execution(recipe: VisualizeRecipe, execution: ExecutionConfig) -> VisualizeRecipe:
    """Return the recipe with an execution written into it, so that it gives the same result on any machine.

    Args:
        recipe: may leave precision, memory format and batch to be chosen.
        execution: what was chosen.

    Returns:
        A copy with all three fixed.
    """
    return recipe.model_copy(update=asdict(execution))


def _default(recipe: VisualizeRecipe, net: Net) -> ExecutionConfig:
    """Return what the recipe fixes, with defaults for the rest that depend on the network alone."""
    precision = "fp32" if recipe.precision == "auto" else recipe.precision
    layout = recipe.memory_format
    if layout == "auto":
        layout = "channels_last" if channels_last_is_faster(net) else "contiguous"
    return ExecutionConfig(precision, layout, recipe.batch or PLAIN_BATCH)


def _candidates(plain: ExecutionConfig, recipe: VisualizeRecipe, net: Net) -> list[ExecutionConfig]:
    """Return the default, and what else the recipe leaves open, the most promising first."""
    every = [
        replace(plain, precision=precision, memory_format=layout)
        for layout in ("channels_last", "contiguous")
        for precision in reversed(precisions(net.device))
        if recipe.precision in ("auto", precision) and recipe.memory_format in ("auto", layout)
    ]
    return list(dict.fromkeys([plain, *every]))


def _largest_batch(work: VisualizationWork, plain: ExecutionConfig) -> int:
    """Return how many images fit into memory at once, from the memory of one step with a single image."""
    budget = in_bytes(work.recipe.memory)
    if not budget and work.recipe.batch:
        return work.recipe.batch
    each = int(work.sample(replace(plain, batch=1), work.net).bytes()) or 1
    room = (
        budget - used_bytes(work.net.device) if budget else free_bytes(work.net.device) // 2
    ) - _batch_independent_bytes(work)
    if room < each * work.recipe.variants:
        needed = each * work.recipe.variants - room + (budget or free_bytes(work.net.device))
        raise ConvscopeError(
            "memory for one picture and its variants at once",
            received=f"{work.recipe.memory or 'what is free'}; about {needed / 1e9:.2f} GB are needed",
            hint="Give more --memory, or choose a smaller --size or fewer places.",
        )
    return room // each


def check_room(shape: tuple[int, ...], device: torch.device) -> None:
    """Check, before any work, that a single image and its copies fit into free memory.

    Args:
        shape: of the image, `c *size`.
        device: where it will be optimised.

    Raises:
        ConvscopeError: it does not.
    """
    needed, free = IMAGE_COPIES * 4 * prod(shape), free_bytes(device)
    if needed > free:
        raise ConvscopeError(
            "a picture that fits into memory",
            received=f"{'x'.join(map(str, shape))}: more than {needed / 1e9:.1f} GB, and "
            f"{free / 1e9:.1f} GB are free",
            hint="Choose a smaller --size.",
        )


def _batch_independent_bytes(work: VisualizationWork) -> int:
    """Return bytes that do not depend on the batch: copies of the network, and the finished images."""
    weights = sum(p.nbytes for p in work.net.module.parameters())
    copies = 3 if _is_long(work) else 2  # two are compared while the next one is made
    image = work.params(1).images().nbytes
    frames = len(work.recipe.save_steps) + (FRAMES if work.recipe.animate else 0)
    return copies * weights + (2 + frames) * len(work.goals) * image


def _facts(work: VisualizationWork) -> list[object]:
    """Return what the measurement depends on beside the machine and the candidates."""
    recipe = work.recipe
    layers = sorted({str(place) for goal in work.goals for place in goal.places})
    settings = [recipe.size, recipe.canvas, recipe.transforms, recipe.variants]
    return ["visualize", *network_facts(work.net), layers, settings]
