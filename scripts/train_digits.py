"""Train the network that ships as `load("digits")`, from the digits that ship with the package.

    python scripts/train_digits.py

Writes src/convscope/nets/data/digits, in some minutes. The same machine and versions give
the same weights. The test digits are looked at once, after the last epoch.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

from convscope import learn, nets, worlds
from convscope.nets.zoo import ZOO

FOLDER = Path(__file__).parent.parent / "src" / "convscope" / "nets" / "data" / "digits"
PLAN = {
    "epochs": 8,
    "batch": 64,
    "augment": ("shift",),
    "label_smoothing": 0.0,
    "precision": "fp32",
    "memory_format": "contiguous",
    "seed": 2026,
}


def main() -> None:
    entry = ZOO["digits"]
    net = nets.load("lecture-relu", seed=PLAN["seed"])
    train, test = worlds.digits.train(), worlds.digits.test()
    with tempfile.TemporaryDirectory() as folder:
        run = learn.train(net, train, out=Path(folder) / "run", **PLAN)
    found = learn.evaluate(net, test)
    net.name = entry.name
    net.source = replace(
        net.source,
        name=entry.name,
        weights=f"trained on {len(train):,} real digits, {PLAN['epochs']} epochs, seed {PLAN['seed']}",
        licence="Apache-2.0; trained on a part of MNIST (CC BY-SA 3.0)",
        note=f"Accuracy on {len(test):,} other real digits: {found.accuracy:.2%}. Made by "
        "scripts/train_digits.py from the digits that ship with the package.",
    )
    recipe = run.recipe.model_dump(mode="json", exclude_none=True)
    nets.save(net, FOLDER, recipe=recipe)
    print(f"{found.accuracy:.2%} of {len(test):,} test digits, loss {found.loss:.4f}; {FOLDER}")


if __name__ == "__main__":
    main()
