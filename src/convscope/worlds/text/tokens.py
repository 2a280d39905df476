"""Divide texts into tokens: words as Kim's published code has them, characters, or bytes.

Every token holds its span of characters, so that results can be shown on the text itself.
A character is what a reader takes for one: a letter with its accents, an emoji of several code points. It is
never broken, and the bytes of one all stand for the whole of it.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

from convscope.graph.spec import TextTransform

RUNS = re.compile(r"[A-Za-z0-9'`]+|[(),!?]")
ENDINGS = re.compile(r"'s|'ve|n't|'re|'d|'ll")
"""Endings before which a word is divided."""
PLAIN_RUNS = re.compile(r"[A-Za-z0-9(),!?'`]+")
ANY_WORDS = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")
"""Words of any script, and single punctuation marks."""
JOINER = "\u200d"
"""Zero-width joiner, which makes one emoji of two."""


class Token(NamedTuple):
    """A token of a text.

    Attributes:
        text: as the vocabulary has it.
        start: the first character of the text that it stands for.
        end: the character after the last one.
    """

    text: str
    start: int
    end: int


def tokenize(text: str, transform: TextTransform) -> list[Token]:
    """Divide a text into tokens.

    Args:
        text: any text.
        transform: which tokens, and how words are cleaned.

    Returns:
        The tokens in their order; empty where nothing is left of the text.
    """
    if transform.tokens == "words":
        return list(WORDS[transform.cleaning](text))
    return list(characters(text) if transform.tokens == "characters" else utf8_bytes(text))


def kim_words(text: str) -> Iterator[Token]:
    """Divide into words as `clean_str` of Kim's code does, with upper and lower case kept.

    Everything but letters, digits, `(),!?'` and the backtick becomes a space; `'s`, `'ve`, `n't`, `'re`, `'d`
    and `'ll` are words of their own, and so are `, ! ( ) ?`. The published code writes the last three with a
    backslash before them (a slip in its regular expressions); here they are as in the text.

    Args:
        text: any text.

    Yields:
        The words.

    Source: Kim 2014, process_data.py of github.com/yoonkim/CNN_sentence, `clean_str`.
    """
    for run in RUNS.finditer(text):
        found = run.group()
        cuts = [0, *(match.start() for match in ENDINGS.finditer(found)), len(found)]
        for first, last in pairwise(cuts):
            if first < last:
                yield Token(found[first:last], run.start() + first, run.start() + last)


def _lower(divide: Callable[[str], Iterator[Token]]) -> Callable[[str], Iterator[Token]]:
    """Return a function that divides as another one does, and brings the words into lower case."""

    def divided(text: str) -> Iterator[Token]:
        return (token._replace(text=token.text.lower()) for token in divide(text))

    return divided


def _runs(pattern: re.Pattern[str]) -> Callable[[str], Iterator[Token]]:
    """Return a function that divides a text into the matches of a pattern."""
    return lambda text: (Token(m.group(), m.start(), m.end()) for m in pattern.finditer(text))


WORDS: dict[str, Callable[[str], Iterator[Token]]] = {
    "kim": _lower(kim_words),
    "trec": kim_words,
    "sst": _lower(_runs(PLAIN_RUNS)),
    "none": _lower(_runs(ANY_WORDS)),
}
"""How words are divided, by `TextTransform.cleaning`: `trec` and `sst` as Kim has them for these sets."""


def characters(text: str) -> Iterator[Token]:
    """Divide into characters; white space of any length is one space.

    Combining marks, variation selectors, skin tones and what a zero-width joiner connects belong to the
    character before them, and two regional indicators are one flag.

    Args:
        text: any text.

    Yields:
        The characters, each in Unicode's composed form (NFC).
    """
    start = 0
    while start < len(text):
        end = _end_of_character(text, start)
        if text[start].isspace():
            while end < len(text) and text[end].isspace():
                end += 1
            yield Token(" ", start, end)
        else:
            yield Token(unicodedata.normalize("NFC", text[start:end]), start, end)
        start = end


def _end_of_character(text: str, start: int) -> int:
    """Return where the character that begins at a place ends."""
    end = start + 1
    if _is_regional(text[start]) and end < len(text) and _is_regional(text[end]):
        end += 1
    while end < len(text) and (_extends(text[end]) or text[end - 1] == JOINER):
        end += 1
    return end


def _is_regional(character: str) -> bool:
    return 0x1F1E6 <= ord(character) <= 0x1F1FF


def _extends(character: str) -> bool:
    """Return whether a code point belongs to the character before it."""
    return (
        character == JOINER
        or unicodedata.category(character) in ("Mn", "Me", "Mc")
        or 0x1F3FB <= ord(character) <= 0x1F3FF
    )


def utf8_bytes(text: str) -> Iterator[Token]:
    """Divide into the bytes of UTF-8; every byte of a character stands for the whole of it.

    Args:
        text: any text.

    Yields:
        One token for each byte, named as `byte_name` names it.
    """
    for character in characters(text):
        for value in character.text.encode("utf-8", "replace"):
            yield Token(byte_name(value), character.start, character.end)


def byte_name(value: int) -> str:
    """Return the name of a byte: its character in ASCII, else its value as `0xe4`.

    Args:
        value: 0 to 255.

    Returns:
        The name; different for every byte.
    """
    return chr(value) if 32 <= value < 127 else f"0x{value:02x}"


def byte_value(name: str) -> int:
    """Return the byte of a name; the inverse of `byte_name`.

    Args:
        name: of a byte.

    Returns:
        Its value, 0 to 255.

    Raises:
        ValueError: it names no byte.
    """
    value = int(name, 16) if len(name) == 4 and name.startswith("0x") else ord(name) if len(name) == 1 else -1
    if not 0 <= value < 256 or byte_name(value) != name:
        raise ValueError(f"the name of a byte, not {name!r}")
    return value
