import json
import tomllib

import pytest
from tests.learn.conftest import small_net

from convscope.errors import DataError, UsageError
from convscope.learn import ClassificationRecipe, Run, evaluate, iter_train_run, train
from convscope.learn.trainer.run_folder.train_run import free_folder


def test_what_a_run_leaves(train_images, test_images, tmp_path):
    net = small_net()
    run = train(
        net, train_images, test=test_images, out=tmp_path / "run", epochs=2, batch=50, augment=("shift",)
    )
    names = {str(p.relative_to(run.folder)) for p in run.folder.rglob("*") if p.is_file()}
    states = {n for n in names if n.startswith("state/state-")}
    assert len(states) == 2  # the newest, and the one before
    assert names - states == {
        "recipe.toml",
        "data.json",
        "env.json",
        "metrics.jsonl",
        "model.json",
        "model.safetensors",
        "state/before.json",
        "state/state.json",
    }
    recipe = tomllib.loads((run.folder / "recipe.toml").read_text())
    assert recipe.pop("verb") == "train"
    assert ClassificationRecipe.parse(recipe) == run.recipe
    assert (run.recipe.epochs, run.recipe.batch, run.recipe.augment) == (2, 50, ("shift",))
    lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["index"] for line in lines] == [1, 2]
    assert json.loads((run.folder / "env.json").read_text())["threads"] == 1
    assert evaluate(run.load(), test_images).losses.tolist() == evaluate(net, test_images).losses.tolist()
    assert run.load().classes == train_images.classes


def test_names_with_quotes_and_chinese_survive(train_images, tmp_path):
    run = train(small_net(), train_images, out=tmp_path / "run", epochs=1, network='a "b" \\ 数字', data="x")
    assert run.recipe.network == 'a "b" \\ 数字'


def test_an_existing_run_is_not_overwritten(train_images, tmp_path):
    train(small_net(), train_images, out=tmp_path / "run", epochs=1)
    with pytest.raises(UsageError, match="--resume"):
        train(small_net(), train_images, out=tmp_path / "run", epochs=1)


def test_a_folder_is_found_for_it(train_images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = small_net()
    net.name = "timm/odd name"
    assert free_folder(net.name).name.endswith("-timm-odd-name")
    first, second = (train(small_net(), train_images, epochs=1).folder for _ in range(2))
    assert second.name == first.name + "-2"
    assert first.parent.name == "runs"


def test_a_bad_plan_touches_nothing(train_images, tmp_path):
    with pytest.raises(UsageError):
        train(small_net(), train_images, out=tmp_path / "run", epochs=-1)
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_a_file(train_images, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="written"):
        train(small_net(), train_images, out=tmp_path / "file", epochs=1)


def test_no_run_in_a_folder(tmp_path):
    with pytest.raises(DataError):
        Run.open(tmp_path)
    (tmp_path / "recipe.toml").write_text('verb = "train"\n')
    (tmp_path / "metrics.jsonl").write_text('{"index": 1}\n')
    with pytest.raises(DataError, match="one epoch a line"):
        Run.open(tmp_path)


def test_the_weights_are_saved_even_if_nobody_asks_for_the_last_event(train_images, tmp_path):
    events = list(
        iter_train_run(small_net(), train_images, None, ClassificationRecipe(epochs=1), out=tmp_path)
    )
    assert events[-1].done == 1
    assert Run.open(tmp_path).finished
