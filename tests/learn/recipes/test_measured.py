"""What recipes quote as measured, against the runs that benchmarks have kept: files cannot drift apart."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

import pytest
from benchmarks.recipes import disagreements, key_of, quotes

from convscope.learn import MeasuredResult, find_recipe, recipe_names

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "benchmarks" / "results"
DOCUMENT = json.loads((RESULTS / "recipes.json").read_text(encoding="utf-8"))
FOUND = DOCUMENT["raw"]["found"]
SPOKEN = json.loads((RESULTS / "spoken_digits.json").read_text(encoding="utf-8"))["raw"]["runs"]


@pytest.mark.parametrize("name", sorted(FOUND))
def test_a_recipe_quotes_what_its_runs_found(name):
    runs = FOUND[name]
    assert disagreements(find_recipe(name).measured, runs) == []
    assert [run["settings"] for run in runs] == [key_of(name, run["seed"])["settings"] for run in runs]


@pytest.mark.parametrize("name", [name for name in recipe_names() if name in {run["net"] for run in SPOKEN}])
def test_recipes_for_spoken_digits_quote_the_benchmark(name):
    measured = find_recipe(name).measured
    assert measured is not None and measured.results == "benchmarks/results/spoken_digits.json"
    mine = [run for run in SPOKEN if run["net"] == name]
    chosen = [run for run in mine if run["data"] == find_recipe(name).settings["data"]]
    right = [100 * run["accuracy"] for run in chosen]
    split = [100 * run["accuracy"] for run in mine if run["data"] == "fsdd"]
    speakers = {run["data"] for run in mine} - {"fsdd"}
    each = [mean(100 * run["accuracy"] for run in mine if run["data"] == one) for one in speakers]
    assert len(speakers) == 5
    wanted = [mean(right), mean(split), mean(each), stdev(each)]
    wanted += [stdev(right), stdev(split)] if len(right) > 1 else []
    assert quotes(measured.value, wanted), wanted
    assert measured.seconds == pytest.approx(mean(run["cpu_s"] for run in chosen), rel=0.01)


def test_every_file_that_is_named_is_there():
    named = {one.measured.results for one in map(find_recipe, recipe_names()) if one.measured}
    assert all((ROOT / path).is_file() for path in named - {""})


def run_of(accuracy: float, seconds: float = 10.0):
    one = {"value": accuracy, "heading": "accuracy", "form": ".2%", "higher_is_better": True}
    loss = {"value": 0.1, "heading": "loss", "form": ".4g", "higher_is_better": False}
    return {"primary": "accuracy", "metrics": {"accuracy": one, "loss": loss}, "cpu_s": seconds}


RUNS = [run_of(0.975), run_of(0.985)]
QUOTED = MeasuredResult("98.00% of 2,000 test digits", 12.0, "a processor")


@pytest.mark.parametrize(
    ("value", "agrees"),
    [
        ("98.00% of 2,000 digits", True),
        ("98.0% of 2,000 digits", True),
        ("97.50 and 98.50%", True),
        ("97.5, 98.5 and 91.0%, seeds 0 to 2", True),
        ("98.1% of 2,000 digits", False),
        ("97.50 and 98.40%", False),
        ("97.5 and 99 of 100", False),
    ],
)
def test_a_number_that_drifts_is_found(value, agrees):
    assert (disagreements(replace(QUOTED, value=value), RUNS) == []) is agrees


def test_a_cost_that_drifts_and_a_recipe_without_numbers_are_found():
    assert disagreements(QUOTED, RUNS) == []
    (line,) = disagreements(replace(QUOTED, seconds=60.0), RUNS)
    assert "10.0 processor seconds, and 60 are quoted" in line
    assert disagreements(None, RUNS) == ["nothing is quoted"]


def test_a_loss_is_compared_where_nothing_shall_be_high():
    runs = [{**run_of(0.0), "primary": "loss", "metrics": {"loss": run_of(0.0)["metrics"]["loss"]}}]
    assert disagreements(replace(QUOTED, value="0.100 nats"), runs) == []
    assert disagreements(replace(QUOTED, value="0.11 nats"), runs) != []


def test_a_name_that_there_is_not_is_refused():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "recipes", "lenet"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert done.returncode == 2 and "lenet5" in done.stderr and "received lenet" in done.stderr
