"""DeepDream beside neural-dream: seconds for the same network, weights, layer, octaves and steps."""

from statistics import median

from benchmarks import peers
from benchmarks.result import Result, Target, spread

FASTER = 3.0
ABOUT = (
    "4 octaves, 1.4 apart, 10 steps each, jitter 32, one picture of noise; tools in turns in one process. "
    "VGG16: convolutions of hed-vgg16, relu4_3. GoogLeNet: neural-dream's BVLC module with fresh weights "
    "(only time is measured), inception_4d_3x3_reduce. Of neural-dream 0.0.4 the time of its octaves alone "
    "counts, without loading and saving; of convscope everything from the opened picture to the finished "
    "one, the clean objective before and after each octave included. neural-dream has float32 only; "
    "convscope takes what it has measured to be faster."
)


def run() -> Result:
    found = peers.beside("benchmarks.dream_worker")
    rows, targets = [], []
    for name, measured in found["networks"].items():
        times = measured["seconds"]
        height, width = measured["size"]
        for mine in ("convscope", "convscope, float32"):
            ratios = [b / a for a, b in zip(times[mine], times["neural-dream"], strict=True)]
            chosen = f" ({measured['precision']})" if mine == "convscope" else ""
            rows.append(
                (
                    f"{name}, {width} by {height}: seconds of {mine}{chosen}",
                    spread(times[mine], ".1f"),
                    spread(times["neural-dream"], ".1f"),
                    f"{spread(ratios, '.1f')}x",
                )
            )
            if mine == "convscope":
                met = median(ratios) >= FASTER
                targets.append(
                    Target(f"{name}: a third of neural-dream's time", f"{median(ratios):.1f}x", met)
                )
    return Result("Dreams", ABOUT, ("what", "convscope", "neural-dream", "ratio"), rows, found, targets)
