"""Choose precision and memory format for execution, and cache what was measured.

What is fastest depends on the network and the machine: bf16 doubles the speed of some processors and halves
that of others. So callers measure briefly, and keep the result in the user's cache folder.
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

from convscope.system.files import read_json, write_text

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""Names of precisions and their dtypes."""


@dataclass(frozen=True)
class ExecutionConfig:
    """Precision and memory format of a computation.

    Attributes:
        precision: precision of matrix products and convolutions: `fp32`, `bf16` or `fp16`.
        channels_last: whether images and weights are in torch's channels-last memory format.
    """

    precision: str = "fp32"
    channels_last: bool = False

    @property
    def memory_format(self) -> str:
        """`channels_last` or `contiguous`."""
        return "channels_last" if self.channels_last else "contiguous"

    @contextlib.contextmanager
    def autocast(self, device: torch.device) -> Iterator[None]:
        """Enable autocast in this precision inside `with`; does nothing for fp32.

        Args:
            device: the device of the computation.

        Yields:
            None.
        """
        mixed = self.precision != "fp32"
        if not mixed:
            yield
            return
        with torch.autocast(device.type, DTYPES[self.precision]):
            yield

    def to_memory_format(self, inputs: Tensor) -> Tensor:
        """Convert images to this memory format.

        Args:
            inputs: images `[b c h w]`; tensors with another number of axes are returned unchanged.

        Returns:
            The same values, channels last if so configured; otherwise `inputs` itself.
        """
        if self.channels_last and inputs.ndim == 4:
            return inputs.contiguous(memory_format=torch.channels_last)
        return inputs

    def format(self, module: nn.Module) -> None:
        """Convert a module's weights to this memory format, in place.

        Args:
            module: the module.
        """
        module.to(memory_format=torch.channels_last if self.channels_last else torch.contiguous_format)


PLAIN = ExecutionConfig()
"""Float32 in the contiguous memory format."""


@contextlib.contextmanager
def retain_heap() -> Iterator[None]:
    """Keep freed memory in the process inside `with`, so that each step of a loop reuses it.

    glibc returns large blocks to the system at once; a loop of steps allocates the same ones again at each,
    and each costs thousands of page faults. Does nothing where there is no glibc.
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
    """Return free heap memory to the system, between loops that allocate blocks of different sizes.

    Blocks of one loop seldom fit into the gaps of the other. Does nothing where there is no glibc.
    """
    if _mallopt() is not None:
        ctypes.CDLL(None).malloc_trim(0)


_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1
"""Numbers of these parameters in glibc's malloc.h."""


def _mallopt() -> Any:
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    is_glibc = hasattr(library, "gnu_get_libc_version") and hasattr(library, "malloc_trim")
    return library.mallopt if is_glibc else None


def processor(device: torch.device) -> str:
    """Return the name of the processor of a device, for cache keys.

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
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "convscope" / "speed.json"


def load_cache() -> dict[str, Any]:
    """Return all cached measurements; none where the file is missing, damaged or not a regular file."""
    try:
        found = read_json(cache_file())
    except (OSError, ValueError):
        return {}
    answers = found.items() if isinstance(found, dict) else ()
    return {key: answer for key, answer in answers if isinstance(answer, dict)}


def kept_choice(key: str, candidates: Sequence[ExecutionConfig]) -> ExecutionConfig | None:
    """Return the configuration that is cached under a key.

    Args:
        key: identifies the measurement, with all that it depends on.
        candidates: the configurations that may be returned; anything else in the file is ignored.

    Returns:
        One of the candidates; None where nothing is cached, or it is no candidate.
    """
    answer = load_cache().get(key)
    return next((choice for choice in candidates if asdict(choice) == answer), None)


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


def cached_measurement(
    facts: Sequence[object],
    device: torch.device,
    measure: Callable[[], dict[str, Any]],
    fits: Callable[[dict[str, Any]], bool],
) -> dict[str, Any]:
    """Return a cached measurement for these facts and this machine, or measure and cache it.

    Args:
        facts: what the result depends on, JSON-ready. Device, processor, threads and torch's version are
            added.
        device: the device of the computation.
        measure: measures and returns the result, JSON-ready.
        fits: returns whether a cached result is one that `measure` could have returned.

    Returns:
        The result, cached or measured.
    """
    machine = [str(device), processor(device), torch.get_num_threads(), torch.__version__]
    key = hashlib.sha256(json.dumps([*facts, *machine]).encode()).hexdigest()[:32]
    kept = load_cache().get(key)
    if kept is None or not fits(kept):
        kept = measure()
        store(key, kept)
    return kept
