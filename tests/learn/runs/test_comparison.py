"""What is said of runs beside each other: only what the numbers carry."""

import json
from pathlib import Path
from statistics import mean, stdev

import pytest
from tests.learn.runs.parts import write_run

from convscope.errors import DataError, UsageError
from convscope.learn import compare_runs
from convscope.worlds import difference_interval


@pytest.mark.parametrize(
    ("first", "second", "ends"),
    [
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((5, 56), (0, 29), (-0.0381, 0.1926)),
        ((10, 10), (0, 10), (0.6075, 1.0)),
    ],
)
def test_intervals_of_a_difference_are_the_published_ones(first, second, ends) -> None:
    """Newcombe, Statistics in Medicine 17, 1998, 873-890, table II, method 10."""
    assert difference_interval(first, second) == pytest.approx(ends, abs=6e-5)
    low, high = difference_interval(second, first)
    assert (-high, -low) == pytest.approx(ends, abs=6e-5)
    assert difference_interval(first, second, together=5)[0] < ends[0]


def test_only_settings_that_differ_are_listed(tmp_path: Path) -> None:
    write_run(tmp_path / "a", (0.5, 0.9), seed=1, augment=("flip",))
    write_run(tmp_path / "b", (0.5, 0.9), seed=2, lr=0.01)
    found = compare_runs(tmp_path / "a", tmp_path / "b")
    assert dict(found.settings) == {"seed": (1, 2), "augment": (["flip"], []), "lr": (None, 0.01)}
    assert found.seeds is None and json.dumps(found.to_json())


def test_a_difference_beyond_chance_is_told_from_one_that_may_be_chance(tmp_path: Path) -> None:
    for name, accuracy in (("a", 0.90), ("b", 0.91), ("c", 0.80)):
        write_run(tmp_path / name, (0.5, accuracy), seed=ord(name))
    found = compare_runs(*(tmp_path / name for name in "abc"))
    said = {Path(one.other).name: one for one in found.differences}
    assert {Path(one.best).name for one in found.differences} == {"b"}
    assert not said["a"].beyond_chance and said["c"].beyond_chance
    assert said["c"].difference == pytest.approx(0.11)
    assert said["c"].interval == difference_interval((910, 1000), (800, 1000), together=3)
    assert "may be chance" in found.summary[0] and "more than chance" in found.summary[1]


def test_runs_that_differ_in_the_seed_have_a_mean_and_a_spread(tmp_path: Path) -> None:
    values = [0.90, 0.92, 0.94]
    for seed, value in enumerate(values):
        write_run(tmp_path / str(seed), (0.1, value), seed=seed)
    found = compare_runs(*(tmp_path / str(seed) for seed in range(3)))
    assert found.seeds == pytest.approx((mean(values), stdev(values)))
    assert "92.00% on average, with a standard deviation of 2.00% over 3 runs" in found.summary[-1]
    write_run(tmp_path / "short", (0.1,), seed=9)
    assert compare_runs(tmp_path / "0", tmp_path / "short").seeds is None


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"tested": None}, "size"),
        ({"tested": 500}, "data"),
        ({"data": "mnist"}, "data"),
        ({"accuracies": ()}, "metric"),
    ],
)
def test_accuracies_are_not_compared_where_they_do_not_compare(tmp_path: Path, other, reason) -> None:
    write_run(tmp_path / "a")
    write_run(tmp_path / "b", **other)
    found = compare_runs(tmp_path / "a", tmp_path / "b")
    assert (found.differences, found.incomparable) == ((), reason)


def test_the_same_settings_are_said_to_be_the_same(tmp_path: Path) -> None:
    write_run(tmp_path / "a")
    write_run(tmp_path / "b")
    assert compare_runs(tmp_path / "a", tmp_path / "b").summary[-1] == "Their settings are the same."


def test_what_is_no_run_and_what_is_there_twice_is_refused(tmp_path: Path) -> None:
    place = write_run(tmp_path / "a")
    (tmp_path / "seen").mkdir()
    (tmp_path / "seen" / "recipe.toml").write_text('verb = "visualize"\n')
    with pytest.raises(UsageError, match="2 to 12 runs"):
        compare_runs(place)
    with pytest.raises(UsageError, match="each run once"):
        compare_runs(place, place)
    with pytest.raises(UsageError, match="result of another verb"):
        compare_runs(place, tmp_path / "seen")
    with pytest.raises(DataError, match="a run in"):
        compare_runs(place, tmp_path / "nowhere")
