"""Numbers in sentences: singular and plural, and shares that belong together."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

import convscope
from convscope.show.report.i18n import plain, texts
from convscope.system.counting import counted, percent_right, percent_short_of, percent_wrong

NOUNS = (
    "times|files|samples|answers|layers|units|inputs|texts|runs|methods|epochs|pairs|kinds|maps|cells|moves"
)
NEVER_ONE = {
    "look.maps.more": "`more_one` is for one layer",
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


SEVERAL_ALWAYS = {
    "show.pages.features: len(layers) layers": "there are more than ROWS",
    "show.images.contact_sheet: len(rows) rows": "an error about none",
    "show.images.heatmap: 'x'.join(map(str, size)) cells": "an extent",
    "show.report.figures.training.confusion: len(classes) rows": "a confusion has two classes or more",
    "show.report.figures.training.confusion: len(counts) rows": "an error about another number of them",
    "cli.core.arguments: len(arguments) - len(joined) + 1 words": "a name in two words is joined to one",
    "cli.tables.input.look: len(document['layers']) layers": "of up to ROWS all are listed",
    "cli.tables.input.dream: octave['tiles'] tiles": "said of more than one",
    "cli.tables.network.unit: size pixels": "an extent",
    "cli.tables.network.unit: size positions": "an extent",
    "cli.tables.style.apply: down pixels": "an extent",
}
"""Numbers before a plural in code that draws or says something, and why they need no singular."""
NOUN = (
    "images|pictures|files|samples|answers|layers|units|inputs|texts|runs|methods|epochs|cells|moves|steps|"
    "classes|vectors|groups|rows|pixels|positions|tiles|games|planes|frames|places|words"
)


def numbers_before_plurals(tree: ast.AST) -> Iterator[str]:
    """Find what f-strings have in braces before a plural, but for constants and calls of `counted`."""
    for node in ast.walk(tree):
        for value, after in pairwise(node.values if isinstance(node, ast.JoinedStr) else []):
            if isinstance(value, ast.FormattedValue) and isinstance(after, ast.Constant):
                found = re.match(rf" (?:(?!of )[a-z-]+ )?({NOUN})\b", str(after.value))
                made = ast.unparse(value.value)
                if found and not made.isupper() and "counted(" not in made:
                    yield f"{made} {found[1]}"


def test_no_code_that_says_something_writes_a_plural_by_hand():
    """`counted` knows the singular; what is left is listed above, with the reason."""
    root, found = Path(convscope.__file__).parent, set()
    for room in ("cli", "jobs", "show"):
        for file in (root / room).rglob("*.py"):
            name = ".".join(file.relative_to(root).with_suffix("").parts)
            tree = ast.parse(file.read_text(encoding="utf-8"))
            found |= {f"{name}: {text}" for text in numbers_before_plurals(tree)}
    assert found == set(SEVERAL_ALWAYS)


@pytest.mark.parametrize("right", range(9790, 9860))
def test_right_and_wrong_are_a_hundred_together(right):
    accuracy = right / 10_000
    assert float(percent_right(accuracy)) + float(percent_wrong(accuracy)) == pytest.approx(100, abs=1e-9)
    assert abs(float(percent_wrong(accuracy)) - 100 * (1 - accuracy)) <= 0.0501
    noisy = 1 - (1 - accuracy)
    assert percent_right(noisy) == percent_right(accuracy)


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0, "0"),
        (1e-9, "<0.1"),
        (0.0005, "0.1"),
        (0.625, "62.5"),
        (0.9994, "99.9"),
        (0.9999, ">99.9"),
        (1, "100"),
    ],
)
def test_only_all_is_a_hundred_percent(share, said):
    assert percent_short_of(share) == said
