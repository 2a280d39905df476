"""Integrated gradients of networks with all kinds of layers, against captum in double precision."""

from itertools import pairwise

import captum.attr as other
import pytest
import torch
import torch.nn.functional as F
from tests.see.attribution.nets import convolutional, pictures, residual
from torch import nn

from convscope.graph.spec import TensorSpec
from convscope.nets import wrap
from convscope.see.attribution.explanation import explain, iter_explain
from convscope.see.attribution.registry import get_method
from convscope.see.attribution.target import make_task


class Every(nn.Module):
    """Strides, dilation, groups, depth by depth, padding by hand, rectifiers in place or not, of one part."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, (3, 5), stride=2, padding=(0, 2))
        self.wide = nn.Conv2d(8, 8, 3, padding=1, dilation=(2, 1))
        self.own = nn.Conv2d(8, 8, 3, padding=2, groups=8)
        self.strided = nn.Conv2d(8, 8, 5, stride=2, groups=8)
        self.halves, self.same = nn.Conv2d(8, 8, 3, groups=2), nn.Conv2d(8, 8, 3, padding="same")
        self.more = nn.Conv2d(8, 8, 3, padding=1)
        self.point, self.head = nn.Conv2d(8, 6, 1), nn.Linear(6, 4)

    def forward(self, x):
        x = F.relu(self.stem(F.pad(x, (1, 0, 2, 3), value=0.3)), inplace=True)
        x = F.hardtanh(self.own(F.relu6(self.wide(x) * 4)), 0.0, 0.5, True)
        x = x + self.more(x)  # two read what the rectifier made
        y = F.pad(x, (1, 2, 0, 1), value=-0.2)
        x = self.halves(torch.relu_(self.strided(y)))
        x = x.clamp(min=0) + F.hardtanh(x, -0.1, 0.1)
        x[:, :4].relu_()
        x = torch.relu(self.point(self.same(x).relu()))
        return self.head(x.mean((2, 3)))


def every(dtype=torch.float64):
    torch.manual_seed(11)
    return wrap(Every().eval().to(dtype), TensorSpec((3, 25, 29), mean=(0.5,), std=(0.25,)))


def near(found, wanted):
    """Captum rounds the weights of its points to float32."""
    assert float((found - wanted).abs().max()) < 2e-7 * float(wanted.abs().max())


@pytest.mark.parametrize("make", [convolutional, residual, every])
def test_integrated_gradients_are_captums_in_double_precision(make):
    net = make()
    net.module.double()
    images = pictures(net).double()
    nothing = torch.tensor(net.input_spec.mean, dtype=torch.float64).view(1, -1, 1, 1).expand_as(images)
    wanted = other.IntegratedGradients(net).attribute(images, nothing, [2, 1], n_steps=50)
    found = explain(net, images, "integrated", [2, 1], checks=(), steps=50).attribution
    near(found, wanted)


class Around(nn.Module):
    """A part of the input goes around the first convolution, or bends before it, or it is used twice."""

    def __init__(self, how):
        super().__init__()
        self.how, self.one, self.two = how, nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 4, 3)

    def forward(self, x):
        if self.how == "bent":
            x = torch.relu(x - 0.2)
        elif self.how == "curved":
            x = x + 1e-3 * x * x
        y = self.one(x).relu()
        y = y + 1e-6 * x.mean() if self.how == "around" else y
        y = self.one(y).relu() if self.how == "twice" else y
        return self.two(y).relu().mean((2, 3))


@pytest.mark.parametrize("how", ["", "bent", "curved", "around", "twice"])
def test_whatever_leads_from_the_input_on(how):
    torch.manual_seed(12)
    net = wrap(Around(how).double().eval(), TensorSpec((3, 10, 9), mean=(0.5,), std=(0.25,)))
    images = pictures(net).double()
    wanted = other.IntegratedGradients(net).attribute(
        images, torch.full_like(images, 0.5), [2, 1], n_steps=20
    )
    found = explain(net, images, "integrated", [2, 1], checks=(), steps=20).attribution
    near(found, wanted)


class Overwriting(nn.Module):
    """Writes over what a ReLU6 in place made, which torch allows."""

    def __init__(self):
        super().__init__()
        self.one, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 3, 3)

    def forward(self, x):
        x = F.relu6(self.one(x), inplace=True)
        x += 0.1
        return self.head(x).mean((2, 3))


@pytest.mark.parametrize("steps", [7, 20])
def test_what_is_written_over_is_computed_plainly(steps):
    torch.manual_seed(13)
    net = wrap(Overwriting().double().eval(), TensorSpec((3, 10, 9)))
    images = pictures(net).double()
    nothing = torch.full_like(images, net.input_spec.mean[0])
    wanted = other.IntegratedGradients(net).attribute(images, nothing, 1, n_steps=steps)
    found = explain(net, images, "integrated", 1, checks=(), steps=steps).attribution
    near(found, wanted)


def test_what_was_found_so_far_is_told_and_grows(monkeypatch):
    net = residual()
    task = make_task(net, pictures(net), [1, 2])
    monkeypatch.setattr(type(task), "batch", 5)
    parts = list(iter_explain(task, get_method("integrated", steps=20), checks=()))
    assert len(parts) == 8
    assert all(a.fraction < b.fraction for a, b in pairwise(parts))
    assert parts[-1].fraction == 1
    totals = [part.result().attribution.abs().sum((1, 2, 3)) for part in parts]
    assert totals[3][1] == 0
    assert totals[0][0] > 0
    assert all(totals[k][0] != totals[k + 1][0] for k in range(3))
