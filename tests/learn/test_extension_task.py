"""The extension test for tasks: one class and one line of registration, and all else follows."""

import json
import os
import signal
import tomllib
from itertools import pairwise

import pytest
import torch
from pydantic import Field
from tests.learn.conftest import small_net
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader
from typing_extensions import override

from convscope import nets
from convscope.cli.core import app
from convscope.errors import DataError, Interrupted, UsageError
from convscope.graph.spec import TensorSpec
from convscope.learn import (
    EvalResult,
    MetricSpec,
    Run,
    StepOutput,
    Task,
    TaskRecipe,
    Trainer,
    find_task,
    register_task,
    train,
)
from convscope.learn.batches.source import as_batch, seed_of
from convscope.learn.trainer.state import State
from convscope.worlds import Batch, Dataset
from convscope.worlds.datasets import digits

EXACT = {"precision": "fp32", "memory_format": "contiguous", "device": "cpu"}
CHAIN = "flatten, dropout 0.1, dense 24, relu, dense 784"


class AutoencoderRecipe(TaskRecipe):
    noise: float = Field(default=0.0, ge=0, description="standard deviation of noise on the inputs")


class Autoencoder(Task):
    """Learn to return the input."""

    metric_specs = (
        MetricSpec("loss", form=".4f"),
        MetricSpec("psnr", "psnr dB", ".1f", higher_is_better=True),
    )
    primary_metric = "psnr"

    def __init__(self, noise=0.0):
        self.noise = noise

    @classmethod
    def from_recipe(cls, recipe):
        return cls(recipe.noise)

    def settings(self):
        return {"noise": self.noise}

    def training_step(self, net, batch, execution, step):
        (x,) = batch.inputs
        noisy = x + self.noise * torch.randn_like(x) if net.module.training else x
        loss = (net(noisy).view_as(x) - x).square().mean()
        return StepOutput(loss, loss.detach()[None] * batch.size)

    def metrics(self, sums, seen):
        error = sums[0] / max(seen, 1)
        return {"loss": error, "psnr": float(-10 * torch.tensor(max(error, 1e-12)).log10())}


register_task("autoencoder", Autoencoder, AutoencoderRecipe)


def coder(seed=0):
    return small_net(seed, CHAIN)


def weights(net):
    return {name: tensor.clone() for name, tensor in net.module.state_dict().items()}


def assert_same(first, second):
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


def stop_at(monkeypatch, task, number):
    """Interrupt the process in one training step."""
    step_of = task.training_step

    def step_once(self, net, batch, execution, step):
        if step == number:
            os.kill(os.getpid(), signal.SIGINT)
        return step_of(self, net, batch, execution, step)

    monkeypatch.setattr(task, "training_step", step_once)


def test_a_task_of_its_own_learns_in_python(train_images, test_images, tmp_path):
    recipe = EXACT | {"epochs": 4, "batch": 50, "lr": 0.003}
    run = train(
        coder(), train_images, test=test_images, out=tmp_path / "run", task=Autoencoder(0.1), **recipe
    )
    first, *_rest, last = run.epochs
    assert last.test_metrics["psnr"] > first.test_metrics["psnr"] + 1
    assert run.task == "autoencoder"
    assert isinstance(run.recipe, AutoencoderRecipe)
    assert run.recipe.noise == 0.1  # the task's own
    images = test_images.images.float() / 255
    with torch.no_grad():
        error = (run.load().module.eval()(images).view_as(images) - images).square().mean()
    assert last.test_metrics["loss"] == pytest.approx(error.item(), rel=1e-4)
    assert Autoencoder().primary.higher_is_better


def test_it_resumes_bit_for_bit_without_being_told_the_task(train_images, tmp_path, monkeypatch):
    settings = EXACT | {"epochs": 2, "batch": 100, "noise": 0.2, "task": "autoencoder"}
    whole = train(coder(), train_images, out=tmp_path / "whole", **settings)
    with monkeypatch.context() as patched, pytest.raises(Interrupted) as stop:
        stop_at(patched, Autoencoder, 7)
        train(coder(), train_images, out=tmp_path / "run", **settings)
    assert f"convscope train --resume {tmp_path / 'run'}" in stop.value.hint
    assert not Run.open(tmp_path / "run").finished
    again = train(coder(seed=5), train_images, resume=tmp_path / "run")
    assert_same(weights(whole.load()), weights(again.load()))
    assert [epoch.metrics for epoch in again.epochs] == [epoch.metrics for epoch in whole.epochs]


def test_the_terminal_trains_and_resumes_it(train_images, test_images, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(digits, "train", lambda: train_images)
    monkeypatch.setattr(digits, "test", lambda: test_images)
    config = tmp_path / "settings.toml"
    config.write_text('task = "autoencoder"\nnoise = 0.2\n')
    words = ["train", CHAIN, "digits", "--config", str(config), "--epochs", "2", "--batch", "100"]
    words += ["--precision", "fp32", "--memory-format", "contiguous", "--device", "cpu"]
    assert app.run([*words, "--out", str(tmp_path / "whole")]) == 0
    shown = capsys.readouterr().out
    assert "test psnr dB" in shown
    assert "accuracy" not in shown
    with monkeypatch.context() as patched:
        stop_at(patched, Autoencoder, 8)
        assert app.run([*words, "--out", str(tmp_path / "run")]) == 130
    assert f"convscope train --resume {tmp_path / 'run'}" in capsys.readouterr().err
    assert app.run(["train", "--resume", str(tmp_path / "run"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["test"]["psnr"] == found["epochs"][-1]["test_metrics"]["psnr"]
    assert found["recipe"]["noise"] == 0.2
    whole, again = Run.open(tmp_path / "whole"), Run.open(tmp_path / "run")
    assert_same(weights(whole.load()), weights(again.load()))
    recipe = tomllib.loads((tmp_path / "run" / "recipe.toml").read_text())
    assert (recipe["task"], recipe["noise"]) == ("autoencoder", 0.2)
    assert json.loads((tmp_path / "run" / "model.json").read_text())["recipe"]["task"] == "autoencoder"


def test_settings_of_another_task_and_unknown_tasks_are_refused(tmp_path, capsys):
    words = ["train", CHAIN, "digits", "--out", str(tmp_path / "run")]
    assert app.run([*words, "--task", "autoencoder", "--label-smoothing", "0.2"]) == 2
    assert "--label-smoothing, of the task classification" in capsys.readouterr().err
    assert app.run([*words, "--task", "autoencode"]) == 2
    said = capsys.readouterr().err
    assert "autoencoder" in said
    assert "register_task" in said
    assert app.run([*words, "--task", "johnson"]) == 2
    assert "style train" in capsys.readouterr().err
    with pytest.raises(UsageError, match="no other task has"):
        register_task("autoencoder", GenerativeAdversarial)
    with pytest.raises(UsageError, match="lower-case"):
        register_task("Auto Encoder", Autoencoder)
    with pytest.raises(UsageError, match="one for classification"):
        Trainer(coder(), digits.test(), recipe=TaskRecipe(task="classification"), task=Autoencoder())
    with pytest.raises(UsageError, match="the task's own noise"):
        Trainer(coder(), digits.test(), recipe=AutoencoderRecipe(noise=0.3), task=Autoencoder(0.1))
    assert find_task("autoencoder").load() is Autoencoder


class Points(Dataset):
    """Numbers without targets, around 2."""

    name = "points"

    def __init__(self, values=None):
        generator = torch.Generator().manual_seed(0)
        self.values = torch.randn(96, 1, generator=generator) * 0.3 + 2 if values is None else values

    @property
    @override
    def specs(self):
        return (TensorSpec((1,), value_range=(-4.0, 4.0)),)

    def __len__(self):
        return len(self.values)

    @override
    def batch(self, indices):
        return Batch((self.values[torch.as_tensor(indices)],))

    @override
    def take(self, indices):
        return Points(self.values[torch.as_tensor(indices)])


class Adversaries(nn.Module):
    def __init__(self):
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
        self.discriminator = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, noise):
        return self.generator(noise)


def discriminator_loss(module, real, noise):
    fake = module(noise).detach()
    return (
        functional.softplus(-module.discriminator(real)) + functional.softplus(module.discriminator(fake))
    ).mean()


def generator_loss(module, noise):
    return functional.softplus(-module.discriminator(module(noise))).mean()


class GenerativeAdversarial(Task):
    """Two networks, two optimizers, two losses in turn."""

    metric_sums = 2
    metric_specs = (MetricSpec("discriminator"), MetricSpec("generator"))
    primary_metric = "generator"

    def optimizers(self, net, recipe):
        return {
            "discriminator": list(net.module.discriminator.parameters()),
            "generator": list(net.module.generator.parameters()),
        }

    def training_step(self, net, batch, execution, step):
        noise = torch.randn(batch.size, 2)
        loss = discriminator_loss(net.module, batch.inputs[0], noise)
        yield StepOutput(loss, torch.stack((loss.detach(), torch.zeros(()))), optimizer="discriminator")
        loss = generator_loss(net.module, noise)
        yield StepOutput(loss, torch.stack((torch.zeros(()), loss.detach())), optimizer="generator")

    def metrics(self, sums, seen):
        return {"discriminator": sums[0], "generator": sums[1]}

    def evaluate(self, net, data, execution):
        noise = torch.randn(256, 2, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            return EvalResult({"generator": float(net(noise).mean())})


def adversaries(seed=0):
    torch.manual_seed(seed)
    return nets.wrap(Adversaries(), TensorSpec((2,), value_range=(-3.0, 3.0)), name="gan")


GAN = EXACT | {"epochs": 2, "batch": 32, "lr": 0.01, "schedule": "constant", "weight_decay": 0.0, "clip": 0.5}


def test_two_optimizers_are_the_loop_one_writes_by_hand():
    net, twin = adversaries(), adversaries().module
    loop = Trainer(net, Points(), recipe=TaskRecipe(optimizer="adam", **GAN), task=GenerativeAdversarial())
    batches = [batch.inputs[0] for epoch in (0, 1) for batch in loop.batch_source.batches(epoch, 0)]
    list(loop)
    parts = [list(twin.discriminator.parameters()), list(twin.generator.parameters())]
    optimizers = [torch.optim.Adam(part, lr=0.01) for part in parts]
    torch.manual_seed(seed_of(0, "torch"))
    for real in batches:
        noise = torch.randn(len(real), 2)
        for number, optimizer in enumerate(optimizers):
            loss = generator_loss(twin, noise) if number else discriminator_loss(twin, real, noise)
            twin.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parts[number], 0.5)
            optimizer.step()
    for ours, theirs in zip(net.module.parameters(), twin.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_two_optimizers_resume_bit_for_bit(tmp_path, optimizer, precision):
    recipe = TaskRecipe(optimizer=optimizer, **GAN | {"precision": precision})

    def loop(seed=0, state=None):
        data = Points()
        return Trainer(adversaries(seed), data, data, recipe, task=GenerativeAdversarial(), state=state)

    whole = loop()
    list(whole)
    half = loop()
    half.pause()
    for _event in half:
        if (half.epoch, half.step) == (1, 1):
            break
        half.pause()
    half.state().write(tmp_path)
    again = loop(3, State.read(tmp_path))
    list(again)
    first, second = whole.state(), again.state()
    assert_same(first.tensors, second.tensors)
    assert {name.split("/")[0] for name in first.part("optimizer")} == {"discriminator", "generator"}
    assert first.values["scalers"] == second.values["scalers"]
    assert set(first.values["moved"]) == {"discriminator", "generator"}
    assert [e.test_metrics for e in whole.history] == [e.test_metrics for e in again.history]


def test_metrics_that_are_no_numbers_are_null_in_json():
    result = EvalResult({"loss": 0.5, "psnr": float("inf")}, "worst", details={"count": 3})
    assert result.to_json() == {"loss": 0.5, "psnr": None, "worst": "worst", "count": 3}


def test_a_step_takes_each_optimizer_once():
    class Twice(GenerativeAdversarial):
        def training_step(self, net, batch, execution, step):
            yield from [*super().training_step(net, batch, execution, step)][:1] * 2

    class Unknown(GenerativeAdversarial):
        def training_step(self, net, batch, execution, step):
            for output in super().training_step(net, batch, execution, step):
                yield StepOutput(output.loss, output.sums)

    for task, received in ((Twice(), "discriminator, twice"), (Unknown(), "main")):
        with pytest.raises(UsageError, match="one step for each optimizer") as caught:
            list(Trainer(adversaries(), Points(), recipe=TaskRecipe(**GAN), task=task))
        assert caught.value.received == received


class Centre(Task):
    """Learn the centre of the one box in each image; targets are a list of dicts."""

    def training_step(self, net, batch, execution, step):
        boxes = torch.stack([target["boxes"][0] for target in batch.targets])
        loss = (net(*batch.inputs) - (boxes[:, :2] + boxes[:, 2:]) / 2).square().mean()
        return StepOutput(loss, loss.detach()[None] * batch.size)


def boxed(count=64):
    """Images `[1 8 8]` with a bright square of 2 x 2, and its box in shares of the side."""
    generator = torch.Generator().manual_seed(0)
    for corner in torch.randint(7, (count, 2), generator=generator).tolist():
        image = torch.zeros(1, 8, 8)
        image[:, corner[1] : corner[1] + 2, corner[0] : corner[0] + 2] = 1
        box = torch.tensor([*corner, corner[0] + 2, corner[1] + 2]) / 8
        yield image, {"boxes": box[None], "names": ["square"]}


def collate(samples):
    return torch.stack([image for image, _ in samples]), [target for _, target in samples]


def test_targets_that_are_lists_of_dicts():
    torch.manual_seed(0)
    net = nets.wrap(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), TensorSpec((1, 8, 8)))
    loader = DataLoader(list(boxed()), batch_size=16, shuffle=True, collate_fn=collate)  # pyright: ignore
    recipe = TaskRecipe(epochs=12, lr=0.05, **EXACT)
    loop = Trainer(net, loader, loader, recipe, task=Centre())
    epochs = [event for event in loop if hasattr(event, "test_metrics")]
    assert epochs[-1].test_metrics["loss"] < 0.01 < 0.02 < epochs[0].metrics["loss"]
    assert sum(second.lr <= first.lr for first, second in pairwise(epochs)) >= 8


def two_inputs():
    class Sum(nn.Module):
        def forward(self, x, y):
            return x + y

    return nets.wrap(Sum(), [TensorSpec((3,)), TensorSpec((3,))])


ONE, TWO = torch.rand(4, 3), torch.rand(4, 3)
LABELS = torch.arange(4)


@pytest.mark.parametrize(
    ("loaded", "inputs", "targets"),
    [
        (ONE, 1, None),
        ((ONE,), 1, None),
        ([ONE, LABELS], 1, LABELS),
        ((ONE, "anything"), 1, "anything"),
        ({"x": ONE}, 1, None),
        (({"x": ONE}, LABELS), 1, LABELS),
        (Batch((ONE,), LABELS), 1, LABELS),
        ((ONE, TWO), 2, None),
        ({"x": ONE, "y": TWO}, 2, None),
        ((ONE, TWO, LABELS), 2, LABELS),
        (((ONE, TWO), LABELS), 2, LABELS),
    ],
)
def test_what_a_loader_may_yield(loaded, inputs, targets):
    net = two_inputs() if inputs == 2 else nets.wrap(nn.Linear(3, 3), TensorSpec((3,)))
    batch = as_batch(loaded, net)
    assert [x.tolist() for x in batch.inputs] == [x.tolist() for x in (ONE, TWO)[:inputs]]
    assert batch.targets is targets or torch.equal(batch.targets, targets)


@pytest.mark.parametrize("loaded", ["text", (), {}, ("a", "b"), (ONE, TWO, LABELS), [{"x": "a"}]])
def test_what_no_batch_can_be_made_of_is_told(loaded):
    with pytest.raises(DataError, match="batches from the loader"):
        as_batch(loaded, nets.wrap(nn.Linear(3, 3), TensorSpec((3,))))


def test_the_callers_network_keeps_its_description(train_images, tmp_path):
    net = small_net(text="flatten, dense 10")
    before = net.source, net.output_specs, net.name
    run = train(net, train_images, out=tmp_path / "run", epochs=1, **EXACT)
    assert (net.source, net.output_specs, net.name) == before
    assert run.load().classes == train_images.classes
    assert run.load().source.weights == "trained here, 1 of 1 epoch"
    assert_same(weights(run.load()), weights(net))


def test_choosing_the_precision_changes_neither_data_nor_random_numbers():
    """What is timed is a batch of the loader; the training then sees all of it in the same order."""
    torch.manual_seed(0)
    net = nets.wrap(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), TensorSpec((1, 8, 8)))
    data = list(boxed())
    generator = torch.Generator().manual_seed(3)
    loader = DataLoader(data, 16, shuffle=True, collate_fn=collate, generator=generator)  # pyright: ignore
    before, outside = generator.get_state(), torch.get_rng_state()
    loop = Trainer(net, loader, recipe=TaskRecipe(device="cpu"), task=Centre())
    assert loop.execution.precision in ("fp32", "bf16")
    assert torch.equal(generator.get_state(), before)
    assert torch.equal(torch.get_rng_state(), outside)
