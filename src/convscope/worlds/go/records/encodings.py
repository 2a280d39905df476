"""Find the encoding of an SGF file: what it says, UTF-8, or the East Asian encoding that fits best.

Go servers write names in the encoding of their country, often without saying so, and a wrong guess turns
names into signs that nobody can read.
"""

import codecs
import re
from collections.abc import Iterable

CHARSET = re.compile(rb"(?<![A-Z])CA\s*\[\s*([^\]\\]{1,40}?)\s*\]")
COMMON = {
    "gb18030": (range(0xB0, 0xD8), range(0xA1, 0xFF)),
    "big5": (range(0xA4, 0xC7), range(0x40, 0xFF)),
    "shift_jis": (range(0x88, 0x98), range(0x40, 0xFD)),
    "euc_kr": (range(0xB0, 0xC9), range(0xA1, 0xFF)),
}
"""First and second bytes of frequent characters: level 1 of GB 2312, Big5 and JIS; Hangul."""
KANA = range(0x82, 0x84)
"""First bytes of Japanese letters in Shift JIS."""
SURE, SYLLABLES = 0.7, 6
"""Least share of frequent characters; number of characters from which Hangul alone is no accident."""


def declared(content: bytes) -> str:
    """Return the encoding that a file says it is in.

    Args:
        content: an SGF file.

    Returns:
        Python's name of it; empty where it says none, or one that there is not.
    """
    found = CHARSET.search(content)
    try:
        return codecs.lookup(found[1].decode("ascii").strip()).name if found else ""
    except (LookupError, ValueError):
        return ""


def decode(content: bytes) -> tuple[str, str]:
    """Decode an SGF file; never fails.

    What the file says comes first, if all of it can be read so; then UTF-8, then the encoding of China,
    Taiwan, Japan or Korea whose frequent characters the file has most of, then Latin-1.

    Args:
        content: the file.

    Returns:
        The text, and Python's name of the encoding.
    """
    for marker, name in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if content.startswith(marker):
            try:
                return content.decode("utf-8-sig" if name == "utf-8" else name), name
            except ValueError:
                break
    stated = declared(content)
    names = [stated] if stated and stated not in ("iso8859-1", "ascii") else []
    for name in (*names, "utf-8", *_ranked(content), "iso8859-1"):
        try:
            return content.decode(name), name
        except (ValueError, LookupError):
            continue
    return content.decode("iso8859-1"), "iso8859-1"


def _ranked(content: bytes) -> Iterable[str]:
    """Return the East Asian encodings that fit, the best first."""
    scores = {}
    for name in COMMON:
        try:
            content.decode(name)
        except ValueError:
            continue
        scores[name] = _score(content, name)
    fits = {name: share for name, (share, _) in scores.items() if share >= SURE}
    if (
        "euc_kr" in fits
        and scores["euc_kr"] == (1.0, scores["euc_kr"][1])
        and scores["euc_kr"][1] >= SYLLABLES
    ):
        return ("euc_kr",)
    fits.pop("euc_kr", None)
    return sorted(fits, key=lambda name: -fits[name])


def _score(content: bytes, name: str) -> tuple[float, int]:
    """Return the share of two-byte characters that are frequent and not alone, and how many there are."""
    firsts, seconds = COMMON[name]
    good = count = index = 0
    after = False
    while index < len(content):
        if content[index] < 0x80 or (name == "shift_jis" and 0xA0 <= content[index] < 0xE0):
            index, after = index + 1, False
            continue
        pair = content[index : index + 2]
        common = len(pair) == 2 and pair[0] in firsts and pair[1] in seconds
        kana = name == "shift_jis" and pair[0] in KANA
        followed = index + 2 < len(content) and content[index + 2] >= 0x80
        good += (common or kana) and (after or followed)
        count, index, after = count + 1, index + 2, True
    return (good / count if count else 0.0), count
