"""Speed of training beside common and tuned loops, Keras with two backends, fastai, and timm."""

import os
import sys
import tempfile
from statistics import median

from benchmarks.peers import beside
from benchmarks.result import Result, Target, spread
from benchmarks.train_rivals_worker import BATCHES, ways

NEEDS = ("mnist", "cifar10", "flowers")
ROUNDS = 1 if os.environ.get("CONVSCOPE_BENCH") == "quick" else 3
NETWORKS = {
    "lecture": "the lecture's network, MNIST",
    "resnet20": "ResNet-20, CIFAR-10",
    "efficientnet_lite0": "EfficientNet-lite0, all of it, 224 px",
}
TITLES = {
    "common": "the common loop",
    "tuned": "tuned by hand",
    "convscope": "convscope",
    "keras-torch": "Keras, torch",
    "keras-jax": "Keras, jax",
    "fastai": "fastai",
    "timm": "timm's loader, optimizer and task",
}


def run() -> Result:
    speeds: dict[str, dict[str, list[float]]] = {n: {way: [] for way in ways(n)} for n in NETWORKS}
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        for turn in range(ROUNDS):
            for network, found in speeds.items():
                for way in list(found)[:: 1 if turn % 2 == 0 else -1]:
                    speed = beside("benchmarks.train_rivals_worker", network, way)["images_per_second"]
                    found[way].append(speed)
                    print(f"{network} {way}: {speed:.0f} images/s", file=sys.stderr)
    rows = [
        (
            NETWORKS[network],
            TITLES[way],
            spread(values),
            f"{spread([a / b for a, b in zip(values, found['common'], strict=True)], '.2f')}x",
        )
        for network, found in speeds.items()
        for way, values in found.items()
    ]
    about = (
        "Images a second, from memory, with Adam, without augmentation; batches of "
        + ", ".join(f"{size} ({network})" for network, size in BATCHES.items())
        + ". Every measurement is a process of its own of which the first seconds are not counted; ways take "
        "turns. convscope measures precision and memory format at its start. Keras 3.15, fastai 2.8, "
        "timm 1.0.31, whose train.py is not in its package: its parts, in the script's order."
    )
    head = ("network", "way", "images/s", "of the common loop's")
    return Result("Speed of training beside others", about, head, rows, {"speeds": speeds}, targets(speeds))


def targets(speeds: dict[str, dict[str, list[float]]]) -> list[Target]:
    """First in every row."""
    found = []
    for network, ways_of in speeds.items():
        ours = median(ways_of["convscope"])
        way, best = max(((w, median(v)) for w, v in ways_of.items() if w != "convscope"), key=lambda x: x[1])
        found.append(
            Target(
                f"first for {NETWORKS[network]}",
                f"{ours:,.0f} against {best:,.0f} ({TITLES[way]})",
                ours >= best,
            )
        )
    return found
