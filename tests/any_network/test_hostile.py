"""Every verb of see on modules that make life hard: nothing about them may change, whatever happens."""

import pytest
import torch
from tests.any_network.untouched import untouched
from tests.any_network.verbs import VERBS, target
from tests.nets.hostile import HOSTILE
from torch import nn

from convscope import see
from convscope.errors import ConvscopeError
from convscope.graph import TensorSpec
from convscope.nets import Net, record, wrap

torch.set_num_threads(1)


class FiveChannels(nn.Sequential):
    """More channels than a photograph has, and an output larger than the input."""

    specs = (TensorSpec((5, 9, 13)),)

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(5, 4, 3, padding=1), nn.SiLU(), nn.Upsample(scale_factor=2), nn.Conv2d(4, 3, 1)
        )


class Moving(nn.Sequential):
    """Batch normalisation in training mode: one careless pass, and its running mean is another."""

    specs = (TensorSpec((3, 10, 10)),)

    def __init__(self) -> None:
        norm = nn.BatchNorm2d(6, momentum=0.9)
        super().__init__(nn.Conv2d(3, 6, 3), norm, nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(384, 3))
        self.train()


class Float16(nn.Sequential):
    """Weights in the other half precision."""

    specs = (TensorSpec((1, 8, 8)),)

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 2))
        self.half()


MODULES = (*HOSTILE, FiveChannels, Moving, Float16)


def net_of(kind: type[nn.Module]) -> Net:
    torch.manual_seed(11)
    return wrap(kind(), kind.specs)  # pyright: ignore[reportAttributeAccessIssue]


@pytest.fixture(params=MODULES, ids=lambda kind: kind.__name__)
def net(request: pytest.FixtureRequest) -> Net:
    return net_of(request.param)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_works_and_leaves_no_trace(net: Net, verb: str) -> None:
    with untouched(net.module):
        VERBS[verb](net)


class Interrupt:
    """Raises at the n-th time a layer runs, as an exception of the module or Ctrl-C would."""

    def __init__(self, module: nn.Module, error: type[BaseException], at: int) -> None:
        self.left, self.error = at, error
        self.module, self.forward = module, module.forward
        module.forward = self._run  # pyright: ignore[reportAttributeAccessIssue]

    def _run(self, *inputs, **named):
        self.left -= 1
        if self.left == 0:
            raise self.error("now")
        return self.forward(*inputs, **named)

    def undo(self) -> None:
        del self.module.forward


FORGIVING = {RuntimeError: ("attribute", "explain", "units", "visualize"), MemoryError: ("explain", "units")}
"""Verbs that may go on where one part fails: several methods, a derivative, a graph or an order of axes that
may not exist. Nothing swallows Ctrl-C."""


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, MemoryError])
@pytest.mark.parametrize("at", [1, 2, 5])
@pytest.mark.parametrize("verb", VERBS)
def test_an_end_in_the_middle_leaves_no_trace(verb: str, at: int, error: type[BaseException]) -> None:
    net = net_of(Moving)
    interrupt = Interrupt(net.module[0], error, at)
    with untouched(net.module):
        try:
            VERBS[verb](net)
        except (error, ConvscopeError):
            pass
        else:
            assert interrupt.left > 0 or verb in FORGIVING.get(error, ()), "the error was swallowed"
    interrupt.undo()
    assert net.module.training


def test_a_generator_that_is_dropped_leaves_no_trace() -> None:
    net = net_of(Moving)
    with untouched(net.module):
        steps = see.iter_visualize(net, _recipe(net))
        next(steps)
        steps.close()
        steps = see.iter_visualize(net, _recipe(net))
        next(steps)
        del steps


def _recipe(net: Net):
    from convscope.see.visualization.recipe import VisualizeRecipe

    return VisualizeRecipe(net="", places=[f"{target(net)}:0"], steps=5)


def test_an_input_that_is_too_small_is_an_error_that_says_so() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 5), nn.MaxPool2d(4), nn.Conv2d(4, 2, 3))
    net = wrap(module, TensorSpec((3, 32, 32)))
    with untouched(net.module):
        with pytest.raises(ConvscopeError, match="8") as caught, torch.no_grad():
            record(net, torch.zeros(1, 3, 8, 8), ["2"])
        assert "32" in str(caught.value)
        with pytest.raises(ConvscopeError):
            see.visualize(net, "2:0", size=8, steps=1)


def test_a_check_that_can_fail_does() -> None:
    net = net_of(Moving)
    with pytest.raises(AssertionError, match="values"), untouched(net.module):
        net.module(torch.rand(2, 3, 10, 10))
    with pytest.raises(AssertionError, match="hooks"), untouched(net.module):
        net.module[0].register_forward_hook(lambda *_: None)
    with pytest.raises(AssertionError, match="flags"), untouched(net.module):
        next(net.module.parameters()).requires_grad_(False)
    with pytest.raises(AssertionError, match="modes"), untouched(net.module):
        net.module.eval()
