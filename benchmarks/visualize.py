"""Pictures of units beside Lucent's: activation, clean and moved, clipped values, and seconds."""

import base64
import io
from pathlib import Path
from statistics import mean, median
from typing import Any

from PIL import Image

from benchmarks import peers
from benchmarks.result import Result, Target, spread
from convscope.show.images import contact_sheet
from convscope.show.images.contact_sheet import SheetRow, SheetTile

SHEET = Path(__file__).parents[1] / "docs" / "pictures" / "visualize-beside-lucent.webp"
MOST_CLIPPED, FASTER_STEP = 0.05, 8.0
QUICK_UNITS = 2
"""A quick run makes no more pictures, and leaves the sheet as it is."""
ABOUT = (
    "One picture at a time, as most people work, of 128 px; Lucent 0.1.8 with its defaults, convscope with "
    "its own. Clean: the mean activation of the unit's map or the logit, without transforms; for Lucent the "
    "better of 128 px and the 224 px that it shows the network. Robust: the mean of five views, enlarged to "
    "224 px, shifted by up to 3 %, turned by up to 7 degrees and scaled by 5 %; one function for both. "
    "Clipped: share of the values of an 8-bit picture that are 0 or 255. Time: seconds of processor time "
    "with one thread, all that a call does; tools in turns, unit by unit, in one process; other programs may "
    "use the machine (load_before)."
)
HEAD = ("what", "convscope", "Lucent", "ratio")


def run() -> Result:
    return result(peers.beside("benchmarks.visualize_worker"))


def result(found: dict[str, Any]) -> Result:
    """The table, the targets and the sheet of what the worker measured."""
    pictures: dict[str, Any] = found["pictures"]
    if len(pictures) > QUICK_UNITS:
        _sheet(pictures, found["lucent_steps"])
    for one in pictures.values():
        for run in (one["lucent"], *one["ours"].values()):
            run.pop("png", None)
    rows = [row for place, one in pictures.items() for row in _unit(place, one, found["lucent_steps"])]
    more, targets = _together(list(pictures.values()), found["lucent_steps"])
    return Result("Pictures of units beside Lucent's", ABOUT, HEAD, more + rows, found, targets)


def _default(one: dict[str, Any]) -> dict[str, Any]:
    """Our run of the most steps, which is the verb's default."""
    return one["ours"][max(one["ours"], key=int)]


def _unit(place: str, one: dict[str, Any], steps: int) -> list[tuple[str, ...]]:
    mine, theirs = _default(one), one["lucent"]
    most = max(map(int, one["ours"]))
    cells = [
        f"clean {run['clean']:.1f}, robust {run['robust']:.1f}, clipped {100 * run['clipped']:.1f} %, "
        f"{count} steps in {run['seconds']:.1f} s"
        for run, count in ((mine, most), (theirs, steps))
    ]
    return [(place, *cells, f"robust {mine['robust'] / theirs['robust']:.2f}x")]


def _seconds_to(one: dict[str, Any], key: str) -> float | None:
    """Seconds of our shortest run that reaches Lucent's number; None if none does."""
    return min((r["seconds"] for r in one["ours"].values() if r[key] >= one["lucent"][key]), default=None)


def _together(all_of: list[dict[str, Any]], steps: int) -> tuple[list[tuple[str, ...]], list[Target]]:
    mine, theirs = [_default(one) for one in all_of], [one["lucent"] for one in all_of]
    rows: list[tuple[str, ...]] = []
    targets: list[Target] = []
    for key in ("clean", "robust"):
        ratios = [a[key] / b[key] for a, b in zip(mine, theirs, strict=True)]
        cells = [spread([r[key] for r in runs], ".1f") for runs in (mine, theirs)]
        rows.append((f"{key} activation, {len(mine)} units", *cells, f"{spread(ratios, '.2f')}x"))
        what = f"{key} activation at least Lucent's in no more time, for each unit"
        targets.append(Target(what, f"least {min(ratios):.2f}x", min(ratios) >= 1))
    clips = [[100 * run["clipped"] for run in runs] for runs in (mine, theirs)]
    rows.append(("clipped, % of values", *(spread(values, ".1f") for values in clips), ""))
    worst = max(clips[0])
    what = f"at most {100 * MOST_CLIPPED:g} % clipped, the worst of all"
    targets.append(Target(what, f"{worst:.1f} %", worst <= 100 * MOST_CLIPPED))
    rows.append(
        (
            "seconds for a picture",
            *(spread([r["seconds"] for r in runs], ".1f") for runs in (mine, theirs)),
            "",
        )
    )
    for key in ("clean", "robust"):
        reached = [(one["lucent"]["seconds"], _seconds_to(one, key)) for one in all_of]
        ratios = [theirs / ours if ours else 0.0 for theirs, ours in reached]
        ours = [seconds for _, seconds in reached if seconds]
        rows.append(
            (
                f"seconds to Lucent's {key} activation after {steps} steps",
                spread(ours, ".2f") if ours else "not reached",
                spread([seconds for seconds, _ in reached], ".2f"),
                f"{spread(ratios, '.1f')}x",
            )
        )
    per = [_step_ms(one, steps) for one in all_of]
    ratios = [theirs / ours for ours, theirs in per]
    cells = [spread([pair[i] for pair in per], ".0f") for i in (0, 1)]
    rows.append(("ms for a step, one picture at a time", *cells, f"{spread(ratios, '.1f')}x"))
    what = f"steps per second of one picture, {FASTER_STEP:g}x Lucent's"
    targets.append(Target(what, f"{median(ratios):.1f}x", median(ratios) >= FASTER_STEP))
    return rows, targets


def _step_ms(one: dict[str, Any], steps: int) -> tuple[float, float]:
    """Ours from the difference of the longest and shortest run, without what is done once; Lucent's whole."""
    counts = sorted(one["ours"], key=int)
    short, long = (one["ours"][count]["seconds"] for count in (counts[0], counts[-1]))
    taken = (long - short) / (int(counts[-1]) - int(counts[0]))
    return 1000 * taken, 1000 * one["lucent"]["seconds"] / steps


def _sheet(pictures: dict[str, Any], steps: int) -> None:
    """Write ours above Lucent's, the same units in the same columns, a row of pairs for each network."""
    rows = []
    for net in dict.fromkeys(place.split()[0] for place in pictures):
        of_net = {place: one for place, one in pictures.items() if place.startswith(net)}
        for tool in ("convscope", "Lucent"):
            tiles, seconds = [], []
            for place, one in of_net.items():
                made = _default(one) if tool == "convscope" else one["lucent"]
                seconds.append(made["seconds"])
                facts = f"robust {made['robust']:.1f}, clipped {100 * made['clipped']:.0f} %"
                tiles.append(SheetTile(_opened(made["png"]), place.split()[1], [facts]))
            count = max(map(int, next(iter(of_net.values()))["ours"])) if tool == "convscope" else steps
            rows.append(SheetRow(tiles, tool, [net, f"{count} steps, {mean(seconds):.1f} s each"]))
    sheet = contact_sheet.compose(rows, title="The same units, one at a time: convscope and Lucent", side=160)
    sheet.save(SHEET, quality=86)


def _opened(png: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
