"""`convscope recipes`, and `train --recipe`: every recipe runs, reduced."""

import io
import json
import re
import tomllib
from pathlib import Path

import pytest
from markupsafe import escape
from rich.console import Console

from convscope import nets
from convscope.cli.core.words import flags_of
from convscope.cli.tables.program.recipes import table
from convscope.learn import TASKS, find_recipe, find_schema, recipe_names
from convscope.recipe.fields import field_form, flag_of


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


SLOW = ("alexnet", "pixelcnn", "pixelrnn", "resnet20")
"""Recipes whose reduced run takes more than some seconds."""
RECIPES = [
    pytest.param(name, marks=[pytest.mark.slow, pytest.mark.long] if name in SLOW else [])
    for name in recipe_names()
]


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_trains_and_reports(convscope, name, request):
    words: list[object] = ["train", "--recipe", name, "--reduced", "--quiet", "--json", "--out", "run"]
    data = str(find_recipe(name).values(reduced=True)["data"])
    if data.startswith("fsdd"):  # not in the package: it lies beside the checkout, or the test skips
        words += ["--root", request.getfixturevalue("shared_data") / "fsdd"]
    done = convscope(*words)
    assert done.code == 0, done.err
    found = done.json
    assert found["recipe"]["recipe"] == name and found["recipe"]["reduced"] is True
    stored = tomllib.loads(Path("run/recipe.toml").read_text(encoding="utf-8"))
    settings = find_recipe(name).values(reduced=True)
    schema = find_schema(found["recipe"]["task"])
    texts = [{n: v for n, v in one.items() if n != "verb"} for one in (found["recipe"], stored, settings)]
    followed, written, wanted = (schema.parse(one) for one in texts)
    for field in settings:
        assert getattr(followed, field) == getattr(written, field) == getattr(wanted, field), field
    assert len(found["epochs"]) == found["recipe"]["epochs"]
    page = Path("run/report.html").read_text(encoding="utf-8")
    assert f"The recipe {name}: " in page and "reduced to seconds" in page
    published = find_recipe(name).published
    assert page.count('<p lang="en">Published by others: ') == len(published)
    assert all(str(escape(f": {result.value} (")) in page for result in published)
    cost = find_recipe(name).cost
    assert (str(escape(f"it would take {cost}.")) in page) is bool(cost)
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert nets.load("run").module is not None


def test_all_are_listed_and_one_is_shown(convscope):
    everything = convscope("recipes", "--json").json["recipes"]
    assert [entry["name"] for entry in everything] == list(recipe_names())
    for entry in everything:
        assert entry["source"] and (entry["measured"] is None or entry["measured"]["seconds"] > 0)
        assert entry["commands"][1] == f"convscope train --recipe {entry['name']} --reduced"
    table = convscope("recipes").out
    assert "\\n" not in table and table.splitlines()[-1].startswith(
        "Train one: convscope train --recipe NAME"
    )
    assert all(name in table for name in recipe_names())
    (one,) = convscope("recipes", "lenet5", "--json").json["recipes"]
    assert one["network"] == "lenet5" and one["published"][0]["value"] == "0.95%"
    shown = convscope("recipes", "lenet5").out
    assert "Published: test error" in shown and "convscope train --recipe lenet5" in shown
    assert "Cost, extrapolated: 92 days" in convscope("recipes", "alexnet").out
    assert "Runs: benchmarks/results/spoken_digits.json" in convscope("recipes", "sound-square").out


def test_names_are_whole_on_a_narrow_terminal(convscope):
    document = convscope("recipes", "--json").json
    console = Console(width=80, file=io.StringIO())
    console.print(table(document))
    lines = console.file.getvalue().splitlines()
    assert {*recipe_names()} <= {line.split(" ")[0] for line in lines} and max(map(len, lines)) <= 80
    (line,) = (line for line in lines if line.startswith("cifar-speedrun "))
    assert line.endswith(" 1,781")


@pytest.mark.parametrize("words", [("recipes", "lenet"), ("train", "--recipe", "lenet")])
def test_unknown_names_get_a_hint(convscope, words):
    done = convscope(*words)
    assert done.code == 2 and "Did you mean lenet5" in done.err


@pytest.mark.parametrize("name", ["r.toml", "./mine/r"])
def test_a_file_in_the_place_of_a_name_is_led_to_config(convscope, name):
    done = convscope("train", "--recipe", name)
    assert done.code == 2 and f"--config {name}" in done.err and "the name of a recipe" in done.err


def test_flags_and_files_override_a_recipe(convscope):
    Path("mine.toml").write_text('recipe = "locally-connected"\nreduced = true\nepochs = 2\n')
    done = convscope("train", "--config", "mine.toml", "--batch", 64, "--json", "--quiet", "--out", "run")
    recipe = done.json["recipe"]
    assert (recipe["epochs"], recipe["batch"], recipe["samples"]) == (2, 64, 256)
    assert recipe["network"] == find_recipe("locally-connected").settings["network"]


def test_a_run_of_a_recipe_is_resumed_and_replayed_without_it(convscope):
    words = ("train", "--recipe", "locally-connected", "--reduced", "--quiet")
    assert convscope(*words, "--schedule", "constant", "--out", "run").code == 0
    more = convscope("train", "--resume", "run", "--epochs", 2, "--quiet", "--json")
    assert more.code == 0 and len(more.json["epochs"]) == 1
    again = convscope("replay", "run", "--json", "--quiet", "--out", "again")
    assert again.code == 0
    weights = [
        json.loads(Path(place, "metrics.jsonl").read_text().splitlines()[0]) for place in ("run", "again")
    ]
    assert weights[0]["test_metrics"] == weights[1]["test_metrics"]
    both = convscope("train", "--resume", "run", "--recipe", "lenet5")
    assert both.code == 2 and "received --recipe" in both.err.lower()


@pytest.mark.parametrize("task", sorted(name for name, entry in TASKS.items() if "train" in entry.verbs))
def test_every_setting_of_a_task_has_a_flag(task):
    schema = find_schema(task)
    words = ["train", "--task", task]
    named = {flag_of(name) for name, field in schema.model_fields.items() if field_form(field) is not None}
    assert named - {flag_of(name) for name in schema.positional} <= set(flags_of("train", words))


def test_flags_of_a_task_reach_its_recipe(convscope):
    done = convscope("train", "--recipe=go-9x9", "--test-samples", "1")
    assert done.code == 2 and "test_samples: a whole number, at least 2" in done.err
    done = convscope(
        "train", "--task", "go", "--test-samples", "9", "--calibrate", "go-residual-9x9", "go-9x9"
    )
    assert done.code == 2 and "--calibrate, of the task classification" in done.err
    assert "--test-samples" in convscope("train", "--task", "go", "--help").out
    assert "--test-samples" not in convscope("train", "--help").out
