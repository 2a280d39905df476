"""What a busy machine costs: whole commands, quiet and with a neighbour on each core, by waiting policy.

Commands are processes of their own, and policies take turns. The neighbours are loops that only compute; they
are started here, and ended with each measurement.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.result import Result, Target, spread
from convscope.system.threads import cores

QUICK = os.environ.get("CONVSCOPE_BENCH") == "quick"
ROUNDS = 1 if QUICK else 3
LONGEST = 60.0 if QUICK else 600.0
"""Seconds after which a command is ended, and counts as that long."""
SHARE, QUIET = 3.0, 1.1
"""Most times as long with neighbours as without (2: half of each core), and as OpenMP's default if quiet."""
COMMANDS = {
    "train": ["train", "lecture-relu", "digits", "--epochs", "1"],
    "visualize": ["visualize", "digits", "conv2:3", "output:7", "--steps", "64"],
    "tour": ["tour", "--epochs", "1", "--steps", "16"],
}
POLICIES = {
    "OpenMP's default": {"GOMP_SPINCOUNT": "300000"},
    "asleep": {"OMP_WAIT_POLICY": "PASSIVE"},
    "convscope": {},
}
"""Environment of each: the first is libgomp's own default, written out, so that convscope leaves it alone."""
LOADS = ("quiet", "busy")
NEIGHBOUR = """
import os, sys
while os.getppid() == int(sys.argv[1]):
    sum(range(100_000))
"""
"""A program that only computes, until whoever started it has ended."""
VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def run() -> Result:
    found: dict[str, dict[str, list[float]]] = {}
    used: dict[str, dict[str, list[float]]] = {}
    loads: dict[str, list[float]] = {load: [] for load in LOADS}
    for turn, load in product(range(ROUNDS), LOADS):
        with neighbours(cores() if load == "busy" else 0):
            for command, policy in product(COMMANDS, reversed(POLICIES) if turn % 2 else POLICIES):
                seconds, processor = measured(COMMANDS[command], POLICIES[policy])
                key = f"{command}, {load}"
                found.setdefault(key, {}).setdefault(policy, []).append(seconds)
                used.setdefault(key, {}).setdefault(policy, []).append(processor)
                loads[load].append(os.getloadavg()[0])
                print(f"{key}, {policy}: {seconds:.1f} s, {processor:.1f} s of processor", file=sys.stderr)
    rows = [row(key, found[key], used[key]) for key in found]
    about = (
        f"Seconds of whole commands on {cores()} cores, policies in turns; busy: with {cores()} processes "
        "that only compute, started by the benchmark. In brackets the seconds of processor time. A command "
        f"is ended after {LONGEST:g} s, and counts as that long. The load "
        f"of the machine was {spread(loads['quiet'], '.1f')} without them: other programs count in both."
    )
    head = ("command", *POLICIES, "default / convscope")
    raw = {"seconds": found, "processor": used, "loads": loads}
    return Result("A busy machine", about, head, rows, raw, targets(found))


def row(key: str, seconds: dict[str, list[float]], used: dict[str, list[float]]) -> tuple[str, ...]:
    """One line of the table."""
    cells = [f"{spread(seconds[name], '.1f')} [{median(used[name]):.1f}]" for name in POLICIES]
    ratios = [a / b for a, b in zip(seconds["OpenMP's default"], seconds["convscope"], strict=True)]
    return (key, *cells, f"{spread(ratios, '.1f')}x")


def targets(found: dict[str, dict[str, list[float]]]) -> list[Target]:
    """The share that neighbours may take, and what a quiet machine may lose."""
    made = []
    for command in COMMANDS:
        quiet, busy = (found[f"{command}, {load}"] for load in LOADS)
        times = median(busy["convscope"]) / median(quiet["convscope"])
        made.append(Target(f"{command}, busy: at most {SHARE:g} times quiet", f"{times:.1f}", times <= SHARE))
        share = median(quiet["convscope"]) / median(quiet["OpenMP's default"])
        what = f"{command}, quiet: at most {QUIET:g} times as long as OpenMP's default"
        made.append(Target(what, f"{share:.2f}", share <= QUIET))
    return made


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Processes that only compute, for as long as the block runs."""
    started = [subprocess.Popen([sys.executable, "-c", NEIGHBOUR, str(os.getpid())]) for _ in range(count)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def measured(words: list[str], environ: dict[str, str]) -> tuple[float, float]:
    """Seconds of a command, and of processor time."""
    clean: dict[str, Any] = {key: value for key, value in os.environ.items() if key not in VARIABLES}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "convscope", *words, "--quiet", "--out", str(Path(folder, "made"))]
        before, started = processor_seconds(), time.perf_counter()
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(
                command, check=True, capture_output=True, env={**clean, **environ}, timeout=LONGEST
            )
        return min(time.perf_counter() - started, LONGEST), processor_seconds() - before


def processor_seconds() -> float:
    """Processor time of the commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
