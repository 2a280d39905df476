"""Memory of the process and its devices: what is free, what is used, what a backward pass saves; the heap."""

import contextlib
import ctypes
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

SLACK = 1.4
"""Factor for memory that allocators and kernels take beside what is counted."""


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


def step_bytes(module: nn.Module, run: Callable[[], object]) -> float:
    """Return the memory that one step takes: what it saves for its backward pass, and what it works in.

    The largest saved tensor is counted three more times, for gradients and intermediate results; all is
    multiplied by `SLACK`.

    Args:
        module: its own parameters do not count.
        run: runs the forward and the backward pass.

    Returns:
        Bytes.
    """
    sizes: dict[int, int] = {}
    own = {p.untyped_storage().data_ptr() for p in module.parameters()}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        run()
    return SLACK * (sum(sizes.values()) + 3 * max(sizes.values(), default=0))


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
