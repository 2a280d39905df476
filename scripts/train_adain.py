"""Train the AdaIN network that ships as `load("adain")`.

    python scripts/train_adain.py ../shared/data runs/adain gcompris-paintings

The photographs are those of train_styles.py, and so is the way in which an interrupted run goes on. Styles
are random squares of paintings in the public domain, and one of three of a photograph, their colours
exchanged at random. The paintings are those of `STYLES`, and all in the third folder, which
scripts/unpack_paintings.py fills. The Great Wave there is left out, and the Pieta, which is a sculpture: so
the network is new to the four paintings by which benchmarks/fast_style_quality.py measures it.
Training begins with fresh weights. Writes src/convscope/nets/data/adain,
in half precision.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from train_styles import TESTED, gathered, teach

from convscope import nets
from convscope.learn.recipe import TrainRecipe
from convscope.learn.style.setup import setup_style_training
from convscope.learn.style.style_tasks import StyleLossWeights
from convscope.learn.trainer.run_folder.train_run import Run
from convscope.nets.network import Net
from convscope.worlds import UnlabelledImages

FOLDER = Path(__file__).parent.parent / "src" / "convscope" / "nets" / "data" / "adain"
STYLES = ("picabia_udnie_1913.jpg", "matisse_woman_with_a_hat_1905.jpg")
LEFT_OUT = ("great-wave", "pieta")
PLAN = {
    "epochs": 16,
    "batch": 4,
    "optimizer": "adam",
    "lr": 0.001,
    "weight_decay": 0.0,
    "seed": 2026,
    "precision": "bf16",
    "memory_format": "channels_last",
    "device": "cpu",
}
SCALES = StyleLossWeights(
    content=1.0, style=4.0, smooth=0.3, identity=4.0, alternation=4, warmup_steps=550, side=160
)


def main(data: Path, run: Path, paintings: Path) -> None:
    files = [data / "paintings" / name for name in STYLES]
    files += [p for p in sorted(paintings.glob("*.png")) if not any(word in p.name for word in LEFT_OUT)]
    with tempfile.TemporaryDirectory() as folder:
        photographs = gathered(data, Path(folder))
        setup = setup_style_training(
            "adain",
            photographs,
            {file.stem: str(file) for file in files},
            test=data / "coco200" / "images" / "val2017",
            scales=SCALES,
            seed=PLAN["seed"],
        )
        setup = replace(setup, train=UnlabelledImages(photographs))
    net = teach(setup, TrainRecipe(**PLAN), run)
    learned = f"{len(setup.train):,} squares in each of {PLAN['epochs']} epochs"
    finish(net, Run.open(run, TrainRecipe), f"trained on {learned}, and on {len(files)} paintings")


def finish(net: Net, run: Run, learned: str) -> None:
    """Say where it is from, halve it, and put it where it ships from."""
    decibels = run.epochs[-1].test_metrics["psnr"]
    net.source = replace(
        net.source,
        weights=f"{learned}, seed {PLAN['seed']}",
        licence="Apache-2.0; encoder: see hed-vgg16; see NOTICE for the photographs and paintings that it "
        "learned from",
        note=f"Photographs given back in their own style, {TESTED} of COCO: {decibels:.1f} dB. In half "
        "precision; made by scripts/train_adain.py.",
    )
    net.module.to(torch.float16)
    nets.save(net, FOLDER, recipe=run.recipe.model_dump(mode="json", exclude_none=True))
    print(net.source.note, FOLDER)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
