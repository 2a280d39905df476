"""Images in tiles against the same images whole."""

import re
import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convscope.errors import ConvscopeError, UsageError
from convscope.graph.spec import TensorSpec
from convscope.nets import LayerAddress, Net, load, resolve, wrap
from convscope.see import (
    Objective,
    ObjectiveTerm,
    OptimizerConfig,
    TileConfig,
    channel,
    direction,
    fft_image,
    layer,
    neuron,
    optimize_input,
    per_image,
    pixel_image,
    total_variation,
)
from convscope.see.features.recording import record_float32
from convscope.see.optimize.objectives.activation_batch import ActivationBatch
from convscope.see.optimize.tiling.evaluate import tiled_scores
from convscope.see.optimize.tiling.geometry import plan_tiles
from convscope.see.optimize.tiling.memory import tiles_for_budget
from convscope.see.optimize.transforms import Jitter, Warp


@dataclass(frozen=True)
class Style(ObjectiveTerm):
    """Minus the squared distance of a layer's Gram matrix from the identity: no sum over positions."""

    place: LayerAddress

    @property
    def layers(self) -> tuple[LayerAddress, ...]:
        return (self.place,)

    def resolve(self, net: Net) -> ObjectiveTerm:
        return Style(resolve(net, self.place))

    @property
    def additive(self):
        return "sums"

    def sums(self, scene: ActivationBatch) -> Tensor:
        flat = scene[self.place].flatten(2)
        return flat @ flat.mT / scene.positions(self.place)

    def from_sums(self, sums: Tensor) -> Tensor:
        return -(sums - torch.eye(sums.shape[-1], dtype=sums.dtype)).square().flatten(1).sum(1)

    def __call__(self, scene: ActivationBatch) -> Tensor:
        return self.from_sums(self.sums(scene))


@dataclass(frozen=True, eq=False)
class Near(ObjectiveTerm):
    """Minus the squared distance from a map of its own for each position; adds up, and needs the window."""

    place: LayerAddress
    target: Tensor

    additive = "plainly"

    @property
    def layers(self) -> tuple[LayerAddress, ...]:
        return (self.place,)

    def sums(self, scene: ActivationBatch) -> Tensor:
        target = self.target[(..., *scene.window(self.place))]
        return -(scene[self.place] - target).square().flatten(1).sum(1)

    def __call__(self, scene: ActivationBatch) -> Tensor:
        return self.sums(scene)


class Same(nn.Conv2d):
    """TensorFlow's padding: how much goes to the left depends on the extent."""

    def forward(self, x: Tensor) -> Tensor:
        missing = [
            max((-(-extent // s) - 1) * s + k - extent, 0)
            for extent, k, s in zip(x.shape[2:], self.kernel_size, self.stride, strict=True)
        ]
        down, across = missing
        x = F.pad(x, (across // 2, across - across // 2, down // 2, down - down // 2))
        return super().forward(x)


def branches() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.BatchNorm2d(4),
        nn.Conv2d(4, 6, 3, padding=2, dilation=2),
        nn.ELU(),
        nn.AvgPool2d(2, 2, padding=1),
        nn.Conv2d(6, 5, 3),
    )


def netted(module: nn.Module) -> Net:
    return wrap(module.double().eval(), TensorSpec((3, 48, 48), mean=(0.5,), std=(0.25,)))


NETS = {
    "padded": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 5, 3, padding=1, stride=2), nn.Tanh()
    ),
    "valid": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 7, stride=3), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(4, 5, 3)
    ),
    "branches": branches,
    "same": lambda: nn.Sequential(
        Same(3, 4, 3, 2), nn.ReLU6(), Same(4, 5, 5, 2), nn.ReLU6(), Same(5, 5, 4, 2)
    ),
    "up": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.Tanh(),
        nn.Conv2d(4, 5, 4, stride=4),
        nn.Tanh(),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(5, 5, 3, padding=1),
        nn.Tanh(),
        nn.ConvTranspose2d(5, 4, 4, stride=2, padding=1),
    ),
}


def gradients(net: Net, goal: Objective, images: Tensor, tiles: TileConfig | None) -> tuple[Tensor, Tensor]:
    """Scores and the gradient of their sum, with the image scored as it is and seen after a shift."""
    goal, images = goal.resolve(net), images.clone().requires_grad_()
    looked_at = images * 1.25 - 0.1
    if tiles is None:
        scores = goal(record_float32(net, looked_at, goal.places), images)
    else:
        scores = tiled_scores(net, goal, looked_at, images, tiles)
    return scores.detach(), torch.autograd.grad(scores.sum(), images)[0]


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("size", [(151, 134), (90, 203)])
@pytest.mark.slow
def test_tiles_equal_the_whole(name: str, size: tuple[int, int]) -> None:
    torch.manual_seed(1)
    net = netted(NETS[name]())
    last = [n for n, _ in net.module.named_children()][-1]
    images = torch.rand(2, 3, *size, dtype=torch.float64)
    place = LayerAddress.parse(last)
    goal = (
        layer(last)
        + 0.3 * channel(f"{last}:1")
        - 2 * channel(f"{last}:2", reduce="max")
        + neuron(f"{last}:0")
        + 0.01 * direction(last, [1.0] * (4 if name == "up" else 5))
        + Objective.of(Style(place))
        - 0.01 * total_variation()
    )
    tiles = TileConfig(72 * 72)
    plan = plan_tiles(net, goal.resolve(net).places, size, tiles)
    assert len(plan) >= 4 and plan.exact and plan.largest <= tiles.pixels
    for whole, tiled in zip(
        gradients(net, goal, images, None), gradients(net, goal, images, tiles), strict=True
    ):
        torch.testing.assert_close(tiled, whole, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", NETS)
def test_every_position_belongs_to_one_tile(name: str) -> None:
    net = netted(NETS[name]())
    last = LayerAddress.parse([n for n, _ in net.module.named_children()][-1])
    plan = plan_tiles(net, (last,), (151, 134), TileConfig(72 * 72))
    image = torch.zeros(1, 3, 151, 134, dtype=torch.float64)
    count = torch.zeros(record_float32(net, image, [last])[last].shape[2:])
    for tile in plan:
        count[tuple(slice(first, end) for first, end, _ in plan.output_slices(last, tile))] += 1
    assert bool((count == 1).all())
    for axis, extent in zip(plan.axes, plan.size, strict=True):
        assert axis[0].core[0] == 0 and axis[-1].core[1] == extent
        assert all(one.core[1] == other.core[0] for one, other in pairwise(axis))


def test_an_objective_for_each_image_and_a_target_map() -> None:
    net = netted(NETS["padded"]())
    images = torch.rand(3, 3, 90, 75, dtype=torch.float64)
    target = torch.rand(4, 90, 75, dtype=torch.float64)
    goal = per_image([channel("2:0"), layer("1:1"), neuron("2:3@4,20") - 0.5 * channel("0:2")])
    goal = goal + Objective.of(Near(LayerAddress("1"), target))
    for whole, tiled in zip(
        gradients(net, goal, images, None), gradients(net, goal, images, TileConfig(40 * 40)), strict=True
    ):
        torch.testing.assert_close(tiled, whole, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_a_real_network_sees_the_same_in_tiles() -> None:
    net = load("efficientnet_lite0")
    images = torch.rand(1, 3, 219, 330, generator=torch.Generator().manual_seed(2))
    goal = layer("blocks.2") + channel("blocks.1:3")
    whole, tiled = (gradients(net, goal, images, tiles) for tiles in (None, TileConfig(200 * 200)))
    torch.testing.assert_close(tiled[0], whole[0], rtol=1e-5, atol=0)
    assert float((tiled[1] - whole[1]).norm() / whole[1].norm()) < 1e-4


@pytest.mark.parametrize("canvas", [pixel_image, fft_image])
def test_ascent_in_tiles_goes_where_the_whole_goes(small: Net, canvas) -> None:
    start, ways = torch.rand(1, 3, 70, 90, generator=torch.Generator().manual_seed(0)), []
    for tiles in (None, TileConfig(40 * 40)):
        moved = canvas(small.input_spec, [0], size=(70, 90), start=start)
        *_, last = optimize_input(
            small,
            layer("relu2") + channel("conv2:1"),
            moved,
            steps=5,
            tiles=tiles,
            config=OptimizerConfig(lr=0.02, optimizer="sgd"),
            transforms=(Jitter(6), Warp(2)),
        )
        ways.append(last)
    torch.testing.assert_close(ways[1].scores, ways[0].scores, rtol=1e-4, atol=0)
    torch.testing.assert_close(ways[1].images, ways[0].images, rtol=0, atol=1e-4)
    assert float((ways[0].images - start).abs().max()) > 0.01


def test_a_halo_that_is_too_small_is_no_longer_exact() -> None:
    torch.manual_seed(1)
    net = netted(branches())
    images = torch.rand(1, 3, 151, 134, dtype=torch.float64)
    whole = gradients(net, layer("7"), images, None)[1]
    tiles = TileConfig(72 * 72, halo=4)
    plan = plan_tiles(net, layer("7").resolve(net).places, (151, 134), tiles)
    assert not plan.exact and plan.halo == 4 < (plan.reach or 0)
    cut = gradients(net, layer("7"), images, tiles)[1]
    assert 1e-3 < float((cut - whole).norm() / whole.norm()) < 0.5


def test_layers_without_positions_are_refused(small: Net, digit_net: Net) -> None:
    module = nn.Sequential(small.module, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3))
    pooled = wrap(module, small.input_spec)
    canvas = pixel_image(small.input_spec, [0], size=(60, 60))
    for place in ("output:1", "1:2"):
        with pytest.raises(UsageError, match="grow with the picture"):
            next(optimize_input(pooled, channel(place), canvas, tiles=TileConfig(900)))
    with pytest.raises(UsageError, match="tiles of more than"):
        next(optimize_input(small, layer("conv2"), canvas, tiles=TileConfig(3)))


def test_networks_that_see_everything_say_so() -> None:
    class Squeezed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1)
            self.last = nn.Conv2d(4, 4, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            return self.last(x * x.mean((2, 3), keepdim=True).sigmoid())

    net = netted(Squeezed())
    plan = plan_tiles(net, (LayerAddress("last"),), (400, 410), TileConfig(256 * 256))
    assert plan.reach is None and not plan.exact and plan.halo >= 32
    images = torch.rand(1, 3, 400, 410, dtype=torch.float64)
    whole, tiled = (gradients(net, layer("last"), images, t)[1] for t in (None, TileConfig(256 * 256)))
    assert 1e-4 < float((tiled - whole).norm() / whole.norm()) < 0.5


PEAK = """
import resource, sys, torch
torch.set_num_threads(1)
from convscope.nets import load
from convscope.see import layer, optimize_input, pixel_image
from convscope.see.optimize.tiling.memory import tiles_for_budget
net = load("efficientnet_lite0")
goal, size = layer("blocks.2"), (1600, 2000)
canvas = pixel_image(net.input_spec, [0], size=size)
tiles = tiles_for_budget(net, goal, size, sys.argv[1])
for step in optimize_input(net, goal, canvas, steps=1, tiles=tiles):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(float(step.scores[0]), tiles.pixels if tiles else 0, peak)
"""


@pytest.mark.exhaustive
def test_memory_stays_within_the_budget() -> None:
    """3.2 megapixels: whole, they would take several times this budget."""
    made = subprocess.run(
        [sys.executable, "-c", PEAK, "2GB"], capture_output=True, text=True, check=True, timeout=600
    )
    score, pixel_count, peak = map(float, made.stdout.splitlines()[-1].split())
    assert score > 0 and 0 < pixel_count < 1600 * 2000 / 3
    assert 0.5e9 < peak * 1024 < 2e9


def test_too_little_memory_says_how_much_is_needed(small: Net) -> None:
    assert tiles_for_budget(small, layer("relu2"), (64, 64)) is None
    with pytest.raises(ConvscopeError, match=r"3000 by 2000 .* GB are needed") as refused:
        tiles_for_budget(small, layer("relu2"), (2000, 3000), "10MB", used=10**8)
    (enough,) = re.findall(r"about ([\d.]+) GB", str(refused.value))
    assert tiles_for_budget(small, layer("relu2"), (2000, 3000), f"{enough}GB", used=10**8) is not None
