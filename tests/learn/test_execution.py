import json
import math

import pytest
import torch
from tests.learn.conftest import small_net
from torch import nn

from convscope import nets
from convscope.graph.spec import TensorSpec
from convscope.learn import execution
from convscope.learn.execution import ExecutionConfig, choose, measure, retain_heap
from convscope.learn.recipe import ClassificationRecipe


def losses(net, execution):
    """One training step of any classifier, on random inputs."""
    inputs = torch.rand(8, *net.input_spec.shape)
    with execution.autocast(net.device):
        yield net(execution.to_memory_format(inputs)).float().logsumexp(-1).mean()


def test_what_the_plan_fixes_is_not_measured(monkeypatch):
    monkeypatch.setattr(execution, "measure", lambda *_: pytest.fail("measured"))
    assert choose(
        small_net(), ClassificationRecipe(precision="bf16", memory_format="contiguous"), losses
    ) == ExecutionConfig("bf16", False)


def test_the_fastest_is_chosen_and_kept(monkeypatch, own_cache):
    asked = []

    def measured(_net, _batch, candidates):
        asked.append(candidates)
        return {c: 0.5 if c == ExecutionConfig("bf16", True) else 1.0 for c in candidates}

    monkeypatch.setattr(execution, "measure", measured)
    assert choose(small_net(), ClassificationRecipe(), losses) == ExecutionConfig("bf16", True)
    assert choose(small_net(), ClassificationRecipe(), losses) == ExecutionConfig("bf16", True)
    assert len(asked) == 1
    assert len(asked[0]) == 4
    choose(small_net(), ClassificationRecipe(batch=7), losses)
    assert len(asked) == 2
    assert len(json.loads((own_cache / "convscope" / "speed.json").read_text())) == 2


def test_a_little_faster_is_not_worth_it(monkeypatch):
    monkeypatch.setattr(execution, "measure", lambda _n, _b, cs: {c: 1 - 0.01 * i for i, c in enumerate(cs)})
    assert choose(small_net(), ClassificationRecipe(), losses) == ExecutionConfig("fp32", False)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"x": 3}'])
def test_a_damaged_cache_is_measured_again(monkeypatch, own_cache, content):
    (own_cache / "convscope").mkdir()
    (own_cache / "convscope" / "speed.json").write_text(content)
    monkeypatch.setattr(execution, "measure", lambda _n, _b, cs: dict.fromkeys(cs, 1.0))
    assert choose(small_net(), ClassificationRecipe(), losses) == ExecutionConfig()


def test_measuring_leaves_no_trace():
    net = small_net(text="conv 4 3x3, batchnorm, relu, dropout 0.5, flatten, dense 10")
    before = {k: v.clone() for k, v in net.module.state_dict().items()}
    generator = torch.get_rng_state()
    seconds = measure(net, losses, [ExecutionConfig(), ExecutionConfig("bf16", True)])
    assert all(0 < s < math.inf for s in seconds.values())
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


def test_a_choice_whose_loss_is_not_finite_is_out():
    net = nets.wrap(Overflowing(), TensorSpec((1, 4, 4)))
    assert (
        measure(net, losses, [ExecutionConfig(), ExecutionConfig("bf16")])[ExecutionConfig("bf16")]
        == math.inf
    )
    assert choose(net, ClassificationRecipe(), losses) == ExecutionConfig()


def test_the_heap_is_roomy_for_a_while():
    with retain_heap():
        assert torch.ones(2**22).sum() == 2**22


def test_every_loss_of_a_step_is_timed():
    """A task whose second loss overflows in half precision is not trained in it."""

    def two(net, execution):
        yield from losses(net, execution)
        for loss in losses(net, execution):
            yield loss * (1.0 if execution.precision == "fp32" else math.inf)

    seconds = measure(small_net(), two, [ExecutionConfig(), ExecutionConfig("bf16")])
    assert seconds[ExecutionConfig()] < math.inf == seconds[ExecutionConfig("bf16")]
