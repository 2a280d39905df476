"""Neural style beside neural-style and pystiche: time to the same loss, memory, other eyes, seams."""

import os
from statistics import median
from typing import Any

from benchmarks import peers
from benchmarks.result import Result, Target, spread

NEEDS, WANTS = ("paintings",), ("weights/squeezenet1_1.fp16.safetensors",)
QUICK = os.environ.get("CONVSCOPE_BENCH") == "quick"
SIDE, LONG, FEW, RUNS = (96, 12, 6, 1) if QUICK else (512, 1000, 12, 3)
HUGE, BUDGET = (320, 1.3) if QUICK else (2048, 5.5)
FASTER, CHANCE = 4.0, 0.05
WORKER = "benchmarks.style_worker"
ABOUT = (
    "A photograph (Tübingen) like a painting (The Starry Night), by hed-vgg16 for all, with the own "
    "layers, weights and smoothing of neural-style 0.5.7. The loss is neural-style's, of the finished "
    "picture in bytes, by a separate plain implementation in float32. neural-style runs its "
    f"{LONG} iterations at {SIDE} px, by default 1000 at 512, once; convscope its default steps and "
    f"scales, coarse to fine, runs: {RUNS}, with a picture kept every 5 steps at the finest scale: the first "
    "whose loss is neural-style's counts. "
    f"pystiche and convscope take {FEW} steps in float32. Each in a process of its own, both cores. Peaks "
    "are of whole processes, before anything is judged.\n\n"
    "By SqueezeNet 1.1, which nobody optimised: the distance from the photograph is LPIPS without learned "
    "weights (Zhang et al. 2018, equation 1 with w = 1); those that LPIPS has learned belong to "
    "torchvision's networks, whose weights are not here. The style that is missing is the mean over its "
    "layers of the Gram matrices' squared distance from the painting's, as a share of the photograph's. FID "
    "and ArtFID are not reported: they need Inception's weights, or ones trained on art, and thousands of "
    "pictures.\n\n"
    "Borders of tiles: how much what was painted differs across them, over the median of the 32 lines "
    "around; ordinary lines are the others at multiples of 16 pixels, where pooling has its borders."
)
Rows = list[tuple[str, ...]]


def run() -> Result:
    theirs = peers.beside(WORKER, "neural-style", str(SIDE), str(LONG))
    ours = [peers.beside(WORKER, "convscope", str(SIDE), f"{theirs['loss']:.6f}") for _ in range(RUNS)]
    few = {
        "convscope": peers.beside(WORKER, "steps", str(SIDE), str(FEW)),
        "pystiche": peers.beside(WORKER, "pystiche", str(SIDE), str(FEW)),
    }
    cut = peers.beside(WORKER, "tiles", str(HUGE), str(BUDGET))
    rows: Rows = []
    targets: list[Target] = []
    for part in (_whole(ours, theirs), _few(few, theirs), _tiles(cut)):
        rows += part[0]
        targets += part[1]
    raw = {"neural-style": theirs, "convscope": ours, "few": few, "tiles": cut}
    return Result("Neural style", ABOUT, ("what", "convscope", "peer", "ratio"), rows, raw, targets)


def _whole(ours: list[dict[str, Any]], theirs: dict[str, Any]) -> tuple[Rows, list[Target]]:
    """Whole runs beside neural-style's."""
    reached = [one["reached"] for one in ours if one["reached"]]
    ratio = theirs["seconds"] / median(seconds for seconds, _ in reached) if len(reached) == RUNS else 0.0
    most = max(one["peak"] for one in ours)
    rows = [
        (
            "seconds to the loss that neural-style has at its end",
            spread([seconds for seconds, _ in reached], ".1f") if reached else "-",
            f"{theirs['seconds']:.0f}",
            f"{ratio:.1f}x" if ratio else "not reached",
        ),
        (
            "loss then",
            spread([loss for _, loss in reached], ",.0f") if reached else "-",
            f"{theirs['loss']:,.0f}",
            "",
        ),
        (
            "seconds for the whole run",
            spread([one["whole"] for one in ours], ".1f"),
            f"{theirs['seconds']:.0f}",
            f"{theirs['seconds'] / median(one['whole'] for one in ours):.1f}x",
        ),
        ("loss at the end", spread([one["loss"] for one in ours], ",.0f"), f"{theirs['loss']:,.0f}", ""),
        ("peak memory of the whole run in GB", f"{most:.2f}", *_beside(most, theirs["peak"])),
    ]
    names = {"apart": "distance from the photograph", "missing": "style that is missing"}
    for key, name in names.items():
        seen = [one["seen"][key] for one in ours if one["seen"]]
        what = f"finished picture, by SqueezeNet: {name}"
        if seen and theirs["seen"]:
            rows.append((what, spread(seen, ".2f"), f"{theirs['seen'][key]:.2f}", ""))
        else:
            rows.append((what, "no weights here", "", ""))
    return rows, [
        Target(f"{SIDE} px: a quarter of neural-style's time", f"{ratio:.1f}x", ratio >= FASTER),
        _no_more("neural-style, whole runs", most, theirs["peak"]),
    ]


def _few(few: dict[str, Any], theirs: dict[str, Any]) -> tuple[Rows, list[Target]]:
    """Steps in float32."""
    mine, other = few["convscope"], few["pystiche"]
    rows: Rows = []
    for name, each in (("neural-style", theirs["each"]), ("pystiche", other["each"])):
        faster = f"{median(each) / median(mine['each']):.1f}x"
        cells = (spread(mine["each"], ".2f"), spread(each, ".2f"), faster)
        rows.append((f"seconds for a step in float32, beside {name}", *cells))
    what = f"peak memory of {FEW} steps in float32 in GB, beside pystiche"
    rows.append((what, f"{mine['peak']:.2f}", *_beside(mine["peak"], other["peak"])))
    return rows, [_no_more(f"pystiche, {FEW} steps in float32", mine["peak"], other["peak"])]


def _tiles(cut: dict[str, Any]) -> tuple[Rows, list[Target]]:
    """A large picture in tiles."""
    what, seams = f"{HUGE} x {HUGE} px in {cut['tiles']} tiles, --memory {BUDGET}GB", cut["seams"]
    ordinary = seams["ordinary"]
    low, high = (ordinary[int(share * (len(ordinary) - 1))] for share in (0.05, 0.95))
    chance = seams["chance"]
    rows = [
        (f"{what}: peak memory in GB", f"{cut['peak']:.2f}", "", ""),
        (f"{what}: change across borders", spread(seams["borders"], ".2f"), "", ""),
        (
            f"{what}: across {len(ordinary)} ordinary lines, 5th to 95th percentile",
            "",
            f"{low:.2f} to {high:.2f}",
            "",
        ),
    ]
    return rows, [
        Target(f"{HUGE} px: within --memory", f"{cut['peak']:.2f} of {BUDGET} GB", cut["peak"] <= BUDGET),
        Target(
            f"{HUGE} px: borders cannot be told from ordinary lines: so many of these have a larger one "
            f"among them in {CHANCE:.0%} of draws at least",
            f"{chance:.0%}",
            chance >= CHANCE,
        ),
    ]


def _beside(mine: float, other: float) -> tuple[str, str]:
    return f"{other:.2f}", f"{mine / other:.2f}"


def _no_more(who: str, mine: float, other: float) -> Target:
    return Target(f"{SIDE} px: no more memory than {who}", f"{mine / other:.2f}", mine <= other)
