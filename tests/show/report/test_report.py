import re
import shlex
from html.parser import HTMLParser

import pytest
from tests.show.browser import measured

from convscope.show.report.i18n import texts
from convscope.show.report.tour import CHAPTERS

VOID = {"meta", "link", "img", "input", "br", "hr"}


class Page(HTMLParser):
    """What a page holds, and whether its tags close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.words: dict[str, list[str]] = {"en": [], "zh": []}
        self.languages: list[str | None] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
            outer = self.languages[-1] if self.languages else None
            self.languages.append(outer if tag == "html" else dict(attrs).get("lang") or outer)

    def handle_endtag(self, tag):
        if not self.open or self.open[-1] != tag:
            self.wrong.append(f"</{tag}> after {self.open[-3:]}")
        else:
            self.open.pop()
            self.languages.pop()

    def handle_data(self, data):
        if self.languages and self.languages[-1] in self.words and data.strip():
            self.words[self.languages[-1]].append(data.strip())


ALTERNATIVES = (("confusion.title", "confusion.tied"), ("curves.title", "curves.alike"))
"""Titles of which the numbers choose one."""


@pytest.fixture(scope="module")
def parsed(page):
    return Page(page)


def test_tags_close_in_order(parsed):
    assert parsed.wrong == []
    assert parsed.open == []


def test_nothing_is_fetched(parsed, page):
    for tag, attributes in parsed.tags:
        for name in ("src", "href", "action", "poster", "srcset", "data"):
            address = attributes.get(name)
            assert address is None or address.startswith(("#", "data:")), (tag, address)
    style = page.partition("<style>")[2].partition("</style>")[0]
    assert "@import" not in style
    assert "url(" not in page.replace("data:", "")
    assert not {"link", "iframe", "object", "embed"} & {
        t for t, a in parsed.tags if a.get("href") != "data:,"
    }


def test_every_picture_is_inline_and_has_an_alt(parsed):
    pictures = [attributes for tag, attributes in parsed.tags if tag == "img"]
    assert len(pictures) > 200
    for attributes in pictures:
        assert attributes["src"].startswith("data:image/png;base64,")
        assert attributes.get("alt")


def test_every_drawing_is_named_or_hidden(parsed):
    for tag, attributes in parsed.tags:
        if tag == "svg" and attributes.get("aria-hidden") != "true":
            assert attributes["aria-label"] == attributes["data-en"]
            assert re.search(r"[\u4e00-\u9fff]", attributes["data-zh"])


def test_ids_are_unique_and_every_link_leads_somewhere(parsed):
    ids = [attributes["id"] for _, attributes in parsed.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    links = [a["href"][1:] for tag, a in parsed.tags if tag == "a"]
    assert len(links) == 1 + 1 + 2 * 6
    assert set(links) <= set(ids)


def test_both_languages_say_everything(parsed):
    elements = {lang: sum(a.get("lang") == lang for _, a in parsed.tags[1:]) for lang in ("en", "zh")}
    assert elements["en"] == elements["zh"] > 200
    assert len("".join(parsed.words["zh"])) > 2000
    assert not any(re.search(r"[\u4e00-\u9fff]", words) for words in parsed.words["en"])


def test_no_placeholder_is_left(parsed):
    words = " ".join(parsed.words["en"] + parsed.words["zh"])
    assert not re.search(r"\{[a-z_]+\}|None|nan|\bTrue\b", words)


def test_every_text_was_needed(made):
    ours = {key for key in texts() if key.partition(".")[0] in ("tour", *CHAPTERS)}
    either = [{f"training.{part}" for part in pair} for pair in ALTERNATIVES]
    assert all(len(pair & made[2]) == 1 for pair in either)
    assert ours - made[2] - set().union(*either) == set()


def test_the_printed_numbers_are_on_the_page(page):
    for number in (
        "30,000,000",
        "13,249,600",
        "152,100",
        "137,660",
        "11,300",
        "125,100",
        "1,361,250",
        "[3, 0, 3, 1, −1, 1, 0, 3]",
        "[−2, −1, 1]",
        "[−1, 4, −2]",
        "0.7311",
        "1, 2, 3, 7, 8, 9, 13, 14, 15",
        "26×26",
    ):
        assert number in page, number


def test_every_figure_says_how_to_make_it(made):
    for section in made[0]:
        for figure in section.figures:
            assert figure.command
            assert len(figure.source) > 10
            for line in figure.command.splitlines():
                if line.startswith("convscope "):
                    assert shlex.split(line)[1] in ("describe", "train", "look", "visualize")


def test_a_stopped_tour_says_so(page):
    assert "stopped before its end" in page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_real_browser(page, tmp_path, width, scheme):
    found = measured(page, tmp_path, width, scheme)
    assert found["width"] == width
    assert found["overflow"] <= 0, found["culprits"]
    assert found["errors"] == []
    assert found["requests"] == []
    assert found["language"] == "zh"
    assert found["hidden"] is True
    assert found["shown"] > 30
