"""Which process holds a job, also after its number was given to another one."""

import os
from pathlib import Path

HEARTBEAT_TIMEOUT = 30.0
"""Seconds without a heartbeat after which a process counts as dead where the system does not tell."""
PROC = Path("/proc")


def this_process() -> tuple[int, str]:
    """Return what identifies this process.

    Returns:
        Its number, and when it was started as the system counts it; empty where that cannot be known.
    """
    return os.getpid(), start_time(os.getpid())


def start_time(pid: int) -> str:
    """Return when a process was started, in ticks since the machine was.

    Args:
        pid: number of the process.

    Returns:
        The time; empty if there is no such process, it has ended and only its parent has not noticed, or the
        system has no `/proc`.
    """
    try:
        fields = (PROC / str(pid) / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2]
    except OSError:
        return ""
    state, *others = fields.split()
    return "" if state in "ZX" else others[18]


def alive(pid: int, started: str, silent: float) -> bool:
    """Return whether the process that took a job still runs.

    Args:
        pid: number of the process.
        started: its start time, as `this_process` returned it.
        silent: seconds since its last heartbeat; they decide where the system does not tell.

    Returns:
        Whether it runs.
    """
    if started:
        return start_time(pid) == started
    return silent < HEARTBEAT_TIMEOUT
