"""Time for the same attributions: against grad-cam, torchcam and captum."""

from typing import Any

from benchmarks import peers
from benchmarks.result import Result, Target, spread

NEEDS = ("open_photos",)
MOST = {"gradcam": 1 / 2, "occlusion": 1 / 3, "integrated": 1 / 3}
"""Share of the fastest peer's time (of grad-cam's, for Grad-CAM) that was promised."""
SAME = 1e-4
WORDS = {"gradcam": "Grad-CAM", "occlusion": "occlusion", "integrated": "integrated gradients"}


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1e}"


def _floor(entry: dict[str, Any], ours: float) -> tuple[str, ...]:
    operations, rate = entry["floor"]["operations"], entry["floor"]["rate"]
    least = operations / rate
    who = f"{operations / 1e9:.0f} GFLOP at {rate / 1e9:.0f} a second"
    return entry["network"], WORDS[entry["task"]], who, f"{least:.3f}", f"{ours / least:.2f}", "", ""


def run() -> Result:
    found = peers.beside("benchmarks.attribution_worker")
    rows, targets = [], []
    for entry in found:
        seconds, task = entry["seconds"], entry["task"]
        ours = sorted(seconds["convscope"])[len(seconds["convscope"]) // 2]
        for name, values in seconds.items():
            middle = sorted(values)[len(values) // 2]
            ratio = "" if name == "convscope" else f"{ours / middle:.2f}"
            differs, error = (_share(entry[key].get(name)) for key in ("differs", "errors"))
            rows.append((entry["network"], WORDS[task], name, spread(values, ".3f"), ratio, differs, error))
        if "floor" in entry:
            rows.append(_floor(entry, ours))
        rivals = {name: sorted(v)[len(v) // 2] for name, v in seconds.items() if name != "convscope"}
        rival = "grad-cam" if task == "gradcam" else min(rivals, key=lambda name: rivals[name])
        ratio = ours / rivals[rival]
        what = f"{WORDS[task]}, {entry['network']}: {MOST[task]:.2f} of {rival}'s time at most"
        targets.append(Target(what, f"{ratio:.2f}", ratio <= MOST[task]))
        worst = max(entry["differs"].values())
        what = f"{WORDS[task]}, {entry['network']}: the same numbers to {SAME:g} of the largest"
        targets.append(Target(what, f"{worst:.1e}", worst <= SAME))
    return Result(
        "Attribution beside captum, grad-cam and torchcam",
        "Seconds for one picture of 224 x 224 and one class, taken in turns in one process, float32. "
        "EfficientNet-Lite0 is trained; the others have fresh weights, whose normalisations (where they have "
        "any) took their statistics from eight photographs. Occlusion with windows of 32 and a stride of 16, "
        "integrated gradients with 50 points, both also with larger batches of captum. Differences are of "
        "maps scaled to [0, 1], else of attributions, as a share of the largest; so is the distance from "
        "what captum finds with the network in double precision. The last line of integrated gradients has "
        "the seconds in which one large product of matrices, measured in the same run, does as many "
        "operations as the passes to and fro at all points: no float32 that computes them all can be faster.",
        ("network", "task", "who", "seconds", "ours / theirs", "difference", "from float64"),
        rows,
        {"measured": found},
        targets,
    )
