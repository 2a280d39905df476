import pytest
import torch
from torch import nn

from convscope.nets import frozen


def state(module):
    return [m.training for m in module.modules()], [p.requires_grad for p in module.parameters()]


@pytest.fixture
def module():
    module = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.Sequential(nn.BatchNorm2d(2), nn.Dropout()), nn.Linear(2, 2)
    )
    module[1][0].eval()
    module[0].bias.requires_grad_(False)
    return module


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, None])
def test_every_flag_comes_back(module, error):
    before = state(module)
    try:
        with frozen(module), frozen(module):
            assert state(module) == ([False] * 6, [False] * 6)
            if error:
                raise error
    except BaseException as raised:
        assert type(raised) is error
    assert state(module) == before


def test_gradients_still_reach_the_input(module):
    x = torch.rand(1, 1, 5, 5, requires_grad=True)
    with frozen(module):
        module[0](x).sum().backward()
    assert x.grad.abs().sum() > 0
    assert module[0].weight.grad is None


def test_statistics_stand_still(module):
    module.train()
    before = module[1][0].running_mean.clone()
    with frozen(module):
        module[1](torch.rand(4, 2, 5, 5))
    assert torch.equal(module[1][0].running_mean, before)
    assert module[1][0].training
