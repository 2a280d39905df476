"""Sentences on which heatmap the metrics favour: each is made false by other numbers, and then it goes."""

import pytest

from convscope.see.attribution import MethodComparison
from convscope.show.pages.explanation import verdicts

TITLES = {"a": "Alpha", "b": "Beta", "c": "Gamma"}
ALIKE = ((1.0, 0.9, 0.9), (0.9, 1.0, 0.9), (0.9, 0.9, 1.0))

APART = ((1.0, 0.4, 0.9), (0.4, 1.0, 0.9), (0.9, 0.9, 1.0))


def compared(blur, mean, stays=(False, False, False), margin=0.1, alike=ALIKE) -> MethodComparison:
    """Three methods whose scores under both baselines are given; random heatmaps score 0."""
    both = {"blur": 0.0, "mean": 0.0}
    return MethodComparison(
        ("a", "b", "c"),
        {"blur": blur, "mean": mean},
        both,
        dict.fromkeys(both, margin),
        stays,
        alike,
        (0.5, 0.5),
    )


def spoken(comparison: MethodComparison) -> str:
    first = verdicts.verdict(comparison, TITLES, 3)["en"]
    return "\n".join([first, *(line["en"] for line in verdicts.reasons(comparison, TITLES))])


def test_removed_words_are_unknown_and_removed_pixels_are_not():
    found = compared(**LEADS)
    for in_words in (False, True):
        lines = verdicts.reasons(found, TITLES, in_words=in_words)
        assert any("unknown words" in line["en"] for line in lines) == in_words
        assert any("未知词" in line["zh"] for line in lines) == in_words
        assert any("mean colour" in line["en"] for line in lines) != in_words


LEADS = {"blur": (0.8, 0.5, 0.4), "mean": (0.7, 0.5, 0.4)}
TIED = {**LEADS, "mean": (0.5, 0.7, 0.2)}


@pytest.mark.parametrize(
    ("sentence", "true", "false"),
    [
        ("The numbers favour Alpha here", LEADS, {**LEADS, "mean": (0.55, 0.5, 0.4)}),
        ("The numbers favour Alpha here", LEADS, {**LEADS, "margin": 0.25}),
        ("The numbers favour Alpha here", LEADS, {**LEADS, "stays": (True, False, False)}),
        ("cannot decide between Alpha and Beta", {**TIED, "alike": APART}, LEADS),
        ("cannot decide between Alpha and Beta", {**TIED, "alike": APART}, TIED),
        ("support Alpha and Beta alike", TIED, {**TIED, "alike": APART}),
        ("support Alpha and Beta alike", TIED, LEADS),
        ("None of the 3 maps passes the checks", {"blur": (0.05,) * 3, "mean": (0.9,) * 3}, LEADS),
        ("None of the 3 maps passes the checks", {**LEADS, "stays": (True,) * 3}, LEADS),
        ("the next that passes, Beta", LEADS, {**LEADS, "stays": (False, True, True)}),
        ("is the only one that passes", {**LEADS, "stays": (False, True, True)}, LEADS),
        ("Led by at least one of these: Gamma", {**LEADS, "mean": (0.5, 0.7, 0.2)}, LEADS),
        ("Not shown to be better than random maps: Gamma", {**LEADS, "blur": (0.8, 0.5, 0.05)}, LEADS),
        ("still correlated with the map of random weights", {**LEADS, "stays": (False, False, True)}, LEADS),
        (
            "Not led by it by the margin, though not shown to be above chance themselves: Gamma",
            {"blur": (0.15, 0.02, 0.08), "mean": (0.8, 0.02, 0.02)},
            {"blur": (0.25, 0.02, 0.08), "mean": (0.8, 0.02, 0.02)},
        ),
        (
            "the maps that remain are alike",
            LEADS,
            {**LEADS, "alike": APART},
        ),
        (
            "Alpha and Beta have a rank correlation of 0.40",
            {**LEADS, "alike": APART},
            LEADS,
        ),
    ],
)
def test_a_sentence_is_said_while_it_is_true(sentence, true, false) -> None:
    assert sentence in spoken(compared(**true))
    assert sentence not in spoken(compared(**false))


def test_without_numbers_none_is_recommended() -> None:
    assert "nothing here tells the 3 apart" in verdicts.verdict(None, TITLES, 3)["en"]


def test_every_sentence_is_in_chinese_too() -> None:
    lines = verdicts.reasons(compared(**LEADS), TITLES)
    assert all(any("\u4e00" <= letter <= "\u9fff" for letter in line["zh"]) for line in lines)
