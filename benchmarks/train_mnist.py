"""Training the lecture's network on MNIST: the loop everyone writes, a loop tuned by hand, and `fitting`.

Every measurement is a process of its own; contenders take turns. The full MNIST is in the folder that
CONVSCOPE_MNIST names, else among the data (`benchmarks.data`).
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.data import MNIST
from benchmarks.result import Result, Target, apart, has_bf16, spread

ROUNDS, SECONDS, WARM = 3, 4.0, 1.0
NEEDS = ("mnist",)
SEEDS, GOAL = 5, 0.99
SAMPLES = 36_000
"""Digits that convscope learns from on the way to the goal, each once, by Muon."""
PATIENCE = 3.2
"""Times our own median, after which the common loop is no longer waited for."""
CONTENDERS = {
    "common": "the common loop, batch 128",
    "tuned-128": "tuned by hand, batch 128",
    "convscope-128": "convscope, batch 128 (default)",
    "tuned-512": "tuned by hand, batch 512",
    "convscope-512": "convscope, batch 512",
}
Step = tuple[int, float]
"""Images seen so far and the moment."""


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
    """`fitting`, with everything it does besides: sums, checks, a schedule, label smoothing."""
    from convscope.learn import ClassificationRecipe, TrainProgress, iter_train

    train, _test = data()
    for event in iter_train(network(0), train, recipe=ClassificationRecipe(batch=batch, epochs=1000)):
        if isinstance(event, TrainProgress):
            seen = ((event.epoch - 1) * event.steps + event.step) * batch
            yield (seen, time.perf_counter()), None


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


def throughput(name: str) -> dict[str, float]:
    """Images a second over some seconds, after warming up."""
    kind, _, batch = name.partition("-")
    steps = common(10**6) if kind == "common" else tuned(int(batch)) if kind == "tuned" else ours(int(batch))
    first = begun = None
    for (seen, now), _model in steps:
        begun = begun or now
        if first is None and now - begun > WARM:
            first = (seen, now)
        if first and now - first[1] > SECONDS:
            return {"images_per_second": (seen - first[0]) / (now - first[1])}
    raise RuntimeError("no steps")


def race(name: str, seed: int, limit: float) -> dict[str, Any]:
    """Seconds of training and testing, measuring what is fastest included, until the goal is reached."""
    return (race_common if name == "common" else race_ours)(seed, limit)


def race_common(seed: int, limit: float) -> dict[str, Any]:
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
            if accuracies[-1] >= GOAL:
                return {"seconds": now - started, "accuracies": accuracies}
        if now - started > limit:
            break
    return {"seconds": None, "limit": limit, "accuracies": accuracies}


def race_ours(seed: int, limit: float) -> dict[str, Any]:
    import torch

    from convscope.learn import ClassificationRecipe, Epoch, iter_train

    train, test = data()
    net, reached, accuracies = network(seed), None, []
    started = time.perf_counter()
    train = train.take(torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))[:SAMPLES])
    for event in iter_train(net, train, test, ClassificationRecipe(epochs=1, optimizer="muon", seed=seed)):
        if isinstance(event, Epoch):
            accuracies.append(event.test_metrics["accuracy"])
            if reached is None and (event.test_metrics["accuracy"] or 0) >= GOAL:
                reached = time.perf_counter() - started
    return {"seconds": reached, "limit": limit, "accuracies": accuracies}


def run() -> Result:
    speeds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    with tempfile.TemporaryDirectory() as cache:
        for _round in range(ROUNDS):
            for name in CONTENDERS:
                found = apart("benchmarks.train_mnist", "speed", name, XDG_CACHE_HOME=cache)
                speeds[name].append(found["images_per_second"])
    races = run_races()
    peaks = {
        name: apart("benchmarks.train_mnist", "gemm", name)
        for name in ("float32", "bfloat16")[: 1 + has_bf16()]
    }
    middle = {name: statistics.median(values) for name, values in speeds.items()}
    rows = [
        (title, spread(speeds[name]), f"{middle[name] / middle['common']:.2f}")
        for name, title in CONTENDERS.items()
    ]
    rows += race_rows(races)
    flops = middle["convscope-128"] * flops_per_image()
    rows += [
        (f"share of the {n} GEMM peak, {p / 1e9:,.0f} GFLOP/s", f"{flops / p:.0%}", "")
        for n, p in peaks.items()
    ]
    return Result(
        "Training the lecture's network on MNIST",
        "137,660 parameters, 60,000 + 10,000 digits. Steady speed; seconds to 99.0% on the test set,"
        f" training and testing after each epoch included (convscope: {SAMPLES:,} of them once, by Muon).",
        ("", "images/s", "times the common loop"),
        rows,
        {"speeds": speeds, "races": races, "peaks": peaks},
        targets(middle, races),
    )


def run_races() -> dict[str, list[dict[str, Any]]]:
    races: dict[str, list[dict[str, Any]]] = {"convscope": [], "common": []}
    for seed in range(SEEDS):
        with (
            tempfile.TemporaryDirectory() as cache
        ):  # empty, so that choosing precision and format is paid for
            found = apart(
                "benchmarks.train_mnist", "race", "convscope", str(seed), "inf", XDG_CACHE_HOME=cache
            )
        races["convscope"].append(found)
        limit = PATIENCE * statistics.median(seconds(races["convscope"]))
        limit = limit if limit < 1e4 else 120.0
        races["common"].append(apart("benchmarks.train_mnist", "race", "common", str(seed), str(limit)))
    return races


def seconds(races: list[dict[str, Any]]) -> list[float]:
    """Infinite where the goal was not reached."""
    return [race["seconds"] or float("inf") for race in races]


def race_rows(races: dict[str, list[dict[str, Any]]]) -> list[tuple[str, str, str]]:
    rows = []
    for name, found in races.items():
        taken = seconds(found)
        middle = statistics.median(taken)
        shown = f"{middle:.1f} s" if middle < 1e9 else f"not within {min(r['limit'] for r in found):.0f} s"
        best = ", ".join(f"{max(r['accuracies'], default=0):.2%}" for r in found)
        reached = sum(t < 1e9 for t in taken)
        rows.append((f"to 99.0%: {name}", f"{shown}; {reached} of {len(taken)} seeds; best {best}", ""))
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


def flops_per_image() -> float:
    """Two for each multiply-accumulate, once forwards, twice backwards, but for the first layer's input."""
    from convscope.nets import describe

    layers = [layer for layer in describe(network(0)).layers if layer.macs]
    return 2 * (3 * sum(layer.macs for layer in layers) - layers[0].macs)


def main(what: str, name: str, *rest: str) -> None:
    if what == "speed":
        print(json.dumps(throughput(name)))
    elif what == "race":
        print(json.dumps(race(name, int(rest[0]), float(rest[1]))))
    else:
        import torch

        from benchmarks.gemm import flops

        print(json.dumps(flops(getattr(torch, name))))


if __name__ == "__main__":
    main(*sys.argv[1:])
