"""Pictures of units beside Lucent, dreamlens and horama: seconds for a step, and to the same activation."""

from statistics import mean, median
from typing import Any

from benchmarks import peers
from benchmarks.result import Result, Target, spread

FASTER_STEP, FASTER_LUCENT, FASTER_DREAMLENS = 12.0, 20.0, 10.0
ABOUT = (
    "Steps: one unit's picture, 128 px, torchvision GoogLeNet with fresh weights, tools in turns in one "
    "process; ratios to Lucent one at a time, as it is used, and with a batch of 8. Activation: "
    "EfficientNet-lite0, the same units of three depths, mean of the final picture's clean activation "
    "(float32, no transforms; for Lucent the better of 128 px and the 224 px that it shows the network); "
    "ours is the time of the shortest run that reaches at least as much. Peers run in batches there, "
    "faster than one at a time."
)
PEERS = ("lucent, one", "lucent, 8 at once", "dreamlens, one", "dreamlens, 8 at once", "horama, one")


def run() -> Result:
    found = peers.beside("benchmarks.visualize_speed_worker")
    rows, targets = steps(found["throughput"])
    more_rows, more_targets = activation(found["activation"])
    head = ("what", "convscope", "peer", "ratio")
    return Result("Pictures of units", ABOUT, head, rows + more_rows, found, targets + more_targets)


def steps(found: dict[str, Any]) -> tuple[list[tuple[str, ...]], list[Target]]:
    rows, targets = [], []
    for layer, measured in found.items():
        times: dict[str, list[float]] = measured["seconds"]
        for peer in PEERS:
            for mine in ("convscope, 8 at once", "convscope, one"):
                ratios = [b / a for a, b in zip(times[mine], times[peer], strict=True)]
                ms = [spread([1000 * t for t in times[name]], ".1f") for name in (mine, peer)]
                rows.append((f"{layer}: ms for a step of {mine} / {peer}", *ms, f"{spread(ratios, '.1f')}x"))
                if (mine, peer) == ("convscope, 8 at once", "lucent, one"):
                    what = f"{layer}: steps per second, {FASTER_STEP:g}x Lucent's"
                    targets.append(Target(what, f"{median(ratios):.1f}x", median(ratios) >= FASTER_STEP))
    return rows, targets


def activation(found: dict[str, Any]) -> tuple[list[tuple[str, ...]], list[Target]]:
    runs = [(f"Lucent, {n} steps", run, found["ours"], FASTER_LUCENT) for n, run in found["lucent"].items()]
    runs += [
        (f"dreamlens, {n} steps", run, found["ours"], FASTER_DREAMLENS)
        for n, run in found["dreamlens"].items()
    ]
    long = found["long"]
    runs.append(
        (f"Lucent, {long['steps']} steps, {long['units']} units", long["lucent"], long["ours"], FASTER_LUCENT)
    )
    rows, targets = [], []
    for name, peer, ours, wanted in runs:
        goal = mean(peer["scores"])
        reached = [(run["seconds"], n, run) for n, run in ours.items() if mean(run["scores"]) >= goal]
        theirs = f"{peer['seconds']:.1f} s, activation {goal:.1f}"
        if reached:
            took, n, run = min(reached, key=lambda one: one[0])
            ratio = peer["seconds"] / took
            cell = f"{took:.1f} s, {n} steps, activation {mean(run['scores']):.1f}"
        else:
            ratio, cell = 0.0, "not reached"
        rows.append((f"time to the activation of {name}", cell, theirs, f"{ratio:.1f}x"))
        targets.append(Target(f"{wanted:g}x {name}", f"{ratio:.1f}x", ratio >= wanted))
        rows.append(_same_time(name, peer, ours))
    return rows + _quality(found), targets


def _same_time(name: str, peer: dict[str, Any], ours: dict[str, Any]) -> tuple[str, ...]:
    """Our best within the peer's time."""
    short = [(mean(r["scores"]), n, r["seconds"]) for n, r in ours.items() if r["seconds"] <= peer["seconds"]]
    theirs, what = mean(peer["scores"]), f"activation within the time of {name}"
    if not short:
        return (what, "none is as short", f"{theirs:.1f}", "")
    score, n, seconds = max(short)
    return (what, f"{score:.1f}, {n} steps in {seconds:.1f} s", f"{theirs:.1f}", f"{score / theirs:.2f}x")


def _quality(found: dict[str, Any]) -> list[tuple[str, ...]]:
    real = found["percentiles"]
    if not real:
        return []
    rows, count = [], real["photographs"]
    for key, what in (
        ("mean_percentile", f"mean percentile among {count} photographs"),
        ("median_over_best", f"activation over the best of {count} photographs, median"),
    ):
        values = real[key]
        for tool in ("lucent", "dreamlens"):
            ours, theirs = values["convscope"], values[tool]
            rows.append((f"{what}, beside {tool}", f"{ours:.2f}", f"{theirs:.2f}", f"{ours / theirs:.2f}x"))
    return rows
