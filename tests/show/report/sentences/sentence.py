"""An entry of the tables of sentences."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.show.report.sentences.making import Numbers


@dataclass(frozen=True)
class Sentence:
    """Words of a sentence in both languages, and numbers with which it is true and with which it is false."""

    key: str
    en: str
    zh: str
    make: Callable[..., str]
    true: Numbers
    false: tuple[Numbers, ...]


def S(key: str, en: str, zh: str, make: Callable[..., str], true: Numbers, *false: Numbers) -> Sentence:
    """Write an entry in one go."""
    return Sentence(key, en, zh, make, true, false)
