"""Choose precision, memory format and batch size by measuring, once for a network and a machine.

What is fastest depends on both: bf16 doubles the speed of some processors and halves that of others,
channels-last speeds up convolutions and slows down depthwise ones. So a few steps are timed before long work
begins, and the choice is kept in the user's cache folder. Everything that can be executed in several ways
describes itself as a `Workload`; this module is the only one that times.
"""

import contextlib
import hashlib
import json
import math
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from convscope.errors import ConvscopeError
from convscope.nets.inference.execution import ExecutionConfig, Precision
from convscope.nets.network import Net
from convscope.system.files import read_json, write_text
from convscope.system.user_cache import cache_root

MIN_GAIN = 1.05
"""How many times faster a configuration must be to replace the one before it."""
ROUNDS = 4
"""Timed steps of each of two configurations that are compared, at most; the fastest of each counts."""
ENOUGH = 1.0
"""Seconds after which a comparison begins no further round."""
PATIENCE = 10.0
"""Seconds after which no further batch size is tried, and a first step is too long to hide preparations."""
HOPELESS = 2.0
"""How many times slower such a first step may be than a step of the best configuration."""
FAR_SLOWER = 4.0
"""How many times slower a configuration must be in one round to end a comparison after it."""
FAILURES = (ConvscopeError, RuntimeError)
"""What a step raises that cannot be computed in a configuration: NaN, a missing kernel, too little memory."""

Step = Callable[[], object]


@dataclass(frozen=True, eq=False)
class Workload:
    """A computation that can be executed in several ways.

    Attributes:
        facts: what its speed depends on beside the machine, JSON-ready; begins with a name of its own.
        device: the device of the computation.
        prepare: makes what runs one step in a configuration, with `batch` images. The step is called several
            times; it returns False where its numbers are not finite. What fails is not chosen.
    """

    facts: Sequence[object]
    device: torch.device
    prepare: Callable[[ExecutionConfig], Step]


def fastest(
    work: Workload, candidates: Sequence[ExecutionConfig], batches: Sequence[int] = ()
) -> ExecutionConfig:
    """Return the fastest configuration of some work, cached or measured.

    First the candidates are compared, then batch sizes with the best of them. Random generators are left
    unchanged.

    Args:
        work: what is timed.
        candidates: the configurations, the plainest first; all of them are tried.
        batches: batch sizes to try beside those of the candidates, as long as `PATIENCE` lasts.

    Returns:
        The first candidate, unless a later one is at least `MIN_GAIN` times as fast for each image as the
        best before it; it is not timed if there is no other.
    """
    possible = (*candidates, *(replace(one, batch=batch) for one in candidates for batch in batches))
    if len(set(possible)) == 1:
        return candidates[0]
    key = _key(work, possible)
    kept = load_cache().get(key)
    found = next((one for one in possible if asdict(one) == kept), None)
    if found is None:
        with torch.random.fork_rng([work.device] if work.device.type == "cuda" else []):
            best = _measured(work, candidates, batches)
        found = best.config
        if best.step is not None:
            store(key, asdict(found))
    return found


def precisions(device: torch.device) -> tuple[Precision, ...]:
    """Return the precisions that may be chosen on a device, the plainest first.

    Args:
        device: the device of the computation.

    Returns:
        fp32 and bf16; only fp32 on `mps`. fp16 is left to those who ask for it: it overflows.
    """
    return ("fp32",) if device.type == "mps" else ("fp32", "bf16")


def network_facts(net: Net) -> list[object]:
    """Return what identifies a network's computation: its modules' `repr` and its shapes.

    Args:
        net: the network; the values of its weights do not count.

    Returns:
        JSON-ready values for `Workload.facts`.
    """
    shapes = [(name, list(p.shape)) for name, p in net.module.named_parameters()]
    return [repr(net.module), shapes, [c.shape for c in net.input_specs]]


class Trial:
    """A workload in one configuration, prepared to be timed.

    Args:
        work: the workload.
        config: the configuration.
    """

    def __init__(self, work: Workload, config: ExecutionConfig) -> None:
        self.work, self.config = work, config
        self.step: Step | None = None
        with contextlib.suppress(*FAILURES):  # then `seconds` is infinite, and another configuration wins
            self.step = work.prepare(config)

    def seconds(self) -> float:
        """Run one step.

        Returns:
            Its duration in seconds; infinite where it fails or its numbers are not finite.
        """
        if self.step is None:
            return math.inf
        self._wait()
        started = time.perf_counter()
        try:
            finite = self.step() is not False
        except FAILURES:
            self.step = None
            return math.inf
        self._wait()
        return time.perf_counter() - started if finite else math.inf

    @property
    def images(self) -> int:
        """Images that a step computes; 1 where the batch size is not part of the configuration."""
        return self.config.batch or 1

    def seconds_per_image(self) -> float:
        """Run one step, and return its duration in seconds for each image."""
        return self.seconds() / self.images

    def _wait(self) -> None:
        """Wait for the device to finish."""
        if self.work.device.type == "cuda":
            torch.cuda.synchronize(self.work.device)


def _measured(work: Workload, candidates: Sequence[ExecutionConfig], batches: Iterable[int]) -> Trial:
    """Compare each candidate, then each batch size, with the best before it."""
    started, best = time.perf_counter(), Trial(work, candidates[0])
    best.seconds()  # prepares kernels and allocates memory
    for config in candidates[1:]:
        best = _faster(best, Trial(work, config))
    for batch in batches:
        if time.perf_counter() - started > PATIENCE:
            break
        if batch not in (best.config.batch, candidates[0].batch):
            best = _faster(best, Trial(work, replace(best.config, batch=batch)))
    return best


def _faster(best: Trial, other: Trial) -> Trial:
    """Return the other trial if it is faster for each image, else the best before it.

    They take turns, so that a change of the machine's load affects both.
    """
    first = other.seconds_per_image()  # prepares kernels and allocates memory
    if first == math.inf:
        return best
    if first * other.images > PATIENCE and first > HOPELESS * best.seconds_per_image():
        return best
    started, before, after = time.perf_counter(), math.inf, math.inf
    for _ in range(ROUNDS):
        before, after = min(before, best.seconds_per_image()), min(after, other.seconds_per_image())
        if time.perf_counter() - started > ENOUGH or after > FAR_SLOWER * before:
            break
    return other if after * MIN_GAIN < before else best


def _key(work: Workload, possible: Sequence[ExecutionConfig]) -> str:
    """Return the cache key of a choice: what is computed, among what is chosen, and the machine."""
    machine = [str(work.device), processor(work.device), torch.get_num_threads(), torch.__version__]
    facts = [*work.facts, [asdict(one) for one in possible], *machine]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def processor(device: torch.device) -> str:
    """Return the name of the processor of a device.

    Args:
        device: the device of the computation.

    Returns:
        The name of the GPU, or of the CPU followed by its vector instructions as torch names them.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    lines = info.read_text(errors="replace").splitlines() if info.is_file() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{name or platform.processor()} {torch.backends.cpu.get_cpu_capability()}"


def cache_file() -> Path:
    """Return the path of the cache of measurements: `convscope/speed.json` in the user's cache folder."""
    return cache_root("speed.json")


def load_cache() -> dict[str, Any]:
    """Return all cached measurements; none where the file is missing, damaged or not a regular file."""
    try:
        found = read_json(cache_file())
    except (OSError, ValueError):
        return {}
    answers = found.items() if isinstance(found, dict) else ()
    return {key: answer for key, answer in answers if isinstance(answer, dict)}


def store(key: str, answer: dict[str, Any]) -> None:
    """Cache one measurement; does nothing if the file cannot be written or is a symbolic link.

    Args:
        key: identifies the measurement.
        answer: the result, JSON-ready.
    """
    with contextlib.suppress(OSError):
        path = cache_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_symlink():  # a link is the user's, and would be replaced
            write_text(path, json.dumps({**load_cache(), key: answer}))
