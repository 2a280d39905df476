"""What may be said beside --resume: nothing that it would ignore, and more epochs where that is exact."""

import json
import tomllib
from typing import Any

import pytest
import torch
from tests.learn.conftest import small_net
from torch import nn

from convscope import nets
from convscope.cli.core import app
from convscope.errors import ConvscopeError, DataError, UsageError
from convscope.graph.spec import TensorSpec
from convscope.learn import (
    Classification,
    ClassificationRecipe,
    EvalResult,
    MetricSpec,
    Run,
    StepOutput,
    Task,
    TaskRecipe,
    Trainer,
    resumed,
    train,
)
from convscope.learn.recipe import PUBLISHED, SENTENCES, refuse_unused
from convscope.learn.style.recipe import StyleAddRecipe, StyleTrainRecipe
from convscope.recipe.fields import flag_of
from convscope.worlds.datasets.named import NAMED
from convscope.worlds.sound import fsdd
from convscope.worlds.text import SENTENCE_SETS

EXACT: dict[str, Any] = {"precision": "fp32", "memory_format": "contiguous", "device": "cpu", "batch": 200}
TIMING = {"seconds", "samples_per_second", "epochs"}


def weights(run):
    return run.load().module.state_dict()


def numbers(run):
    return [{k: v for k, v in epoch.to_json().items() if k not in TIMING} for epoch in run.epochs]


@pytest.mark.parametrize("when", ["finished", "under way"])
def test_more_epochs_under_a_constant_rate_are_those_planned_from_the_start(train_images, tmp_path, when):
    recipe = EXACT | {"schedule": "constant", "augment": ("shift",)}
    long = train(small_net(), train_images, out=tmp_path / "long", epochs=4, **recipe)
    out = tmp_path / "run"
    if when == "finished":
        train(small_net(), train_images, out=out, epochs=2, **recipe)
    else:
        from convscope.learn import Epoch, iter_train_run

        for event in (
            events := iter_train_run(
                small_net(), train_images, None, ClassificationRecipe(epochs=2, **recipe), out=out
            )
        ):
            if isinstance(event, Epoch):
                events.close()
                break
    run = train(small_net(seed=5), train_images, resume=out, epochs=4)
    assert run.finished
    assert numbers(run) == numbers(long)
    assert all(torch.equal(value, weights(long)[name]) for name, value in weights(run).items())
    assert tomllib.loads((out / "recipe.toml").read_text())["epochs"] == 4
    assert json.loads((out / "model.json").read_text())["recipe"]["epochs"] == 4
    names = {"network": run.recipe.network, "data": run.recipe.data}
    assert run.recipe == long.recipe.model_copy(update=names)


@pytest.mark.parametrize(
    "recipe", [{}, {"schedule": "cosine"}, {"schedule": "step"}, {"schedule": "constant", "warmup": 0.1}]
)
def test_more_epochs_are_refused_where_past_rates_would_have_been_others(train_images, tmp_path, recipe):
    run = train(small_net(), train_images, out=tmp_path / "run", epochs=1, **EXACT, **recipe)
    before = (run.folder / "recipe.toml").read_bytes()
    with pytest.raises(UsageError, match="schedule without an end") as caught:
        train(small_net(), train_images, resume=run.folder, epochs=3)
    assert f"convscope train {run.folder}" in caught.value.hint
    assert (run.folder / "recipe.toml").read_bytes() == before


def test_fewer_epochs_are_refused(train_images, tmp_path):
    run = train(small_net(), train_images, out=tmp_path / "run", epochs=3, schedule="constant", **EXACT)
    with pytest.raises(UsageError, match="more epochs than the 3"):
        train(small_net(), train_images, resume=run.folder, epochs=2)


def test_every_other_setting_beside_resume_is_refused_by_name(train_images, tmp_path):
    """Each field of the recipe, at its default or not."""
    run = train(small_net(), train_images, out=tmp_path / "run", epochs=2, schedule="constant", **EXACT)
    for name, field in ClassificationRecipe.model_fields.items():
        if name in ("resume", "epochs"):
            continue
        value = {"lr": 0.5, "warmup": 0.2, "clip": 1.0, "root": "x", "patience": 3}.get(name, field.default)
        with pytest.raises(UsageError, match="beside --resume") as caught:
            train(small_net(), train_images, resume=run.folder, **{name: value})
        said = name.upper() if name in ClassificationRecipe.positional else flag_of(name)
        assert said in caught.value.received


def test_the_terminal_refuses_them_too_and_prints_the_recipe_it_followed(train_images, tmp_path, capsys):
    net = small_net(text="flatten, dense 10")
    run = train(net, train_images, out=tmp_path / "run", epochs=1, schedule="constant", **EXACT)
    words = ["train", "--resume", str(run.folder)]
    for more in (["mlp", "digits", "--epochs", "62", "--lr", "0.5"], ["--no-download"], ["--seed", "0"]):
        assert app.run([*words, *more]) == 2
        said = capsys.readouterr().err
        assert "beside --resume" in said
        assert all(word in said for word in more if word.startswith("--lr"))
    assert app.run(words) == 2
    assert "--epochs 2 or more" in capsys.readouterr().err


def test_the_terminal_goes_on_for_more_epochs(tmp_path, capsys):
    words = [
        "train",
        "flatten, dense 10",
        "digits",
        "--epochs",
        "1",
        "--schedule",
        "constant",
        "--batch",
        "4000",
    ]
    words += ["--precision", "fp32", "--memory-format", "contiguous", "--json", "--lr", "0.003"]
    assert app.run([*words, "--out", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    assert app.run(["train", "--resume", str(tmp_path / "run"), "--epochs", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["recipe"]["lr"], found["recipe"]["epochs"]) == (0.003, 2)
    assert found["recipe"]["resume"] == str(tmp_path / "run")
    assert [epoch["index"] for epoch in found["epochs"]] == [2]


class Reconstruction(Task):
    """Trains a network to return its input; not registered."""

    metric_specs = (MetricSpec("loss"), MetricSpec("psnr", optional=True))

    def training_step(self, net, batch, execution, step):
        (images,) = batch.inputs
        loss = (net(images) - images).square().mean()
        return StepOutput(loss, (loss.detach() * len(images))[None])

    def metrics(self, sums, seen):
        return {"loss": sums[0] / max(seen, 1), "psnr": float("inf")}

    def evaluate(self, net, data, execution):
        return EvalResult({"loss": 0.1, "rate": float("nan")})


def giver():
    torch.manual_seed(0)
    return nets.wrap(nn.Conv2d(1, 1, 3, padding=1), TensorSpec((1, 28, 28)), name="giver")


def begun(train_images, out):
    from convscope.learn import Epoch, iter_train_run

    recipe = TaskRecipe(epochs=2, network="lecture-relu", data="digits", **EXACT)
    for event in (
        events := iter_train_run(giver(), train_images, train_images, recipe, out=out, task=Reconstruction())
    ):
        if isinstance(event, Epoch):
            events.close()
            return out
    raise AssertionError


def test_a_run_knows_its_task(train_images, tmp_path, capsys):
    out = begun(train_images, tmp_path / "run")
    assert tomllib.loads((out / "recipe.toml").read_text())["task"] == "Reconstruction"
    assert Run.open(out).task == "Reconstruction"
    assert app.run(["train", "--resume", str(out)]) == 2
    said = capsys.readouterr().err
    assert "Reconstruction" in said
    assert "task=Reconstruction(...)" in said
    with pytest.raises(UsageError, match="task=Reconstruction"):
        train(small_net(), train_images, resume=out)
    with pytest.raises(UsageError, match="Reconstruction"):
        train(small_net(), train_images, resume=out, task=Classification())
    run = train(giver(), train_images, test=train_images, resume=out, task=Reconstruction())
    assert run.finished
    assert run.epochs[-1].metrics["psnr"] is None
    assert 0 < run.epochs[-1].metrics["loss"] < run.epochs[0].metrics["loss"]
    assert run.epochs[-1].test_metrics == {"loss": 0.1, "rate": None}


def test_a_task_is_looked_for_in_the_state_too(train_images, tmp_path):
    """The recipe's line is gone: the state still knows."""
    out = begun(train_images, tmp_path / "run")
    path = out / "recipe.toml"
    path.write_text(path.read_text().replace('task = "Reconstruction"\n', ""))
    net = nets.wrap(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), TensorSpec((1, 28, 28)))
    with pytest.raises(DataError, match="task"):
        train(net, train_images, resume=out)


def test_a_classifier_is_no_run_of_another_task(train_images, tmp_path):
    run = train(small_net(), train_images, out=tmp_path / "run", epochs=1, schedule="constant", **EXACT)
    with pytest.raises(UsageError, match="Leave the task out"):
        train(giver(), train_images, resume=run.folder, epochs=2, task=Reconstruction())


@pytest.mark.parametrize(
    ("recipe", "names"),
    [
        (ClassificationRecipe(momentum=0.5), ["--momentum"]),
        (ClassificationRecipe(optimizer="adadelta", momentum=0.5), ["--momentum"]),
        (ClassificationRecipe(root="x"), ["--root"]),
        (ClassificationRecipe(data="pictures", download=True, root="x"), ["--root", "--download"]),
        (StyleTrainRecipe(task="adain", width=8), ["--width"]),
        (StyleTrainRecipe(task="adain", judge="vgg", style_layers=["a"]), ["--judge", "--style-layers"]),
        (StyleTrainRecipe(task="johnson", prelude=3, alternation=1), ["--prelude", "--alternation"]),
        (StyleAddRecipe(momentum=0.1), ["--momentum"]),
    ],
)
def test_settings_that_nothing_reads_are_refused(recipe, names):
    with pytest.raises(UsageError, match="settings that count") as caught:
        refuse_unused(recipe)
    assert all(name in caught.value.received and name in caught.value.hint for name in names)


@pytest.mark.parametrize(
    "recipe",
    [
        ClassificationRecipe(),
        ClassificationRecipe(momentum=0.9),
        ClassificationRecipe(optimizer="sgd", momentum=0.5),
        ClassificationRecipe(data="mnist", root="x", download=True),
        StyleTrainRecipe(width=8, prelude=3),
        StyleTrainRecipe(task="adain", momentum=0.9),
        StyleAddRecipe(),
    ],
)
def test_settings_that_count_are_taken(recipe):
    refuse_unused(recipe)


def test_published_sets_are_those_that_can_be_read():
    assert set(PUBLISHED) == {*NAMED, *fsdd.names(), *SENTENCES}
    assert set(SENTENCES) == set(SENTENCE_SETS)


@pytest.mark.parametrize("words", [["--momentum", "0.5"], ["--root", "x"], ["--download"]])
def test_the_terminal_refuses_what_nothing_reads(tmp_path, capsys, words):
    assert app.run(["train", "mlp", "digits", "--out", str(tmp_path / "run"), *words]) == 2
    assert words[0] in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_recipe_of_a_run_can_be_given_to_config(train_images, tmp_path):
    run = train(small_net(), train_images, out=tmp_path / "run", epochs=1, **EXACT)
    values = ClassificationRecipe.read(run.folder / "recipe.toml")
    assert values.pop("verb") == "train"
    refuse_unused(ClassificationRecipe.parse(values))


def test_nothing_to_resume(tmp_path):
    with pytest.raises(UsageError, match="a run to resume"):
        resumed(ClassificationRecipe())
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="start it again"):
        resumed(ClassificationRecipe(resume=tmp_path / "empty"))
    with pytest.raises(DataError):
        resumed(ClassificationRecipe(resume=tmp_path / "nowhere"))


NORMED = "conv 4 3x3, relu, flatten, dense 6, batchnorm, relu, dense 10"


def test_one_value_per_channel_is_what_batch_normalisation_cannot_learn_from(train_images):
    net = small_net(text=NORMED)
    with pytest.raises(UsageError, match="more than one value per channel") as caught:
        list(
            Trainer(
                net,
                train_images.take(range(4)),
                recipe=ClassificationRecipe(epochs=1, **EXACT | {"batch": 1}),
            )
        )
    assert "--batch 2" in caught.value.hint
    assert "spec" not in str(caught.value)
    net = net.with_classes(train_images.classes)
    picture, label = train_images.images[:1].float() / 255, torch.tensor([3])
    with pytest.raises(UsageError, match="drop_last"):
        list(
            Trainer(
                net,
                [(picture.repeat(2, 1, 1, 1), torch.tensor([3, 4])), (picture, label)],
                recipe=ClassificationRecipe(epochs=1, **EXACT),
            )
        )


def test_one_picture_with_several_positions_is_enough(train_images):
    net = small_net(text="conv 4 3x3, batchnorm, relu, flatten, dense 10")
    list(
        Trainer(
            net, train_images.take(range(4)), recipe=ClassificationRecipe(epochs=1, **EXACT | {"batch": 1})
        )
    )


def test_weights_that_are_no_numbers_are_not_stored(train_images, tmp_path):
    """The last step of an epoch may break the weights after its loss was finite; the state before stays."""
    net = small_net()
    loop = Trainer(net, train_images, recipe=ClassificationRecipe(epochs=2, **EXACT))
    loop.state().write(tmp_path)
    stored = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    next(iter(loop))
    with torch.no_grad():
        next(net.module.parameters()).view(-1)[0] = float("nan")
    with pytest.raises(ConvscopeError, match=r"finite numbers in weights.*conv1\.weight") as caught:
        loop.state().write(tmp_path)
    assert caught.value.exit_code == 1
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == stored
