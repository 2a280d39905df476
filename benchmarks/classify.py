"""How long a terminal waits for the classes of one photograph, beside the time of `import torch`."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.result import Result, Target, spread

ROUNDS, FACTOR, SECONDS = 9, 1.35, 0.5
IMPORT = "python -c 'import torch'"


def run() -> Result:
    with tempfile.TemporaryDirectory() as folder:
        photo = str(Path(folder, "photo.jpg"))
        smooth = np.random.default_rng(0).integers(0, 256, (15, 20, 3), np.uint8)
        Image.fromarray(smooth).resize((640, 480)).save(photo)
        commands = {
            IMPORT: ["-c", "import torch"],
            "convscope classify photo.jpg": ["-m", "convscope", "classify", photo],
        }
        wall, processor = taken(commands)
    (base, ours), (base_cpu, ours_cpu) = wall.values(), processor.values()
    over = [(mine - SECONDS) / torch for mine, torch in zip(ours, base, strict=True)]
    middle = statistics.median(over)
    return Result(
        "One photograph",
        "Whole processes, taken in turns; each run of the verb is compared with the import beside it.",
        ("command", "seconds", "seconds of processor time", "over `import torch`"),
        [
            (name, spread(wall[name], ".2f"), spread(processor[name], ".2f"), ratio)
            for name, ratio in zip(
                commands,
                ("1", spread([mine / torch for mine, torch in zip(ours, base, strict=True)], ".2f")),
                strict=True,
            )
        ],
        {
            "seconds": wall,
            "processor_seconds": processor,
            "over": over,
            "processor_over": [(a - SECONDS) / b for a, b in zip(ours_cpu, base_cpu, strict=True)],
        },
        [
            Target(
                f"`classify` of one photograph at most {FACTOR} x `import torch` + {SECONDS} s",
                f"{spread(over, '.2f')} x + {SECONDS} s",
                middle <= FACTOR,
            )
        ],
    )


def taken(commands: dict[str, list[str]]) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Seconds of the clock and of the processor for each command, in turns; the first turn is not counted."""
    wall: dict[str, list[float]] = {name: [] for name in commands}
    processor: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(ROUNDS + 1):
        for name, arguments in commands.items():
            before, started = children(), time.perf_counter()
            subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
            if turn:
                wall[name].append(time.perf_counter() - started)
                processor[name].append(children() - before)
    return wall, processor


def children() -> float:
    """Processor seconds, user and system, of all child processes that have ended."""
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
