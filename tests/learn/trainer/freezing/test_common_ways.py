"""What the common ways of freezing leave moving, in plain torch; and that `Trainer.freeze` does not."""

import pytest
import torch
from tests.learn.conftest import small_net
from tests.learn.trainer.freezing.parts import NORMED, copied, masks, stepped
from torch.nn import functional

from convscope.learn import ClassificationRecipe, Trainer

LOOP = {"precision": "fp32", "memory_format": "contiguous", "device": "cpu", "batch": 100, "epochs": 1}


def by_hand(net, data, optimizer, after_backward):
    """Five steps of the loop that everybody writes."""
    module = net.module.train()
    for start in range(0, 500, 100):
        inputs = data.images[start : start + 100].float() / 255
        functional.cross_entropy(module(inputs), data.labels[start : start + 100]).backward()
        after_backward(module)
        optimizer.step()
        optimizer.zero_grad()


def moved(net, before, address):
    """The tensors that have moved within an address."""
    now = copied(net)
    return {n for n, m in masks(net, address).items() if not torch.equal(before[n][m], now[n][m])}


def test_without_requires_grad_the_statistics_move(train_images):
    net = small_net(text=NORMED)
    net.module.get_submodule("batchnorm1").requires_grad_(False)
    before = copied(net)
    optimizer = torch.optim.SGD([p for p in net.module.parameters() if p.requires_grad], lr=0.01)
    by_hand(net, train_images, optimizer, lambda _module: None)
    statistics = {"running_mean", "running_var", "num_batches_tracked"}
    assert moved(net, before, "batchnorm1") == {f"batchnorm1.{name}" for name in statistics}


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_with_gradients_of_zero_a_map_moves(train_images, momentum):
    """By weight decay, and by the momentum of steps before it was frozen."""
    net = small_net(text=NORMED)
    if momentum:
        optimizer = torch.optim.SGD(net.module.parameters(), lr=0.01, momentum=momentum)
        by_hand(net, train_images, optimizer, lambda _module: None)
    else:
        optimizer = torch.optim.AdamW(net.module.parameters(), weight_decay=0.01)
    before = copied(net)

    def zero(module):
        module.get_parameter("conv2.weight").grad[3] = 0
        module.get_parameter("conv2.bias").grad[3] = 0

    by_hand(net, train_images, optimizer, zero)
    assert "conv2.weight" in moved(net, before, "conv2:3")


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_here_nothing_moves(train_images, optimizer):
    net = small_net(text=NORMED)
    recipe = ClassificationRecipe(optimizer=optimizer, weight_decay=0.01, **LOOP)
    trainer = Trainer(net, train_images, recipe=recipe)
    stepped(trainer, 1)
    trainer.freeze("batchnorm1", "conv2:3")
    before = copied(net)
    stepped(trainer, 5)
    assert moved(net, before, "batchnorm1") == moved(net, before, "conv2:3") == set()
    assert {"conv1.weight", "conv2.weight", "batchnorm2.running_mean"} <= moved(net, before, "*")
