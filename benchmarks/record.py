"""What looking at one layer costs, against running the whole network: `record` stops after the last place."""

import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from benchmarks.result import Result, Target
from convscope import nets
from convscope.nets import Net, describe

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
        inputs = torch.rand(batch, *net.input_spec.shape)
        for place, (ratio, by_hand) in ratios(net, inputs, places).items():
            over = ratio - shares[place]
            worst = max(worst, over)
            found = (shares[place], ratio, by_hand)
            rows.append((ref, place, *(f"{share:.1%}" for share in found), f"{over:+.1%}"))
            raw[f"{ref} {place}"] = dict(zip(("share_of_macs", "ratio", "by_hand"), found, strict=True))
    within = Target(
        f"no more than the share of MACs + {ALLOWED:.0%}", f"{worst:+.1%} at most", worst <= ALLOWED
    )
    return Result(
        "Recording one layer",
        "Time of `record` at a layer over the time of the whole forward pass without gradients; `by hand` is "
        "the module cut off after that layer. Early layers take more time than their share of MACs wherever "
        "they move much memory for little arithmetic; what `record` adds is its distance from that cut.",
        ("network", "layer", "share of MACs", "share of time", "by hand", "over MACs"),
        rows,
        raw,
        [within],
    )


def macs_until(net: Net, places: tuple[str, ...]) -> dict[str, float]:
    """Share of all multiply-accumulates that have run when each place has its value."""
    layers = describe(net).layers
    total = sum(layer.macs for layer in layers)
    shares = {}
    for place in places:
        inside = [i for i, x in enumerate(layers) if x.name == place or x.name.startswith(f"{place}.")]
        shares[place] = sum(layer.macs for layer in layers[: max(inside) + 1]) / total
    return shares


def cut(net: Net, place: str) -> nn.Module:
    """The module up to a layer, for networks whose children simply follow each other."""
    parts: list[nn.Module] = []
    for name, child in net.module.named_children():
        if place.startswith(f"{name}."):
            return nn.Sequential(*parts, cut_at(child, place.removeprefix(f"{name}.")))
        parts.append(child)
        if name == place:
            break
    return nn.Sequential(*parts)


def cut_at(module: nn.Module, last: str) -> nn.Module:
    """The children of a module up to one of them."""
    names = [name for name, _ in module.named_children()]
    return nn.Sequential(*list(module.children())[: names.index(last) + 1])


def ratios(net: Net, inputs: torch.Tensor, places: tuple[str, ...]) -> dict[str, tuple[float, float]]:
    """For each place the medians of `record` and of the cut by hand, over the whole; taken in turns."""
    jobs: dict[tuple[str, str], Callable[[], object]] = {("", ""): lambda: net(inputs)}
    for place in places:
        short = cut(net, place).eval()
        jobs[place, "record"] = lambda place=place: nets.record(net, inputs, [place])
        jobs[place, "by hand"] = lambda short=short: short(*net.normalise(inputs))
    seconds: dict[tuple[str, str], list[float]] = {name: [] for name in jobs}
    with torch.no_grad():
        for turn in range(ROUNDS + 1):
            for name, job in jobs.items():
                started = time.perf_counter()
                job()
                if turn:
                    seconds[name].append(time.perf_counter() - started)
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    whole = middle["", ""]
    return {place: (middle[place, "record"] / whole, middle[place, "by hand"] / whole) for place in places}
