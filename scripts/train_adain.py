"""Train the AdaIN network that ships as `load("adain")`.

    python scripts/train_adain.py ../shared/data runs/adain

The photographs are those of train_styles.py, and so is the way in which an interrupted run goes on. Styles
are random squares of five paintings in the public domain and, each third, of the photographs, their colours
exchanged at random. Writes src/convscope/nets/data/adain, in half precision, after some forty minutes of one
core's time.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from train_styles import PAINTINGS, TESTED, gathered, rounded

from convscope import learn, nets
from convscope.learn.plan import Training
from convscope.nets.network import Net
from convscope.see.styling import school
from convscope.see.styling.teaching import Scales
from convscope.worlds import Photographs

FOLDER = Path(__file__).parent.parent / "src" / "convscope" / "nets" / "data" / "adain"
STYLES = {**PAINTINGS, "udnie": "picabia_udnie_1913.jpg"}
"""In the public domain: their painters died more than 70 years ago."""
PLAN = Training(
    epochs=40, batch=8, optimiser="adam", lr=0.001, weight_decay=0.0, seed=2026, precision="bf16",
    memory_format="channels_last", device="cpu",
)  # fmt: skip
SCALES = Scales(
    content=1.0, style=6.0, smooth=0.3, identity=4.0, alternation=3, prelude=150, side=128
)  # fmt: skip


def main(data: Path, run: Path) -> None:
    styles = {name: str(data / "paintings" / file) for name, file in STYLES.items()}
    with tempfile.TemporaryDirectory() as folder:
        photographs = gathered(data, Path(folder))
        lesson = school.lesson(
            "adain", photographs, styles, test=data / "coco200" / "images" / "val2017", scales=SCALES,
            seed=PLAN.seed,
        )  # fmt: skip
        train = Photographs(photographs)
        plan = PLAN.model_copy(update={"resume": run}) if (run / "state").is_dir() else PLAN
        for event in learn.training(lesson.net, train, lesson.test, plan, out=run, task=lesson.task):
            if isinstance(event, learn.Epoch):
                print(event.index, f"{event.seconds:.0f} s", rounded(event.test_measures), flush=True)
                decibels = event.test_measures["psnr"]
    finish(lesson.net, len(train), decibels)


def finish(net: Net, photographs: int, decibels: float) -> None:
    """Say where it is from, halve it, and put it where it ships from."""
    net.source = replace(
        net.source,
        weights=f"trained on {photographs:,} squares in each of {PLAN.epochs} epochs, seed {PLAN.seed}",
        licence="Apache-2.0; encoder: see hed-vgg16; trained on photographs under CC BY 2.0 and paintings in "
        "the public domain",
        note=f"Photographs given back in their own style, {TESTED} of COCO: {decibels:.1f} dB. In half "
        "precision; made by scripts/train_adain.py.",
    )
    net.module.to(torch.float16)
    nets.save(net, FOLDER, recipe=PLAN.model_dump(mode="json", exclude_none=True))
    print(net.source.note, FOLDER)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
