"""Indexing every unit of every layer, against a plain pass over the same images in the same batches.

Real photographs where the data (`benchmarks.data`) holds flowers/, noise otherwise. Little data
makes it harder: the first images are all among the best so far.
"""

import statistics
import time
from collections.abc import Callable

import torch

from benchmarks.data import DATA
from benchmarks.result import Result, Target, spread
from convscope import nets, worlds
from convscope.nets import Net
from convscope.see.units.index.build import index_units
from convscope.worlds import ImageTensorDataset, LabelledImages, scaled

WANTS = ("flowers",)
NETS = {
    "efficientnet_lite0": (256, 32),
    "torchvision/googlenet": (192, 32),
    "torchvision/resnet50": (128, 32),
    "digits": (4096, 256),
}
"""How many images each looks at, and how many at once."""
ROUNDS, ALLOWED = 3, 1.25


def run() -> Result:
    rows, raw, worst = [], {}, 0.0
    for ref, (count, batch) in NETS.items():
        net = nets.load(ref, **({"weights": None, "seed": 0} if ref.startswith("torchvision") else {}))
        samples = data(net, count)
        seconds = timed(net, samples, batch)
        ratios = [index / plain for plain, index in zip(*seconds.values(), strict=True)]
        ratio, units = statistics.median(ratios), len(index_units(net, samples.take(range(batch))))
        worst = max(worst, ratio)
        speeds = [[len(samples) / second for second in values] for values in seconds.values()]
        numbers = (f"{len(samples):,}", f"{units:,}", *map(spread, speeds), spread(ratios, ".3f"))
        rows.append((ref, *numbers))
        raw[ref] = {"images": len(samples), "units": units, "seconds": seconds}
    return Result(
        "Indexing all units",
        "One pass over images in memory, float32, all layers with weights; batches of 32 (digits: 256).",
        ("network", "images", "units", "plain, images/s", "index, images/s", "times the plain pass"),
        rows,
        raw,
        [Target(f"at most {ALLOWED} times a plain pass", f"{worst:.3f} at worst", worst <= ALLOWED)],
    )


def data(net: Net, count: int) -> LabelledImages:
    """Pictures in memory in the network's form."""
    if net.input_spec.name == "digit":
        return worlds.digits.train().take(range(count))
    folder = DATA / "flowers"
    if folder.is_dir():
        found = worlds.ImageFolder(folder, "train", net.input_spec)
        chosen = list(range(0, len(found), max(1, len(found) // count)))[:count]
        return ImageTensorDataset(found.pixels(chosen), found.labels[chosen], found.classes, net.input_spec)
    noise = torch.randint(0, 256, (count, *net.input_spec.shape), dtype=torch.uint8)
    return ImageTensorDataset(noise, torch.zeros(count, dtype=torch.int64), ["noise"], net.input_spec)


def plain(net: Net, samples: LabelledImages, batch: int) -> None:
    """What anyone writes to run a network over data."""
    with torch.no_grad():
        for images, _ in samples.pixel_batches(range(len(samples)), batch):
            net(scaled(images, net.input_spec))


def timed(net: Net, samples: LabelledImages, batch: int) -> dict[str, list[float]]:
    """Seconds of both, taken in turns."""
    net.module.eval()
    jobs: dict[str, Callable[[], object]] = {
        "plain": lambda: plain(net, samples, batch),
        "index": lambda: index_units(net, samples, batch=batch),
    }
    few = samples.take(range(2 * batch))
    plain(net, few, batch)
    index_units(net, few, batch=batch)
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(ROUNDS):
        for name, job in jobs.items():
            started = time.perf_counter()
            job()
            seconds[name].append(time.perf_counter() - started)
    return seconds
