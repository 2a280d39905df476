"""Train the network that ships as `load("spoken-digits")`, and copy the sounds that ship, from FSDD.

    python scripts/train_spoken_digits.py FOLDER

FOLDER holds the Free Spoken Digit Dataset (recordings.zip or its WAV files). Writes
src/convscope/nets/data/spoken-digits and src/convscope/worlds/data/spoken, in some minutes. The settings are
those of the recipe spoken-digits; recordings 0 to 4 of each speaker and digit are only tested on, once, after
the last epoch.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from convscope import learn, nets, worlds
from convscope.nets.zoo import ZOO
from convscope.worlds.sound.audio import to_wav

SOURCE = Path(__file__).parent.parent / "src" / "convscope"
WEIGHTS, SOUNDS = SOURCE / "nets" / "data" / "spoken-digits", SOURCE / "worlds" / "data" / "spoken"
SHIPPED = ("george", "jackson", "lucas", "nicolas", "yweweler")
"""The speaker of digit k is entry k modulo 5; recording 0 of each is in the test part."""


def main(root: str) -> None:
    entry, recipe = ZOO["spoken-digits"], learn.find_recipe("spoken-digits")
    settings = {k: v for k, v in recipe.values().items() if k not in ("network", "data", "recipe")}
    torch.set_num_threads(1)
    train, test = (worlds.open("fsdd", part, root=root) for part in ("train", "test"))
    net = nets.load("sound-square", weights=None, seed=settings["seed"])
    with tempfile.TemporaryDirectory() as folder:
        run = learn.train(net, train, out=Path(folder) / "run", **settings)
    found = learn.evaluate(net, test)
    net.name = entry.name
    net.source = replace(
        net.source,
        name=entry.name,
        weights=f"trained on {len(train):,} recordings of five men, {settings['epochs']} epochs, seed "
        f"{settings['seed']}",
        licence="Apache-2.0; trained on the Free Spoken Digit Dataset (CC BY-SA 4.0)",
        note=f"Accuracy on {len(test):,} other recordings of the same voices: {found.accuracy:.2%}; on "
        "voices outside of the training data much lower, see docs/sound.md. Made by "
        "scripts/train_spoken_digits.py.",
    )
    nets.save(net, WEIGHTS, recipe=run.recipe.model_dump(mode="json", exclude_none=True))
    SOUNDS.mkdir(exist_ok=True)
    for digit in range(10):
        speaker = SHIPPED[digit % len(SHIPPED)]
        chosen = next(
            k
            for k, (label, name) in enumerate(zip(test.labels.tolist(), test.speakers, strict=True))
            if (label, name) == (digit, speaker)
        )
        (SOUNDS / f"{digit}.wav").write_bytes(to_wav(test.waveforms[chosen] / 32768, 8000))
    print(f"{found.accuracy:.2%} of {len(test):,} test recordings, loss {found.loss:.4f}; {WEIGHTS}")


if __name__ == "__main__":
    main(*sys.argv[1:])
