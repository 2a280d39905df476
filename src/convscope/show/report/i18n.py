"""Every sentence of the report, in English and Chinese, as data in `text/*.toml`.

A key reads `section.figure.part`; the section is the name of the file. A text may hold `{values}`,
`` `code` `` and `**weight**`; everything else is escaped.
"""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from markupsafe import Markup, escape

from convscope.errors import UsageError, nearest
from convscope.show.svg import element

LANGUAGES = ("en", "zh")
Text = Mapping[str, str]
_CODE = re.compile(r"`([^`]+)`")
_WEIGHT = re.compile(r"\*\*([^*]+)\*\*")


@cache
def texts() -> Mapping[str, Text]:
    """Every text: key -> language -> words."""
    found: dict[str, Text] = {}
    for file in sorted(files("convscope.show.report").joinpath("text").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".toml"):
            _gather(file.name.removesuffix(".toml"), tomllib.loads(file.read_text(encoding="utf-8")), found)
    return MappingProxyType(found)


def _gather(key: str, table: dict[str, Any], found: dict[str, Text]) -> None:
    if set(table) & set(LANGUAGES):
        found[key] = table
        return
    for name, inner in table.items():
        _gather(f"{key}.{name}", inner, found)


def plain(key: str, language: str = "en", **values: object) -> str:
    """One text in one language, without marks.

    Raises:
        UsageError: there is no such text, or it quotes a value that is not given.
    """
    if key not in texts():
        raise UsageError("the key of a text", received=key, hint=nearest(key, texts()))
    try:
        return texts()[key][language].strip().format_map(values)
    except KeyError as missing:
        raise UsageError(
            f"a value for {missing} in the text {key}", received=", ".join(values) or "none"
        ) from None


def spoken(key: str, **values: object) -> dict[str, str]:
    """One text in every language, for the labels of drawings."""
    return {language: plain(key, language, **values) for language in LANGUAGES}


def bilingual(key: str, *, tag: str = "span", class_: str | None = None, **values: object) -> Markup:
    """One text in both languages, of which the style sheet shows one."""
    return bilingual_of(spoken(key, **values), tag=tag, class_=class_)


def bilingual_of(text: Text, *, tag: str = "span", class_: str | None = None) -> Markup:
    """As `both`, for words that are not stored."""
    return Markup("").join(
        element(tag, marked(paragraph), lang=language, class_=class_)
        for language in LANGUAGES
        for paragraph in text[language].split("\n\n")
    )


def label(x: float, y: float, key: str, class_: str = "", **values: object) -> Markup:
    """One text in both languages as SVG."""
    return Markup("").join(
        element("text", plain(key, language, **values), x=x, y=y, lang=language, class_=class_ or None)
        for language in LANGUAGES
    )


def marked(text: str) -> Markup:
    """Words with their light marks as HTML."""
    safe = str(escape(text))
    safe = _CODE.sub(r"<code>\1</code>", safe)
    return Markup(_WEIGHT.sub(r"<strong>\1</strong>", safe))
