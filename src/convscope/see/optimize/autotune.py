"""How to make pictures fastest here, within a memory budget.

Precision, memory layout and batch are measured in a few seconds, once for a network, a layer and a machine;
what the recipe fixes is kept. Small work is not worth measuring, and is always done plainly, so that the same
command makes the same picture whatever was measured before.
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
from convscope.see.optimize.objective import Objective, per_image
from convscope.see.optimize.transforms import Transform
from convscope.see.visualization.recipe import VisualizeRecipe

SMALL = 1024
"""Fewer updates of single pictures than this are not worth measuring."""
PLAIN_BATCH = 12
BATCHES = (4, 8, 12, 16, 32)
MOST_BATCH = 4096
"""As `VisualizeRecipe.batch` allows."""
PREFERENCE = (("bfloat16", True), ("float32", True), ("bfloat16", False), ("float32", False))
"""What is tried, the most promising first."""
MEMORY_FORMATS = {False: "contiguous", True: "channels_last"}
MAX_SECONDS = 10.0
"""Seconds after which nothing more is tried."""
MIN_SPEEDUP = 1.1
"""How much faster another way must be than the plainer one before it."""
IMAGE_COPIES = 8
"""A picture, its spectrum, their gradients, momentum and transforms: what there is of it at once at least."""
SLACK = 1.4
"""Memory that allocators and kernels take beside what is counted."""


@dataclass(frozen=True)
class ExecutionPlan:
    """How to compute, and how many pictures at once."""

    precision: str = "float32"
    channels_last: bool = False
    batch: int = PLAIN_BATCH

    def settled(self, recipe: VisualizeRecipe) -> VisualizeRecipe:
        """The recipe with what was chosen written down, so that it makes the same again anywhere."""
        layout = "channels_last" if self.channels_last else "contiguous"
        return recipe.model_copy(
            update={"precision": self.precision, "memory_format": layout, "batch": self.batch}
        )

    def copy_of(self, net: Net, images: Tensor, places: Sequence[LayerAddress]) -> Net:
        """The network's quick copy for this pace."""
        dtype = torch.bfloat16 if self.precision == "bfloat16" else None
        return inference_copy(net, images, places, dtype=dtype, channels_last=self.channels_last)


@dataclass(frozen=True)
class Workload:
    """What is to be done: any number of pictures of one kind."""

    net: Net
    goals: Sequence[Objective]
    canvas: Callable[[int], ImageParameterization]
    """Makes a canvas of so many pictures, for trying."""
    transforms: tuple[Transform, ...]
    climb: OptimizerConfig
    recipe: VisualizeRecipe

    def trial(self, pace: ExecutionPlan, count: int, net: Net | None = None) -> "Benchmark":
        """Some steps of the work, with so many pictures."""
        goals = [self.goals[i % len(self.goals)].resolve(self.net) for i in range(count)]
        canvas = self.canvas(count)
        places = per_image(goals).places
        used = net or pace.copy_of(self.net, canvas.images().detach()[:2], places)
        climb = replace(self.climb, channels_last=pace.channels_last)
        return Benchmark(used, per_image(goals), canvas, climb, self.transforms)


@dataclass(frozen=True, eq=False)
class Benchmark:
    """A few steps that are thrown away."""

    net: Net
    goal: Objective
    canvas: ImageParameterization
    climb: OptimizerConfig
    transforms: tuple[Transform, ...]

    def seconds(self, rounds: int = 2) -> float:
        """Of one step; the first, which prepares the operations, does not count."""
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
        """What one step keeps for its gradients, and the largest part of it."""
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
        if self.net.device.type == "cuda":
            torch.cuda.synchronize(self.net.device)


def choose_execution(work: Workload) -> ExecutionPlan:
    """The pace for some work.

    Raises:
        ConvscopeError: not even one picture fits into the memory that the recipe allows.
    """
    recipe, group = work.recipe, work.recipe.variants
    pace = _fixed(recipe, work.net)
    most = max(group, _fitting(work, pace) // group * group)
    if not _measured(recipe, len(work.goals)):
        return replace(pace, batch=_batch(recipe.batch or PLAIN_BATCH, group, most))
    kept = cached_measurement(
        _key_parts(work), work.net.device, lambda: asdict(_fastest(work, pace, most)), _is_pace
    )
    return replace(ExecutionPlan(**kept), batch=_batch(recipe.batch or kept["batch"], group, most))


def _is_pace(kept: dict[str, Any]) -> bool:
    """Whether what a file keeps is a pace that could have been measured."""
    named = set(kept) == {"precision", "channels_last", "batch"}
    return (
        named
        and kept["precision"] in ("float32", "bfloat16")
        and isinstance(kept["channels_last"], bool)
        and type(kept["batch"]) is int
        and 1 <= kept["batch"] <= MOST_BATCH
    )


def _fixed(recipe: VisualizeRecipe, net: Net) -> ExecutionPlan:
    """What is asked for; else what is safe, and depends on the network alone."""
    precision = "float32" if recipe.precision == "auto" else recipe.precision
    last = (
        channels_last_is_faster(net)
        if recipe.memory_format == "auto"
        else recipe.memory_format == "channels_last"
    )
    return ExecutionPlan(precision, last, recipe.batch or PLAIN_BATCH)


def _measured(recipe: VisualizeRecipe, pictures: int) -> bool:
    open_questions = "auto" in (recipe.precision, recipe.memory_format) or not recipe.batch
    return open_questions and pictures * recipe.steps >= SMALL


def _batch(wanted: int, group: int, most: int) -> int:
    """As many as wanted, all of a group together, not more than fit."""
    return max(group, min(wanted, most) // group * group)


def _fastest(work: Workload, plain: ExecutionPlan, most: int) -> ExecutionPlan:
    """By trying: first precisions and layouts, then batches."""
    recipe, started = work.recipe, time.perf_counter()
    best, best_seconds = plain, work.trial(plain, min(plain.batch, most)).seconds()
    for precision, last in PREFERENCE:
        fits = recipe.precision in ("auto", precision) and recipe.memory_format in (
            "auto",
            MEMORY_FORMATS[last],
        )
        pace = replace(plain, precision=precision, channels_last=last)
        if not fits or pace == plain or time.perf_counter() - started > MAX_SECONDS:
            continue
        seconds = _seconds(work, pace, min(plain.batch, most))
        if seconds * MIN_SPEEDUP < best_seconds:
            best, best_seconds = pace, seconds
    each_one = best_seconds / min(plain.batch, most)
    for batch in () if recipe.batch else BATCHES:
        if batch == plain.batch or batch > most or time.perf_counter() - started > MAX_SECONDS:
            continue
        seconds = work.trial(best, batch).seconds() / batch
        if seconds * MIN_SPEEDUP < each_one:
            best, each_one = replace(best, batch=batch), seconds
    return best


def _seconds(work: Workload, pace: ExecutionPlan, batch: int) -> float:
    """Of one step; infinity where the pace gives no numbers, as half precision may overflow."""
    try:
        return work.trial(pace, batch).seconds()
    except ConvscopeError:
        return float("inf")


def _fitting(work: Workload, pace: ExecutionPlan) -> int:
    """How many pictures at once stay within the memory; a look at one step of a single picture tells."""
    budget = in_bytes(work.recipe.memory)
    if not budget and work.recipe.batch:
        return work.recipe.batch
    saved, largest = work.trial(pace, 1, work.net).saved_bytes()
    each_one = int(SLACK * (saved + 3 * largest)) or 1
    room = (budget - used_bytes(work.net.device) if budget else free_bytes(work.net.device) // 2) - _beside(
        work
    )
    if room < each_one * work.recipe.variants:
        needed = each_one * work.recipe.variants - room + (budget or free_bytes(work.net.device))
        raise ConvscopeError(
            "memory for one picture and its variants at once",
            received=f"{work.recipe.memory or 'what is free'}; about {needed / 1e9:.2f} GB are needed",
            hint="Give more --memory, or choose a smaller --size or fewer places.",
        )
    return room // each_one


def check_room(shape: tuple[int, ...], device: torch.device) -> None:
    """Before anything is made: whether what a single picture takes by itself fits into what is free.

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


def _beside(work: Workload) -> int:
    """Bytes that do not depend on the batch: the quick copy, and the pictures that are finished."""
    weights = sum(p.nbytes for p in work.net.module.parameters())
    picture = work.canvas(1).images().nbytes
    frames = len(work.recipe.save_steps) + (FRAMES if work.recipe.animate else 0)
    return 2 * weights + (2 + frames) * len(work.goals) * picture


FRAMES = 40
"""Pictures of an animation."""


def used_bytes(device: torch.device) -> int:
    """Memory that this process holds now: on the device, or of the machine."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    pages = Path("/proc/self/statm")
    if pages.is_file():
        return int(pages.read_text().split()[1]) * 4096
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def free_bytes(device: torch.device) -> int:
    """Memory that nobody holds."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    info = Path("/proc/meminfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    free = next((line.split()[1] for line in lines if line.startswith("MemAvailable")), None)
    return int(free) * 1024 if free else 4 * 10**9


def _key_parts(work: Workload) -> list[object]:
    """What the answer depends on, beside the machine; the number goes up when other things are timed."""
    recipe = work.recipe
    layers = sorted({str(place) for goal in work.goals for place in goal.places})
    asked = [
        recipe.size,
        recipe.canvas,
        recipe.transforms,
        recipe.precision,
        recipe.memory_format,
        recipe.batch,
    ]
    return ["visualize 2", *cache_key(work.net), layers, asked, recipe.variants]


def cache_key(net: Net) -> list[object]:
    """What is computed: the network's code, as far as it tells, and its shapes."""
    shapes = [(name, list(p.shape)) for name, p in net.module.named_parameters()]
    return [repr(net.module), shapes, net.contract.shape]
