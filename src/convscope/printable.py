"""Text of users as a terminal may show it: control characters become visible escapes.

A terminal obeys what it is sent: ESC begins commands that move the cursor, change the title or write to the
clipboard (ECMA-48; xterm's OSC), U+0080 to U+009F are the same commands in one character, and U+202E reverses
the reading direction (Unicode Technical Report 36; CVE-2021-42574).
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
    r"""Escape what a terminal would obey or hide, and line breaks: one line, as in `a\x1b[31mb\n`.

    Args:
        text: anything; its `str` is taken.
    """
    return _LINE.sub(_escaped, str(text))


def printable_lines(text: str) -> str:
    """Escape what a terminal would obey or hide; line breaks stay."""
    return _TEXT.sub(_escaped, text)


def printable_json(document: str) -> str:
    r"""Escape the same characters in a JSON document as `\uXXXX`, so that it keeps its value.

    Args:
        document: valid JSON; outside strings it holds none of these characters but line breaks.
    """
    return _TEXT.sub(_in_json, document)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _in_json(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))
