from collections import deque
from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from convscope.errors import ConvscopeError, GraphError, PlaceError, UsageError
from convscope.graph.spec import TensorSpec
from convscope.nets import Net, wrap
from convscope.see import (
    ImageParameterization,
    OptimizerConfig,
    Step,
    channel,
    fft_image,
    l1,
    layer,
    neuron,
    optimize_input,
    output,
    per_image,
    pixel_image,
)
from convscope.see.optimize import loop
from convscope.see.optimize.objectives.activation_batch import ActivationBatch
from convscope.see.optimize.objectives.objective import Objective, ObjectiveTerm
from convscope.see.optimize.transforms import Jitter, Pad, Warp, lucid_transforms


def linear_net(weights: Tensor) -> Net:
    """a = w . x over inputs of the weights' shape."""
    spec = TensorSpec(tuple(weights.shape), value_range=(-1.0, 1.0))
    module = nn.Sequential(nn.Flatten(), nn.Linear(weights.numel(), 1, bias=False))
    with torch.no_grad():
        module[1].weight.copy_(weights.reshape(1, -1))
    return wrap(module, spec)


def unit_sphere(shape: tuple[int, ...], seed: int) -> ImageParameterization:
    """Images of norm 1."""
    start = torch.randn(1, *shape, generator=torch.Generator().manual_seed(seed))

    def draw(x: Tensor) -> Tensor:
        return x / x.flatten(1).norm(dim=1).view(-1, *[1] * (x.dim() - 1))

    return ImageParameterization((start.requires_grad_(),), draw)


def last(steps) -> Step:
    return deque(steps, maxlen=1).pop()


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 9), (2, 30), (40,)])
def test_closed_form_of_a_linear_network(shape: tuple[int, ...]) -> None:
    """The best input of norm 1 is the weights themselves, and its score their norm."""
    weights = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    canvas = unit_sphere(shape, seed=2)
    assert abs(torch.cosine_similarity(canvas.images().flatten(), weights.flatten(), dim=0)) < 0.6
    step = last(
        optimize_input(
            linear_net(weights), output(0), canvas, steps=60, config=OptimizerConfig(lr=2.0, optimizer="sgd")
        )
    )
    cosine = torch.cosine_similarity(step.images.flatten(), weights.flatten(), dim=0)
    assert cosine > 0.9999
    torch.testing.assert_close(step.scores[0], weights.norm(), rtol=1e-3, atol=0)


def test_closed_form_with_l1() -> None:
    """The best of w.x - k|x| in [-1, 1] is sign(w) where |w| > k, and 0 elsewhere: sparsity rises with k."""
    weights = torch.linspace(-2, 2, 81)[torch.randperm(81, generator=torch.Generator().manual_seed(0))]
    net = linear_net(weights.view(1, 9, 9))
    zeros = []
    for strength in (0.0, 0.52, 1.02, 1.52):
        canvas = pixel_image(net.input_spec, [0], start="zeros")
        step = last(
            optimize_input(
                net,
                output(0) - strength * l1(),
                canvas,
                steps=120,
                config=OptimizerConfig(lr=0.05, optimizer="sgd"),
            )
        )
        clear = (weights.abs() - strength).abs() > 0.2
        expected = torch.where(weights.abs() > strength, weights.sign(), torch.zeros(()))
        torch.testing.assert_close(step.images.flatten()[clear], expected[clear], atol=0.16, rtol=0)
        zeros.append(int((step.images.abs() < 0.16).sum()))
    assert zeros == sorted(zeros) and zeros[0] < 5 and zeros[-1] > 50


def test_the_wrong_sign_of_the_lecture_fills_the_image() -> None:
    weights = torch.linspace(-2, 2, 81).view(1, 9, 9)
    net = linear_net(weights)
    canvas = pixel_image(net.input_spec, [0])
    wrong = last(
        optimize_input(net, output(0) + 3 * l1(), canvas, steps=200, config=OptimizerConfig(lr=0.02))
    )
    assert float((wrong.images.abs() > 0.95).float().mean()) > 0.95


@pytest.mark.parametrize("make", [pixel_image, fft_image])
def test_gradient_by_finite_differences(small: Net, make) -> None:
    """What the first step of plain gradient ascent moves by is the slope of the score."""
    goal = 2 * channel("conv2:1") - 0.01 * layer("conv1")
    small.module.double()
    options = {"bound": "sigmoid"} if make is pixel_image else {}
    canvas = make(small.input_spec, [3], **options)
    free = canvas.parameters[0].detach().double()

    def score(parameter: Tensor) -> tuple[Tensor, Tensor]:
        moved = ImageParameterization((parameter.clone().requires_grad_(),), canvas.decode)
        start, _ = optimize_input(
            small,
            goal,
            moved,
            steps=1,
            config=OptimizerConfig(lr=1.0, optimizer="sgd", relu_gradient_every=0),
        )
        return start.scores[0], moved.parameters[0].detach() - parameter

    _, gradient = score(free)
    chance = torch.Generator().manual_seed(0)
    for _ in range(5):
        way = torch.randn(free.shape, generator=chance, dtype=torch.float64)
        way, h = way / way.norm(), 1e-5
        slope = (score(free + h * way)[0] - score(free - h * way)[0]) / (2 * h)
        expected = (gradient * way).sum()
        torch.testing.assert_close(slope, expected, rtol=1e-4, atol=1e-9)


def test_scores_rise_and_belong_to_their_images(small: Net) -> None:
    canvas = fft_image(small.input_spec, [0, 1])
    steps = list(optimize_input(small, channel("conv2:4"), canvas, steps=20))
    assert [step.index for step in steps] == list(range(21))
    assert bool((steps[-1].scores > steps[0].scores + 0.1).all())
    for step in (steps[0], steps[7], steps[-1]):
        clean = small.module[2](small.module[1](small.module[0]((step.images - 0.5) / 0.25)))
        torch.testing.assert_close(step.scores, clean[:, 4].mean((1, 2)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("transforms", [(), lucid_transforms()])
@pytest.mark.parametrize(
    "config",
    [
        OptimizerConfig(),
        OptimizerConfig(normalize=True),
        OptimizerConfig(clip=0.01, optimizer="sgd", lr=3.0),
    ],
)
@pytest.mark.parametrize("make", [pixel_image, fft_image])
@pytest.mark.slow
def test_a_unit_has_the_same_picture_alone_and_in_a_batch(
    small: Net, make, config: OptimizerConfig, transforms
) -> None:
    goals = [channel("conv2:0"), 50 * neuron("conv2:3"), layer("conv1") - 0.1 * l1()]
    together = last(
        optimize_input(
            small,
            per_image(goals),
            make(small.input_spec, [5, 6, 7]),
            steps=12,
            config=config,
            transforms=transforms,
        )
    )
    for i, goal in enumerate(goals):
        canvas = make(small.input_spec, [5 + i])
        alone = last(optimize_input(small, goal, canvas, steps=12, config=config, transforms=transforms))
        torch.testing.assert_close(alone.images[0], together.images[i], atol=2e-4, rtol=0)


def test_repeatable(small: Net) -> None:
    runs = [
        last(
            optimize_input(
                small,
                channel("conv2:0"),
                fft_image(small.input_spec, [1]),
                steps=5,
                transforms=lucid_transforms(),
            )
        )
        for _ in range(2)
    ]
    assert torch.equal(runs[0].images, runs[1].images)


def state_of(net: Net) -> tuple:
    parts = [
        (part.training, len(part._forward_hooks), len(part._forward_pre_hooks))
        for part in net.module.modules()
    ]
    weights = [(p.requires_grad, p.grad is None, p.detach().clone()) for p in net.module.parameters()]
    buffers = [b.clone() for b in net.module.buffers()]
    return parts, [(a, b) for a, b, _ in weights], [w for *_, w in weights] + buffers, torch.is_grad_enabled()


def assert_same(before: tuple, after: tuple) -> None:
    assert before[:2] == after[:2] and before[3] == after[3]
    assert all(torch.equal(a, b) for a, b in zip(before[2], after[2], strict=True))


@pytest.fixture
def normed() -> Net:
    """BatchNorm in training mode, one frozen weight: a state that is easy to disturb."""
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(), nn.Conv2d(4, 2, 3))
    module[4].eval()
    module[0].weight.requires_grad_(False)
    return wrap(module, TensorSpec((3, 12, 12)))


@pytest.mark.parametrize("end", ["exhausted", "closed", "exception", "interrupt", "dropped"])
def test_the_network_is_as_it_was(normed: Net, end: str) -> None:
    before = state_of(normed)
    canvas = fft_image(normed.input_spec, [0])
    steps = optimize_input(normed, channel("4:1"), canvas, steps=6)
    for step in steps:
        assert_same(before, state_of(normed))  # also between two steps
        if step.index == 3 and end == "closed":
            steps.close()
        if step.index == 3 and end == "dropped":
            break
    if end in ("exception", "interrupt"):
        error = RuntimeError("on purpose") if end == "exception" else KeyboardInterrupt()

        def fail(*_: object) -> None:
            raise error

        handle = normed.module[2].register_forward_hook(fail)
        with pytest.raises((ConvscopeError, RuntimeError, KeyboardInterrupt)):
            next(optimize_input(normed, channel("4:1"), canvas, steps=6))
        handle.remove()
    del steps
    assert_same(before, state_of(normed))
    assert float(canvas.images().detach().std()) > 0


def test_it_works_where_gradients_are_off(small: Net) -> None:
    modes = []
    with torch.no_grad():
        for step in optimize_input(small, channel("conv2:4"), fft_image(small.input_spec, [0]), steps=5):
            modes += [torch.is_grad_enabled(), bool(step.has_gradient.all())]
    assert modes == [False, True] * 6


def test_only_what_is_needed_runs(small: Net) -> None:
    calls: list[str] = []
    for name, part in small.module.named_children():
        part.register_forward_hook(lambda *_, name=name: calls.append(name))
    canvas = pixel_image(small.input_spec, [0])
    steps = optimize_input(small, channel("conv1:0"), canvas, steps=1)
    next(steps)
    calls.clear()
    next(steps)
    assert calls == ["conv1"]


def test_penalties_alone_need_no_network(small: Net) -> None:
    canvas = pixel_image(small.input_spec, [0])
    step = last(optimize_input(small, -1 * l1(), canvas, steps=60))
    assert float(step.images.abs().max()) < 0.05


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_any_number_of_channels_and_several_inputs(channels: int) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(channels, 3, 3)

        def forward(self, image: Tensor, other: Tensor) -> dict[str, Tensor]:
            return {"map": self.conv(image) + other[:, :, None, None]}

    net = wrap(Two(), (TensorSpec((channels, 9, 13)), TensorSpec((3,), name="other")))
    canvas = fft_image(net.input_spec, [0, 1])
    steps = list(optimize_input(net, channel("output[map]:2"), canvas, steps=10))
    assert bool((steps[-1].scores > steps[0].scores).all())


def test_sound_shaped_inputs() -> None:
    net = wrap(nn.Sequential(nn.Conv1d(2, 4, 5), nn.ReLU(), nn.Conv1d(4, 4, 5)), TensorSpec((2, 40)))
    steps = list(
        optimize_input(
            net, neuron("2:1"), fft_image(net.input_spec, [0]), steps=20, transforms=(Pad(4), Jitter(4))
        )
    )
    assert steps[-1].scores[0] > steps[0].scores[0]


def test_bad_requests(small: Net, digit_net: Net) -> None:
    canvas = pixel_image(small.input_spec, [0])
    with pytest.raises(PlaceError, match="conv2"):
        next(optimize_input(small, channel("conv3:0"), canvas))
    with pytest.raises(UsageError, match="-1"):
        next(optimize_input(small, channel("conv2:0"), canvas, steps=-1))
    with pytest.raises(UsageError, match="1 images"):
        next(optimize_input(small, per_image([channel("conv2:0")] * 2), canvas))
    with pytest.raises(GraphError, match="28, 28"):
        next(
            optimize_input(
                digit_net, channel("dense1:0"), pixel_image(digit_net.input_spec, [0], size=(40, 40))
            )
        )
    with pytest.raises(GraphError):
        next(
            optimize_input(digit_net, channel("conv2:0"), pixel_image(digit_net.input_spec, [0], size=(3, 3)))
        )


def test_half_precision_weights_and_bfloat16(small: Net) -> None:
    config = OptimizerConfig(precision="bf16", memory_format="channels_last")
    steps = list(
        optimize_input(small, channel("conv2:4"), fft_image(small.input_spec, [0]), steps=10, config=config)
    )
    assert steps[-1].scores.dtype == torch.float32 and steps[-1].scores[0] > steps[0].scores[0]
    small.module.to(torch.bfloat16)
    steps = list(optimize_input(small, channel("conv2:4"), fft_image(small.input_spec, [0]), steps=10))
    assert steps[-1].images.dtype == torch.float32 and steps[-1].scores[0] > steps[0].scores[0]


@pytest.mark.parametrize("schedule", ["constant", "constant_then_linear", "linear", "cosine"])
def test_how_far_each_step_goes(schedule: str) -> None:
    """With a constant gradient and no momentum, steepest ascent moves by exactly the rate of each step."""
    linear = wrap(nn.Flatten(), TensorSpec((1, 2, 3), value_range=(-99.0, 99.0), mean=(0.0,), std=(1.0,)))
    canvas = pixel_image(linear.input_spec, [0], start="zeros")
    config = OptimizerConfig(lr=0.5, optimizer="normalized_sgd", momentum=0.0, schedule=schedule)
    goal = sum(channel(f"output:{unit}") for unit in range(6))
    values = [
        float(step.images.mean()) for step in optimize_input(linear, goal, canvas, steps=4, config=config)
    ]
    moved = [after - before for before, after in pairwise(values)]
    root = 0.5**0.5
    shares = {
        "constant": [1, 1, 1, 1],
        "constant_then_linear": [1, 1, 1, 0.5],
        "linear": [1, 0.75, 0.5, 0.25],
        "cosine": [1, (1 + root) / 2, 0.5, (1 - root) / 2],
    }[schedule]
    assert moved == pytest.approx([0.5 * share for share in shares], rel=1e-4)


def test_the_last_step_needs_no_gradient_unless_a_score_is_0(small: Net) -> None:
    """Who moves is seen at the end without one; where a score is 0, a second look at the same draw tells."""

    @dataclass(frozen=True, eq=False)
    class Watched(ObjectiveTerm):
        factor: float
        looks: list[bool]

        def __call__(self, scene: ActivationBatch) -> Tensor:
            self.looks.append(torch.is_grad_enabled())
            return self.factor * scene.image.flatten(1).mean(1)

    def looked(factor: float) -> tuple[list[bool], list[bool], Tensor]:
        looks: list[bool] = []
        chance = torch.Generator().manual_seed(3)
        *_, step = optimize_input(
            small,
            Objective.of(Watched(factor, looks)),
            pixel_image(small.input_spec, [1]),
            steps=2,
            transforms=lucid_transforms(),
            generator=chance,
        )
        return looks, step.has_gradient.tolist(), chance.get_state()

    plain, moves, state = looked(1.0)
    again, still, same = looked(0.0)
    assert plain == [True, True, False] and moves == [True]
    assert again == [True, True, False, True] and still == [False]
    assert torch.equal(state, same)


def test_replayed_steps_are_those_of_the_network(monkeypatch) -> None:
    """From `REPLAY_FROM` steps on the network runs a few times only, and the images stay the same."""
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU6(inplace=True), nn.Conv2d(8, 5, 1), nn.ReLU())
    calls = []
    body.register_forward_pre_hook(lambda *_: calls.append(1))
    net = wrap(body, TensorSpec((3, 24, 24)))
    images, counts = [], []
    for start in (32, 1000):
        monkeypatch.setattr(loop, "REPLAY_FROM", start)
        calls.clear()
        canvas = fft_image(net.input_spec, [0])
        goal = channel("2:1") + 0.5 * channel("0:3") - l1()
        config = OptimizerConfig(lr=0.1, optimizer="normalized_sgd")
        step = last(optimize_input(net, goal, canvas, steps=40, config=config, transforms=(Jitter(2),)))
        images.append(step.images)
        counts.append(len(calls))
    torch.testing.assert_close(images[0], images[1], rtol=0, atol=1e-4)
    assert counts[0] < 12 < 40 <= counts[1]


def test_the_size_of_the_picture_is_what_is_recorded(monkeypatch) -> None:
    """Views of another size, also the first one, leave the recording to those of the picture's own."""
    body = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU6(), nn.Conv2d(8, 5, 1))
    net, shapes = wrap(body, TensorSpec((3, 24, 24))), []
    monkeypatch.setattr(loop, "recorded", lambda run, shown: shapes.append(tuple(shown.shape)))
    whole, own = Warp(0, enlarged=1.5), Warp(0)
    views = iter([whole, whole, own, whole, *[own] * 40])
    transforms = (lambda image, generator: next(views)(image, generator),)
    last(optimize_input(net, channel("2:1"), fft_image(net.input_spec, [0]), steps=32, transforms=transforms))
    assert shapes == [(1, 3, 24, 24)]
