"""Train the AdaIN network that ships as `load("adain")`.

    python scripts/train_adain.py ../shared/data runs/adain

The photographs are those of train_styles.py, and so is the way in which an interrupted run goes on. Styles
are random squares of five paintings in the public domain and, each third, of the photographs, their colours
exchanged at random. Writes src/convscope/nets/data/adain, in half precision. The network that ships learned
by the same plan from other photographs (see NOTICE), when colours were exchanged channel by channel.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from train_styles import PAINTINGS, TESTED, gathered, teach

from convscope import nets
from convscope.learn.recipe import TrainRecipe
from convscope.learn.style.setup import setup_style_training
from convscope.learn.style.style_tasks import StyleLossWeights
from convscope.learn.trainer.run_folder.train_run import Run
from convscope.nets.network import Net
from convscope.worlds import UnlabelledImages

FOLDER = Path(__file__).parent.parent / "src" / "convscope" / "nets" / "data" / "adain"
STYLES = {**PAINTINGS, "udnie": "picabia_udnie_1913.jpg"}
"""In the public domain: their painters died more than 70 years ago."""
PLAN = {
    "epochs": 40,
    "batch": 8,
    "optimizer": "adam",
    "lr": 0.001,
    "weight_decay": 0.0,
    "seed": 2026,
    "precision": "bf16",
    "memory_format": "channels_last",
    "device": "cpu",
}
SCALES = StyleLossWeights(
    content=1.0, style=6.0, smooth=0.3, identity=4.0, alternation=3, warmup_steps=150, side=128
)
STAGES = (
    ("first", {}, 11, SCALES),
    ("second", {"epochs": 12, "lr": 0.0008}, 12, replace(SCALES, style=10.0, warmup_steps=0)),
)
"""Name, what differs from `PLAN`, epochs of it that are run, wishes: more of the paintings once colours and
edges come back."""


def main(data: Path, run: Path) -> None:
    styles = {name: str(data / "paintings" / file) for name, file in STYLES.items()}
    with tempfile.TemporaryDirectory() as folder:
        photographs = gathered(data, Path(folder))
        setup = setup_style_training(
            "adain",
            photographs,
            styles,
            test=data / "coco200" / "images" / "val2017",
            scales=SCALES,
            seed=PLAN["seed"],
        )
        setup = replace(setup, train=UnlabelledImages(photographs))
    for name, differs, until, scales in STAGES:
        taught = run / f"taught-{name}"
        if not taught.is_dir():
            setup.task.scales = scales
            teach(setup, TrainRecipe(**{**PLAN, **differs}), run / name, until)
            nets.save(setup.net, taught)
        setup = replace(setup, net=nets.open_folder(taught))
    finish(setup.net, Run.open(run / STAGES[-1][0], TrainRecipe), len(setup.train))


def finish(net: Net, run: Run, photographs: int) -> None:
    """Say where it is from, halve it, and put it where it ships from."""
    decibels = run.epochs[-1].test_metrics["psnr"]
    net.source = replace(
        net.source,
        weights=f"trained on {photographs:,} squares in each of {sum(s[2] for s in STAGES)} epochs, "
        f"seed {PLAN['seed']}",
        licence="Apache-2.0; encoder: see hed-vgg16; trained on photographs under CC BY 2.0 and paintings in "
        "the public domain",
        note=f"Photographs given back in their own style, {TESTED} of COCO: {decibels:.1f} dB. In half "
        "precision; made by scripts/train_adain.py.",
    )
    net.module.to(torch.float16)
    nets.save(net, FOLDER, recipe=run.recipe.model_dump(mode="json", exclude_none=True))
    print(net.source.note, FOLDER)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
