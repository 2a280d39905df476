"""Occluded boxes: what is computed locally against the whole network, run plainly on every occluded image."""

from contextlib import nullcontext

import pytest
import torch
import torch.nn.functional as F
from tests.see.attribution.nets import pictures, residual
from torch import nn

from convscope.graph.spec import TensorSpec
from convscope.nets import frozen, wrap
from convscope.see.attribution.explanation import explain
from convscope.see.attribution.incremental.scores import OccludedInput, occlusion_scores
from convscope.see.attribution.methods.occlusion import Occlusion
from convscope.see.attribution.target import make_task


class Everything(nn.Module):
    """Strides, dilation, groups, padding by hand, ceilings, in-place sums, splits, a gate, its own map."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 5, stride=2, padding=1)
        self.wide = nn.Conv2d(8, 8, 3, padding="same", dilation=2, groups=4)
        self.one, self.norm = nn.Conv2d(8, 8, 1, stride=2), nn.BatchNorm2d(8, affine=False)
        self.prelu, self.drop = nn.PReLU(8), nn.Dropout2d()
        self.map = nn.Parameter(torch.randn(1, 1, 11, 13))
        self.squeeze, self.head = nn.Conv2d(24, 24, 1), nn.Linear(24, 4)

    def forward(self, x):
        x = F.relu(self.stem(F.pad(x, (0, 3, 2, 1), value=0.3)), inplace=True)
        x += self.prelu(self.wide(x)) * 0.5
        y = F.max_pool2d(self.drop(x), 3, 2, 1, ceil_mode=True)
        z = F.avg_pool2d(F.pad(x, (0, 1, 0, 1)), 3, 2, 1) if y.shape[-1] == x.shape[-1] // 2 + 1 else y
        z = F.silu(self.norm(self.one(x)))
        a, b = y[:, :4].sub(self.map), y.chunk(2, 1)[1]
        y = torch.cat([1 - a, torch.maximum(b, a), z], 1)
        y = torch.cat([y, F.local_response_norm(F.max_pool2d(z, 3, 1, 1), 3)], 1)
        y = y * torch.sigmoid(self.squeeze(y.mean((2, 3), keepdim=True)))
        return self.head(y.amax((2, 3)))


def everything():
    torch.manual_seed(4)
    return wrap(Everything().eval(), TensorSpec((3, 41, 49), mean=(0.5,), std=(0.25,)))


def plainly(task, jobs, baseline):
    """The target's value of each occluded image, one after the other, by the module itself."""
    found = []
    for row, i, box in jobs:
        inputs = [x[row : row + 1].clone() for x in task.inputs]
        inputs[i][(0, slice(None), *box)] = baseline[i][(row, slice(None), *box)]
        with torch.no_grad():
            found.append(task.net(*inputs)[0, task.classes[row]])
    return torch.stack(found)


def asked(net, window, stride):
    task = make_task(net, pictures(net), [2, 1])
    boxes = Occlusion(window=window, stride=stride).boxes(task.inputs[0])
    return task, [(row, 0, box) for row in range(2) for box in boxes]


@pytest.mark.parametrize(("window", "stride"), [(6, 5), (3, 9), (1, 12), (20, 11)])
@pytest.mark.parametrize("kind", ["mean", "blur"])
@pytest.mark.slow
def test_boxes_give_what_the_whole_network_gives(window, stride, kind):
    net = everything()
    task, jobs = asked(net, window, stride)
    with frozen(net.module):
        baseline = task.baseline(kind)
        wanted = plainly(task, jobs, baseline)
        for row in range(2):
            change = OccludedInput(task, row, 0, baseline[0][row : row + 1])
            boxes = [box for r, _, box in jobs if r == row]
            assert change.agrees(boxes, nullcontext)  # no layer stumbled: nothing was computed in full
            found = change.scores(boxes, nullcontext, local=True)
            expected = wanted[[n for n, job in enumerate(jobs) if job[0] == row]]
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
        both = torch.cat([scores for _, scores in occlusion_scores(task, jobs, baseline, positions=1)])
        torch.testing.assert_close(both, wanted, atol=1e-5, rtol=1e-5)


def test_layers_compute_only_what_a_box_can_change():
    net, areas = everything(), []
    task, jobs = asked(net, 4, 8)
    change = OccludedInput(task, 0, 0, task.baseline("mean")[0][:1])
    boxes = [box for row, _, box in jobs if row == 0]
    with frozen(net.module):
        change.scores(boxes, nullcontext, local=True)  # what is known is now known
        stem = torch.conv2d

        class Watch(torch.overrides.TorchFunctionMode):
            def __torch_function__(self, func, types, args=(), kwargs=None):
                made = func(*args, **(kwargs or {}))
                if func is stem:
                    areas.append((type(made).__name__, getattr(made, "region", None)))
                return made

        with Watch():
            change.scores(boxes, nullcontext, local=True)
    kind, region = areas[0]
    assert kind == "PatchedTensor" and region.size == (4, 4)  # 4 pixels, read by a window of 5 every 2


def test_one_axis():
    torch.manual_seed(5)
    body = nn.Sequential(nn.Conv1d(5, 4, 3, padding=1), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(4, 4, 3))
    net = wrap(nn.Sequential(body, nn.Flatten(), nn.Linear(172, 3)), TensorSpec((5, 90)))
    task, jobs = asked(net, 3, 4)
    with frozen(net.module):
        baseline = task.baseline("mean")
        change = OccludedInput(task, 0, 0, baseline[0][:1])
        assert change.agrees([box for row, _, box in jobs if row == 0], nullcontext)
        found = torch.cat([s for _, s in occlusion_scores(task, jobs, baseline, positions=1)])
        torch.testing.assert_close(found, plainly(task, jobs, baseline), atol=1e-5, rtol=1e-5)


class Aliased(nn.Module):
    """Writes into a part of what another layer reads: the local way cannot see that, and must be refused."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

    def forward(self, x):
        x = self.conv(x)
        x[:, :2].mul_(3)
        return self.head(x.mean((2, 3)))


class Written(Aliased):
    """Writes into a view of the whole batch, and by index."""

    def forward(self, x):
        x = self.conv(x)
        x.transpose(2, 3).mul_(2)
        x[:, 0] = x[:, 1]
        x.masked_fill_(x < 0, 0.1)
        return self.head(nn.functional.relu(x).mean((2, 3)))


@pytest.mark.parametrize("kind", [Aliased, Written])
def test_what_cannot_be_followed_is_computed_in_full(kind):
    torch.manual_seed(6)
    net = wrap(kind().eval(), TensorSpec((3, 14, 16)))
    task, jobs = asked(net, 4, 3)
    with frozen(net.module):
        baseline = task.baseline("mean")
        found = torch.cat([s for _, s in occlusion_scores(task, jobs, baseline, positions=1)])
        torch.testing.assert_close(found, plainly(task, jobs, baseline), atol=1e-5, rtol=1e-5)


def test_folded_normalisation_stays_exact():
    net = residual()
    task, jobs = asked(net, 3, 2)
    with frozen(net.module):
        baseline = task.baseline("low")
        found = torch.cat([s for _, s in occlusion_scores(task, jobs, baseline, positions=1)])
        torch.testing.assert_close(found, plainly(task, jobs, baseline), atol=1e-5, rtol=1e-5)


def test_few_boxes_are_computed_in_full(monkeypatch):
    net, tried = everything(), []
    task, jobs = asked(net, 6, 8)
    boxes = len(jobs) // 2
    monkeypatch.setattr(OccludedInput, "agrees", lambda *_: bool(tried.append(1)))
    with frozen(net.module):
        baseline = task.baseline("mean")
        for few, times in ((boxes + 1, 0), (boxes, 2)):
            scores = [s for _, s in occlusion_scores(task, jobs, baseline, positions=1, few=few)]
            torch.testing.assert_close(torch.cat(scores), plainly(task, jobs, baseline), atol=1e-5, rtol=1e-5)
            assert len(tried) == times


class Viewing(nn.Module):
    """Asks for a view that only the ordinary layout allows, after folded and plain convolutions."""

    def __init__(self):
        super().__init__()
        self.one, self.norm = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)
        self.head = nn.Linear(4 * 12 * 14, 3)

    def forward(self, x):
        x = self.norm(self.one(x)).relu()
        return self.head(x.view(len(x), -1))


@pytest.mark.parametrize("method", ["occlusion", "integrated", "rise", "scorecam", "lrp"])
def test_networks_that_view_are_run_in_the_ordinary_layout(method):
    torch.manual_seed(10)
    viewing = Viewing().eval()
    net = wrap(viewing, TensorSpec((3, 14, 16)))
    settings = {"layer": "norm"} if method == "scorecam" else {}
    found = explain(net, pictures(net), method, 1, checks=(), **settings).attribution
    viewing.forward = lambda x: viewing.head(viewing.norm(viewing.one(x)).relu().flatten(1))
    wanted = explain(net, pictures(net), method, 1, checks=(), **settings).attribution
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
