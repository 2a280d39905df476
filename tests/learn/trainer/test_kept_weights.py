"""Early stopping and the moving average of the weights: what is tested and saved, and that it resumes."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.learn.conftest import small_net
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from convscope import nets
from convscope.errors import DataError, UsageError
from convscope.graph.spec import TensorSpec
from convscope.learn import (
    ClassificationRecipe,
    Epoch,
    FinishedRunError,
    MetricSpec,
    Run,
    Trainer,
    TrainRecipe,
    best_epoch,
    best_epoch_text,
    evaluate,
    few_to_choose_by,
    iter_train_run,
    train,
)
from convscope.learn.batches.holdout import hold_out
from convscope.learn.trainer.kept_weights import KeptWeights
from convscope.learn.trainer.state import State

PLAIN = {"precision": "fp32", "memory_format": "contiguous", "batch": 64}
RISING = ClassificationRecipe(epochs=12, patience=2, lr=0.05, schedule="constant", **PLAIN)
"""On 240 digits: the best epoch is not the last."""
NORMED = "conv 4 3x3, batchnorm, relu, maxpool 4, flatten, dropout 0.2, dense 10"


@pytest.fixture(scope="module")
def few(train_images):
    return train_images.take(range(240))


def contents(net):
    return {name: tensor.clone() for name, tensor in net.module.state_dict().items()}


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[n], second[n]) for n in first)


def measured(history):
    timing = {"seconds", "samples_per_second"}
    return [{k: v for k, v in epoch.to_json().items() if k not in timing} for epoch in history]


def test_the_validation_part_is_of_every_class_and_of_the_training_data(train_images):
    rest, held = hold_out(train_images, 0.1, seed=3)
    wanted = [max(1, round(0.1 * n)) for n in train_images.labels.bincount().tolist()]
    assert held.labels.bincount().tolist() == wanted
    content = sorted(image.numpy().tobytes() for image in train_images.images)
    assert sorted(i.numpy().tobytes() for i in torch.cat((rest.images, held.images))) == content
    again = hold_out(train_images, 0.1, seed=3)[1]
    assert torch.equal(held.images, again.images)
    assert not torch.equal(held.images, hold_out(train_images, 0.1, seed=4)[1].images)


def test_the_best_epoch_is_kept_and_the_training_ends(few, test_images):
    net = small_net()
    loop, seen = Trainer(net, few, test_images, RISING), []
    validation = loop.validation
    for event in loop:
        if isinstance(event, Epoch):
            found = evaluate(net, validation)
            seen.append((found.accuracy, contents(net), found.loss))
    accuracies = [accuracy for accuracy, *_ in seen]
    best = int(np.lexsort((range(len(seen)), [-loss for *_, loss in seen], accuracies))[-1])
    assert 0 < best < len(seen) - 1 and len(seen) == best + 1 + RISING.patience < RISING.epochs
    assert [epoch.validation_metrics["accuracy"] for epoch in loop.history] == accuracies
    last = max(k for k, epoch in enumerate(loop.history) if epoch.best)
    assert last == best
    assert [epoch.stopped for epoch in loop.history] == [False] * (len(seen) - 1) + [True]
    assert same(contents(net), seen[best][1])
    assert same(contents(loop.trained), seen[best][1])
    assert loop.history[best].test_metrics["accuracy"] == evaluate(net, test_images).accuracy
    assert f"epoch {best + 1} of {len(seen)}" in best_epoch_text(loop.history, loop.task.primary)


ACCURACY = MetricSpec("accuracy", form=".2%", higher_is_better=True)
MEASURED = Epoch(1, 20, {}, {}, 1.0, 10.0, 0.1, "fp32", "contiguous")


def verdicts(patience, validated, metric=ACCURACY, **settings):
    """The history of a training with these validation metrics; values and losses until it ends."""
    net = nets.wrap(nn.Linear(4, 4), TensorSpec((4,)))
    kept, history = (
        KeptWeights(net.module, ClassificationRecipe(epochs=20, patience=patience, **settings)),
        [],
    )
    for index, (value, loss) in enumerate(validated, start=1):
        epoch = replace(MEASURED, index=index, validation_metrics={metric.name: value} | {"loss": loss})
        history.append(kept.with_verdict(epoch, history, metric, net))
        if history[-1].stopped:
            break
    return history


TIED = [(0.2, 1.7), (0.4, 1.55), (0.4, 1.5), (0.4, 1.41), (0.4, 1.3), (0.4, 1.26)]


@pytest.mark.parametrize(
    ("validated", "kept", "ended"),
    [
        (TIED, 6, None),  # five pictures: only the loss says that it goes on learning
        ([*TIED, (0.4, 1.3), (0.4, 1.27)], 6, 8),
        ([*TIED, (0.2, 0.1), (0.2, 0.1)], 6, 8),  # a lower loss makes up for no accuracy
        ([*TIED, (0.4, None), (0.6, None)], 8, None),  # a loss that was infinite
        ([(0.4, 1.0), (0.4, 1.0), (0.4, 1.0)], 3, 3),  # equal in both: the later one, and no improvement
        ([(0.4, 1.0), (0.4, 1.0), (0.4, 0.9), (0.4, 0.9), (0.4, 0.9)], 5, 5),
        ([(None, 1.0), (None, 0.9)], None, 2),
    ],
)
def test_equal_epochs_are_told_apart_by_their_loss(validated, kept, ended):
    history = verdicts(2, validated)
    best = best_epoch(history)
    assert (None if best is None else best.index) == kept
    assert [e.index for e in history if e.stopped] == ([] if ended is None else [ended])
    assert len(history) == (ended or len(validated))


def test_a_metric_that_shall_be_low_is_compared_so_too():
    low = MetricSpec("error")
    assert [e.best for e in verdicts(3, [(0.5, 1.0), (0.4, 2.0), (0.4, 1.9), (0.6, 0.1)], low)] == [
        True,
        True,
        True,
        False,
    ]
    alone = [e.best for e in verdicts(3, [(None, 2.0), (None, 1.0), (None, 3.0)], MetricSpec("loss"))]
    assert alone == [True, True, False]


def test_the_sentence_says_what_the_loss_has_decided():
    text = best_epoch_text(verdicts(9, TIED), ACCURACY)
    assert text == (
        "Kept: epoch 6 of 6, the best by validation accuracy (40.00%; among equal ones by its loss, 1.2600)."
    )
    assert "loss" not in best_epoch_text(verdicts(9, TIED[:2]), ACCURACY)


def test_few_samples_that_choose_are_counted(train_images):
    recipe = ClassificationRecipe(patience=2)

    def few(total, held, recipe=recipe, metric=ACCURACY):
        data = [train_images.take(range(count)) for count in (total - held, held)]
        return few_to_choose_by(recipe, *data, metric)

    found = few(150, 5)
    assert found is not None and (found.count, found.points, found.share) == (5, 20.0, 0.2)
    assert "5 validation samples, each worth 20 percentage points" in found.text["en"]
    assert "--validation-split 0.2)" in found.text["en"] and "leave --patience out" in found.text["en"]
    assert "5 个验证样本" in found.text["zh"] and "相当于 20 个百分点" in found.text["zh"]
    small = few(40, 4)
    assert small is not None and small.share is None and "--validation-split" not in small.text["en"]
    assert "take more samples" in small.text["en"] and "增加样本" in small.text["zh"]
    assert few(300, 29) is not None and few(300, 30) is None
    assert few(150, 5, ClassificationRecipe(validation_split=0.1)) is None  # nothing is chosen
    calibrated = few(150, 5, ClassificationRecipe(calibrate=True))
    assert calibrated is not None and "temperature of the calibration is fitted on 5" in calibrated.text["en"]
    assert "leave --calibrate out" in calibrated.text["en"] and "points" not in calibrated.text["en"]
    assert "校准的温度由 5 个验证样本决定" in calibrated.text["zh"]
    assert few(300, 30, ClassificationRecipe(calibrate=True)) is None
    other = few(150, 5, metric=MetricSpec("loss"))
    assert other is not None and other.points is None and "points" not in other.text["en"]


def test_without_patience_every_epoch_is_run_and_the_last_is_kept(few, test_images):
    net = small_net()
    recipe = RISING.model_copy(update={"patience": None, "validation_split": 0.2, "epochs": 5})
    loop = Trainer(net, few, test_images, recipe)
    list(loop)
    assert len(loop.history) == 5 and not any(e.best or e.stopped for e in loop.history)
    assert loop.history[-1].validation_metrics["accuracy"] == evaluate(net, loop.validation).accuracy


@pytest.mark.parametrize(("epoch", "step", "ema"), [(1, 0, None), (2, 2, 0.9), (4, 1, 0.9)])
def test_it_resumes_bit_for_bit(few, test_images, tmp_path, epoch, step, ema):
    recipe = RISING.model_copy(update={"ema": ema})
    straight = small_net(text=NORMED)
    whole = Trainer(straight, few, test_images, recipe)
    list(whole)
    loop = Trainer(small_net(text=NORMED), few, test_images, recipe)
    loop.pause()
    for _event in loop:
        if (loop.epoch, loop.step) == (epoch, step):
            break
        loop.pause()
    loop.state().write(tmp_path)
    torch.manual_seed(9)
    net = small_net(seed=5, text=NORMED)
    again = Trainer(net, few, test_images, recipe, state=State.read(tmp_path))
    list(again)
    assert len(whole.history) > epoch
    assert measured(again.history) == measured(whole.history)
    assert same(contents(straight), contents(net))
    first, second = whole.state(), again.state()
    assert same(first.tensors, second.tensors)


def averaged(steps, decay):
    """The recursion with timm's warm-up, in NumPy."""
    mean = None
    for step, value in enumerate(steps, start=1):
        reached = min(decay, 1 - (1 + (step - 1)) ** -0.75) if step > 1 else 0.0
        mean = value if mean is None else reached * mean + (1 - reached) * value
    return mean


def test_the_average_is_the_recursion_over_all_steps(few, test_images):
    net = small_net(text=NORMED)
    frozen = net.module.get_submodule("conv1").weight.requires_grad_(False).clone()
    recipe = ClassificationRecipe(epochs=3, ema=0.8, **PLAIN)
    loop, steps = Trainer(net, few, test_images, recipe), []
    loop.pause()
    for event in loop:
        if not isinstance(event, Epoch):
            steps.append({name: value.double().numpy() for name, value in contents(net).items()})
        loop.pause()
    assert len(steps) == 12
    for name, tensor in net.module.state_dict().items():
        if name.endswith("num_batches_tracked"):
            assert int(tensor) == 12
            continue
        expected = averaged([step[name] for step in steps], 0.8)
        np.testing.assert_allclose(tensor.numpy(), expected, rtol=2e-4, atol=1e-6, err_msg=name)
    assert torch.equal(net.module.get_submodule("conv1").weight, frozen)
    assert loop.history[-1].test_metrics["accuracy"] == evaluate(net, test_images).accuracy


class Odd(nn.Module):
    """Weights of two layers that are one tensor, a mask of minus infinity, a table of numbers."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.register_buffer("mask", torch.tensor([0.0, float("-inf")]))
        self.register_buffer("count", torch.tensor(0))

    def forward(self, x):
        return self.second(self.first(x))


def test_shared_weights_and_infinite_buffers_are_averaged_right():
    module = Odd()
    kept = KeptWeights(module, TrainRecipe(ema=0.5))
    steps = []
    for step in range(1, 5):
        with torch.no_grad():
            module.first.weight.add_(step)
            module.get_buffer("count").add_(1)
        steps.append(module.first.weight.detach().double().numpy().copy())
        kept.update(module, step)
    found = kept.evaluated(nets.wrap(module, TensorSpec((4,)))).module.state_dict()
    np.testing.assert_allclose(found["second.weight"].numpy(), averaged(steps, 0.5), rtol=1e-6)
    assert found["mask"].tolist() == [0.0, float("-inf")] and int(found["count"]) == 4


def test_a_run_keeps_the_best_epoch_and_says_so(few, test_images, tmp_path):
    net, other = small_net(), small_net()
    run = train(net, few, test=test_images, out=tmp_path / "run", **RISING.model_dump(exclude_unset=True))
    list(Trainer(other, few, test_images, RISING))
    assert same(contents(run.load()), contents(other)) and same(contents(net), contents(other))
    assert run.finished and run.stopped and len(run.epochs) < RISING.epochs
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert [line["stopped"] for line in lines][-1] is True and sum(line["best"] for line in lines) >= 1
    for more in ({}, {"epochs": 50}):
        with pytest.raises(FinishedRunError, match="ended early"):
            train(small_net(), few, test=test_images, resume=tmp_path / "run", **more)


def test_a_stopped_run_holds_the_best_so_far_and_goes_on(few, test_images, tmp_path):
    recipe = RISING.model_copy(update={"ema": 0.9})
    straight = small_net()
    list(Trainer(straight, few, test_images, recipe))
    out, best = tmp_path / "run", None
    events = iter_train_run(small_net(), few, test_images, recipe, out=out)
    for event in events:
        if isinstance(event, Epoch) and event.best:
            best = contents(Run.open(out).load())
        if isinstance(event, Epoch) and event.index == 3:
            break
    events.close()
    assert best is not None and same(contents(Run.open(out).load()), best)
    run = train(small_net(seed=4), few, test=test_images, resume=out)
    assert same(contents(run.load()), contents(straight))


def test_a_state_without_its_average_is_refused(few, tmp_path):
    recipe = RISING.model_copy(update={"ema": 0.9})
    loop = Trainer(small_net(), few, recipe=recipe)
    next(event for event in loop if isinstance(event, Epoch))
    state = loop.state()
    for part in ("ema", "best"):
        tensors = {name: value for name, value in state.tensors.items() if not name.startswith(part)}
        with pytest.raises(DataError, match=part):
            Trainer(small_net(), few, recipe=recipe, state=replace(state, tensors=tensors))


def test_a_loader_needs_a_validation_part_of_its_own(few, test_images):
    def loader(images):
        return DataLoader(TensorDataset(images.images, images.labels), batch_size=80)

    net = small_net().with_classes(few.classes)
    with pytest.raises(UsageError, match="validation="):
        Trainer(net, loader(few), recipe=RISING)
    loop = Trainer(net, loader(few), recipe=RISING, validation=loader(test_images))
    list(loop)
    assert loop.history[0].validation_metrics["accuracy"] > 0


def test_too_few_samples_and_half_precision_are_refused(few):
    one_each = few.take([int((few.labels == k).nonzero()[0]) for k in range(10)])
    with pytest.raises(UsageError, match="hold one out"):
        Trainer(small_net(), one_each, recipe=RISING)
    with pytest.raises(UsageError, match="float32"):
        KeptWeights(nn.Linear(2, 2).bfloat16(), TrainRecipe(ema=0.9))


def test_frozen_weights_are_the_same_in_the_average(train_images, tmp_path):
    """Also where the average would round: 0.1 * w + 0.9 * w is often another number than w."""
    net = small_net()
    before = {name: tensor.clone() for name, tensor in net.module.state_dict().items()}
    settings = {
        "epochs": 2,
        "batch": 50,
        "ema": 0.7,
        "weight_decay": 0.5,
        "device": "cpu",
        "precision": "fp32",
    }
    run = train(net, train_images, out=tmp_path / "run", freeze=("conv1", "dense1:3"), **settings)
    after = run.load().module.state_dict()
    name = next(n for n in before if n.startswith("dense") and n.endswith("weight"))
    for frozen in ("conv1.weight", "conv1.bias"):
        assert torch.equal(before[frozen], after[frozen])
    assert torch.equal(before[name][3], after[name][3]) and not torch.equal(before[name], after[name])


def test_what_is_frozen_later_is_the_frozen_value_in_the_average_too(train_images):
    """Whole layers and single units; the average of the steps before is another number."""
    net = small_net()
    settings = {"epochs": 3, "ema": 0.9, "freeze": ("conv1 at epoch 2", "dense1:3 at epoch 2"), **PLAIN}
    trainer = Trainer(net, train_images, recipe=ClassificationRecipe(**settings))
    for event in trainer:
        if not isinstance(event, Epoch) or event.index == 3:
            continue
        ours, average = contents(net), contents(trainer.kept.evaluated(trainer.net))
        apart = {name for name in ours if not torch.equal(ours[name], average[name])}
        if event.index == 1:
            assert apart == set(ours), "nothing is frozen yet"
        else:
            assert apart == set(ours) - {"conv1.weight", "conv1.bias"}
            for name in ("dense1.weight", "dense1.bias"):
                assert torch.equal(ours[name][3], average[name][3])
                assert not torch.equal(ours[name][2], average[name][2])
