import pytest
import torch
from torch import nn

from convscope import nets
from convscope.errors import PlaceError, UsageError
from convscope.graph import TensorSpec


class Net(nn.Module):
    """With an activation in place, a tuple, a layer that runs twice and tokens last."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act, self.pair = nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), Pair()
        self.dense, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b = self.pair(self.act(self.conv(x)))
        tokens = (a - b).flatten(2).transpose(1, 2)
        return self.head(self.dense(self.dense(tokens)).mean(1))


class Pair(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x, 0.5 * x


@pytest.fixture(scope="module")
def net() -> nets.Net:
    torch.manual_seed(0)
    return nets.wrap(Net().eval(), TensorSpec((1, 6, 6)))


X = torch.rand(2, 1, 6, 6, generator=torch.Generator().manual_seed(1))


def by_hand(net: nets.Net, layer: str, change: object) -> torch.Tensor:
    """The result with torch's own hook on a layer."""
    handle = net.module.get_submodule(layer).register_forward_hook(change)  # type: ignore[arg-type]
    with torch.no_grad():
        result = net(X)
    handle.remove()
    return result


def scaled(net: nets.Net, scales: dict[str, float]) -> torch.Tensor:
    with torch.no_grad(), nets.scaled_units(net, scales):
        return net(X)


def test_a_unit_is_scaled_for_all_that_follows(net: nets.Net) -> None:
    def change(_m: nn.Module, _i: object, out: torch.Tensor) -> torch.Tensor:
        return out * torch.tensor([1.0, -2.0, 1.0, 0.0])[:, None, None]

    torch.testing.assert_close(scaled(net, {"conv:1": -2.0, "conv:3": 0.0}), by_hand(net, "conv", change))
    assert not torch.equal(scaled(net, {"conv:1": -2.0}), by_hand(net, "conv", lambda *_: None))


def test_one_position_one_entry_and_the_last_call(net: nets.Net) -> None:
    def position(_m: nn.Module, _i: object, out: torch.Tensor) -> torch.Tensor:
        out = out.clone()
        out[:, 2, 1, 3] = 0
        return out

    torch.testing.assert_close(scaled(net, {"act:2@1,3": 0.0}), by_hand(net, "act", position))
    both = by_hand(net, "pair", lambda _m, _i, out: (out[0], 3 * out[1]))
    torch.testing.assert_close(scaled(net, {"pair[1]": 3.0}), both)
    calls = []

    def second(_m: nn.Module, _i: object, out: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return out * torch.tensor([0.0, 1, 1, 1]) if len(calls) % 2 == 0 else out

    torch.testing.assert_close(scaled(net, {"dense:0": 0.0}), by_hand(net, "dense", second))


def test_the_result_itself_can_be_scaled(net: nets.Net) -> None:
    with torch.no_grad():
        wanted = net(X) * torch.tensor([1.0, 0.0, 1.0])
    torch.testing.assert_close(scaled(net, {"output:1": 0.0}), wanted)
    torch.testing.assert_close(scaled(net, {"output:1": 0.0}), scaled(net, {"head:1": 0.0}))


def test_recorded_activations_are_the_scaled_ones_and_hooks_go(net: nets.Net) -> None:
    with nets.scaled_units(net, {"conv:0": 0.0}):
        found = nets.record(net, X, ["conv", "act"])
    conv, act = found.values()
    assert float(conv[:, 0].abs().max()) == 0 and float(act[:, 0].abs().max()) == 0
    plain, _ = nets.record(net, X, ["conv", "act"]).values()
    torch.testing.assert_close(conv[:, 1:], plain[:, 1:])
    with pytest.raises(RuntimeError), nets.scaled_units(net, {"conv:0": 0.0, "act": 2.0}):
        raise RuntimeError
    assert not any(module._forward_hooks for module in net.module.modules())


def test_wrong_places_and_factors_are_refused(net: nets.Net) -> None:
    with pytest.raises(PlaceError), nets.scaled_units(net, {"conv:4": 0.0}):
        pass
    with pytest.raises(UsageError, match="finite"), nets.scaled_units(net, {"conv:1": float("inf")}):
        pass


def test_a_hooked_network_records_what_record_does(net: nets.Net) -> None:
    layers = ["conv", "act", "pair[1]", "dense#1", "dense", "output"]
    wanted = nets.record(net, X, layers)
    flags = [parameter.requires_grad for parameter in net.module.parameters()]
    with nets.HookedNet(net, layers) as hooked:
        for _ in range(2):
            result, found = hooked.run(X)
            assert [str(place) for place in found] == layers
            for one, other in zip(found.values(), wanted.values(), strict=True):
                assert torch.equal(one, other)
            assert torch.equal(result, net(X))
        _, steered = hooked.run(X, scales={"conv:0": 0.0})
        assert float(next(iter(steered.values()))[:, 0].abs().max()) == 0
        assert torch.equal(next(iter(nets.record(net, X, ["conv"]).values())), next(iter(wanted.values())))
        again, _ = hooked.run(X)
        assert torch.equal(again, result) and not again.requires_grad
    assert flags == [parameter.requires_grad for parameter in net.module.parameters()]
    assert not any(module._forward_hooks for module in net.module.modules())
