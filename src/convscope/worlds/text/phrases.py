"""Phrases that are made by rule: praise and blame in a few words, which a negation turns round.

Nothing has to be fetched, every class is certain, and what a network has to find is known: pairs of words.
"""

import random

import torch

from convscope.errors import UsageError, nearest
from convscope.graph.spec import TensorSpec
from convscope.worlds.text.dataset import TextDataset
from convscope.worlds.text.vocabulary import WORDS

CLASSES = ("negative", "positive")
THINGS = ("film", "story", "song", "book", "meal", "game", "room", "talk")
GOOD = ("fine", "lovely", "clever", "fresh", "warm")
BAD = ("dull", "awful", "clumsy", "stale", "cold")
FORMS = (
    "the {thing} was {word}",
    "a {word} {thing}",
    "what a {word} {thing} it was",
    "i found the {thing} {word}",
)
SPLITS = {"train": 2000, "test": 500}
SEED = 0


def open_phrases(split: str | None = None, spec: TensorSpec | None = None) -> TextDataset:
    """Return phrases with the class that follows from their words.

    Args:
        split: `train` (if left out) or `test`; they may share phrases, of which there are 2,240.
        spec: how texts are divided; Kim's words if left out.

    Returns:
        The data set.

    Raises:
        UsageError: there is no such part.
    """
    wanted = split or "train"
    if wanted not in SPLITS:
        raise UsageError("a part of phrases", received=wanted, hint=nearest(wanted, SPLITS))
    draw = random.Random(f"{SEED}/{wanted}")
    texts, labels = zip(*(_phrase(draw) for _ in range(SPLITS[wanted])), strict=True)
    return TextDataset(texts, torch.tensor(labels), CLASSES, spec or WORDS, f"phrases/{wanted}")


def _phrase(draw: random.Random) -> tuple[str, int]:
    """Draw a phrase and its class: an odd number of negations turns praise into blame."""
    good = draw.random() < 0.5
    word = draw.choice(GOOD if good else BAD)
    negated = draw.random() < 0.4
    text = draw.choice(FORMS).format(thing=draw.choice(THINGS), word=f"not {word}" if negated else word)
    return text + draw.choice(
        ("", " yesterday", " again", " , really", " at last", " for us", " indeed")
    ), int(good != negated)
