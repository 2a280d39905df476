"""A silent unit starts, whatever its ReLU is written as; and the network is not changed for it."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convscope.graph.spec import TensorSpec
from convscope.nets import Net, wrap
from convscope.see import OptimizerConfig, channel, optimize_input, per_image, pixel_image
from convscope.see.optimize import relu_gradients
from convscope.see.optimize.relu_gradients import RedirectReLU

RELUS: dict[str, Callable[[Tensor], Tensor]] = {
    "module": nn.ReLU(),
    "module in place": nn.ReLU(inplace=True),
    "relu6": nn.ReLU6(),
    "F.relu": F.relu,
    "F.relu in place": lambda x: F.relu(x, inplace=True),
    "F.relu_": F.relu_,
    "torch.relu": torch.relu,
    "torch.relu_": torch.relu_,
    "x.relu": lambda x: x.relu(),
    "x.relu_": lambda x: x.relu_(),
    "clamp_min": lambda x: torch.clamp_min(x, 0),
    "x.clamp_min": lambda x: x.clamp_min(0.0),
    "x.clamp": lambda x: x.clamp(min=0),
    "torch.clamp": lambda x: torch.clamp(x, min=0),
    "x.clamp_": lambda x: x.clamp_(min=0),
    "hardtanh": lambda x: F.hardtanh(x, 0.0, 6.0),
}


class Silent(nn.Module):
    """Channel 0 is below 0 at first and can be raised, channel 1 can never fire, channel 2 fires at once."""

    def __init__(self, relu: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv, self.relu, self.last = nn.Conv2d(1, 3, 3), relu, nn.Identity()
        with torch.no_grad():
            self.conv.weight.fill_(1.0)
            self.conv.bias.copy_(torch.tensor([-6.0, -100.0, 1.0]))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.relu(self.conv(x)))


def silent(relu: Callable[[Tensor], Tensor]) -> Net:
    return wrap(Silent(relu), TensorSpec((1, 8, 8)))


@pytest.mark.parametrize("name", RELUS)
@pytest.mark.slow
def test_every_relu_lets_a_silent_unit_start(name: str) -> None:
    net = silent(RELUS[name])

    def raised(redirect: int) -> tuple[list[float], list[bool]]:
        canvas = pixel_image(net.input_spec, [0])
        *_, step = optimize_input(
            net,
            channel("last:0"),
            canvas,
            steps=16,
            config=OptimizerConfig(lr=0.1, relu_gradient_every=redirect),
        )
        return step.scores.tolist(), step.has_gradient.tolist()

    assert raised(16)[0][0] > 1
    assert raised(0) == ([0.0], [False])


def test_who_never_fires_is_said() -> None:
    net = silent(nn.ReLU())
    *_, step = optimize_input(
        net,
        per_image(channel(f"last:{u}") for u in range(3)),
        pixel_image(net.input_spec, [0, 0, 0]),
        steps=30,
    )
    assert step.has_gradient.tolist() == [True, False, True] and step.scores[1] == 0


def test_gradients_that_pass_are_left_alone() -> None:
    """An image whose gradient gets through has the true one, beside one whose does not."""
    x = torch.tensor([[[-1.0, 2.0]], [[-1.0, -2.0]]], requires_grad=True)
    weights = torch.tensor([[[-3.0, -5.0]], [[-3.0, 5.0]]])
    with RedirectReLU():
        y = F.relu(x * 1)
    (gradient,) = torch.autograd.grad((y * weights).sum(), x)
    assert gradient.tolist() == [[[0.0, -5.0]], [[-3.0, 0.0]]]  # a falling loss raises where it is negative


def test_nothing_is_left_behind() -> None:
    x = torch.full((1, 4), -1.0, requires_grad=True)
    with pytest.raises(KeyboardInterrupt), RedirectReLU():
        raise KeyboardInterrupt
    (gradient,) = torch.autograd.grad(-torch.relu(x).sum(), x)
    assert not gradient.any()


def test_values_are_unchanged() -> None:
    x = torch.randn(3, 4, 5, 5)
    for name, relu in RELUS.items():
        expected = relu(x.clone())
        with RedirectReLU():
            found = relu(x.clone().requires_grad_() * 1)
        torch.testing.assert_close(found.detach(), expected, msg=name)


def test_who_still_does_not_move_goes_on_alone() -> None:
    """After the first steps, only images whose unit is still silent are redirected."""
    net = silent(nn.ReLU())
    config = OptimizerConfig(lr=0.01, relu_gradient_every=4)
    goals = [channel("last:0"), channel("last:2")]
    *_, both = optimize_input(
        net, per_image(goals), pixel_image(net.input_spec, [0, 0]), steps=40, config=config
    )
    assert both.has_gradient.tolist() == [True, True] and both.scores[0] > 0
    *_, alone = optimize_input(net, goals[1], pixel_image(net.input_spec, [0]), steps=40, config=config)
    torch.testing.assert_close(alone.images[0], both.images[1])


@pytest.mark.parametrize("size", [(), (7,), (6, 9), (2, 3, 4)])
def test_a_single_value_anywhere_is_a_gradient(size: tuple[int, ...]) -> None:
    maps = torch.zeros(3, *size)
    assert relu_gradients._stopped(maps)
    for at in range(maps.numel()):
        one = maps.flatten().clone()
        one[at] = -1.0
        assert not relu_gradients._stopped(one.view_as(maps))
