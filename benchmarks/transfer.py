"""A classifier of one's own photographs: seconds from the command to a tested classifier, and its accuracy.

Flowers, 500 to learn from and 200 to test on, frozen features of EfficientNet-lite0, 10 epochs of the
head. Each way is a process of its own, and the ways take turns; fastai runs where the peers are (`peers`).
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import peers
from benchmarks.data import DATA
from benchmarks.result import Result, Target, spread

NEEDS = ("flowers",)
QUICK = os.environ.get("CONVSCOPE_BENCH") == "quick"
ROUNDS = 1 if QUICK else 3
SEEDS = range(1 if QUICK else 5)
FLOWERS = DATA / "flowers"
COMMAND = ["train", str(FLOWERS), "--from", "efficientnet_lite0", "--probe-epochs", "10", "--epochs", "10"]

WAYS = {
    "convscope": "`convscope train FOLDER --from efficientnet_lite0 --epochs 10 --probe-epochs 10`",
    "convscope, cached": "the same again: the features are in the user's cache",
    "recompute": "timm, torchvision's ImageFolder, features again in every epoch",
    "once": "timm, features once, channels last, scikit-learn's logistic regression",
    "fastai": "fastai 2.8, `vision_learner` of timm's network, frozen, its own head, `fit_one_cycle(10)`",
}
RIVALS = ("recompute", "once", "fastai")
FASTER = 10.0
"""Times as fast as recomputing features in every epoch that the command with cached ones shall be."""


def run() -> Result:
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    accuracy: dict[str, list[float]] = {way: [] for way in WAYS}
    for turn in range(ROUNDS):
        with tempfile.TemporaryDirectory() as cache:
            ordered = list(WAYS) if turn % 2 == 0 else [*RIVALS, "convscope", "convscope, cached"]
            for way in ordered:
                took, right = measured(way, cache, seed=turn)
                seconds[way].append(took)
                accuracy[way].append(right)
                print(f"{way}: {took:.1f} s, {100 * right:.1f}%", file=sys.stderr)
    seeds = [measured("convscope, cached", "", seed)[1] for seed in SEEDS]
    rows = [
        (
            WAYS[way],
            spread(seconds[way], ".1f"),
            f"{spread([a / b for a, b in zip(seconds[way], seconds['convscope'], strict=True)], '.2f')}x",
            f"{spread([100 * value for value in accuracy[way]], '.1f')} %",
        )
        for way in WAYS
    ]
    about = (
        "Flowers in five classes: 500 photographs to learn from, 200 to test on (always one class: 20 %). "
        "Whole processes from the command to the accuracy; ways take turns, each round with an empty cache. "
        f"convscope's accuracy over {len(seeds)} seeds: {spread([100 * v for v in seeds], '.1f')} %. "
        "With 200 photographs, differences of less than about 6 points may be chance. All ways have the same "
        "weights. Keras 3 has no row: keras.applications has no EfficientNet-lite0, and KerasHub downloads "
        "its preset efficientnet_lite0_ra_imagenet, which this machine cannot."
    )
    head = ("way", "seconds", "of convscope's", "right")
    raw: dict[str, Any] = {"seconds": seconds, "accuracy": accuracy, "seeds": seeds}
    return Result("Frozen features of one's own photographs", about, head, rows, raw, targets(seconds))


def targets(seconds: dict[str, list[float]]) -> list[Target]:
    """First in the row, and with features in the cache ten times as fast as computing them in every epoch."""
    ours, best = median(seconds["convscope"]), min(median(seconds[way]) for way in RIVALS)
    times = median(seconds["recompute"]) / median(seconds["convscope, cached"])
    return [
        Target("first in the row", f"{best / ours:.2f}x", ours <= best),
        Target(f"cached: {FASTER:g} times as fast as recomputing", f"{times:.1f}x", times >= FASTER),
    ]


def measured(way: str, cache: str, seed: int) -> tuple[float, float]:
    """Seconds of one process, and the accuracy that it found."""
    environ = {**os.environ, "XDG_CACHE_HOME": cache} if cache else dict(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        if way.startswith("convscope"):
            words = ["convscope", *COMMAND, "--seed", str(seed), "--json", "--quiet"]
            words += ["--out", str(Path(folder, "run"))]
        else:
            words = ["benchmarks.transfer_worker", way, str(FLOWERS)]
        python = str(peers.python()) if way == "fastai" else sys.executable
        started = time.perf_counter()
        done = subprocess.run(
            [python, "-W", "ignore", "-m", *words], check=True, capture_output=True, text=True, env=environ
        )
        took = time.perf_counter() - started
    if way.startswith("convscope"):
        return took, json.loads(done.stdout)["test"]["accuracy"]
    return took, float(done.stdout.split()[-1])
