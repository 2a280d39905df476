"""How to compute fastest here: what can be chosen, and a memory of what was measured.

What is fastest depends on the network and the machine: bf16 doubles the speed of some processors and halves
that of others. So rooms above measure a little, and keep the answer for the next time.
"""

import contextlib
import ctypes
import hashlib
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convscope.files import read_json, write_text

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class ExecutionConfig:
    """How to compute: precision of products (`fp32`, `bf16`, `fp16`), order of an image's axes in memory."""

    precision: str = "fp32"
    channels_last: bool = False

    @property
    def memory_format(self) -> str:
        """`channels_last` or `contiguous`."""
        return "channels_last" if self.channels_last else "contiguous"

    @contextlib.contextmanager
    def autocast(self, device: torch.device) -> Iterator[None]:
        """Where matrix products are in this precision."""
        mixed = self.precision != "fp32"
        if not mixed:
            yield
            return
        with torch.autocast(device.type, DTYPES[self.precision]):
            yield

    def to_memory_format(self, inputs: Tensor) -> Tensor:
        """Images in this memory format."""
        if self.channels_last and inputs.ndim == 4:
            return inputs.contiguous(memory_format=torch.channels_last)
        return inputs

    def format(self, module: nn.Module) -> None:
        """Put the weights into this memory format, in place."""
        module.to(memory_format=torch.channels_last if self.channels_last else torch.contiguous_format)


PLAIN = ExecutionConfig()


@contextlib.contextmanager
def retain_heap() -> Iterator[None]:
    """While it lasts, memory that is freed stays with the process, so that the next step needs no new pages.

    glibc gives large blocks back to the system at once; a loop of steps asks for the same ones again at each,
    and each comes back as thousands of page faults. Does nothing where there is no glibc.
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
        trim_heap()


def trim_heap() -> None:
    """Give the system back what is free on the heap: between loops whose blocks are of different sizes.

    Blocks of one loop seldom fit into the gaps of the other. Does nothing where there is no glibc.
    """
    if _mallopt() is not None:
        ctypes.CDLL(None).malloc_trim(0)


_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1
"""Numbers of these settings in glibc's malloc.h."""


def _mallopt() -> Any:
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    is_glibc = hasattr(library, "gnu_get_libc_version") and hasattr(library, "malloc_trim")
    return library.mallopt if is_glibc else None


def processor(device: torch.device) -> str:
    """What computes, and what its arithmetic can do."""
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


def load_cache() -> dict[str, Any]:
    """Every answer that is kept; none where the file is missing, damaged or not a regular file."""
    try:
        found = read_json(cache_file())
    except (OSError, ValueError):
        return {}
    answers = found.items() if isinstance(found, dict) else ()
    return {key: answer for key, answer in answers if isinstance(answer, dict)}


def kept_choice(key: str, candidates: Sequence[ExecutionConfig]) -> ExecutionConfig | None:
    """Return the choice that is kept under a key; None where there is none, or it is no candidate.

    Args:
        key: what the measurement depends on.
        candidates: the choices that may be answered with; whatever else the file holds is damage.
    """
    answer = load_cache().get(key)
    return next((choice for choice in candidates if asdict(choice) == answer), None)


def store(key: str, answer: dict[str, Any]) -> None:
    """Keep one answer; a home that cannot be written to costs a measurement the next time."""
    with contextlib.suppress(OSError):
        path = cache_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_symlink():  # a link is the user's, and would be replaced
            write_text(path, json.dumps({**load_cache(), key: answer}))


def cached_measurement(
    facts: Sequence[object],
    device: torch.device,
    measure: Callable[[], dict[str, Any]],
    fits: Callable[[dict[str, Any]], bool],
) -> dict[str, Any]:
    """Return the answer that is kept for these facts and this machine, else measure and keep it.

    Args:
        facts: what the answer depends on, JSON-ready.
        device: where is computed.
        measure: gives the answer, JSON-ready.
        fits: whether an answer from the file is one that `measure` could have given.
    """
    machine = [str(device), processor(device), torch.get_num_threads(), torch.__version__]
    key = hashlib.sha256(json.dumps([*facts, *machine]).encode()).hexdigest()[:32]
    kept = load_cache().get(key)
    if kept is None or not fits(kept):
        kept = measure()
        store(key, kept)
    return kept
