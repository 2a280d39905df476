"""Training with several inputs and outputs, against the same computation in plain torch."""

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

import convscope as cs
from convscope import learn
from convscope.cli.core import app
from convscope.errors import ConvscopeError, DataError, UsageError
from convscope.learn import Run, Trainer, find_schema, iter_train, setup_training
from convscope.nets import ExecutionConfig
from convscope.worlds.datasets import digits

EXACT = {"precision": "fp32", "memory_format": "contiguous", "device": "cpu"}
BRANCHES = [
    {"name": "trunk", "inputs": ["size", "seen"], "layers": "dense 8, relu"},
    {"name": "seen", "inputs": ["picture"], "layers": "conv 3 3x3, relu, flatten"},
]
OUTPUTS = [
    {"name": "class", "target": "kind", "weight": 0.7},
    {"name": "price", "target": ["low", "high"], "loss": "mse", "weight": 2},
    {"name": "tame", "loss": "bce", "weight": 0.25},
]
CLASSES = ("cat", "dog", "owl")


def two_inputs():
    return [{"name": "picture", "column": "file"}, {"name": "size", "column": ["width", "height"]}]


def changed(**values):
    """The outputs, the first one changed."""
    return {"outputs": [{**OUTPUTS[0], **values}, *OUTPUTS[1:]]}


def recipe(table, outputs=None, **more):
    settings = {
        "task": "multitask",
        "data": str(table),
        "epochs": 1,
        "batch": 6,
        **EXACT,
        "inputs": [
            {"name": "picture", "column": "file", "shape": "1x8x8"},
            {"name": "size", "column": ["width", "height"]},
        ],
        "branches": [
            BRANCHES[1],
            BRANCHES[0],
            {"name": "class", "inputs": ["trunk"], "layers": "dense 3"},
            {"name": "price", "inputs": ["trunk"], "layers": "dense 2"},
            {"name": "tame", "inputs": ["trunk"], "layers": "dense 1"},
        ],
        "outputs": OUTPUTS if outputs is None else outputs,
    }
    return find_schema("multitask").parse({**settings, **more})


@pytest.fixture
def table(tmp_path):
    """24 rows of a picture, two numbers, and three kinds of targets, some of them missing."""
    random = np.random.default_rng(0)
    lines = ["file,width,height,kind,low,high,tame"]
    for k in range(24):
        kind = "" if k in (3, 17) else CLASSES[k % 3]
        low = "" if k % 5 == 1 else f"{random.normal():.3f}"
        high, tame = f"{random.normal():.3f}", "" if k > 20 else str(k % 2)
        pixels = random.integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{k}.png")
        lines.append(f"{k}.png,{random.normal():.3f},{10 + k},{kind},{low},{high},{tame}")
    path = tmp_path / "animals.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def edited(table, before, after):
    text = table.read_text()
    assert before in text
    table.write_text(text.replace(before, after, 1))
    return table


def test_the_loss_is_the_weighted_sum_of_each_outputs_mean_over_its_targets(table):
    setup = setup_training(recipe(table))
    batch = setup.train.batch(range(len(setup.train)))
    targets, missing = batch.targets, 0
    found = setup.task.training_step(setup.net, batch, ExecutionConfig(), 0)
    picture, size = batch.inputs
    spec = setup.net.input_specs[1]
    normalised = (size - torch.tensor(spec.mean)) / torch.tensor(spec.std)
    values = {name: x.detach() for name, x in setup.net.module(picture, normalised).items()}
    classes = functional.cross_entropy(values["class"], targets["class"], ignore_index=-1)
    known = ~targets["price"].isnan()
    missing = int((~known).sum())
    prices = functional.mse_loss(values["price"][known], targets["price"][known])
    tamed = ~targets["tame"].isnan()
    tame = functional.binary_cross_entropy_with_logits(values["tame"][tamed], targets["tame"][tamed])
    wanted = 0.7 * classes + 2 * prices + 0.25 * tame
    torch.testing.assert_close(found.loss.detach(), wanted)
    assert missing and int((targets["class"] < 0).sum()) and not bool(tamed.all())
    metrics = setup.task.metrics(found.sums.tolist(), batch.size)
    assert metrics["loss"] == pytest.approx(float(wanted), rel=1e-5)
    assert metrics["class_loss"] == pytest.approx(float(classes), rel=1e-5)
    absolute = (values["price"] - targets["price"])[known].abs().mean()
    assert metrics["price_mae"] == pytest.approx(float(absolute), rel=1e-5)


def test_training_takes_the_steps_of_a_loop_in_torch(table):
    settings = {"optimizer": "sgd", "momentum": 0, "weight_decay": 0, "lr": 0.1, "schedule": "constant"}
    chosen = recipe(table, epochs=2, batch=100, **settings)
    setup, other = setup_training(chosen), setup_training(chosen)
    for _ in iter_train(setup.net, setup.train, None, chosen, task=setup.task):
        pass
    batch = other.train.batch(range(len(other.train)))
    weights = list(other.net.module.parameters())
    for _ in range(2):
        values, t = other.net(*batch.inputs), batch.targets
        known, tamed = ~t["price"].isnan(), ~t["tame"].isnan()
        loss = (
            0.7 * functional.cross_entropy(values["class"], t["class"], ignore_index=-1)
            + 2 * (values["price"][known] - t["price"][known]).square().mean()
            + 0.25 * functional.softplus(values["tame"][tamed] * (1 - 2 * t["tame"][tamed])).mean()
        )
        for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            weight.data -= 0.1 * gradient
    for one, two in zip(setup.net.module.parameters(), weights, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon"])
def test_an_output_of_weight_0_does_not_learn_and_that_is_said(table, optimizer):
    outputs = [
        {"name": "class", "target": "kind"},
        {"name": "price", "target": ["low", "high"], "loss": "mse", "weight": 0},
        {"name": "tame", "loss": "bce"},
    ]
    chosen = recipe(table, outputs, epochs=3, optimizer=optimizer, weight_decay=0.5, lr=0.01, ema=0.9)
    setup = setup_training(chosen)
    before = {name: p.detach().clone() for name, p in setup.net.module.named_parameters()}
    trainer = Trainer(setup.net, setup.train, setup.test, chosen, task=setup.task)
    *_, last = trainer
    for name, p in setup.net.module.named_parameters():
        assert torch.equal(p, before[name]) == name.startswith("price."), name
    (said,) = [note for note in setup.notes if "weight 0" in note]
    assert "price.weight" in said and "tame.weight" not in said
    assert last.metrics["price_loss"] > 0  # measured all the same
    assert any("price" in line and "weight 0" in line for line in last.tested.summary)


def test_missing_targets_are_counted_and_constant_answers_compared(table):
    setup = setup_training(recipe(table, test=str(table)))
    assert len(setup.train) == len(setup.test) == 24
    found = setup.task.evaluate(setup.net, setup.test, ExecutionConfig()).to_json()["outputs"]
    assert (found["class"]["targets"], found["class"]["missing"]) == (22, 2)
    assert (found["price"]["targets"], found["price"]["missing"]) == (43, 5)
    assert (found["tame"]["targets"], found["tame"]["missing"]) == (21, 3)
    assert found["class"]["baseline"] == 8 / 22
    assert found["tame"]["baseline"] == 11 / 21
    rows = [line.split(",") for line in table.read_text().splitlines()[1:]]
    columns = [np.array([float(row[k]) for row in rows if row[k]]) for k in (4, 5)]
    absolute = sum(np.abs(c - np.sort(c)[(len(c) - 1) // 2]).sum() for c in columns)
    assert found["price"]["baseline"] == pytest.approx(absolute / 43, rel=1e-5)
    assert any("2 of 24" in note and "class" in note for note in setup.notes)


def test_numbers_are_normalised_by_the_training_data_and_the_network_remembers(table, tmp_path):
    setup = setup_training(recipe(table, test=str(table)))
    spec = setup.net.input_specs[1]
    heights = 10 + np.arange(24)
    assert spec.mean[1] == pytest.approx(heights.mean()) and spec.std[1] == pytest.approx(heights.std())
    (normalised, *_) = setup.net.normalise(*setup.train.batch(range(24)).inputs)[1:]
    torch.testing.assert_close(normalised.mean(0), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(normalised.std(0, correction=0), torch.ones(2), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed(target="kid"), ("kid", "kind")),
        (changed(name="clas"), ("clas", "class")),
        (changed(target="width"), ("units",)),
        (changed(target="low", loss="mse"), ("class", "3")),
        (changed(target=["low", "kind", "high"], loss="l1"), ("number", "cat")),
        (changed(target=["low", "height", "tame"], loss="bce"), ("0 to 1",)),
        (changed(los="mse"), ("los", "loss")),
        (changed(loss="mae"), ("mae", "l1")),
        ({"outputs": [{**part, "weight": 0} for part in OUTPUTS]}, ("weight",)),
        ({"outputs": []}, ("outputs",)),
        ({"inputs": [{"name": "picture", "column": "fil", "shape": "1x8x8"}]}, ("fil", "file")),
        ({"inputs": [{"name": "picture", "column": "file", "shape": "1x8x8"}]}, ("picture, seen", "size")),
        ({"test": "none.csv"}, ("none.csv",)),
        ({"data": "animals.csv"}, ("animals.csv",)),
        ({"network": "lecture"}, ("branches",)),
    ],
)
def test_what_does_not_fit_is_refused_with_what_does(table, change, said):
    with pytest.raises(ConvscopeError) as caught:
        setup = setup_training(recipe(table, **change))
        setup.task.prepare(setup.net, setup.train, None)
    text = f"{caught.value.expected} {caught.value.received} {caught.value.hint}"
    assert all(word in text for word in said), text


def test_a_cell_that_cannot_be_read_is_named_by_its_line(table):
    with pytest.raises(DataError, match=r"line 3 of animals\.csv"):
        setup_training(recipe(edited(table, "1.png,", "1.png,wide")))
    edited(table, "wide", "")
    test = table.with_name("test.csv")
    test.write_text(table.read_text().replace("owl", "elk", 1))
    with pytest.raises(DataError, match=r"line \d+ of test.csv"):
        setup_training(recipe(table, test=str(test)))


def test_rows_without_an_input_are_left_out_and_listed(table):
    (table.parent / "2.png").write_bytes(b"no picture")
    (table.parent / "5.png").unlink()
    setup = setup_training(recipe(table, test=str(edited(table, "9.png", ""))))
    assert len(setup.train) == 21
    assert [problem.path.split()[1] for problem in setup.train.problems] == ["4", "7", "11"]
    assert "3 rows" in setup.notes[0]
    for path in table.parent.glob("*.png"):
        path.unlink()
    with pytest.raises(DataError, match="can be read"):
        setup_training(recipe(table))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2,3\n", "line 2"),
        ("a,a\n1,2\n", "heading"),
        ("a,b\n", "headings and rows"),
        ("", "headings and rows"),
        ("a,\n1,2\n", "heading"),
    ],
)
def test_a_damaged_table_is_refused(tmp_path, text, said):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        setup_training(recipe(path))


def test_from_the_terminal_to_a_network_that_opens_again(table, tmp_path, capsys):
    """A TOML file trains it; it resumes from its own recipe; look and explain say what they can do."""
    config, out = tmp_path / "r.toml", tmp_path / "run"
    lines = ['task = "multitask"', f'data = "{table}"', "epochs = 1", "batch = 6", 'precision = "fp32"']
    lines += ['memory_format = "contiguous"', 'schedule = "constant"']
    for name, tables in recipe(table).model_dump(mode="json", exclude_unset=True).items():
        if isinstance(tables, list):
            for one in tables:
                lines += [f"[[{name}]]", *(f"{key} = {json.dumps(value)}" for key, value in one.items())]
    config.write_text("\n".join(lines))
    assert app.run(["train", "--config", str(config), "--out", str(out), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document["test"]["outputs"]) == {"class", "price", "tame"}
    page = (out / "report.html").read_text()
    assert page.count("price MAE") > 1 and "What each output has learned" in page
    assert Run.open(out).recipe.outputs == recipe(table).outputs
    assert app.run(["train", "--resume", str(out), "--epochs", "2"]) == 0
    net = cs.load(out)
    assert [spec.name for spec in net.output_specs] == ["class", "price", "tame"]
    assert net.classes == CLASSES
    assert [spec.name for spec in net.input_specs] == ["picture", "size"]
    for verb in ("look", "explain", "classify"):
        capsys.readouterr()
        assert app.run([verb, str(table.parent / "0.png"), "--net", str(out)]) == 2
        assert "one input" in capsys.readouterr().err
    chosen = recipe(table, branches=[], inputs=[{"name": "picture", "column": "file"}], network=str(out))
    with pytest.raises(UsageError, match=r"column of animals\.csv"):  # size is no column
        setup_training(chosen)
    again = setup_training(recipe(table, branches=[], network=str(out), inputs=two_inputs()))
    for one, two in zip(again.net.module.parameters(), net.module.parameters(), strict=True):
        assert torch.equal(one, two)


def test_changed_targets_are_named_when_a_run_is_resumed(table, tmp_path):
    chosen = recipe(table, schedule="constant", test=str(table))
    setup = setup_training(chosen)
    run = tmp_path / "run"
    for _ in learn.iter_train_run(setup.net, setup.train, setup.test, chosen, out=run, task=setup.task):
        pass
    edited(table, ",cat,", ",dog,")
    more = find_schema("multitask").parse({"resume": run, "epochs": 2})
    setup = setup_training(Run.open(run).recipe)
    with pytest.raises(DataError, match="targets"):
        learn.iter_train_run(setup.net, setup.train, setup.test, more, out=run, task=setup.task)


def test_stopped_and_resumed_is_bit_for_bit_the_same(table):
    chosen = recipe(table, epochs=3, test=str(table))
    whole, parts = setup_training(chosen), setup_training(chosen)
    for _ in iter_train(whole.net, whole.train, None, chosen, task=whole.task):
        pass
    trainer = Trainer(parts.net, parts.train, None, chosen, task=parts.task)
    trainer.pause()
    next(iter(trainer))
    state = trainer.state()
    assert 0 < state.values["step"] < state.values["steps"]
    fresh = setup_training(chosen)
    for _ in Trainer(fresh.net, fresh.train, None, chosen, state=state, task=fresh.task):
        pass
    for one, two in zip(whole.net.module.parameters(), fresh.net.module.parameters(), strict=True):
        assert torch.equal(one, two)


def test_a_loader_of_inputs_and_named_targets_trains_too(table):
    setup = setup_training(recipe(table))
    data = setup.train
    loader = [
        (tuple(x[i : i + 6] for x in data.inputs), {n: t[i : i + 6] for n, t in data.targets.items()})
        for i in range(0, len(data), 6)
    ]
    before = setup.net.module.get_parameter("class.weight").clone()
    (epoch,) = iter_train(setup.net, loader, None, recipe(table), task=setup.task)
    assert math.isfinite(epoch.metrics["loss"])
    assert not torch.equal(before, setup.net.module.get_parameter("class.weight"))
    wrong = [(inputs, targets["class"]) for inputs, targets in loader]
    with pytest.raises(DataError, match="name of their output"):
        list(iter_train(setup.net, wrong, None, recipe(table), task=setup.task))


def test_labelled_images_have_columns_of_themselves_and_of_pairs():
    chosen = {
        "task": "multitask",
        "data": "digits",
        **EXACT,
        "inputs": [{"name": "a", "column": "image"}, {"name": "b", "column": "image2"}],
        "branches": [
            {"name": "both", "inputs": ["a", "b"], "layers": "flatten, dense 4"},
            {"name": "sum", "inputs": ["both"], "layers": "dense 19"},
            {"name": "same", "inputs": ["both"], "layers": "dense 1"},
            {"name": "ink", "inputs": ["both"], "layers": "dense 1"},
            {"name": "drawn", "inputs": ["a"], "layers": "conv 1 3x3 padding=1"},
        ],
        "outputs": [
            {"name": "sum"},
            {"name": "same", "loss": "bce"},
            {"name": "ink", "target": "brightness", "loss": "smooth_l1"},
            {"name": "drawn", "target": "image", "loss": "l1", "kind": "image"},
        ],
    }
    setup = setup_training(find_schema("multitask").parse(chosen))
    data, source = setup.train, digits.train()
    images = source.images.float() / 255
    a, b = data.batch(range(40)).inputs
    t = data.batch(range(40)).targets
    torch.testing.assert_close(a, images[:40])
    torch.testing.assert_close(t["drawn"], images[:40])
    torch.testing.assert_close(t["ink"][:, 0], images[:40].mean((1, 2, 3)), rtol=1e-4, atol=1e-6)
    nearest = torch.cdist(b.flatten(1), images.flatten(1)).argmin(1)
    other = source.labels[nearest]
    assert torch.equal(t["sum"], source.labels[:40] + other)
    assert torch.equal(t["same"][:, 0] == 1, source.labels[:40] == other)
    found = setup.task.training_step(setup.net, data.batch(range(40)), ExecutionConfig(), 0)
    values = setup.net(a, b)
    wanted = (
        functional.cross_entropy(values["sum"], t["sum"])
        + functional.binary_cross_entropy_with_logits(values["same"], t["same"])
        + functional.smooth_l1_loss(values["ink"], t["ink"])
        + functional.l1_loss(values["drawn"], t["drawn"])
    )
    torch.testing.assert_close(found.loss, wanted)


def test_batches_in_parts_are_exact_and_refused_where_targets_are_missing(table):
    """A part counts by its samples: with other missing targets in each, the mean would be another."""
    with pytest.raises(UsageError, match="in parts"):
        setup = setup_training(recipe(table, gradient_accumulation_steps=2))
        Trainer(setup.net, setup.train, None, recipe(table, gradient_accumulation_steps=2), task=setup.task)
    rows = [line for line in table.read_text().splitlines() if not (",," in line or line.endswith(","))]
    table.write_text("\n".join(rows))
    ended = []
    for parts in (1, 3):
        chosen = recipe(table, test=str(table), optimizer="sgd", lr=0.05, gradient_accumulation_steps=parts)
        setup = setup_training(chosen)
        list(Trainer(setup.net, setup.train, None, chosen, task=setup.task))
        ended.append(list(setup.net.module.parameters()))
    for one, two in zip(*ended, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)
