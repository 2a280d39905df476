"""Escape text of users for a terminal: control characters become visible.

A terminal executes what it receives: ESC begins commands that move the cursor, change the title or write to
the clipboard (ECMA-48; xterm's OSC), U+0080 to U+009F are the same commands in one character, and U+202E
reverses the reading direction (Unicode Technical Report 36; CVE-2021-42574).
"""

import re

_CONTROLS = r"\x00-\x09\x0b-\x1f\x7f-\x9f"
_INVISIBLE = (
    r"\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f"
)
"""Format characters (category Cf) that reorder or hide text, line separators, and halves of surrogate pairs.

U+200C and U+200D stay: Persian, Indic scripts and emoji need them, and they move nothing.
"""
_TEXT = re.compile(f"[{_CONTROLS}{_INVISIBLE}]")
_LINE = re.compile(rf"[\n{_CONTROLS}{_INVISIBLE}]")


def printable(text: object) -> str:
    r"""Escape control, invisible and reordering characters, and line breaks, so that one line remains.

    Args:
        text: anything; its `str` is taken.

    Returns:
        The text with these characters as Python's escapes, as in `a\x1b[31mb\n`.
    """
    return _LINE.sub(_escaped, str(text))


def printable_lines(text: str) -> str:
    r"""Escape control, invisible and reordering characters; line breaks are kept.

    Args:
        text: the text.

    Returns:
        The text with these characters as Python's escapes, `\x1b`.
    """
    return _TEXT.sub(_escaped, text)


def printable_json(document: str) -> str:
    r"""Escape control, invisible and reordering characters in a JSON document, without changing its value.

    Args:
        document: valid JSON; outside strings it holds none of these characters but line breaks.

    Returns:
        The document with these characters as `\uXXXX`.
    """
    return _TEXT.sub(_in_json, document)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _in_json(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))
