"""Accuracy on flowers: frozen features, fine-tuned from the probe, and from scratch, by five seeds."""

import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import mean, stdev

from benchmarks.data import DATA
from benchmarks.kept_runs import KeptRuns
from benchmarks.result import Result, Target
from convscope.worlds import wilson_interval

NEEDS = ("flowers",)
QUICK = os.environ.get("CONVSCOPE_BENCH") == "quick"
SEEDS = range(2 if QUICK else 5)
FROM = ["--from", "efficientnet_lite0"]
FLOWERS = str(DATA / "flowers")
SCRATCH = ["--size", "96", "--epochs", "20", "--batch", "32", "--augment", "flip", "--augment", "shift"]
WAYS = {
    "frozen": (
        "frozen features, 20 epochs of the head",
        [FLOWERS, *FROM, "--epochs", "20", "--probe-epochs", "20"],
    ),
    "fine-tuned": ("LP-FT: 20 epochs of the head, 3 of everything", [FLOWERS, *FROM]),
    "scratch": (
        "from scratch, 96 px, 20 epochs, flipped and shifted",
        ["timm/tf_efficientnet_lite0", FLOWERS, *SCRATCH],
    ),
}


def run() -> Result:
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    kept = KeptRuns("transfer_accuracy")
    for seed in SEEDS:
        for way, (_, words) in WAYS.items():
            found[way].append(kept.get({"way": way, "seed": seed}, partial(measured, words, seed)))
    rows = [row(title, found[way]) for way, (title, _) in WAYS.items()]
    about = (
        "EfficientNet-lite0 on flowers in five classes: 500 to learn from, 200 to test on; always "
        f"one class: 20 %. {len(SEEDS)} seeds. The spread is over seeds, of one division into training and "
        "test; the 95 % interval of one accuracy near 88 % on 200 photographs is from "
        + " to ".join(f"{100 * bound:.0f}" for bound in wilson_interval(176, 200))
        + " %."
    )
    head = ("way", "right, mean (standard deviation)", "each seed", "test loss", "processor seconds")
    gain = mean(
        one["accuracy"] - other["accuracy"]
        for one, other in zip(found["fine-tuned"], found["frozen"], strict=True)
    )
    target = Target("fine-tuning does not lose what the probe had", f"{100 * gain:+.1f} points", gain >= 0)
    return Result("Transfer learning on flowers", about, head, rows, {"found": found}, [target])


def row(title: str, seeds: list[dict[str, float]]) -> tuple[str, ...]:
    """Accuracy over seeds, their losses and the processor time of each."""
    right = [100 * one["accuracy"] for one in seeds]
    spread = f"{mean(right):.1f} % ({stdev(right):.1f})"
    return (
        title,
        spread,
        ", ".join(f"{value:.1f}" for value in right),
        f"{mean(one['loss'] for one in seeds):.3f}",
        f"{mean(one['seconds'] for one in seeds):.0f}",
    )


def measured(words: list[str], seed: int) -> dict[str, float]:
    """Train once; return the test's numbers and the processor seconds of the process."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "convscope",
            "train",
            *words,
            "--seed",
            str(seed),
            "--json",
            "--quiet",
        ]
        before = os.times()
        done = subprocess.run(
            [*command, "--out", str(Path(folder, "run"))], check=True, capture_output=True, text=True
        )
        after = os.times()
    test = json.loads(done.stdout)["test"]
    seconds = after.children_user + after.children_system - before.children_user - before.children_system
    return {"accuracy": test["accuracy"], "loss": test["loss"], "seconds": seconds}
