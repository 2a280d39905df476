"""Named recipes: what a file may hold, and how its settings become those of a training."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from convscope import learn, nets
from convscope.errors import DataError, UsageError
from convscope.learn import ClassificationRecipe, TaskRecipe, find_recipe, read_recipe, recipe_names

SOUND = """
title = "A network"
summary = "What it is."
source = "A paper"

[[published]]
what = "accuracy"
value = "99%"
source = "table 1"

[measured]
value = "98%"
seconds = 3.5
machine = "a processor"

[settings]
network = "lecture"
epochs = 7

[reduced]
epochs = 1
"""
COSTLY = 'cost = "3 days; extrapolated: a page"'


@pytest.fixture
def written(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_file_becomes_a_recipe(written):
    found = read_recipe(written(SOUND))
    assert (found.name, found.title, found.published[0].value) == ("mine", "A network", "99%")
    assert found.measured.seconds == 3.5
    assert found.values() == {"network": "lecture", "epochs": 7}
    assert found.values(reduced=True) == {"network": "lecture", "epochs": 1}


def test_what_was_not_measured_is_left_out(written):
    text = SOUND.partition("[measured]")[0] + "[settings]" + SOUND.partition("[settings]")[2]
    assert read_recipe(written(text)).measured is None
    found = read_recipe(written(COSTLY + text))
    assert found.measured is None and found.cost == "3 days; extrapolated: a page"


def test_the_file_of_the_runs_may_be_named(written):
    assert read_recipe(written(SOUND)).measured.results == ""
    named = SOUND.replace("seconds = 3.5", 'seconds = 3.5\nresults = "results/runs.json"')
    assert read_recipe(written(named)).measured.results == "results/runs.json"


@pytest.mark.parametrize(
    ("before", "after", "key"),
    [
        ("title =", "titel =", "titel"),
        ("epochs = 7", "epoch = 7", "settings.epoch"),
        ("epochs = 1", "sample = 7", "settings.sample"),
        ("epochs = 7", "resume = 'runs'", "settings.resume"),
        ("epochs = 7", "recipe = 'lenet5'", "settings.recipe"),
        ("seconds = 3.5", "seconds = 3.5\nminutes = 2", "measured.minutes"),
        ('what = "accuracy"', 'what = "accuracy"\nyear = "1998"', "published.year"),
        ("seconds = 3.5", "", "measured.seconds"),
        ("seconds = 3.5", "seconds = 0", "measured.seconds"),
        ('source = "table 1"', "", "published.source"),
        ('source = "A paper"', "source = ' '", "source"),
        ("[settings]", "[setting]", "setting"),
        ("[reduced]\nepochs = 1", "", "reduced"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_key(written, before, after, key):
    assert before in SOUND
    path = written(SOUND.replace(before, after, 1))
    with pytest.raises(DataError) as caught:
        read_recipe(path)
    said = f"{caught.value.expected} {caught.value.received}"
    assert str(path) in said and key in said


def test_a_near_key_is_suggested(written):
    with pytest.raises(DataError) as caught:
        read_recipe(written(SOUND.replace("epochs = 7", "epoch = 7")))
    assert "epochs" in caught.value.hint


def test_files_that_are_no_recipes_are_refused(written, tmp_path):
    for path in (written("title = "), tmp_path / "none.toml", tmp_path):
        with pytest.raises(DataError, match="TOML"):
            read_recipe(path)


def test_an_unknown_name_gets_a_hint():
    with pytest.raises(UsageError) as caught:
        find_recipe("lenet-5")
    assert "lenet5" in caught.value.hint
    with pytest.raises(UsageError):
        find_recipe("../catalogue")


def test_every_setting_of_every_recipe_is_valid():
    names = recipe_names()
    assert len(names) >= 6
    for name in names:
        found = find_recipe(name)
        schema = learn.find_schema(str(found.settings.get("task", "classification")))
        for reduced in (False, True):
            recipe = schema.parse({"recipe": name, "reduced": reduced})
            assert isinstance(recipe, TaskRecipe)
            learn.refuse_unused(recipe)
            spelled_out = schema.parse(found.values(reduced))
            for field in found.values(reduced):
                assert getattr(recipe, field) == getattr(spelled_out, field), (name, field)


def test_given_settings_win_whatever_their_value():
    named = find_recipe("lenet5")
    assert named.settings["epochs"] not in (3, 1)
    assert ClassificationRecipe(recipe="lenet5").epochs == named.settings["epochs"]
    assert ClassificationRecipe(recipe="lenet5", epochs=3).epochs == 3  # the default of the schema
    assert ClassificationRecipe(recipe="lenet5", reduced=True).data == "digits"
    assert ClassificationRecipe(recipe="lenet5", reduced=True, data="mnist").data == "mnist"


def test_a_recipe_that_travels_holds_all_settings():
    """What is stored with a run does not change when the file of that name does."""
    recipe = ClassificationRecipe(recipe="lenet5", reduced=True, epochs=3)
    again = ClassificationRecipe.parse(recipe.model_dump(mode="json"))
    assert again == recipe
    command = recipe.command()
    assert "lenet5 digits" in command and "--recipe" not in command and "--samples 256" in command


def test_reduced_needs_a_recipe():
    with pytest.raises(UsageError, match="reduced"):
        ClassificationRecipe.parse({"reduced": True})


def test_names_and_settings_need_no_torch():
    code = (
        "import sys; from convscope.learn.recipes.catalogue import find_recipe, recipe_names\n"
        "[find_recipe(name) for name in recipe_names()]\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_files_lie_in_the_package():
    folder = Path(learn.__file__).parent / "recipes" / "data"
    assert sorted(path.stem for path in folder.glob("*.toml")) == list(recipe_names())


def test_samples_are_drawn_once_and_from_the_seed():
    def labels(**more):
        recipe = ClassificationRecipe(network="mlp", samples=100, **more)
        return learn.setup_training(recipe).train.labels

    first = labels()
    assert len(first) == 100
    assert torch.equal(first, labels())
    assert not torch.equal(first, labels(seed=1))
    assert len(learn.setup_training(ClassificationRecipe(network="mlp", samples=10**6)).train) == 8000


def test_lenet5_has_its_parts_and_missing_links_never_move():
    """60,000 parameters, and exact zeros where C3 has no link, with momentum and weight decay."""
    recipe = ClassificationRecipe.parse(
        {
            "recipe": "lenet5",
            "reduced": True,
            "samples": 64,
            "optimizer": "sgd",
            "momentum": 0.9,
            "weight_decay": 0.1,
            "lr": 0.001,
        }
    )
    setup = learn.setup_training(recipe)
    module = setup.net.module
    assert sum(p.numel() for p in module.parameters()) == 60_000
    c3 = module.get_submodule("C3")
    before = c3.weight.detach().clone()
    missing = before == 0
    assert int((~missing).sum()) == 60 * 25
    for _ in learn.iter_train(setup.net, setup.train, None, recipe, task=setup.task):
        pass
    after = c3.weight.detach()
    assert torch.equal(after == 0, missing)
    assert not torch.equal(after, before)
    centres = module.get_buffer("output.centres")
    assert torch.equal(centres, nets.load("lenet5").module.get_buffer("output.centres"))
