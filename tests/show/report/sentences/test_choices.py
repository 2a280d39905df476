"""Every sentence that code chooses by a condition has a test that makes it false and sees it go."""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.show.report.sentences.test_sentences import SENTENCES

from convscope.show.report.i18n import texts

ROOT = Path(__file__).resolve().parents[4]
HEADS = re.compile(r"\w+\.(title|made|standfirst)")
"""What every page has, whatever its numbers."""
HOLE = "\0"
"""Stands for a formatted value in the pattern of an f-string."""


def branches(node: ast.AST) -> list[ast.AST]:
    """Parts of a node that run, or count, only under its condition."""
    match node:
        case ast.If():
            return [*node.body, *node.orelse]
        case ast.IfExp():
            return [node.body, node.orelse]
        case ast.Match():
            return [part for case in node.cases for part in case.body]
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() if any(g.ifs for g in node.generators):
            return [node.elt]
        case ast.Call():
            return [word.value for word in node.keywords if word.arg == "finding"]
        case ast.FunctionDef():
            ends = [part.value for part in ast.walk(node) if isinstance(part, ast.Return) and part.value]
            return list(ends) if len(ends) > 1 else []
    return []


def pattern(node: ast.AST) -> str | None:
    """The text of a string constant or f-string, with a hole for each formatted value."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(pattern(p) or HOLE for p in node.values)
    return None


def strings(node: ast.AST) -> Iterator[str]:
    """All strings and f-strings of a tree; the pieces of an f-string are no strings of their own."""
    found = pattern(node)
    if found is not None:
        yield found
    for child in ast.iter_child_nodes(node):
        if isinstance(node, ast.JoinedStr) and isinstance(child, ast.Constant):
            continue
        yield from strings(child)


def resolved(name: str, module: frozenset[str]) -> set[str]:
    """The keys of texts that a string of a module can mean.

    A whole key, the key of a figure, the end of a key behind `said(...)`, or a word that is put into an
    f-string of the same module or behind the key of a figure.
    """
    if HOLE in name:
        whole = re.compile(rf"(explain\.)?{re.escape(name).replace(HOLE, '[a-z]+')}")
        return {key for key in texts() if whole.fullmatch(key)} if f"_{HOLE}" in name else set()
    if "." in name:
        return {key for key in (name, f"explain.{name}", f"{name}.title") if key in texts()}
    filled = {other.replace(HOLE, name) for other in module if other.count(HOLE) == 1 and "." in other}
    behind = {f"{other}.{name}" for other in module if "." in other and HOLE not in other}
    several = [other.split(HOLE) for other in module if other.count(HOLE) == 2]
    words = [word for word in module if word.isidentifier()]
    both = {f"{a}{name}{b}{word}{c}" for a, b, c in several for word in words}
    both |= {f"{a}{word}{b}{name}{c}" for a, b, c in several for word in words}
    return {key for key in texts() if key in filled | behind | both or key.removeprefix("explain.") in filled}


@functools.cache
def chosen() -> dict[str, str]:
    """Keys of texts that stand under a condition somewhere in the code, with the file."""
    found: dict[str, str] = {}
    package = ROOT / "src" / "convscope"
    for path in sorted((package / "show").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        module = frozenset(strings(tree))
        parts = [part for node in ast.walk(tree) for part in branches(node)]
        for name in {name for part in parts for name in strings(part)}:
            for key in resolved(name, module):
                if not HEADS.fullmatch(key):
                    found.setdefault(key, path.relative_to(package).as_posix())
    return found


TRAINING = "tests/show/pages/test_training_page.py"
ELSEWHERE = {
    "tests/show/pages/test_atlas.py::test_a_card_says_what_supports_a_class_or_that_none_is": (
        "atlas.among",
        "atlas.likeliest",
        "atlas.unattributed",
        "atlas.unsupported",
        "atlas.names.unattributed",
    ),
    "tests/show/pages/test_atlas.py::test_names_are_explained_where_there_are_some": (
        "atlas.names.none",
        "atlas.read.title",
        "atlas.regions.title",
    ),
    "tests/show/pages/test_crop.py::test_the_edges_that_are_cut_off_are_named": ("look.crop.cut",),
    "tests/show/pages/test_crop.py::test_of_a_data_set_the_files_are_counted_by_their_headers": (
        "look.crop.every",
        "look.crop.sampled",
        "look.crop.several",
    ),
    "tests/show/pages/test_explanation_page.py::test_a_slider_is_told_of_only_where_one_is_shown": (
        "explain.figure.alone",
        "explain.figure.slider",
    ),
    "tests/show/pages/test_verdicts.py::test_a_sentence_is_said_while_it_is_true": (
        "explain.verdict.agree",
        "explain.verdict.none",
        "explain.verdict.one",
        "explain.verdict.several",
        "explain.why.alike",
        "explain.why.alone",
        "explain.why.apart",
        "explain.why.chance",
        "explain.why.close",
        "explain.why.led",
        "explain.why.stays",
        "explain.why.trailing",
    ),
    "tests/show/pages/test_verdicts.py::test_removed_words_are_unknown_and_removed_pixels_are_not": (
        "explain.why.ways.unknown",
    ),
    "tests/show/pages/test_verdicts.py::test_without_numbers_none_is_recommended": (
        "explain.verdict.unchecked",
    ),
    f"{TRAINING}::test_the_epoch_that_is_kept_is_named_with_its_validation_data": (
        "trained.kept",
        "trained.stopped",
    ),
    f"{TRAINING}::test_a_turn_of_the_loss_is_stated_only_where_it_turned": ("trained.turned",),
    "tests/show/report/test_findings.py::test_a_class_of_the_top_images_is_named_only_beyond_chance": (
        "unit.classes.alike",
        "unit.classes.title",
    ),
    "tests/show/report/test_findings.py::test_the_most_frequent_mistake_is_named_only_if_there_is_one": (
        "training.confusion.tied",
        "training.confusion.title",
    ),
    "tests/show/report/test_findings.py::test_a_difference_that_chance_can_make_is_called_that": (
        "training.curves.alike",
        "training.curves.title",
    ),
    f"{TRAINING}::test_it_is_too_sure_only_if_the_interval_says_so": (
        "trained.calibration.even",
        "trained.calibration.over",
        "trained.calibration.title",
        "trained.calibration.under",
        "trained.calibration.unproven",
    ),
    f"{TRAINING}::test_better_than_always_one_class_only_if_the_interval_says_so": (
        "trained.accuracy.better",
        "trained.accuracy.unclear",
        "trained.accuracy.worse",
    ),
    f"{TRAINING}::test_one_class_is_harder_only_if_intervals_do_not_overlap": (
        "trained.accuracy.alike",
        "trained.accuracy.differ",
    ),
    f"{TRAINING}::test_the_most_frequent_mistake_is_named_only_if_there_is_one": (
        "trained.confusion.title",
        "trained.tied.title",
    ),
    f"{TRAINING}::test_what_was_frozen_is_shown_with_its_digests": (
        "trained.frozen.beginning",
        "trained.frozen.broken",
        "trained.frozen.differs",
        "trained.frozen.epoch",
        "trained.frozen.frozen",
        "trained.frozen.left",
        "trained.frozen.moved",
        "trained.frozen.open",
        "trained.frozen.same",
        "trained.frozen.still",
        "trained.frozen.title",
        "trained.frozen.to",
        "trained.frozen.within",
    ),
    f"{TRAINING}::test_the_advice_follows_from_the_numbers": (
        "trained.advice.class",
        "trained.advice.duplicates",
        "trained.advice.gap",
        "trained.advice.none",
        "trained.advice.small",
        "trained.advice.unlearned",
    ),
}
"""Tests elsewhere that make a sentence false and see it go, with the keys of their sentences."""
NAMES = (
    *("atlas.classes", "atlas.labels"),  # heads of lists
    *("page.alt.cell", "page.alt.part", "page.alt.unnamed"),  # names of drawings, and of a control
    "look.input.file",
    "explain.sheet.note",  # how to read it
    *("explain.opacity_one", "unit.histogram.alt", "unit.histogram.made"),
    *("trained.fact.input", "trained.fact.loss", "trained.fact.primary", "trained.fact.validation"),
    *("trained.metric.loss", "trained.metric.lr"),
    *(
        f"{page}.fact.{name}"
        for page in ("unit", "unit_text")
        for name in ("best", "active", "percentile", "state")
    ),
    *("trained.confusion.caption", "trained.tied.caption", "training.confusion.caption"),  # how to read it
    *(f"explain.fact.{name}" for name in ("passing", "probability", "target")),
    "unit.histogram.title",  # the unit's share of inputs, whatever it is
)
"""Keys of names, which claim nothing that numbers could make false."""


def test_every_sentence_that_is_chosen_has_a_test() -> None:
    tested = {sentence.key for sentence in SENTENCES}
    elsewhere = {key for keys in ELSEWHERE.values() for key in keys}
    missing = {key: file for key, file in chosen().items() if key not in tested | elsewhere | set(NAMES)}
    assert missing == {}, "give them entries in test_sentences.py, or name the test that makes them false"
    assert not tested & elsewhere and not (tested | elsewhere) & set(NAMES)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_the_tests_that_are_named_exist(name: str) -> None:
    file, _, function = name.partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert set(ELSEWHERE[name]) <= set(texts())


def test_keys_that_no_longer_exist_are_not_listed() -> None:
    assert set(NAMES) <= set(chosen())
    assert {sentence.key for sentence in SENTENCES} <= set(texts())


def test_a_new_choice_is_found() -> None:
    """The forms in which code chooses: a key, the end of one, a word of an f-string, a figure's finding."""
    code = """
def made(x):
    a = said("said.hit" if x else "said.miss")
    b = bilingual(f"unit.state.{'dead' if x else 'alive'}")
    if x:
        c = spoken("runs.same")
    d = Figure("unit.top", a, b, c, finding="mixed")
    return said("runs.title")
"""
    tree = ast.parse(code)
    module = frozenset(strings(tree))
    parts = [part for node in ast.walk(tree) for part in branches(node)]
    found = {key for part in parts for name in strings(part) for key in resolved(name, module)}
    wanted = {"explain.said.hit", "explain.said.miss", "unit.state.dead", "unit.state.alive", "runs.same"}
    assert found == {*wanted, "unit.top.mixed"}
