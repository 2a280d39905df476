"""Choose the fastest execution of feature visualization within a memory budget.

Precision, memory format and batch size are measured in a few seconds, once for a network, a layer and a
machine; what the recipe fixes is used. Short work is not worth measuring, and always uses the defaults, so
that the same command makes the same image whatever was measured before.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.nets import LayerAddress, Net
from convscope.nets.inference.execution import cached_measurement
from convscope.nets.inference.inference_copy import inference_copy
from convscope.nets.inference.memory_format import channels_last_is_faster
from convscope.recipe import in_bytes
from convscope.see.optimize.image_params.base import ImageParameterization
from convscope.see.optimize.loop import OptimizerConfig, optimize_input
from convscope.see.optimize.objectives.objective import Objective, per_image
from convscope.see.optimize.transforms import Transform
from convscope.see.visualization.recipe import VisualizeRecipe

SMALL = 1024
"""Work of fewer image updates (images times steps) is not measured."""
PLAIN_BATCH = 12
BATCHES = (4, 8, 12, 16, 32)
MOST_BATCH = 4096
"""As `VisualizeRecipe.batch` allows."""
PREFERENCE = (("bfloat16", True), ("float32", True), ("bfloat16", False), ("float32", False))
"""Pairs of precision and channels-last to try, the most promising first."""
MEMORY_FORMATS = {False: "contiguous", True: "channels_last"}
MAX_SECONDS = 10.0
"""Seconds after which no further candidate is tried."""
MIN_SPEEDUP = 1.1
"""How many times faster a candidate must be to replace the best one so far."""
IMAGE_COPIES = 8
"""Tensors of an image's size that exist at once, at least: image, spectrum, gradients, momentum,
transforms."""
SLACK = 1.4
"""Factor for memory that allocators and kernels take beside what is counted."""


@dataclass(frozen=True)
class ExecutionPlan:
    """How to compute: precision, memory format, and images for each batch."""

    precision: str = "float32"
    channels_last: bool = False
    batch: int = PLAIN_BATCH

    def settled(self, recipe: VisualizeRecipe) -> VisualizeRecipe:
        """Return the recipe with this plan written into it, so that it gives the same result on any machine.

        Args:
            recipe: may leave precision, memory format and batch to be chosen.

        Returns:
            A copy with all three fixed.
        """
        layout = "channels_last" if self.channels_last else "contiguous"
        return recipe.model_copy(
            update={"precision": self.precision, "memory_format": layout, "batch": self.batch}
        )

    def copy_of(self, net: Net, images: Tensor, places: Sequence[LayerAddress]) -> Net:
        """Return a copy of the network for inference, in this precision and memory format.

        Args:
            net: the network; it is not changed.
            images: what it will run on, in the spec's range.
            places: where activations will be read.

        Returns:
            The copy; the network itself where a copy would be no faster, or cannot be made.
        """
        dtype = torch.bfloat16 if self.precision == "bfloat16" else None
        return inference_copy(net, images, places, dtype=dtype, channels_last=self.channels_last)


@dataclass(frozen=True)
class Workload:
    """What is to be computed: any number of images, optimised in the same way.

    Attributes:
        net: the network itself.
        goals: one objective for each image.
        transforms: applied at each step.
        climb: the optimizer's settings.
        recipe: what is fixed, the steps and the memory budget.
    """

    net: Net
    goals: Sequence[Objective]
    canvas: Callable[[int], ImageParameterization]
    """Makes a parameterization of that many images, for benchmarks."""
    transforms: tuple[Transform, ...]
    climb: OptimizerConfig
    recipe: VisualizeRecipe

    def trial(self, pace: ExecutionPlan, count: int, net: Net | None = None) -> "Benchmark":
        """Return a benchmark of this work.

        Args:
            pace: precision and memory format to try.
            count: batch size; objectives are repeated to fill it.
            net: the network to run; a copy for `pace` if left out.

        Returns:
            A benchmark, not yet run.
        """
        goals = [self.goals[i % len(self.goals)].resolve(self.net) for i in range(count)]
        canvas = self.canvas(count)
        places = per_image(goals).places
        used = net or pace.copy_of(self.net, canvas.images().detach()[:2], places)
        climb = replace(self.climb, channels_last=pace.channels_last)
        return Benchmark(used, per_image(goals), canvas, climb, self.transforms)


@dataclass(frozen=True, eq=False)
class Benchmark:
    """A few optimisation steps whose result is thrown away.

    Attributes:
        net: the network or its copy for inference.
        goal: objective for the batch.
        canvas: parameterization of the images.
        climb: the optimizer's settings.
        transforms: applied at each step.
    """

    net: Net
    goal: Objective
    canvas: ImageParameterization
    climb: OptimizerConfig
    transforms: tuple[Transform, ...]

    def seconds(self, rounds: int = 2) -> float:
        """Measure the duration of one step.

        Args:
            rounds: steps that are timed, after one that is not, in which kernels are prepared.

        Returns:
            Seconds of the fastest.
        """
        steps = optimize_input(
            self.net, self.goal, self.canvas, steps=rounds + 1, config=self.climb, transforms=self.transforms
        )
        next(steps)
        best = float("inf")
        for _ in range(rounds):
            self._wait()
            started = time.perf_counter()
            next(steps)
            self._wait()
            best = min(best, time.perf_counter() - started)
        return best

    def saved_bytes(self) -> tuple[int, int]:
        """Return the bytes that one step saves for its backward pass, in all and of the largest tensor.

        The network's own parameters do not count.
        """
        sizes: dict[int, int] = {}
        own = {p.untyped_storage().data_ptr() for p in self.net.module.parameters()}

        def pack(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in own:
                sizes[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            next(
                optimize_input(
                    self.net, self.goal, self.canvas, steps=0, config=self.climb, transforms=self.transforms
                )
            )
        return sum(sizes.values()), max(sizes.values(), default=0)

    def _wait(self) -> None:
        """Wait for the device to finish."""
        if self.net.device.type == "cuda":
            torch.cuda.synchronize(self.net.device)


def choose_execution(work: Workload) -> ExecutionPlan:
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
    plan = _default_plan(recipe, work.net)
    most = max(group, _largest_batch(work, plan) // group * group)
    if not _needs_measuring(recipe, len(work.goals)):
        return replace(plan, batch=_batch(recipe.batch or PLAIN_BATCH, group, most))
    cached = cached_measurement(
        _key_parts(work), work.net.device, lambda: asdict(_measure_fastest(work, plan, most)), _is_plan
    )
    return replace(ExecutionPlan(**cached), batch=_batch(recipe.batch or cached["batch"], group, most))


def _is_plan(cached: dict[str, Any]) -> bool:
    """Return whether a cached answer is a plan that could have been measured."""
    named = set(cached) == {"precision", "channels_last", "batch"}
    return (
        named
        and cached["precision"] in ("float32", "bfloat16")
        and isinstance(cached["channels_last"], bool)
        and type(cached["batch"]) is int
        and 1 <= cached["batch"] <= MOST_BATCH
    )


def _default_plan(recipe: VisualizeRecipe, net: Net) -> ExecutionPlan:
    """Return what the recipe fixes, with defaults for the rest that depend on the network alone."""
    precision = "float32" if recipe.precision == "auto" else recipe.precision
    last = (
        channels_last_is_faster(net)
        if recipe.memory_format == "auto"
        else recipe.memory_format == "channels_last"
    )
    return ExecutionPlan(precision, last, recipe.batch or PLAIN_BATCH)


def _needs_measuring(recipe: VisualizeRecipe, images: int) -> bool:
    """Return whether the recipe leaves something open, and the work is long enough."""
    undecided = "auto" in (recipe.precision, recipe.memory_format) or not recipe.batch
    return undecided and images * recipe.steps >= SMALL


def _batch(wanted: int, group: int, most: int) -> int:
    """Return the wanted batch size, lowered to `most` and to a multiple of `group`."""
    return max(group, min(wanted, most) // group * group)


def _measure_fastest(work: Workload, plain: ExecutionPlan, most: int) -> ExecutionPlan:
    """Time precisions and memory formats first, then batch sizes, and return the fastest plan."""
    recipe, started = work.recipe, time.perf_counter()
    best, best_seconds = plain, work.trial(plain, min(plain.batch, most)).seconds()
    for precision, last in PREFERENCE:
        fits = recipe.precision in ("auto", precision) and recipe.memory_format in (
            "auto",
            MEMORY_FORMATS[last],
        )
        plan = replace(plain, precision=precision, channels_last=last)
        if not fits or plan == plain or time.perf_counter() - started > MAX_SECONDS:
            continue
        seconds = _seconds(work, plan, min(plain.batch, most))
        if seconds * MIN_SPEEDUP < best_seconds:
            best, best_seconds = plan, seconds
    each = best_seconds / min(plain.batch, most)
    for batch in () if recipe.batch else BATCHES:
        if batch == plain.batch or batch > most or time.perf_counter() - started > MAX_SECONDS:
            continue
        seconds = work.trial(best, batch).seconds() / batch
        if seconds * MIN_SPEEDUP < each:
            best, each = replace(best, batch=batch), seconds
    return best


def _seconds(work: Workload, plan: ExecutionPlan, batch: int) -> float:
    """Return the seconds of one step; infinity where the precision gives NaN or overflows."""
    try:
        return work.trial(plan, batch).seconds()
    except ConvscopeError:
        return float("inf")


def _largest_batch(work: Workload, plan: ExecutionPlan) -> int:
    """Return how many images fit into memory at once, from the memory of one step with a single image."""
    budget = in_bytes(work.recipe.memory)
    if not budget and work.recipe.batch:
        return work.recipe.batch
    saved, largest = work.trial(plan, 1, work.net).saved_bytes()
    each = int(SLACK * (saved + 3 * largest)) or 1
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


def _batch_independent_bytes(work: Workload) -> int:
    """Return bytes that do not depend on the batch: the network's copy, and the finished images."""
    weights = sum(p.nbytes for p in work.net.module.parameters())
    image = work.canvas(1).images().nbytes
    frames = len(work.recipe.save_steps) + (FRAMES if work.recipe.animate else 0)
    return 2 * weights + (2 + frames) * len(work.goals) * image


FRAMES = 40
"""Images of an animation."""


def used_bytes(device: torch.device) -> int:
    """Return the memory that this process uses now.

    Args:
        device: a CUDA device, for what torch has allocated on it; else the resident set in main memory
            counts.

    Returns:
        Bytes; where the system does not report the resident set, its peak.
    """
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    pages = Path("/proc/self/statm")
    if pages.is_file():
        return int(pages.read_text().split()[1]) * 4096
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def free_bytes(device: torch.device) -> int:
    """Return the memory that is free.

    Args:
        device: a CUDA device; for any other, main memory counts.

    Returns:
        Bytes; 4 GB where the system does not report it.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    info = Path("/proc/meminfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    free = next((line.split()[1] for line in lines if line.startswith("MemAvailable")), None)
    return int(free) * 1024 if free else 4 * 10**9


def _key_parts(work: Workload) -> list[object]:
    """Return what the measurement depends on beside the machine; raise its number with what is timed."""
    recipe = work.recipe
    layers = sorted({str(place) for goal in work.goals for place in goal.places})
    settings = [
        recipe.size,
        recipe.canvas,
        recipe.transforms,
        recipe.precision,
        recipe.memory_format,
        recipe.batch,
    ]
    return ["visualize 2", *cache_key(work.net), layers, settings, recipe.variants]


def cache_key(net: Net) -> list[object]:
    """Return what identifies a network's computation: its modules' `repr` and its shapes.

    Args:
        net: the network; the values of its weights do not count.

    Returns:
        JSON-ready values.
    """
    shapes = [(name, list(p.shape)) for name, p in net.module.named_parameters()]
    return [repr(net.module), shapes, net.input_spec.shape]
