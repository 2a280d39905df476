"""Which precision and memory format are fastest for this network on this machine: measured, not guessed.

bf16 doubles the speed of some processors and halves that of others; channels-last helps convolutions and
costs depthwise ones. So some steps are timed before a training begins, and the answer is kept for the next
time.
"""

import contextlib
import ctypes
import hashlib
import json
import math
import os
import platform
import sys
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convscope.learn.atomic import write_text
from convscope.learn.head import first_tensor, sized_example
from convscope.learn.plan import Plan
from convscope.nets import Net

ROUNDS = 4
"""Timings of each choice, taken in turns; the fastest of each counts."""
PATIENCE = 3.0
"""Seconds after which no further round begins."""
WORTH = 1.05
"""How much faster a choice must be than the plainer one before it."""
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Choice:
    """How to compute: precision of products (`fp32`, `bf16`, `fp16`), order of an image's axes in memory."""

    precision: str = "fp32"
    channels_last: bool = False

    @property
    def memory_format(self) -> str:
        """`channels_last` or `contiguous`."""
        return "channels_last" if self.channels_last else "contiguous"

    @contextlib.contextmanager
    def at_work(self, device: torch.device) -> Iterator[None]:
        """Where matrix products are in this precision."""
        mixed = self.precision != "fp32"
        if not mixed:
            yield
            return
        with torch.autocast(device.type, DTYPES[self.precision]):
            yield

    def formatted(self, inputs: Tensor) -> Tensor:
        """Images in this memory format."""
        if self.channels_last and inputs.ndim == 4:
            return inputs.contiguous(memory_format=torch.channels_last)
        return inputs

    def format(self, module: nn.Module) -> None:
        """Put the weights into this memory format, in place."""
        module.to(memory_format=torch.channels_last if self.channels_last else torch.contiguous_format)


PLAIN = Choice()


def choose(net: Net, plan: Plan) -> Choice:
    """The fastest way to train `net` with `plan` on its device; the network stays as it was.

    What the plan fixes is kept; the rest is measured in about a second, once for a network and a machine. A
    choice whose loss is not finite is out.
    """
    candidates = _candidates(net, plan)
    if len(candidates) == 1:
        return candidates[0]
    key = _key(net, plan, candidates)
    known = _read_cache().get(key)
    if known is not None and Choice(**known) in candidates:
        return Choice(**known)
    seconds = measure(net, plan.batch, candidates)
    best = candidates[0]
    for candidate in candidates[1:]:
        if seconds[candidate] * WORTH < seconds[best]:
            best = candidate
    _remember(key, best)
    return best


def measure(net: Net, batch: int, candidates: list[Choice]) -> dict[Choice, float]:
    """Seconds of one forward and backward pass with each choice; infinite where the loss is not finite."""
    inputs = sized_example(net, batch)
    seconds = dict.fromkeys(candidates, math.inf)
    with torch.random.fork_rng(devices=[], enabled=True):
        try:
            trials = {choice: deepcopy(net.module).train() for choice in candidates}
        except RuntimeError:  # a module that cannot be copied
            return {choice: float(i) for i, choice in enumerate(candidates)}
        for choice, module in trials.items():
            choice.format(module)
        started = time.perf_counter()
        for turn in range(ROUNDS + 1):
            if turn > 1 and time.perf_counter() - started > PATIENCE:
                break
            for choice, module in trials.items():
                taken = _step(module, choice, net.normalise(inputs))
                if turn or taken == math.inf:  # the first round warms up
                    seconds[choice] = min(seconds[choice], taken)
    return seconds


def _step(module: nn.Module, choice: Choice, inputs: tuple[Tensor, ...]) -> float:
    device = inputs[0].device
    started = time.perf_counter()
    with choice.at_work(device):
        loss = first_tensor(module(*map(choice.formatted, inputs))).float().logsumexp(-1).mean()
    loss.backward()
    module.zero_grad()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started if math.isfinite(loss.item()) else math.inf


def _candidates(net: Net, plan: Plan) -> list[Choice]:
    """From the plainest on. fp16 is only used when asked for: it overflows."""
    precisions = {"auto": ["fp32", "bf16"]}.get(plan.precision, [plan.precision])
    if plan.precision == "auto" and net.device.type == "mps":
        precisions = ["fp32"]
    formats = {"auto": [False, True], "contiguous": [False], "channels_last": [True]}[plan.memory_format]
    if not any(p.ndim == 4 for p in net.module.parameters()):
        formats = [False]
    return [Choice(precision, last) for precision in precisions for last in formats]


@contextlib.contextmanager
def roomy_heap() -> Iterator[None]:
    """While it lasts, memory that is freed stays with the process, so that the next step needs no new pages.

    glibc gives large blocks back to the system at once; a training asks for the same ones again at every
    step, and each comes back as thousands of page faults. Does nothing where there is no glibc.
    """
    mallopt = _mallopt()
    if mallopt is None:
        yield
        return
    mallopt(_MMAP_THRESHOLD, 2**30)
    mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        mallopt(_MMAP_THRESHOLD, 32 * 2**20)  # where glibc's own adaptation ends
        mallopt(_TRIM_THRESHOLD, 64 * 2**20)
        ctypes.CDLL(None).malloc_trim(0)


_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1
"""Numbers of these settings in glibc's malloc.h."""


def _mallopt() -> Any:
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    is_glibc = hasattr(library, "gnu_get_libc_version") and hasattr(library, "malloc_trim")
    return library.mallopt if is_glibc else None


def _key(net: Net, plan: Plan, candidates: list[Choice]) -> str:
    """What the answer depends on: layers and shapes, batch, processor, threads, torch."""
    shapes = [(name, list(p.shape)) for name, p in net.module.named_parameters()]
    facts = [
        repr(net.module), shapes, net.contract.shape, plan.batch, [asdict(c) for c in candidates],
        str(net.device),        _processor(net.device), torch.get_num_threads(), torch.__version__,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def _processor(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    lines = info.read_text(errors="replace").splitlines() if info.is_file() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{name or platform.processor()} {torch.backends.cpu.get_cpu_capability()}"


def cache_file() -> Path:
    """Where answers are kept: `convscope/speed.json` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "convscope" / "speed.json"


def _read_cache() -> dict[str, Any]:
    try:
        known = json.loads(cache_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _remember(key: str, choice: Choice) -> None:
    with contextlib.suppress(OSError):  # a home that cannot be written to costs a second the next time
        cache_file().parent.mkdir(parents=True, exist_ok=True)
        write_text(cache_file(), json.dumps({**_read_cache(), key: asdict(choice)}))
