"""The OpenMP threads with which torch computes: how many they are, and how they wait for each other.

At the end of each parallel loop threads wait for the last of them. By default OpenMP's libraries let them
spin for milliseconds. Where other programs compute too, a spinning thread takes the very core that the last
one needs, and a run becomes 10 to 60 times slower. Where they wait asleep (`OMP_WAIT_POLICY=passive`), a busy
machine costs a run its share of the cores, but waking them takes longer than many a loop, and a quiet one
takes up to half as long again. So they spin for some microseconds, then sleep (`benchmarks/results/busy.md`).

How busy the machine is does not change the number of threads: sums in float32 depend on it in their last
bits, and results are to be the same again. It is the number of cores that this process may use: OpenMP knows
the affinity, but not the quota of a container.

OpenMP reads its settings once, when torch is imported. This file imports next to nothing.
"""

import os
import sys
from math import ceil
from pathlib import Path

WAIT_VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""Variables that decide how threads wait, of OpenMP, of GNU's and of LLVM's and Intel's library."""
COUNT_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_THREAD_LIMIT")
"""Variables that decide how many there are."""

WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "5000"}
"""How threads wait. GNU's library counts spins (about 100 in a microsecond); the others spin for milliseconds
or not at all: for them it is not at all."""


class _State:
    """What `prepare` has found, for `describe`; one for each process."""

    torch_came_first = False
    """Whether torch was there first."""


def prepare() -> None:
    """Choose the environment variables of OpenMP where the user has not; without effect after torch.

    Programs that this process starts inherit them.
    """
    _State.torch_came_first = "torch" in sys.modules
    if _State.torch_came_first:
        return
    if not any(name in os.environ for name in WAIT_VARIABLES):
        os.environ.update(WAITING)
    if not any(name in os.environ for name in COUNT_VARIABLES) and cores() < affinity():
        os.environ["OMP_NUM_THREADS"] = str(cores())


def affinity() -> int:
    """Return the number of cores that this process may run on, whatever share of them it gets."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cores(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the number of cores that this process may use at once, within its container's quota.

    Args:
        groups: where Linux shows control groups, of version 2 or 1.

    Returns:
        At least 1; quotas of parts of a core are rounded up.
    """
    quotas = [quota for quota in (_quota(groups / "cpu.max"), _old_quota(groups / "cpu")) if quota]
    return min([affinity(), *(max(1, ceil(quota)) for quota in quotas)])


def describe() -> str:
    """Say how the threads wait, for people.

    Returns:
        A phrase such as `waiting asleep (OMP_WAIT_POLICY=PASSIVE, GOMP_SPINCOUNT=5000)`.
    """
    if _State.torch_came_first:
        return "waiting as torch's own default, since torch was imported before convscope"
    given = [f"{name}={os.environ[name]}" for name in WAIT_VARIABLES if name in os.environ]
    asleep = os.environ.get("OMP_WAIT_POLICY", "").upper() == "PASSIVE"
    how = "waiting asleep" if asleep else "waiting as you chose" if given else "waiting as OpenMP's default"
    return how + (f" ({', '.join(given)})" if given else "")


def _quota(file: Path) -> float | None:
    """Return the cores of a quota of version 2, `quota period`; None without one."""
    found = _numbers(file)
    return found[0] / found[1] if len(found) == 2 and found[1] > 0 else None


def _old_quota(folder: Path) -> float | None:
    """Return the cores of a quota of version 1, in two files; None without one."""
    quota, period = _numbers(folder / "cpu.cfs_quota_us"), _numbers(folder / "cpu.cfs_period_us")
    return quota[0] / period[0] if quota and period and quota[0] > 0 and period[0] > 0 else None


def _numbers(file: Path) -> list[int]:
    """Return the whole numbers in a file; none if it is absent, or holds other words (`max`)."""
    try:
        return [int(word) for word in file.read_text(encoding="ascii").split()]
    except (OSError, ValueError):
        return []
