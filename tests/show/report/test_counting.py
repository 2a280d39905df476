"""Numbers in sentences: singular and plural, and shares that belong together."""

import re

import pytest

from convscope.show.report.i18n import plain, texts
from convscope.system.counting import counted, percent_right, percent_wrong

NOUNS = (
    "times|files|samples|answers|layers|units|inputs|texts|runs|methods|epochs|pairs|kinds|maps|cells|moves"
)
NEVER_ONE = {
    "look.maps.before": "`before_one` is for one layer",
    "trained.tied.title": "ties are two or more",
    "trained.accuracy.title": "a share of one test sample has an interval of 0 to 100%",
    "neuron.sigmoid.title": "a ratio",
    "seen.maps.title": "a constant of the tour",
    "atlas.map.caption": "the square of the grid's side",
    "units.js.shown": "filled in by the page's script",
    "units.list.lead": "a constant of the page",
    "unit.classes.caption": "names a kind of inputs",
}


def test_one_thing_is_not_several():
    values = {"wrong": 1, "total": 900, "truth": "a", "answer": "b"}
    assert "1 of 900 is wrong" in plain("trained.confusion.title", **values, count=1)
    assert plain("trained.confusion.title", **values, count=1).endswith(", 1 time")
    assert plain("trained.confusion.title", **values, count=2).endswith(", 2 times")
    assert plain("trained.tied.title", **values, ties=2, count=1).endswith("each 1 time")
    assert "1 damaged file was left" in plain("unit.made", version="", torch="", date="", seed=0, skipped=1)
    assert counted(1, "class", "classes") == "1 class" and counted(1024, "layer") == "1,024 layers"


def test_no_text_counts_one_of_several():
    """Whatever is counted by a placeholder has a singular, where a bare plural follows it."""
    wrong = []
    for key, text in texts().items():
        fields = set(re.findall(r"\{(\w+)\}", text["en"]))
        made = plain(key, **dict.fromkeys(fields, "1"))
        found = re.findall(rf"(?<![\w.,–-])1 (?:\w+ )?(?:{NOUNS})\b", made)
        wrong += [(key, found)] if found and key not in NEVER_ONE else []
    assert wrong == []


@pytest.mark.parametrize("right", range(9790, 9860))
def test_right_and_wrong_are_a_hundred_together(right):
    accuracy = right / 10_000
    assert float(percent_right(accuracy)) + float(percent_wrong(accuracy)) == pytest.approx(100, abs=1e-9)
    assert abs(float(percent_wrong(accuracy)) - 100 * (1 - accuracy)) <= 0.0501
    noisy = 1 - (1 - accuracy)
    assert percent_right(noisy) == percent_right(accuracy)
