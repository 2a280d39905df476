"""What a terminal obeys is escaped, compared with the tables of Unicode that Python ships."""

import json
import sys
import unicodedata

from convscope.system.printable import printable, printable_json, printable_lines

REORDERING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def obeyed(character: str) -> bool:
    """Whether a terminal may act on it or hide it: controls, separators, bidi controls, halves of pairs."""
    category, bidi = unicodedata.category(character), unicodedata.bidirectional(character)
    return (
        category in ("Cc", "Cs", "Zl", "Zp") or bidi in REORDERING or character in "\u200b\u200e\u200f\u2060"
    )


def test_every_character_of_unicode_is_escaped_where_a_terminal_would_obey_it() -> None:
    every = [chr(code) for code in range(sys.maxunicode + 1)]
    dangerous = [character for character in every if obeyed(character)]
    assert len(dangerous) > 2000
    for character in dangerous:
        assert printable(character).isascii() and printable(character).startswith("\\"), repr(character)
    assert not any(map(obeyed, printable("".join(every))))
    assert {c for c in printable_lines("".join(every)) if obeyed(c)} == {"\n"}


def test_text_that_people_write_stays() -> None:
    for text in ("Größe", "猫　狗", "نام‌ها", "👩‍🚀", "e\u0301", "a b", "C:\\new", "[bold]", "100 %"):
        assert printable(text) == text


def test_json_keeps_its_value() -> None:
    texts = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    document = json.dumps({"all": "".join(texts)}, ensure_ascii=False, indent=2)
    shown = printable_json(document)
    assert json.loads(shown) == json.loads(document)
    assert {c for c in shown if obeyed(c)} == {"\n"}
    assert json.loads(printable_json('"\ud800\u202e"')) == "\ud800\u202e"
