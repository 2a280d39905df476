import math

import pytest
import torch
from tests.learn.conftest import small_net
from torch import nn

from convscope import nets
from convscope.errors import TrainingError
from convscope.graph.spec import TensorSpec
from convscope.learn import ClassificationRecipe, iter_train
from convscope.learn.trainer.nan_diagnosis import TrainingStep, broken_elsewhere

EXACT = {"precision": "fp32", "memory_format": "contiguous"}


def caught(net, data, **recipe):
    with pytest.raises(TrainingError) as found:
        list(iter_train(net, data, recipe=ClassificationRecipe(epochs=3, batch=32, **EXACT, **recipe)))
    return found.value


class Fragile(nn.Module):
    """Breaks where it is told, after some steps."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where, self.steps = where, 0
        self.low, self.middle, self.top = nn.Linear(4, 8), Inner(self), nn.Linear(8, 2)

    def forward(self, x):
        self.steps += self.training
        return self.top(self.middle(torch.relu(self.low(x))))


class Inner(nn.Module):
    def __init__(self, outer: Fragile) -> None:
        super().__init__()
        self.outer = [outer]
        self.weight = nn.Parameter(torch.ones(8))

    def forward(self, x):
        outer = self.outer[0]
        if outer.steps <= 4:
            return x * self.weight
        return x * math.inf if outer.where == "forwards" else Explode.apply(x * self.weight)


class Explode(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, *gradients):
        return gradients[0] * math.inf


def batches(count=10):
    generator = torch.Generator().manual_seed(0)
    return [(torch.rand(6, 4, generator=generator), torch.tensor([0, 1] * 3)) for _ in range(count)]


@pytest.mark.parametrize(
    ("where", "text", "step"),
    [
        ("forwards", "middle was the first layer with NaN", 5),
        ("backwards", "gradients from middle backwards", 6),
    ],
)
def test_the_layer_that_broke_is_named(where, text, step):
    net = nets.wrap(Fragile(where), TensorSpec((4,)), classes=("a", "b"))
    error = caught(net, batches())
    assert text in error.received
    assert f"epoch 1, step {step}" in error.received
    assert "learning rate 0.0" in error.received
    assert "--lr" in error.hint


def test_a_wild_learning_rate(train_images):
    error = caught(small_net(), train_images, lr=900.0, optimizer="sgd")
    assert "learning rate" in error.received
    assert "lower learning rate" in error.hint


def test_bad_data_is_told_apart():
    data = batches()
    data[2][0][3, 1] = math.nan
    net = nets.wrap(Fragile("nowhere"), TensorSpec((4,)), classes=("a", "b"))
    net.module.steps = -(10**9)
    error = caught(net, data)
    assert "in a batch at epoch 1, step 3" in error.received
    assert "lr" not in error.hint


def test_exit_code():
    assert TrainingError("x").exit_code == 1


def test_one_process_does_not_know_where_another_broke():
    error = broken_elsewhere(TrainingStep(2, 5, 0.1, "bf16", "--max-lr"))
    expected = "NaN or infinity in another process, at epoch 2, step 5, learning rate 0.1, bf16"
    assert error.received == expected
    assert "--max-lr 0.01" in error.hint


@pytest.mark.parametrize(("lr", "suggested"), [(900.0, "0.1"), (1.0, "0.1"), (0.05, "0.005")])
def test_a_tenth_of_an_absurd_rate_is_not_suggested(lr: float, suggested: str) -> None:
    assert TrainingStep(1, 1, lr, "fp32", "--probe-lr").hint == (
        f"Begin again with a lower learning rate (--probe-lr {suggested}), or --clip 1"
    )
