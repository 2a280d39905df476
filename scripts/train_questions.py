"""Train the network that ships as `load("questions")`: is a Chinese or English sentence a question?

    python scripts/train_questions.py FOLDER

FOLDER holds `cmn-eng.tsv.gz`, sentence pairs of Tatoeba as manythings.org gives them (English, Chinese and
the credit of each line, CC BY 2.0 France). The mark at the end of each sentence is its class, and is taken
off: what is left has to tell. Writes src/convscope/nets/data/questions, in some minutes. The same machine
and versions give the same weights. The test sentences are looked at once, after the last epoch.
"""

import gzip
import random
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from convscope import learn, nets
from convscope.nets.zoo import ZOO
from convscope.worlds.text import TextDataset

FILE = "cmn-eng.tsv.gz"
FOLDER = Path(__file__).parent.parent / "src" / "convscope" / "nets" / "data" / "questions"
CLASSES = ("statement", "question")
ENDS = {".": 0, "。": 0, "?": 1, "？": 1}
"""Class of a sentence by its last mark; sentences with another end are left out."""
TESTED = 10
"""One in so many sentences is tested on; a pair is in one part as a whole."""
PLAN = {
    "epochs": 6,
    "batch": 64,
    "label_smoothing": 0.0,
    "precision": "fp32",
    "memory_format": "contiguous",
    "seed": 2026,
}


def sentences(path: Path) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Return sentences and classes to learn from and to test on; no sentence is in both, or twice in one."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        pairs = [line.split("\t")[:2] for line in lines]
    random.Random(PLAN["seed"]).shuffle(pairs)
    parts: tuple[dict[str, int], dict[str, int]] = ({}, {})
    for number, pair in enumerate(pairs):
        for text in pair:
            plain = text.strip()
            if len(plain) < 2 or plain[-1] not in ENDS or set(plain[:-1]) & {*ENDS, "!", "！"}:
                continue
            if not any(plain[:-1] in part for part in parts):
                parts[number % TESTED == 0][plain[:-1]] = ENDS[plain[-1]]
    return list(parts[0].items()), list(parts[1].items())


def main() -> None:
    entry, net = ZOO["questions"], nets.load("char_cnn")
    learned, tested = sentences(Path(sys.argv[1]) / FILE)
    train, test = (
        TextDataset(
            [text for text, _ in part],
            torch.tensor([label for _, label in part]),
            CLASSES,
            net.input_spec,
            f"tatoeba/{name}",
        )
        for part, name in ((learned, "train"), (tested, "test"))
    )
    net = nets.with_vocabulary(net, train.spec, CLASSES, seed=PLAN["seed"])
    train, test = train.with_spec(net.input_spec), test.with_spec(net.input_spec)
    with tempfile.TemporaryDirectory() as folder:
        run = learn.train(net, train, out=Path(folder) / "run", **PLAN)
    found = learn.evaluate(net, test)
    common = float((test.labels == 0).float().mean())
    chinese = torch.tensor([not text.isascii() for text in test.texts])
    shares = [
        learn.evaluate(net, test.take(chosen.nonzero().flatten())).accuracy for chosen in (chinese, ~chinese)
    ]
    net = replace(net, name=entry.name)
    net.source = replace(
        net.source,
        name=entry.name,
        paper=entry.paper,
        weights=f"trained on {len(train):,} sentences, {PLAN['epochs']} epochs, seed {PLAN['seed']}",
        licence="Apache-2.0; trained on sentences of Tatoeba (CC BY 2.0 France)",
        url="https://tatoeba.org",
        note=f"Of {len(test):,} other sentences without their last mark {found.accuracy:.2%} are right "
        f"(Chinese {shares[0]:.2%}, English {shares[1]:.2%}; always statement: {common:.2%}; mean of both "
        f"classes {found.balanced_accuracy:.2%}). Made by scripts/train_questions.py.",
    )
    nets.save(net, FOLDER, recipe=run.recipe.model_dump(mode="json", exclude_none=True))
    print(net.source.note)


if __name__ == "__main__":
    main()
