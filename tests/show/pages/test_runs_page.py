"""The page of compared runs: every run in every figure, and no claim that the numbers do not carry."""

import re
from pathlib import Path

import pytest
from tests.learn.runs.parts import write_run

from convscope.learn import compare_runs
from convscope.show.pages import runs
from convscope.show.report.figures.chart import chart
from convscope.show.report.figures.runs import compared_curves, tables


def points(curve: str) -> list[tuple[float, float]]:
    found = re.search(r'd="M([^"]+)"', curve)
    assert found is not None
    return [tuple(map(float, pair.split())) for pair in found[1].split("L")]  # pyright: ignore


def test_every_run_has_a_curve_at_its_own_epochs_in_every_panel(tmp_path: Path) -> None:
    write_run(tmp_path / "long", (0.5, 0.6, 0.7, 0.8), epochs=4)
    write_run(tmp_path / "short", (0.55, 0.65), epochs=2)
    found = compared_curves.of_runs(compare_runs(tmp_path / "long", tmp_path / "short"))
    assert found is not None
    panels = re.findall(r'<svg viewBox="0 0 340.*?</svg>', found.body)
    assert len(panels) == 4  # loss and accuracy, test and training data
    for panel in panels:
        first, second = (re.search(rf'<path [^>]*class="run-{k}"', panel) for k in (0, 1))
        assert first and second
        long, short = points(first[0]), points(second[0])
        assert [x for x, _ in short] == pytest.approx([x for x, _ in long[:2]])
    (accuracy,) = [panel for panel in panels if 'data-en="accuracy, test data' in panel]
    assert "long 80.00%; " in accuracy and "short 65.00%" in accuracy  # for those who do not see it


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        ([0.97, 0.99], 0.97, 0.99),
        ([0.5, 0.5], 0.4998, 0.501),
        ([-3.0, 5.0], -4.0, 8.0),
        ([1e-4, 3e-4], 1e-4, 3e-4),
    ],
)
def test_an_axis_that_need_not_hold_0_spans_the_values(values, low, high) -> None:
    drawn = chart({"run-0": values}, styles=("run-0",), whole=False)
    ticks = [float(text) for text in re.findall(r'class="end tiny muted">([^<]+)<', drawn)]
    assert len(ticks) == 5 and ticks == sorted(ticks)
    assert low - (high - low) <= ticks[0] <= min(values) and max(values) <= ticks[-1] <= high + (high - low)
    curve = re.search(r'<path [^>]*class="run-0"', drawn)
    assert curve is not None
    assert all(16 <= y <= 190 for _, y in points(curve[0]))


def test_runs_without_an_epoch_have_no_curves_and_no_claims(tmp_path: Path) -> None:
    write_run(tmp_path / "a", ())
    write_run(tmp_path / "b", (), seed=1)
    compared = compare_runs(tmp_path / "a", tmp_path / "b")
    page = runs.page(compared, "x")
    assert compared_curves.of_runs(compared) is None and "<svg" not in page
    assert "more than chance" not in page and "nothing is said about chance" in page
    assert page.count("convscope train --resume") == 2 and "convscope classify" not in page


def test_the_table_of_settings_has_only_those_that_differ(tmp_path: Path) -> None:
    write_run(tmp_path / "a", seed=1)
    write_run(tmp_path / "b", seed=2, augment=("flip", "shift"))
    compared = compare_runs(tmp_path / "a", tmp_path / "b")
    found = tables.settings(compared)
    assert found is not None and "flip, shift" in found.body
    assert re.findall(r'<th scope="row" translate="no">([^<]+)<', found.body) == ["seed", "augment"]
    write_run(tmp_path / "c", seed=1)
    assert tables.settings(compare_runs(tmp_path / "a", tmp_path / "c")) is None


def test_names_are_text(tmp_path: Path) -> None:
    write_run(tmp_path / "<b>x")
    write_run(tmp_path / "y", network="<script>alert(1)</script>")
    page = runs.page(compare_runs(tmp_path / "<b>x", tmp_path / "y"), "x")
    assert "<b>x" not in page and "<script>alert" not in page and "&lt;b&gt;x" in page


def test_the_most_frequent_colours_come_back_dashed(tmp_path: Path) -> None:
    places = [write_run(tmp_path / str(k), seed=k) for k in range(12)]
    page = runs.page(compare_runs(*places), "x")
    assert all(f'class="run-{k}"' in page for k in range(12))
    assert ".run-11:not(.mark) { stroke-dasharray" in page
