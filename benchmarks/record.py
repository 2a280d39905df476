"""What looking at one layer costs, against running the whole network: `record` stops after the last place."""

import statistics
import time
from collections.abc import Callable

import torch

from benchmarks.result import Result, Target
from convscope import nets
from convscope.nets import Net

PLACES = {
    "torchvision/googlenet": (4, ("conv3", "inception3b", "inception4c", "inception5b")),
    "torchvision/resnet50": (4, ("layer1", "layer2", "layer3", "layer4")),
    "torchvision/vgg16": (2, ("features.4", "features.9", "features.16", "features.30")),
}
ALLOWED, ROUNDS = 0.10, 9


def run() -> Result:
    rows, raw, worst = [], {}, -1.0
    for ref, (batch, places) in PLACES.items():
        net = nets.load(ref, weights=None, seed=0)
        net.module.eval()
        shares = macs_until(net, places)
        inputs = torch.rand(batch, *net.contract.shape)
        for place, ratio in ratios(net, inputs, places).items():
            over = ratio - shares[place]
            worst = max(worst, over)
            rows.append((ref, place, f"{shares[place]:.1%}", f"{ratio:.1%}", f"{over:+.1%}"))
            raw[f"{ref} {place}"] = {"share_of_macs": shares[place], "ratio": ratio}
    within = Target(
        f"no more than the share of MACs + {ALLOWED:.0%}", f"{worst:+.1%} at most", worst <= ALLOWED
    )
    return Result(
        "Recording one layer",
        "Time of `record` at a layer over the time of the whole forward pass without gradients.",
        ("network", "layer", "share of MACs", "share of time", "over"), rows, raw,
        [within],
    )  # fmt: skip


def macs_until(net: Net, places: tuple[str, ...]) -> dict[str, float]:
    """Share of all multiply-accumulates that have run when each place has its value."""
    layers = net.layers()
    total = sum(layer.macs for layer in layers)
    shares = {}
    for place in places:
        inside = [i for i, x in enumerate(layers) if x.name == place or x.name.startswith(f"{place}.")]
        shares[place] = sum(layer.macs for layer in layers[: max(inside) + 1]) / total
    return shares


def ratios(net: Net, inputs: torch.Tensor, places: tuple[str, ...]) -> dict[str, float]:
    """Medians of times taken in turns."""
    jobs: dict[str, Callable[[], object]] = {"": lambda: net(inputs)}
    for place in places:
        jobs[place] = lambda place=place: nets.record(net, inputs, [place])
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    with torch.no_grad():
        for turn in range(ROUNDS + 1):
            for name, job in jobs.items():
                started = time.perf_counter()
                job()
                if turn:
                    seconds[name].append(time.perf_counter() - started)
    whole = statistics.median(seconds.pop(""))
    return {name: statistics.median(values) / whole for name, values in seconds.items()}
