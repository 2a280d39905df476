"""How long a terminal waits for `convscope --help`."""

import subprocess
import sys
import time

from benchmarks.result import Result, Target, spread

LIMIT, ROUNDS = 0.5, 11
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "convscope --help": ["-m", "convscope", "--help"],
    "convscope train --help": ["-m", "convscope", "train", "--help"],
    "python -c 'import torch'": ["-c", "import torch"],
}


def run() -> Result:
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(ROUNDS + 1):
        for name, arguments in COMMANDS.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
            if turn:
                seconds[name].append(time.perf_counter() - started)
    middle = sorted(seconds["convscope --help"])[ROUNDS // 2]
    return Result(
        "Help",
        "Whole processes, taken in turns.",
        ("command", "seconds"),
        [(name, spread(values, ".2f")) for name, values in seconds.items()],
        seconds,
        [Target(f"`convscope --help` under {LIMIT} s", f"{middle:.2f} s", middle < LIMIT)],
    )
