"""Neural style beside neural-style and pystiche: time to the same loss, time of a step, memory, seams."""

import os
from statistics import median

from benchmarks import peers
from benchmarks.result import Result, Target, spread

QUICK = os.environ.get("CONVSCOPE_BENCH") == "quick"
SIDE, LONG, RUNS = (64, 12, 1) if QUICK else (256, 1000, 3)
LARGE, FEW = (96, 6) if QUICK else (512, 12)
HUGE, BUDGET = (320, 0.95) if QUICK else (2048, 5.5)
FASTER, ROOM = 4.0, 6.0
WORKER = "benchmarks.style_worker"
ABOUT = (
    "A photograph (Tübingen) like a painting (The Starry Night), by hed-vgg16 for all, with the own "
    "layers, weights and smoothing of neural-style 0.5.7. The loss is neural-style's, of the finished "
    "picture in bytes, by a separate plain implementation in float32. To the loss: neural-style runs "
    f"its {LONG} default iterations at {SIDE} px once; convscope goes from coarse to fine until its "
    f"picture has that loss ({RUNS} runs). At 512 px, neural-style's default, only steps and memory "
    "are compared, since its whole run takes too long here. Each in a process of its own, both cores."
)


def run() -> Result:
    cut = peers.beside(WORKER, "tiles", str(HUGE), str(BUDGET))
    theirs = peers.beside(WORKER, "neural-style", str(SIDE), str(LONG))
    ours = [peers.beside(WORKER, "convscope", str(SIDE), f"{theirs['loss']:.6f}") for _ in range(RUNS)]
    times = [one["seconds"] for one in ours if one["reached"]]
    ratio = theirs["seconds"] / median(times) if len(times) == RUNS else 0.0
    last = [one["course"][-1][1] for one in ours]
    rows = [(
        f"{SIDE} px, seconds to the loss that neural-style has at its end",
        spread(times, ".1f") if times else "-",
        f"{theirs['seconds']:.0f}", f"{ratio:.1f}x" if ratio else "not reached",
    ), (f"{SIDE} px, loss then", spread(last, ",.0f"), f"{theirs['loss']:,.0f}", "")]  # fmt: skip
    targets = [Target(f"{SIDE} px: a quarter of neural-style's time", f"{ratio:.1f}x", ratio >= FASTER)]
    large = {
        "convscope": peers.beside(WORKER, "steps", str(LARGE), str(FEW)),
        "neural-style": peers.beside(WORKER, "neural-style", str(LARGE), str(FEW)),
        "pystiche": peers.beside(WORKER, "pystiche", str(LARGE), str(FEW)),
    }
    for peer in ("neural-style", "pystiche"):
        mine, other = large["convscope"], large[peer]
        faster = f"{median(other['each']) / median(mine['each']):.1f}x"
        cells = (spread(mine["each"], ".2f"), spread(other["each"], ".2f"))
        rows.append((f"{LARGE} px, seconds for a step, beside {peer}", *cells, faster))
        share = f"{mine['peak'] / other['peak']:.2f}"
        cells = (f"{mine['peak']:.2f}", f"{other['peak']:.2f}")
        rows.append((f"{LARGE} px, peak memory in GB, beside {peer}", *cells, share))
        what = f"{LARGE} px: no more memory than {peer}"
        targets.append(Target(what, share, mine["peak"] <= other["peak"]))
    what = f"{HUGE} x {HUGE} px in {cut['tiles']} tiles, --memory {BUDGET}GB"
    rows.append((f"{what}: peak memory in GB", f"{cut['peak']:.2f}", "", ""))
    rows.append((f"{what}: change across borders over that around them", spread(cut["seams"], ".2f"), "", ""))
    targets.append(Target(f"{HUGE} px within {ROOM:g} GB", f"{cut['peak']:.2f} GB", cut["peak"] <= ROOM))
    worst = max(cut["seams"])
    targets.append(
        Target(
            f"{HUGE} px: borders differ at most 1.1 times as much as lines around them",
            f"{worst:.2f}",
            worst <= 1.1,
        )
    )
    raw = {"neural-style": theirs, "convscope": ours, "large": large, "tiles": cut}
    return Result("Neural style", ABOUT, ("what", "convscope", "peer", "ratio"), rows, raw, targets)
