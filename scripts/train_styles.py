"""Train the StyleBank that ships as `load("stylebank")`.

    python scripts/train_styles.py ../shared/data runs/stylebank

The first folder holds photos1000/, coco200/ and paintings/; the second is the run's, where the same command
goes on with a training that was interrupted, or killed. Training begins with fresh weights. Writes
src/convscope/nets/data/stylebank, in half precision. The same machine and versions give the same weights.
The photographs to learn from are photos1000 and the training half of coco200; 16 of its validation half are
looked at after each epoch, to measure.
"""

import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from convscope import learn, nets
from convscope.learn.recipe import TrainRecipe
from convscope.learn.setup import TrainingSetup
from convscope.learn.style.perceptual import PerceptualConfig
from convscope.learn.style.setup import setup_style_training
from convscope.learn.style.style_tasks import StyleLossWeights
from convscope.learn.trainer.run_folder.resume import FinishedRunError
from convscope.learn.trainer.run_folder.train_run import Run
from convscope.nets.network import Net

FOLDER = Path(__file__).parent.parent / "src" / "convscope" / "nets" / "data" / "stylebank"
PAINTINGS = {
    "starry-night": "van_gogh_starry_night_1889.jpg",
    "great-wave": "hokusai_great_wave_c1831.jpg",
    "scream": "munch_the_scream_1893.jpg",
    "shipwreck": "turner_shipwreck_of_the_minotaur_c1810.jpg",
}
"""In the public domain everywhere: their painters died before 1945."""
TESTED = 16
PLAN = {
    "epochs": 30,
    "batch": 2,
    "optimizer": "adam",
    "lr": 0.001,
    "clip": 0.05,
    "weight_decay": 0.0,
    "seed": 2026,
    "precision": "bf16",
    "memory_format": "channels_last",
    "device": "cpu",
}
SCALES = StyleLossWeights(
    content=1.0, style=3.0, smooth=0.3, identity=10.0, alternation=5, warmup_steps=300, side=160, palette=1.0
)
JUDGING = PerceptualConfig(
    content=("relu3_1/2",),
    style=("relu1_1", "relu2_1", "relu2_1/2", "relu3_1/2", "relu4_1/2"),
    paintings=512,
)
"""Content and shapes are compared on pictures of half the size: strokes of twice the size, for a quarter of
the arithmetic; what is fine, in the first layers at full size."""
STRENGTHS = {"starry-night": 0.75, "great-wave": 1.0, "scream": 0.85, "shipwreck": 0.8}
"""How much of what a bank has learned is painted in full, the rest is the photograph; and how much of its
grain: more shows that it repeats. Chosen on photographs that the benchmark does not have."""
GRAIN = 0.45
FEWEST_CYCLES = 3
"""Least cycles in a period of the grain: longer waves, a fifth of its power, cover clear skies with broad
stripes."""


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
    net = teach(setup, TrainRecipe(**PLAN), run)
    learned = f"{len(setup.train):,} squares in each of {PLAN['epochs']} epochs, seed {PLAN['seed']}"
    finish(net, Run.open(run, TrainRecipe), f"trained on {learned}")


def teach(setup: TrainingSetup, plan: TrainRecipe, run: Path) -> Net:
    """Train, or go on training, and return the network."""
    if (run / "state").is_dir():
        plan = TrainRecipe(resume=run)
    with suppress(FinishedRunError):
        for event in learn.iter_train_run(setup.net, setup.train, setup.test, plan, out=run, task=setup.task):
            if isinstance(event, learn.Epoch):
                measures = rounded(event.test_metrics)
                print(event.index, f"{event.seconds:.0f} s", measures, event.worst, flush=True)
    return nets.open_folder(run)


def gathered(data: Path, folder: Path) -> Path:
    """The photographs to learn from, as links in one folder."""
    found = [
        *(data / "photos1000").glob("*.webp"),
        *(data / "coco200" / "images" / "train2017").glob("*.jpg"),
    ]
    for path in sorted(found):
        (folder / path.name).symlink_to(path.resolve())
    return folder


def weaken(net: Net) -> None:
    """Change banks to what a mixture of each with the photograph would paint, and weaken their grain."""
    with torch.no_grad():
        for name, weight in net.module.named_parameters():
            if not name.startswith("banks."):
                continue
            strength = STRENGTHS[name.split(".")[1]]
            if ".grain." in name:
                weight.copy_(GRAIN * without_long_waves(weight))
            weight.mul_(strength)
            if name.endswith("filters.weight"):
                weight.add_((1 - strength) * torch.nn.init.dirac_(torch.empty_like(weight)))


def without_long_waves(texture: Float[Tensor, "c p p"]) -> Float[Tensor, "c p p"]:
    """Remove waves of less than `FEWEST_CYCLES` cycles in a period; each channel's mean stays."""
    spectrum = torch.fft.fft2(texture.float())
    cycles = torch.fft.fftfreq(texture.shape[-1], 1 / texture.shape[-1])
    length = torch.hypot(cycles[:, None], cycles[None])
    return torch.fft.ifft2(spectrum * ((length == 0) | (length >= FEWEST_CYCLES))).real.to(texture.dtype)


def finish(net: Net, run: Run, learned: str) -> None:
    """Name it, weaken it, halve it, and put it where it ships from."""
    weaken(net)
    net.name = "stylebank"
    decibels = run.epochs[-1].test_metrics["psnr"]
    styles = ", ".join(f"{name} ({strength:g})" for name, strength in STRENGTHS.items())
    net.source = replace(
        net.source,
        name="stylebank",
        weights=learned,
        licence="Apache-2.0; see NOTICE for the photographs and paintings that it learned from",
        note=f"Styles, and how much of each is painted of what was learned: {styles}; of the grain {GRAIN:g} "
        f"of that, without waves of less than {FEWEST_CYCLES} cycles in its period. Identity branch on "
        f"{TESTED} COCO photographs: {decibels:.1f} dB. In half precision; made by scripts/train_styles.py.",
    )
    net.module.to(torch.float16)
    nets.save(net, FOLDER, recipe=run.recipe.model_dump(mode="json", exclude_none=True))
    print(net.source.note, FOLDER)


def rounded(measures: Mapping[str, float | None]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in measures.items() if value is not None}


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
