"""Tinted words in the live view: what each adds to the score of a class, in numbers and colours."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.lab.browser.running import expect, serious, wait_for_answer

from convscope import nets, see
from convscope.worlds import open_sample

pytestmark = pytest.mark.slow
Open = Callable[..., Any]


def attributions(text: str, target: int) -> list[tuple[str, float]]:
    """Return the characters that the network reads, and the integrated gradients of each."""
    net = nets.load("questions")
    tensor = open_sample(text.encode(), net.input_spec).input
    values = see.explain(net, tensor[None], "integrated", target).heatmap[0].tolist()
    return list(zip(text, values, strict=True))


def shown(page: Any) -> list[tuple[str, float]]:
    rows = []
    for text in page.locator("ol.words li").all_inner_texts():
        *word, value = text.split("\n")
        rows.append((word[0].strip(), float(value.strip().replace("−", "-"))))
    return rows


def wait_for(page: Any, expected: list[tuple[str, float]]) -> None:
    """Wait until the words are there with their numbers, to the digits that the page writes."""

    def agree() -> bool:
        rows = shown(page)
        return [word for word, _ in rows] == [word for word, _ in expected] and all(
            abs(value - exact) <= 0.006 + 0.006 * abs(exact)
            for (_, value), (_, exact) in zip(rows, expected, strict=True)
        )

    for _ in range(100):
        if agree():
            return
        page.wait_for_timeout(100)
    assert shown(page) == expected


def test_characters_of_chinese_are_tinted_one_by_one_with_their_numbers(open_page: Open) -> None:
    page = open_page("/m/questions", locale="zh-CN")
    page.locator("textarea").fill("你明天有空吗")
    wait_for_answer(page, "question")
    expected = attributions("你明天有空吗", 1)
    assert [word for word, _ in expected] == list("你明天有空吗")
    wait_for(page, expected)
    tints = page.locator("ol.words .word").evaluate_all(
        "words => words.map(word => getComputedStyle(word).backgroundColor)"
    )
    shares = [float(re.findall(r"([\d.]+)\)$", tint)[0]) for tint in tints]
    strongest = max(range(6), key=lambda at: abs(expected[at][1]))
    assert shares[strongest] == max(shares) == pytest.approx(0.5, abs=0.01)


def test_letters_are_put_together_to_words_and_the_sum_stays(open_page: Open) -> None:
    page = open_page("/m/questions")
    page.get_by_label("Text").fill("what is it")
    letters = attributions("what is it", 1)
    spans = {"what": (0, 4), "is": (4, 7), "it": (7, 10)}  # a space counts with the word after it
    words = [(word, sum(value for _, value in letters[first:last])) for word, (first, last) in spans.items()]
    wait_for(page, words)
    total = page.get_by_text("Together").inner_text()
    said = float(re.findall(r"[+−-]?[\d.]+", total)[0].replace("−", "-"))
    assert said == pytest.approx(sum(value for _, value in letters), abs=0.02)
    page.get_by_label("Class that is explained").select_option("statement")
    against = attributions("what is it", 0)
    wait_for(
        page,
        [(word, sum(value for _, value in against[first:last])) for word, (first, last) in spans.items()],
    )


def test_words_on_which_a_value_depends_are_framed(open_page: Open) -> None:
    page = open_page("/m/questions")
    page.get_by_label("Text").fill("what is it")
    page.locator("ol.words li").nth(2).wait_for()
    stage = page.locator("section[aria-labelledby='layer-embedding'] .stage")
    stage.focus()
    lead = nets.load("questions").input_spec.text.lead
    for _ in range(200):
        reads = page.locator(".readout").inner_text()
        column = int(re.findall(r"column (\d+)", reads)[0])
        if column == lead + 5:  # the i of is
            break
        page.keyboard.press("ArrowLeft" if column > lead + 5 else "ArrowRight")
    page.locator("ol.words li.lit").wait_for()
    expect(page.locator("ol.words li.lit .word")).to_have_text(["is"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_for_axe_and_no_sideways_scrolling(open_page: Open, scheme: str) -> None:
    page = open_page(
        "/m/questions", color_scheme=scheme, viewport={"width": 390, "height": 844}, is_mobile=True
    )
    page.locator("ol.words li").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert not serious(page)
