import math

import pytest
import torch
from tests.learn.conftest import small_net
from torch import nn

from convscope import nets
from convscope.graph.spec import TensorSpec
from convscope.learn.execution import choose_execution
from convscope.learn.recipe import ClassificationRecipe
from convscope.nets.inference import autotune
from convscope.nets.inference.autotune import Trial
from convscope.nets.inference.execution import ExecutionConfig
from convscope.nets.inference.memory import retain_heap


def losses(net, execution):
    """One training step of any classifier, on random inputs."""
    inputs = torch.rand(8, *net.input_spec.shape)
    with execution.autocast(net.device):
        yield net(execution.to_memory_format(inputs)).float().logsumexp(-1).mean()


@pytest.fixture
def timed(monkeypatch) -> list[ExecutionConfig]:
    """What was timed; bf16 with channels last takes half the time."""
    asked = []

    def seconds(trial: Trial) -> float:
        asked.append(trial.config)
        return 0.5 if trial.config == ExecutionConfig("bf16", "channels_last") else 1.0

    monkeypatch.setattr(Trial, "seconds", seconds)
    return asked


def test_what_the_recipe_fixes_is_not_measured(timed, own_cache):
    fixed = ClassificationRecipe(precision="bf16", memory_format="contiguous")
    assert choose_execution(small_net(), fixed, losses) == ExecutionConfig("bf16", "contiguous")
    assert not timed
    choose_execution(small_net(), ClassificationRecipe(memory_format="contiguous"), losses)
    assert {config.memory_format for config in timed} == {"contiguous"}


def test_the_fastest_is_chosen_for_each_batch_size(timed, own_cache):
    assert choose_execution(small_net(), ClassificationRecipe(), losses) == ExecutionConfig(
        "bf16", "channels_last"
    )
    assert len(set(timed)) == 4
    timed.clear()
    assert choose_execution(small_net(), ClassificationRecipe(), losses) == ExecutionConfig(
        "bf16", "channels_last"
    )
    assert not timed
    choose_execution(small_net(), ClassificationRecipe(batch=7), losses)
    assert timed


def test_measuring_leaves_no_trace(monkeypatch, own_cache):
    net = small_net(text="conv 4 3x3, batchnorm, relu, dropout 0.5, flatten, dense 10")
    before = {k: v.clone() for k, v in net.module.state_dict().items()}
    generator = torch.get_rng_state()
    taken, run = [], Trial.seconds
    monkeypatch.setattr(Trial, "seconds", lambda trial: taken.append(run(trial)) or taken[-1])
    choose_execution(net, ClassificationRecipe(batch=8), losses)
    assert taken and all(0 < seconds < math.inf for seconds in taken)
    assert torch.equal(generator, torch.get_rng_state())
    assert all(torch.equal(before[k], v) for k, v in net.module.state_dict().items())
    assert all(p.grad is None for p in net.module.parameters())


class Overflowing(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(16, 2)

    def forward(self, x):
        y = self.dense(x.flatten(1))
        return y if y.dtype == torch.float32 else y * math.inf


def test_a_precision_whose_loss_is_not_finite_is_out(monkeypatch, own_cache):
    monkeypatch.setattr(autotune, "MIN_GAIN", 0.0)  # anything finite would replace what is before it
    net = nets.wrap(Overflowing(), TensorSpec((1, 4, 4)))
    assert choose_execution(net, ClassificationRecipe(), losses) == ExecutionConfig()
    assert choose_execution(net, ClassificationRecipe(precision="bf16"), losses) == ExecutionConfig("bf16")


def test_a_module_that_cannot_be_copied_is_trained_plainly(own_cache):
    class Stubborn(nn.Linear):
        def __deepcopy__(self, memo: object) -> None:
            raise RuntimeError("no copies")

    net = nets.wrap(nn.Sequential(nn.Flatten(), Stubborn(16, 2)), TensorSpec((1, 4, 4)))
    assert choose_execution(net, ClassificationRecipe(), losses) == ExecutionConfig()


def test_the_heap_is_roomy_for_a_while():
    with retain_heap():
        assert torch.ones(2**22).sum() == 2**22


def test_every_loss_of_a_step_counts(monkeypatch, own_cache):
    """A task whose second loss overflows in half precision is not trained in it."""
    monkeypatch.setattr(autotune, "MIN_GAIN", 0.0)

    def two(net, execution):
        yield from losses(net, execution)
        for loss in losses(net, execution):
            yield loss * (1.0 if execution.precision == "fp32" else math.inf)

    assert choose_execution(small_net(), ClassificationRecipe(), two).precision == "fp32"
