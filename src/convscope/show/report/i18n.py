"""Texts of all pages in English and Chinese, stored in `text/**/*.toml`.

A key reads `section.figure.part`; its first part is the name of the file. A text may hold `{placeholders}`,
`` `code` `` and `**bold**`; everything else is escaped. `{count:time|times}` is `time` where the count is 1.
"""

import re
import string
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any

from markupsafe import Markup, escape
from typing_extensions import override

from convscope.errors import UsageError, nearest
from convscope.show.svg import element

LANGUAGES = ("en", "zh")


class _Counting(string.Formatter):
    """Format as `str.format` does; `{count:time|times}` chooses the singular where the count is 1."""

    @override
    def format_field(self, value: Any, format_spec: str) -> str:
        if "|" not in format_spec:
            return super().format_field(value, format_spec)
        one, many = format_spec.split("|")
        return one if str(value) == "1" else many


_FORMAT = _Counting()
Text = Mapping[str, str]
_CODE = re.compile(r"`([^`]+)`")
_WEIGHT = re.compile(r"\*\*([^*]+)\*\*")


@cache
def texts() -> Mapping[str, Text]:
    """Return all texts.

    Returns:
        Key -> language (`en`, `zh`) -> text, read-only; read from disk once.
    """
    found: dict[str, Text] = {}
    for file in sorted(_files(files("convscope.show.report").joinpath("text")), key=lambda f: f.name):
        _gather(file.name.removesuffix(".toml"), tomllib.loads(file.read_text(encoding="utf-8")), found)
    return MappingProxyType(found)


def _files(folder: Traversable) -> Iterator[Traversable]:
    """Find the TOML files below a folder."""
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry)
        elif entry.name.endswith(".toml"):
            yield entry


def _gather(key: str, table: dict[str, Any], found: dict[str, Text]) -> None:
    """Flatten nested tables to dotted keys."""
    if set(table) & set(LANGUAGES):
        found[key] = table
        return
    for name, inner in table.items():
        _gather(f"{key}.{name}", inner, found)


def plain(key: str, language: str = "en", **values: object) -> str:
    """Look up a text in one language, with its placeholders filled in and its markup left as it is.

    Args:
        key: of the text.
        language: `en` or `zh`.
        **values: for the placeholders; one that is a text in several languages is filled in by language.
            Others are ignored.

    Returns:
        The text.

    Raises:
        UsageError: there is no such text, or it has a placeholder without a value.
    """
    if key not in texts():
        raise UsageError("the key of a text", received=key, hint=nearest(key, texts()))
    try:
        return _FORMAT.vformat(texts()[key][language].strip(), (), _in(language, values))
    except KeyError as missing:
        raise UsageError(
            f"a value for {missing} in the text {key}", received=", ".join(values) or "none"
        ) from None


def _in(language: str, values: Mapping[str, object]) -> dict[str, object]:
    """Choose the language of values that are texts themselves."""
    return {name: v.get(language) if isinstance(v, Mapping) else v for name, v in values.items()}


def spoken(key: str, **values: object) -> dict[str, str]:
    """Look up a text in every language, for the accessible labels of drawings.

    Args:
        key: of the text.
        **values: for the placeholders.

    Returns:
        Language -> text.
    """
    return {language: plain(key, language, **values) for language in LANGUAGES}


def bilingual(key: str, *, tag: str = "span", class_: str | None = None, **values: object) -> Markup:
    """Look up a text and build an element for each language; the style sheet shows the language of the page.

    Args:
        key: of the text.
        tag: name of the HTML element.
        class_: its CSS class.
        **values: for the placeholders.

    Returns:
        One element for each paragraph and language.
    """
    return bilingual_of(spoken(key, **values), tag=tag, class_=class_)


def bilingual_of(text: Text, *, tag: str = "span", class_: str | None = None) -> Markup:
    """Build an element for each language from given texts, as `bilingual` does for stored ones.

    Args:
        text: language -> text, for all of `LANGUAGES`; paragraphs are separated by empty lines.
        tag: name of the HTML element.
        class_: its CSS class.

    Returns:
        One element for each paragraph and language.
    """
    return Markup("").join(
        element(tag, marked(paragraph), lang=language, class_=class_)
        for language in LANGUAGES
        for paragraph in text[language].split("\n\n")
    )


def label(x: float, y: float, key: str, class_: str = "", **values: object) -> Markup:
    """Look up a text and build an SVG `<text>` element for each language.

    Args:
        x: of the text's anchor.
        y: of its base line.
        key: of the text.
        class_: CSS class.
        **values: for the placeholders.

    Returns:
        One element for each language, of which the style sheet shows one.
    """
    return Markup("").join(
        element("text", plain(key, language, **values), x=x, y=y, lang=language, class_=class_ or None)
        for language in LANGUAGES
    )


def marked(text: str) -> Markup:
    """Convert a text with `` `code` `` and `**bold**` to HTML.

    Args:
        text: anything else in it is escaped.

    Returns:
        The markup.
    """
    safe = str(escape(text))
    safe = _CODE.sub(r"<code>\1</code>", safe)
    return Markup(_WEIGHT.sub(r"<strong>\1</strong>", safe))
