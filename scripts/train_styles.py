"""Train the StyleBank that ships as `load("stylebank")`.

    python scripts/train_styles.py ../shared/data runs/stylebank

The first folder holds flowers/, open_photos/, coco200/ and paintings/; the second is the run's, where a
training that was interrupted goes on. Writes src/convscope/nets/data/stylebank, in half precision, after
some three quarters of an hour of one core's time. The same machine and versions give the same weights. The
photographs to learn from are the flowers (CC BY 2.0) and those of open_photos that are CC BY 2.0 or in the
public domain; those of coco200 are only looked at, to measure.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from convscope import learn, nets
from convscope.learn.recipe import TrainRecipe
from convscope.learn.setup import TrainingSetup
from convscope.learn.style.perceptual import PerceptualConfig, perceptual_loss
from convscope.learn.style.setup import setup_style_training
from convscope.learn.style.style_tasks import StyleLossWeights
from convscope.learn.trainer.runs import Run
from convscope.nets.network import Net
from convscope.worlds import UnlabelledImages

FOLDER = Path(__file__).parent.parent / "src" / "convscope" / "nets" / "data" / "stylebank"
PAINTINGS = {
    "starry-night": "van_gogh_starry_night_1889.jpg",
    "great-wave": "hokusai_great_wave_c1831.jpg",
    "scream": "munch_the_scream_1893.jpg",
    "shipwreck": "turner_shipwreck_of_the_minotaur_c1810.jpg",
}
"""In the public domain everywhere: their painters died before 1945."""
OTHERS, TIMES = "open_photos", 6
"""Few, and of other things than flowers: each is looked at so many times in an epoch."""
LEFT_OUT = ("dog_segmentation", "bird_segmentation_mask")
"""Not CC BY, or no photograph."""
TESTED = 16
PLAN = {
    "epochs": 32,
    "batch": 4,
    "optimizer": "adam",
    "lr": 0.001,
    "clip": 0.05,
    "weight_decay": 0.0,
    "seed": 2026,
    "precision": "bf16",
    "memory_format": "channels_last",
    "device": "cpu",
}
SCALES = StyleLossWeights(side=128)
JUDGING = PerceptualConfig(paintings=512)
LARGE = replace(JUDGING, style=("relu1_1", "relu2_1", "relu3_1", "relu3_3", "relu4_1", "relu4_2"))
"""More of what is deep: forms; and the first layer: colours."""
STAGES = (
    ("first", {}, 15, SCALES, JUDGING),
    ("second", {"epochs": 10}, 6, replace(SCALES, warmup_steps=0), JUDGING),
    ("third", {"epochs": 5}, 5, replace(SCALES, warmup_steps=0, content=3.0), JUDGING),
    (
        "fourth",
        {"epochs": 3, "batch": 2},
        3,
        StyleLossWeights(0.5, 40.0, 0.5, warmup_steps=0, side=192, palette=4.0),
        LARGE,
    ),
    (
        "fifth",
        {"epochs": 8, "batch": 2, "lr": 0.0006},
        8,
        StyleLossWeights(1.0, 40.0, 0.5, warmup_steps=0, side=192, palette=4.0),
        LARGE,
    ),
)
"""Name, what differs from `PLAN`, epochs of it that are run, wishes, judge. Grain learns from the second
stage on: without it a bank has to say all that it can with its filters. The third gives back what strokes
covered; the fourth looks at larger squares, and more at the paintings; the fifth settles between both."""


def main(data: Path, run: Path) -> None:
    styles = {name: str(data / "paintings" / file) for name, file in PAINTINGS.items()}
    with tempfile.TemporaryDirectory() as folder:
        setup = setup_style_training(
            "stylebank",
            gathered(data, Path(folder)),
            styles,
            test=data / "coco200" / "images" / "val2017",
            scales=SCALES,
            judging=JUDGING,
            seed=PLAN["seed"],
        )
        setup = replace(setup, train=UnlabelledImages(folder))
    last = None
    for name, differs, until, scales, judging in STAGES:
        taught = run / f"taught-{name}"
        if not taught.is_dir():
            set_grain(setup.net, learns=last is not None)
            setup.task.scales, setup.task.judge = scales, perceptual_loss(judging, styles)
            teach(setup, TrainRecipe(**{**PLAN, **differs}), run / name, until)
            nets.save(setup.net, taught)
        last = taught
        setup = replace(setup, net=nets.open_folder(taught))
    finish(setup.net, Run.open(run / STAGES[-1][0], TrainRecipe), len(setup.train))


def set_grain(net: Net, *, learns: bool) -> None:
    """Let the grain learn, or hold it still."""
    for name, weight in net.module.named_parameters():
        weight.requires_grad_(learns or ".grain." not in name)


def teach(setup: TrainingSetup, plan: TrainRecipe, run: Path, until: int) -> None:
    """Train, or go on training, to the end of an epoch."""
    if (run / "state").is_dir():
        plan = TrainRecipe(resume=run)
    for event in learn.iter_train_run(setup.net, setup.train, setup.test, plan, out=run, task=setup.task):
        if isinstance(event, learn.Epoch):
            print(event.index, f"{event.seconds:.0f} s", rounded(event.test_metrics), event.worst, flush=True)
            if event.index == until:
                return


def gathered(data: Path, folder: Path) -> Path:
    """The photographs to learn from, as links in one folder."""
    for path in sorted((data / "flowers" / "train").rglob("*.jpg")):
        (folder / f"{path.parent.name}-{path.name}").symlink_to(path.resolve())
    for path in sorted((data / OTHERS).glob("*.jpg")):
        for time in range(0 if path.name.startswith(LEFT_OUT) else TIMES):
            (folder / f"other-{time}-{path.name}").symlink_to(path.resolve())
    return folder


def finish(net: Net, run: Run, photographs: int) -> None:
    """Name it, halve it, and put it where it ships from."""
    last = run.epochs[-1]
    net.name = "stylebank"
    net.source = replace(
        net.source,
        name="stylebank",
        weights=f"trained on {photographs:,} squares in each of {sum(s[2] for s in STAGES)} epochs, "
        f"seed {PLAN['seed']}",
        licence="Apache-2.0; trained on photographs under CC BY 2.0 and paintings in the public domain",
        note=f"Styles: {', '.join(PAINTINGS)}. Identity branch on {TESTED} COCO photographs: "
        f"{last.test_metrics['psnr']:.1f} dB. In half precision; made by scripts/train_styles.py.",
    )
    net.module.to(torch.float16)
    nets.save(net, FOLDER, recipe=run.recipe.model_dump(mode="json", exclude_none=True))
    print(net.source.note, FOLDER)


def rounded(measures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in measures.items()}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
