"""Training the lecture's network on MNIST: the loop everyone writes, a loop tuned by hand, and `fitting`.

Every measurement is a process of its own; contenders take turns. The full MNIST is in the folder that
CONVSCOPE_MNIST names, else among the data (`benchmarks.data`).

The goals for a processor without bf16 are measured on this one, with oneDNN, which computes torch's
convolutions and products in bf16, held to AVX-512 without bf16 instructions (`HELD`); bf16 is then emulated.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.data import MNIST
from benchmarks.result import Result, Target, apart, has_bf16, spread

QUICK = os.environ.get("CONVSCOPE_BENCH") == "quick"
ROUNDS, SECONDS, WARM = (1 if QUICK else 3), 4.0, 1.0
NEEDS = ("mnist",)
SEEDS = 1 if QUICK else 5
HELD = {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI"}
"""Holds oneDNN to AVX-512 without bf16 instructions. fp32 is computed as before."""
PATIENCE = 3.2
"""Times our own median, after which the common loop is no longer waited for."""
CONTENDERS = {
    "common": "the common loop, batch 128",
    "tuned-128": "tuned by hand, batch 128",
    "convscope-128": "convscope, batch 128 (default)",
    "tuned-512": "tuned by hand, batch 512",
    "convscope-512": "convscope, batch 512",
}
HELD_CONTENDERS = {
    "common": "AVX-512 without bf16: the common loop, batch 128",
    "convscope-128": "AVX-512 without bf16: convscope, batch 128 (default)",
}
Step = tuple[int, float]
"""Images seen so far and the moment."""


@dataclass(frozen=True)
class Goal:
    """An accuracy on MNIST's test set, and how convscope goes there, by Muon."""

    accuracy: float
    samples: int
    """Digits that it learns from,"""
    epochs: int
    """each so many times."""
    environ: dict[str, str]
    """Variables of the processes of both contenders."""


GOALS = {"99.0%": Goal(0.99, 36_000, 1, {}), "99.2%": Goal(0.992, 60_000, 1, HELD)}


def data() -> tuple[Any, Any]:
    from convscope import worlds

    return worlds.named("mnist", MNIST, "train"), worlds.named("mnist", MNIST, "test")


def common(epochs: int, seed: int = 0) -> Iterator[tuple[Step, Any]]:
    """DataLoader over a TensorDataset, Adam, fp32; yields after every step, and the model after an epoch."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    torch.manual_seed(seed)
    train, _test = data()
    model = module()
    loader = DataLoader(TensorDataset(train.images.float() / 255, train.labels), batch_size=128, shuffle=True)
    optimizer, criterion, seen = torch.optim.Adam(model.parameters()), nn.CrossEntropyLoss(), 0
    yield (0, time.perf_counter()), None
    for _epoch in range(epochs):
        model.train()
        for inputs, labels in loader:
            optimizer.zero_grad()
            criterion(model(inputs), labels).backward()
            optimizer.step()
            seen += len(labels)
            yield (seen, time.perf_counter()), None
        yield (seen, time.perf_counter()), model


def tuned(batch: int) -> Iterator[tuple[Step, Any]]:
    """As one tunes it by hand: bytes in memory, channels last, bf16 where it is fast, fused Adam."""
    import torch
    from torch.nn import functional

    train, _test = data()
    model = module().to(memory_format=torch.channels_last).train()
    optimizer, seen, fast = torch.optim.Adam(model.parameters(), fused=True), 0, has_bf16()
    yield (0, time.perf_counter()), None
    while True:
        for part in torch.randperm(len(train)).split(batch):
            inputs = train.images[part].to(memory_format=torch.channels_last).float().div_(255)
            with torch.autocast("cpu", torch.bfloat16, enabled=fast):
                loss = functional.cross_entropy(model(inputs), train.labels[part])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            seen += len(part)
            yield (seen, time.perf_counter()), None


def ours(batch: int) -> Iterator[tuple[Step, Any]]:
    """`fitting`, with everything it does besides: sums, checks, a schedule, label smoothing.

    Yields after every step, and the precision that it has chosen.
    """
    from convscope.learn import ClassificationRecipe, TrainProgress, iter_train

    train, _test = data()
    trainer = iter_train(network(0), train, recipe=ClassificationRecipe(batch=batch, epochs=1000))
    for event in trainer:
        if isinstance(event, TrainProgress):
            seen = ((event.epoch - 1) * event.steps + event.step) * batch
            yield (seen, time.perf_counter()), trainer.execution.precision


def network(seed: int) -> Any:
    from convscope import nets

    return nets.load("lecture", weights=None, seed=seed)


def module() -> Any:
    """The same network as everyone writes it."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 25, 3),
        nn.MaxPool2d(2),
        nn.Conv2d(25, 50, 3),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(1250, 100),
        nn.ReLU(),
        nn.Linear(100, 10),
    )


def throughput(name: str) -> dict[str, Any]:
    """Images a second over some seconds, after warming up; of convscope also the precision that it chose."""
    kind, _, batch = name.partition("-")
    steps = common(10**6) if kind == "common" else tuned(int(batch)) if kind == "tuned" else ours(int(batch))
    first = begun = None
    for (seen, now), precision in steps:
        begun = begun or now
        if first is None and now - begun > WARM:
            first = (seen, now)
        if first and now - first[1] > SECONDS:
            speed = (seen - first[0]) / (now - first[1])
            return {"images_per_second": speed, "precision": precision if kind == "convscope" else None}
    raise RuntimeError("no steps")


def race(name: str, seed: int, limit: float, goal: Goal) -> dict[str, Any]:
    """Seconds of training and testing, measuring what is fastest included, until the goal is reached."""
    return (race_common if name == "common" else race_ours)(seed, limit, goal)


def race_common(seed: int, limit: float, goal: Goal) -> dict[str, Any]:
    import torch

    _train, test = data()
    inputs, started, accuracies = test.images.float() / 255, 0.0, []
    for (seen, now), model in common(1000, seed):
        started = now if seen == 0 else started
        if model is not None:
            model.eval()
            with torch.no_grad():
                answers = torch.cat([model(part).argmax(1) for part in inputs.split(1000)])
            accuracies.append((answers == test.labels).double().mean().item())
            now = time.perf_counter()
            if accuracies[-1] >= goal.accuracy:
                return {"seconds": now - started, "accuracies": accuracies}
        if now - started > limit:
            break
    return {"seconds": None, "limit": limit, "accuracies": accuracies}


def race_ours(seed: int, limit: float, goal: Goal) -> dict[str, Any]:
    import torch

    from convscope.learn import ClassificationRecipe, Epoch, iter_train

    train, test = data()
    net, reached, accuracies = network(seed), None, []
    started = time.perf_counter()
    chosen = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))[: goal.samples]
    recipe = ClassificationRecipe(epochs=goal.epochs, optimizer="muon", seed=seed)
    precision = None
    for event in iter_train(net, train.take(chosen), test, recipe):
        if isinstance(event, Epoch):
            accuracies.append(event.test_metrics["accuracy"])
            precision = event.precision
            if reached is None and (event.test_metrics["accuracy"] or 0) >= goal.accuracy:
                reached = time.perf_counter() - started
    return {"seconds": reached, "limit": limit, "accuracies": accuracies, "precision": precision}


def run() -> Result:
    speeds, held, chosen = run_speeds()
    races = {name: run_races(name) for name in GOALS}
    peaks = {
        name: apart("benchmarks.train_mnist", "gemm", name)
        for name in ("float32", "bfloat16")[: 1 + has_bf16()]
    }
    middle = {name: statistics.median(values) for name, values in speeds.items()}
    rows = [
        (title, spread(speeds[name]), f"{middle[name] / middle['common']:.2f}")
        for name, title in CONTENDERS.items()
    ]
    slow = {name: statistics.median(values) for name, values in held.items()}
    rows += [
        (title, spread(held[name]), f"{slow[name] / slow['common']:.2f}")
        for name, title in HELD_CONTENDERS.items()
    ]
    for name, found in races.items():
        rows += race_rows(name, found)
    flops = middle["convscope-128"] * flops_per_image()
    rows += [
        (f"share of the {n} GEMM peak, {p / 1e9:,.0f} GFLOP/s", f"{flops / p:.0%}", "")
        for n, p in peaks.items()
    ]
    return Result(
        "Training the lecture's network on MNIST",
        about(chosen),
        ("", "images/s", "times the common loop"),
        rows,
        {"speeds": speeds, "held": held, "precision_held": sorted(chosen), "races": races, "peaks": peaks},
        [*targets(middle, races["99.0%"]), *targets_held(slow, races["99.2%"])],
    )


def about(chosen: set[str]) -> str:
    """What the rows are; `chosen` are the precisions that convscope took without bf16 instructions."""
    ways = " and ".join(
        f"to {name} {goal.samples:,} of them {('once', 'twice')[goal.epochs - 1]}"
        for name, goal in GOALS.items()
    )
    return (
        "137,660 parameters, 60,000 + 10,000 digits. Steady speed; seconds to an accuracy on the test set, "
        f"training and testing after each epoch included (convscope, by Muon: {ways}). "
        '"AVX-512 without bf16", which the row to 99.2% is too, is this processor and not another one: '
        "torch's oneDNN is held to instructions without bfloat16 "
        f"({'='.join(*HELD.items())}); convscope measured what is fastest there and chose "
        f"{' and '.join(sorted(chosen))}."
    )


def run_speeds() -> tuple[dict[str, list[float]], dict[str, list[float]], set[str]]:
    """Images a second of each contender, without and with `HELD`, and what convscope chose with it."""
    speeds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    held: dict[str, list[float]] = {name: [] for name in HELD_CONTENDERS}
    chosen: set[str] = set()
    with tempfile.TemporaryDirectory() as cache, tempfile.TemporaryDirectory() as another:
        for _round in range(ROUNDS):
            for name in CONTENDERS:
                found = apart("benchmarks.train_mnist", "speed", name, XDG_CACHE_HOME=cache)
                speeds[name].append(found["images_per_second"])
            for name in HELD_CONTENDERS:
                found = apart("benchmarks.train_mnist", "speed", name, XDG_CACHE_HOME=another, **HELD)
                held[name].append(found["images_per_second"])
                chosen |= {found["precision"]} - {None}
    return speeds, held, chosen


def run_races(name: str) -> dict[str, list[dict[str, Any]]]:
    """The races to a goal, each with an empty cache, so that choosing precision and format is paid for."""
    races: dict[str, list[dict[str, Any]]] = {"convscope": [], "common": []}
    for seed in range(SEEDS):
        words = ("benchmarks.train_mnist", "race", name)
        with tempfile.TemporaryDirectory() as cache:
            environ = {**GOALS[name].environ, "XDG_CACHE_HOME": cache}
            races["convscope"].append(apart(*words, "convscope", str(seed), "inf", **environ))
            limit = PATIENCE * statistics.median(seconds(races["convscope"]))
            limit = limit if limit < 1e4 else 120.0
            races["common"].append(apart(*words, "common", str(seed), str(limit), **environ))
    return races


def seconds(races: list[dict[str, Any]]) -> list[float]:
    """Infinite where the goal was not reached."""
    return [race["seconds"] or float("inf") for race in races]


def race_rows(goal: str, races: dict[str, list[dict[str, Any]]]) -> list[tuple[str, str, str]]:
    rows = []
    for name, found in races.items():
        taken = seconds(found)
        middle = statistics.median(taken)
        shown = (
            f"{middle:.1f} s"
            if middle < 1e9
            else f"not within {min(r['limit'] for r in found if 'limit' in r):.0f} s"
        )
        best = ", ".join(f"{max(r['accuracies'], default=0):.2%}" for r in found)
        reached = sum(t < 1e9 for t in taken)
        rows.append((f"to {goal}: {name}", f"{shown}; {reached} of {len(taken)} seeds; best {best}", ""))
    return rows


def targets(middle: dict[str, float], races: dict[str, list[dict[str, Any]]]) -> list[Target]:
    twice = middle["convscope-128"] / middle["common"]
    hands = min(middle[f"convscope-{b}"] / middle[f"tuned-{b}"] for b in (128, 512))
    mine = statistics.median(seconds(races["convscope"]))
    floor = statistics.median(r["seconds"] or r["limit"] for r in races["common"])
    waited = any(r["seconds"] is None for r in races["common"])
    return [
        Target("2 x the images/s of the common loop", f"{twice:.2f} x", twice >= 2),
        Target("0.95 x a loop tuned by hand, at its batch size", f"{hands:.2f} x at least", hands >= 0.95),
        Target(
            "at most 1/3 of the common loop's time to 99.0%, median of 5 seeds",
            f"{mine:.1f} s against {'more than ' if waited else ''}{floor:.1f} s",
            mine <= floor / 3,
        ),
    ]


def targets_held(middle: dict[str, float], races: dict[str, list[dict[str, Any]]]) -> list[Target]:
    """The goals for a processor without bf16."""
    twice = middle["convscope-128"] / middle["common"]
    mine = statistics.median(seconds(races["convscope"]))
    return [
        Target("without bf16: 2 x the images/s of the common loop", f"{twice:.2f} x", twice >= 2),
        Target("without bf16: 10 s to 99.2%, median of 5 seeds", f"{mine:.1f} s", mine <= 10),
    ]


def flops_per_image() -> float:
    """Two for each multiply-accumulate, once forwards, twice backwards, but for the first layer's input."""
    from convscope.nets import describe

    layers = [layer for layer in describe(network(0)).layers if layer.macs]
    return 2 * (3 * sum(layer.macs for layer in layers) - layers[0].macs)


def main(what: str, name: str, *rest: str) -> None:
    if what == "speed":
        print(json.dumps(throughput(name)))
    elif what == "race":  # of a goal, a contender, a seed, a limit
        print(json.dumps(race(rest[0], int(rest[1]), float(rest[2]), GOALS[name])))
    else:
        import torch

        from benchmarks.gemm import flops

        print(json.dumps(flops(getattr(torch, name))))


if __name__ == "__main__":
    main(*sys.argv[1:])
