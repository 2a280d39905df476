"""Computed weights, rows with different targets, batches within: against plain autograd and captum."""

import captum.attr as other
import pytest
import torch
import torch.nn.functional as F
from tests.see.attribution.nets import pictures, residual
from torch import nn
from torch.nn.utils import parametrizations

from convscope.graph.spec import TensorSpec
from convscope.nets import frozen, load, wrap
from convscope.see import channel, l1
from convscope.see.attribution.explanation import explain
from convscope.see.attribution.folding import plan_folding
from convscope.see.attribution.methods.cam_layers import last_spatial_layer
from convscope.see.attribution.target import AttributionTask, make_task

SPEC = TensorSpec((3, 12, 10), mean=(0.5,), std=(0.25,))


def wrapped(module, dtype=torch.float64):
    return wrap(module.eval().to(dtype), SPEC)


def line(net, score, image, steps=20):
    """Captum's integrated gradients of `score`, which gets what the network's module gets."""
    nothing = torch.full_like(image, 0.5)
    return other.IntegratedGradients(lambda x: score(net.normalise(x)[0])).attribute(
        image, nothing, n_steps=steps
    )


def near(found, wanted, share=2e-7):
    assert float(wanted.abs().max()) > 0
    assert float((found - wanted).abs().max()) < share * float(wanted.abs().max())


def test_what_is_computed_at_each_call_is_not_folded():
    torch.manual_seed(22)
    spectral = parametrizations.spectral_norm(nn.Conv2d(3, 6, 3))
    parts = [spectral, nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 5, 3), nn.BatchNorm2d(5)]
    for norm in (parts[1], parts[4]):
        nn.init.uniform_(norm.running_mean, -1, 1)
        nn.init.uniform_(norm.running_var, 0.5, 2)
    net = wrapped(nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten()), torch.float32)
    task = make_task(net, pictures(net), [1, 2])
    with frozen(net.module), torch.no_grad():
        fold = plan_folding(task)
        assert set(fold.weights) == {id(parts[3].weight)}
        plain = task.scores(task.inputs, [0, 1])
        with fold():
            near(task.scores(task.inputs, [0, 1]), plain, 1e-5)


def test_a_normalisation_that_depends_on_the_input_is_not_folded():
    class Conditional(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False)

        def forward(self, x):
            gain = x.mean() * torch.ones(4)
            norm = self.norm
            return F.batch_norm(self.one(x), norm.running_mean, norm.running_var, gain).mean((2, 3))

    net = wrapped(Conditional(), torch.float32)
    assert not plan_folding(make_task(net, pictures(net), 1)).weights


@pytest.mark.parametrize("steps", [7, 20])
def test_what_one_row_reads_is_folded_for_none(steps):
    net = residual()
    module, images = net.module, pictures(net)
    found = explain(net, images, "integrated", [2, "one:3"], checks=(), steps=steps).attribution
    near(found[:1], line(net, lambda x: module(x)[:, 2], images[:1], steps), 1e-4)
    near(found[1:], line(net, lambda x: module.one(x)[:, 3].mean((1, 2)), images[1:], steps), 1e-4)


class Half(nn.Module):
    def forward(self, x):
        return x * 0.5


class Deep(nn.Module):
    """A layer before the first convolution, one after, and then what only the result sees."""

    def __init__(self, how):
        super().__init__()
        self.how, self.pool, self.mid = how, nn.AvgPool2d(2), Half()
        self.one, self.head = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 4, 1)

    def forward(self, x):
        x = F.relu6(self.one(self.pool(x)), inplace=True)
        z = self.mid(x)
        if self.how == "writes":
            x += 0.1
        elif self.how == "again":
            x = torch.relu(self.one(x))
        return (self.head(x).relu() + self.head(z)).mean((2, 3))


def middle(net, x):
    return net.module.mid(F.relu6(net.module.one(net.module.pool(x))))[:, 1].mean((1, 2))


@pytest.mark.parametrize("how", ["writes", "again", ""])
@pytest.mark.parametrize(("steps", "batch"), [(20, 20), (20, 7), (7, 7)])
def test_a_later_row_goes_deeper(monkeypatch, how, steps, batch):
    monkeypatch.setattr(AttributionTask, "batch", batch)
    torch.manual_seed(23)
    net = wrapped(Deep(how))
    images = pictures(net).double()
    found = explain(net, images, "integrated", ["mid:1", 2], checks=(), steps=steps).attribution
    near(found[:1], line(net, lambda x: middle(net, x), images[:1], steps))
    near(found[1:], line(net, lambda x: net.module(x)[:, 2], images[1:], steps))


def test_a_later_row_ends_before_the_first_convolution():
    torch.manual_seed(23)
    net = wrapped(Deep(""))
    images = pictures(net).double()
    found = explain(net, images, "integrated", [2, "pool:1"], checks=(), steps=20).attribution
    near(found[:1], line(net, lambda x: net.module(x)[:, 2], images[:1]))
    near(found[1:], line(net, lambda x: net.module.pool(x)[:, 1].mean((1, 2)), images[1:]))


def test_a_later_row_asks_of_the_input_itself():
    torch.manual_seed(23)
    net = wrapped(Deep(""))
    images = pictures(net).double()
    goals = [channel("mid:1"), channel("mid:1") - 1e-3 * l1()]
    found = explain(net, images, "integrated", goals, checks=(), steps=20).attribution
    near(found[:1], line(net, lambda x: middle(net, x), images[:1]))
    sides = images[1:] - 0.5
    near(found[1:], line(net, lambda x: middle(net, x), images[1:]) - 1e-3 * sides)


class Bent(nn.Module):
    def forward(self, x):
        return torch.relu(x + 1)


def test_a_later_row_bends_where_the_first_does_not():
    torch.manual_seed(24)
    net = wrapped(nn.Sequential(Bent(), nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    images = pictures(net).double()
    images[0] = 0.6 + 0.4 * images[0]  # nowhere below the mean
    found = explain(net, images, "integrated", 1, checks=(), steps=20).attribution
    near(found, line(net, lambda x: net.module(x)[:, 1], images))


class Pieces(nn.Module):
    """Looks at both halves of a picture as if they were two."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 3, 3)

    def forward(self, x):
        x = torch.cat(x.chunk(2, 2), 1).reshape(-1, 3, x.shape[2] // 2, x.shape[3])
        return self.two(self.one(x).relu()).relu().mean((2, 3)).unflatten(0, (-1, 2)).amax(1)


def test_batches_within_are_followed_from_the_input_on():
    torch.manual_seed(25)
    net = wrapped(Pieces())
    images = pictures(net).double()
    found = explain(net, images, "integrated", 1, checks=(), steps=20).attribution
    near(found, line(net, lambda x: net.module(x)[:, 1], images))


class Starving(nn.Module):
    calls = 0
    """Of the class: what a pass changes in the module itself is put back."""

    def __init__(self, error):
        super().__init__()
        self.one, self.error = nn.Conv2d(3, 4, 3), error

    def forward(self, x):
        if len(x) > 1:
            Starving.calls += 1
            raise self.error
        return self.one(x).mean((2, 3))


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("none left"), RuntimeError("allocator: can't allocate memory")]
)
def test_without_memory_nothing_heavier_is_tried(error):
    net = wrapped(Starving(error))
    Starving.calls = 0
    with pytest.raises(Exception, match=r"none left|can't allocate"):
        explain(net, pictures(net, 1).double(), "integrated", 1, checks=(), steps=20)
    assert Starving.calls == 1


class Glimpse(nn.Module):
    """A convolution before, and one behind, maps that are sampled at positions of their own."""

    def __init__(self, samples: bool):
        super().__init__()
        self.samples = samples
        self.first, self.second, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3), nn.Linear(5, 3)

    def forward(self, x):
        maps = self.first(x)
        if self.samples:
            theta = torch.tensor([[0.5, 0.1, 0.2], [0.0, 0.7, -0.1]]).to(maps).expand(len(x), 2, 3)
            grid = F.affine_grid(theta, list(maps.shape), align_corners=True)
            maps = F.grid_sample(maps, grid, align_corners=True)
        return self.head(self.second(maps).mean((2, 3)))


@pytest.mark.parametrize(("samples", "layer"), [(True, "first"), (False, "second")])
def test_maps_behind_a_spatial_transformer_are_not_taken_for_those_of_the_input(samples, layer):
    net = wrapped(Glimpse(samples))
    task = make_task(net, pictures(net), [1, 2])
    assert str(last_spatial_layer(task)) == layer


def test_the_localisation_network_is_what_sees_the_input():
    net = load("spatial-transformer", seed=0)
    torch.nn.init.normal_(net.module.get_parameter("sampled.weight"), 0, 0.1)
    assert str(last_spatial_layer(make_task(net, torch.rand(1, 1, 42, 42), [3]))) == "localisation_relu2"
