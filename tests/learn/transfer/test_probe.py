"""Linear probing and fine-tuning: only the head learns at first, on cached features, then everything."""

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.learn.conftest import small_net
from torch import nn
from torch.nn import functional

from convscope import nets
from convscope.errors import TrainingError, UsageError
from convscope.graph.spec import TensorSpec
from convscope.learn import (
    Classification,
    ClassificationRecipe,
    Epoch,
    LRFinderResult,
    Trainer,
    TrainProgress,
    find_lr,
    iter_train_run,
    rates_to_find,
    train,
    with_suggested_lr,
)
from convscope.learn.optimization.schedules import lr_factor
from convscope.learn.transfer.layer_decay import layer_lr_scales
from convscope.nets.inference.execution import ExecutionConfig

FIXED: dict[str, Any] = {"precision": "fp32", "memory_format": "contiguous", "device": "cpu", "batch": 100}


def norm_net(seed: int = 0) -> nets.Net:
    return small_net(
        seed, "conv 6 3x3 stride=2, batchnorm, relu, conv 8 3x3 stride=2, batchnorm, relu, flatten, dense 10"
    )


def recipe(**settings: Any) -> ClassificationRecipe:
    return ClassificationRecipe.parse({**FIXED, **settings})


def weights(net: nets.Net) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in net.module.state_dict().items()}


def moved(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_the_head_alone_learns_and_then_everything(train_images) -> None:
    net = norm_net()
    trainer = Trainer(net, train_images, recipe=recipe(epochs=3, probe_epochs=2, weight_decay=0.1))
    head = {name for name in net.module.state_dict() if name.startswith(nets.find_head(net).path)}
    before = weights(net)
    for event in trainer:
        if isinstance(event, Epoch):
            changed = moved(before, weights(net))
            if event.index <= 2:
                assert changed == head, "bit for bit, running statistics too"
            else:
                assert changed == set(before)


POOLED = "conv 6 3x3 stride=2, batchnorm, relu, conv 10 1x1, globalavgpool, flatten"


@pytest.mark.parametrize(("optimizer", "text"), [("adamw", None), ("sgd", None), ("adamw", POOLED)])
def test_it_is_what_a_plain_loop_without_a_cache_computes(train_images, optimizer: str, text: Any) -> None:
    """The features are computed again for every batch, by the whole network in evaluation mode."""
    net, other = (small_net(text=text) if text else norm_net() for _ in range(2))
    settings = recipe(epochs=2, probe_epochs=2, optimizer=optimizer, probe_lr=0.02, label_smoothing=0.0)
    trainer = Trainer(net, train_images, recipe=settings)
    orders = [trainer.batch_source.source.order(epoch) for epoch in range(2)]
    for _ in trainer:
        pass
    module = other.module.eval()
    head = nets.find_head(other).layer
    optim: torch.optim.Optimizer = (
        torch.optim.AdamW(
            [{"params": [head.weight], "weight_decay": 0.01}, {"params": [head.bias], "weight_decay": 0}]
        )
        if optimizer == "adamw"
        else torch.optim.SGD(
            [{"params": [head.weight], "weight_decay": 0.01}, {"params": [head.bias], "weight_decay": 0}],
            lr=1.0,
            momentum=0.9,
            nesterov=True,
        )
    )
    steps = 2 * len(orders[0].split(100))
    step = 0
    for order in orders:
        for indices in order.split(100):
            images = train_images.images[indices].float() / 255
            for group in optim.param_groups:
                group["lr"] = 0.02 * lr_factor(settings, step, steps)
            loss = functional.cross_entropy(module(images), train_images.labels[indices])
            optim.zero_grad()
            loss.backward(inputs=[head.weight, head.bias])
            optim.step()
            step += 1
    ours, theirs = weights(net), weights(other)
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=2e-3, atol=2e-5)


def test_a_network_that_is_not_linear_in_its_features_is_fine_tuned_without_a_probe(train_images) -> None:
    net = small_net(text="conv 6 3x3 stride=2, relu, conv 10 1x1, relu, globalavgpool, flatten")
    with pytest.raises(UsageError) as caught:
        Trainer(net, train_images, recipe=recipe(epochs=2, probe_epochs=1))
    assert "ReLU" in caught.value.received and "--probe-epochs 0" in caught.value.hint
    before = weights(net)
    for _ in Trainer(net, train_images, recipe=recipe(epochs=1, layer_decay=0.5)):
        pass
    assert moved(before, weights(net)) == set(before)


@pytest.mark.parametrize("stop_after", [1, 8, 12, 14])
def test_it_resumes_bit_for_bit_in_both_phases(train_images, test_images, stop_after: int) -> None:
    settings = recipe(epochs=3, probe_epochs=2, layer_decay=0.5)  # 6 steps each
    whole = norm_net()
    trainer = Trainer(whole, train_images, test_images, settings)
    for _ in trainer:
        pass
    net = norm_net()
    first = Trainer(net, train_images, test_images, settings)
    state = None
    first.pause()
    for event in first:
        in_steps = isinstance(event, TrainProgress) and event.preparing is None
        if in_steps and (event.epoch - 1) * 6 + event.step >= stop_after:
            state = first.state()
            break
        first.pause()
    assert state is not None
    again = norm_net(seed=5)
    resumed = Trainer(again, train_images, test_images, settings, state=state)
    for _ in resumed:
        pass
    assert not moved(weights(whole), weights(again))
    numbers = [[(e.metrics, e.test_metrics, e.lr) for e in t.history] for t in (trainer, resumed)]
    assert numbers[0] == numbers[1]


def test_each_phase_runs_through_the_schedule() -> None:
    settings = recipe(epochs=5, probe_epochs=3, lr=0.4, probe_lr=0.2, schedule="cosine", warmup=0.0)
    task = Classification.from_recipe(settings)
    rates = [task.learning_rate(settings, 0.4, step, 10) for step in range(50)]
    assert rates[0] == pytest.approx(0.2) and rates[30] == pytest.approx(0.4)
    assert rates[29] < 0.01 and rates[49] < 0.01
    assert rates[:30] == sorted(rates[:30], reverse=True) and rates[30:] == sorted(rates[30:], reverse=True)


def test_the_evaluation_of_a_probe_is_that_of_the_whole_network(
    train_images, test_images, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = norm_net()
    trainer = Trainer(net, train_images, test_images, recipe(epochs=2, probe_epochs=2))
    with monkeypatch.context() as patch:
        patch.setattr("convscope.learn.tasks.classification.evaluate", None)  # on the cached features alone
        events = [event for event in trainer if isinstance(event, Epoch)]
    tested = events[-1].tested
    assert tested is not None
    plain = Classification()
    named = plain.prepare(net, train_images, None)
    found = plain.evaluate(named, test_images, ExecutionConfig())
    assert tested.metrics["accuracy"] == found.metrics["accuracy"]
    assert tested.metrics["loss"] == pytest.approx(found.metrics["loss"], rel=1e-4)


def test_the_first_fine_tuned_epoch_is_evaluated_by_the_whole_network(train_images, test_images) -> None:
    """The features that the probe was evaluated on are no longer those of the network."""
    net = norm_net()
    trainer = Trainer(net, train_images, test_images, recipe(epochs=2, probe_epochs=1, lr=0.01))
    *_, last = trainer
    assert isinstance(last, Epoch) and last.index == 2
    with torch.no_grad():
        scores = net.module.eval()(test_images.images.float() / 255)
    assert last.test_metrics["loss"] == pytest.approx(
        float(functional.cross_entropy(scores, test_images.labels)), rel=1e-4
    )
    features = trainer.task.probe.features(test_images)
    stale = functional.cross_entropy(trainer.task.probe.logits(features, net), test_images.labels)
    assert last.test_metrics["loss"] != pytest.approx(float(stale.detach()), rel=1e-2)


def test_layer_wise_rates_are_those_of_timm() -> None:
    import timm
    from timm.optim import param_groups_layer_decay

    module = timm.create_model("convnext_atto", num_classes=3)
    net = nets.wrap(module, TensorSpec((3, 64, 64)))
    ours = layer_lr_scales(net, 0.75, nets.find_head(net).path)
    theirs = {
        p: g["lr_scale"] for g in param_groups_layer_decay(module, layer_decay=0.75) for p in g["params"]
    }
    assert ours.keys() == theirs.keys()
    for name, parameter in module.named_parameters():
        assert ours[parameter] == pytest.approx(theirs[parameter]), name


def test_the_optimizer_gets_them_and_the_head_the_whole_rate(train_images) -> None:
    net = norm_net()
    trainer = Trainer(
        net, train_images, recipe=recipe(epochs=1, layer_decay=0.5, schedule="constant", lr=0.1)
    )
    for _ in trainer:
        pass
    rates = {p: g["lr"] for g in trainer.optimizers["main"].param_groups for p in g["params"]}
    assert rates[nets.find_head(net).layer.weight] == pytest.approx(0.1)
    assert min(rates.values()) == pytest.approx(0.05)  # 8 parameters: one group below the head
    assert trainer.history[-1].lr == pytest.approx(0.1)


def test_what_cannot_be_probed_is_refused(train_images, tmp_path: Path) -> None:
    loader = torch.utils.data.DataLoader([(torch.rand(1, 28, 28), k % 10) for k in range(20)], batch_size=10)
    with pytest.raises(UsageError, match="labelled samples to probe on"):
        Trainer(
            norm_net().with_classes(train_images.classes), loader, recipe=recipe(epochs=1, probe_epochs=1)
        )
    out = tmp_path / "run"
    with pytest.raises(UsageError, match="labelled samples to probe on"):
        iter_train_run(norm_net(), train_images, loader, recipe(epochs=2, probe_epochs=1), out=out)
    assert not out.exists(), "before anything is written"
    no_head = nets.wrap(
        nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Softmax(1)), TensorSpec((1, 28, 28))
    )
    with pytest.raises(UsageError, match="ends in a linear layer"):
        Trainer(no_head, train_images, recipe=recipe(epochs=1, probe_epochs=1))
    with pytest.raises(UsageError, match="probe_epochs"):
        recipe(epochs=1, probe_epochs=2)


def test_defaults_follow_from_the_start() -> None:
    start = {"data": "digits", "from": "digits"}
    found = ClassificationRecipe.parse(start)
    assert (found.network, found.from_, found.epochs, found.probe_epochs) == ("digits", "digits", 23, 20)
    assert ClassificationRecipe.parse({**start, "epochs": 3}).probe_epochs == 2
    assert ClassificationRecipe.parse({**start, "probe_epochs": 4}).epochs == 7
    assert ClassificationRecipe.parse({**start, "epochs": 10}).probe_epochs == 8
    assert found.lr == 3e-4 and ClassificationRecipe.parse({**start, "optimizer": "sgd"}).lr is None
    assert ClassificationRecipe.parse({**start, "layer_decay": 1.0}).layer_decay == 1
    with pytest.raises(UsageError, match="one network"):
        ClassificationRecipe.parse({**start, "network": "lecture"})
    again = ClassificationRecipe.parse(json.loads(found.model_dump_json()))
    assert again == found


def test_the_python_way(train_images, test_images, tmp_path: Path) -> None:
    net = nets.replace_head(nets.load("digits"), train_images.classes, seed=0)
    run = train(
        net, train_images, test=test_images, out=tmp_path / "run", epochs=12, probe_epochs=12, **FIXED
    )
    found = run.epochs[-1].test_metrics["accuracy"]
    assert found is not None and found > 0.9  # chance is 0.1; its features come from such digits
    assert run.load().classes == train_images.classes


def test_frozen_statistics_of_batch_norm_stay_and_its_weights_learn(train_images) -> None:
    net = norm_net()
    before = weights(net)
    for _ in Trainer(net, train_images, recipe=recipe(epochs=1, freeze_bn_stats=True)):
        pass
    statistics = {name for name in before if "running" in name or "tracked" in name}
    assert len(statistics) == 6 and moved(before, weights(net)) == set(before) - statistics
    assert all(part.training for part in net.module.modules())  # as it was given


def test_a_step_with_frozen_statistics_is_that_of_folded_normalisations(train_images) -> None:
    """The gradient is that of the network in evaluation mode: none flows through statistics of a batch."""
    net = norm_net()
    for name, buffer in net.module.named_buffers():
        if "running" in name:
            buffer.uniform_(0.5, 1.5, generator=torch.Generator().manual_seed(1))
    other = norm_net()
    other.module.load_state_dict(net.module.state_dict())
    settings = recipe(
        epochs=1,
        batch=600,
        freeze_bn_stats=True,
        optimizer="sgd",
        momentum=0.0,
        lr=0.1,
        weight_decay=0.0,
        label_smoothing=0.0,
        schedule="constant",
    )
    for _ in Trainer(net, train_images, recipe=settings):
        pass
    loss = functional.cross_entropy(
        other.module.eval()(train_images.images.float() / 255), train_images.labels
    )
    loss.backward()
    for name, parameter in other.module.named_parameters():
        assert parameter.grad is not None
        expected = parameter.detach() - 0.1 * parameter.grad
        torch.testing.assert_close(net.module.get_parameter(name).detach(), expected, rtol=1e-3, atol=1e-5)


def test_patience_begins_with_the_fine_tuning(train_images) -> None:
    trainer = Trainer(
        norm_net(), train_images, recipe=recipe(epochs=6, probe_epochs=4, patience=1, probe_lr=1e-12)
    )
    for _ in trainer:
        pass
    assert len(trainer.history) >= 5  # the probe does not get better at all


@pytest.mark.parametrize(
    ("freeze", "thaw", "refused"),
    [
        ("{}", (), True),
        ("{} at epoch 2", (), True),
        ("{}", ("{} at epoch 2",), True),
        ("{}.weight", (), False),
        ("{} at epoch 3", (), False),
    ],
)
def test_a_frozen_head_cannot_be_probed(
    train_images, freeze: str, thaw: tuple[str, ...], refused: bool
) -> None:
    """It is refused before anything is trained or written."""
    net = norm_net()
    head = nets.find_head(net).path
    settings = recipe(
        epochs=3, probe_epochs=2, freeze=(freeze.format(head),), thaw=tuple(t.format(head) for t in thaw)
    )
    with pytest.raises(UsageError, match="a head that learns") if refused else nullcontext():
        Trainer(net, train_images, recipe=settings)


@pytest.mark.parametrize(("probed", "flag"), [(2, "--probe-lr"), (0, "--lr")])
def test_a_loss_that_explodes_names_the_learning_rate_of_its_epoch(
    train_images, monkeypatch: pytest.MonkeyPatch, probed: int, flag: str
) -> None:
    step = Classification.training_step

    def exploding(self, *words):
        done = step(self, *words)
        return replace(done, loss=done.loss * float("nan"))

    trainer = Trainer(norm_net(), train_images, recipe=recipe(epochs=3, probe_epochs=probed))
    monkeypatch.setattr(Classification, "training_step", exploding)
    with pytest.raises(TrainingError) as caught:
        list(trainer)
    assert f"learning rate ({flag} " in caught.value.hint


@pytest.mark.parametrize("settings", [{"ema": 0.9}, {"patience": 3}])
def test_what_is_held_out_is_evaluated_on_features_too(
    train_images, test_images, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    net = norm_net()
    trainer = Trainer(net, train_images, test_images, recipe(epochs=2, probe_epochs=2, **settings))
    with monkeypatch.context() as patch:
        patch.setattr("convscope.learn.tasks.classification.evaluate", None)
        events = [event for event in trainer if isinstance(event, Epoch)]
    task = Classification()
    found = task.evaluate(task.prepare(net, train_images, None), test_images, ExecutionConfig())
    kept = [event for event in events if event.best] or events
    assert kept[-1].test_metrics["accuracy"] == found.metrics["accuracy"]


WHOLE: dict[str, Any] = {**FIXED, "batch": 600, "freeze_bn_stats": True, "label_smoothing": 0.1}


def features_of(net: nets.Net, data: Any) -> torch.Tensor:
    """What the head reads, as a hook sees it."""
    seen: list[torch.Tensor] = []
    head = net.module.get_submodule(nets.find_head(net).path)
    hook = head.register_forward_pre_hook(lambda _head, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        net.module.eval()(data.images.float() / 255)
    hook.remove()
    return seen[0].flatten(1)


def test_the_finder_sweeps_the_head_of_a_probe_on_its_features(train_images) -> None:
    """Beside gradient descent that is written out, with all samples in each step."""
    net, steps = norm_net(), 12
    plain = {"optimizer": "sgd", "momentum": 0, "weight_decay": 0}
    settings = recipe(**(WHOLE | plain), epochs=3, probe_epochs=2)
    before, stream = weights(net), torch.get_rng_state()
    found = find_lr(net, train_images, settings, span=(1e-2, 5.0), steps=steps, rate="probe_lr")
    assert torch.equal(torch.get_rng_state(), stream) and not moved(before, weights(net))
    features, head = features_of(net, train_images), nets.find_head(net).path
    weight, bias = (before[f"{head}.{name}"].clone().requires_grad_() for name in ("weight", "bias"))
    expected = []
    for k in range(steps):
        loss = functional.cross_entropy(
            functional.linear(features, weight, bias), train_images.labels, label_smoothing=0.1
        )
        expected.append(loss.item())
        for tensor, slope in zip((weight, bias), torch.autograd.grad(loss, (weight, bias)), strict=True):
            tensor.data -= 1e-2 * 500 ** (k / (steps - 1)) * slope
    assert found.losses.tolist() == pytest.approx(expected, rel=1e-4)
    assert expected[-1] < 0.97 * expected[0]
    assert (found.rate, found.flag, found.to_json()["rate"]) == ("probe_lr", "--probe-lr", "probe_lr")
    assert "linear probe" in found.summary


def test_the_finder_sweeps_everything_after_the_probe(train_images) -> None:
    """Its first step, whose rate changes nothing, has the loss of the network that a probe alone leaves."""
    net, settings = norm_net(), recipe(**WHOLE, epochs=6, probe_epochs=4, probe_lr=0.05)
    before, stream = weights(net), torch.get_rng_state()
    found = find_lr(net, train_images, settings, span=(1e-9, 1e-2), steps=4)
    assert torch.equal(torch.get_rng_state(), stream) and not moved(before, weights(net))
    probed = norm_net()
    list(
        Trainer(
            probed,
            train_images,
            recipe=recipe(**FIXED | {"batch": 600}, epochs=4, probe_epochs=4, probe_lr=0.05),
        )
    )
    losses = []
    for one in (norm_net(), probed):
        with torch.no_grad():
            logits = one.module.eval()(train_images.images.float() / 255)
        losses.append(functional.cross_entropy(logits, train_images.labels, label_smoothing=0.1).item())
    assert losses[1] < 0.9 * losses[0]
    assert found.losses[0].item() == pytest.approx(losses[1], rel=1e-4) and found.rate == "lr"
    assert found.losses[-1] < found.losses[0]
    chosen = [
        find_lr(net, train_images, settings, steps=4, rate=rate, by=by).by
        for rate, by in (("probe_lr", None), ("lr", "steepest"))
    ]
    assert found.by == "valley" and chosen == ["steepest", "steepest"]


def test_both_rates_are_found_and_trained_with(train_images, tmp_path) -> None:
    settings = {**FIXED, "epochs": 3, "probe_epochs": 2}
    run = train(norm_net(), train_images, out=tmp_path / "run", find_lr=True, **settings)
    expected = recipe(**settings)
    for rate in ("probe_lr", "lr"):
        expected = with_suggested_lr(expected, find_lr(norm_net(), train_images, expected, rate=rate))
    assert (run.recipe.lr, run.recipe.probe_lr) == (expected.lr, expected.probe_lr)
    assert expected.probe_lr != recipe().probe_lr and expected.lr is not None and not run.recipe.find_lr
    again = train(
        norm_net(),
        train_images,
        out=tmp_path / "again",
        **settings | {"lr": run.recipe.lr},
        probe_lr=expected.probe_lr,
    )
    assert not moved(weights(run.load()), weights(again.load()))


def test_the_rates_that_a_finder_looks_for() -> None:
    assert rates_to_find(recipe(epochs=3, probe_epochs=1, find_lr=True)) == ("probe_lr", "lr")
    assert rates_to_find(recipe(epochs=3, probe_epochs=3, find_lr=True)) == ("probe_lr",)
    assert rates_to_find(recipe(epochs=3, probe_epochs=1, probe_lr=0.1, find_lr=True)) == ("lr",)
    assert rates_to_find(recipe(epochs=3, find_lr=True)) == ("lr",)
    with pytest.raises(UsageError, match="a learning rate to find"):
        recipe(epochs=3, probe_epochs=3, probe_lr=0.1, find_lr=True)
    with pytest.raises(UsageError, match="with a linear probe"):
        find_lr(norm_net(), None, recipe(), rate="probe_lr")
    start = {"data": "digits", "from": "digits", "find_lr": True}
    nothing = LRFinderResult(*[torch.ones(3)] * 3, None, None, exploded=False)
    assert with_suggested_lr(ClassificationRecipe.parse(start), nothing).lr == 3e-4  # as without a finder


def test_the_learning_rate_finder_has_no_default_in_its_way() -> None:
    start = {"data": "digits", "from": "digits", "probe_epochs": 0, "find_lr": True}
    assert ClassificationRecipe.parse(start).lr is None


def test_a_few_epochs_are_divided_between_both_phases() -> None:
    start = {"data": "digits", "from": "digits"}
    probed = [ClassificationRecipe.parse({**start, "epochs": n}).probe_epochs for n in (1, 2, 3, 10)]
    assert probed == [1, 1, 2, 8]
