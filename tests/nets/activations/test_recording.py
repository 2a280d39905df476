import copy

import pytest
import torch
from tests.nets.hostile import HOSTILE, Choosing, DictOutput, InPlace, Reused, Swallowing, Training, TwoInputs
from torch import nn

from convscope.errors import GraphError, PlaceError
from convscope.graph import TensorSpec
from convscope.nets import LayerAddress, layer_shapes, named_address, record, resolve, wrap


def net_of(kind):
    torch.manual_seed(0)
    module = kind()
    return wrap(module, module.specs)


def inputs_of(net, seed=0, batch=2):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.rand(batch, *c.shape, generator=generator) for c in net.input_specs)


def condition(net):
    """Everything that looking inside must leave as it was."""
    modules = list(net.module.modules())
    return (
        [m.training for m in modules],
        [(p.requires_grad, p.grad) for p in net.module.parameters()],
        [len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in modules],
        {name: t.clone() for name, t in net.module.state_dict().items()},
        torch.is_grad_enabled(),
    )


def assert_untouched(net, before):
    after = condition(net)
    assert after[:3] == before[:3]
    assert after[4] == before[4]
    assert all(torch.equal(after[3][name], tensor) for name, tensor in before[3].items())


@pytest.mark.parametrize("kind", HOSTILE, ids=lambda kind: kind.__name__)
def test_what_is_recorded_is_what_modules_return(kind):
    """Each place against a hook of our own that copies at once, on a copy of the module."""
    net = net_of(kind)
    inputs = inputs_of(net)
    twin, seen = copy.deepcopy(net.module).eval(), {}

    def note(name):
        def hook(_module, _args, out):
            out = out[0] if isinstance(out, tuple) else out
            if isinstance(out, torch.Tensor):
                seen[name] = out.clone()

        return hook

    for name, part in twin.named_modules():
        if name:
            part.register_forward_hook(note(name))
    before = condition(net)
    with torch.no_grad():
        twin(*net.normalise(*inputs))
        acts = record(net, inputs, seen)
    assert seen
    for name, expected in seen.items():
        assert torch.equal(acts[LayerAddress(name)], expected), name
    assert_untouched(net, before)


@pytest.mark.parametrize("kind", HOSTILE, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_nothing_is_left_behind_when_a_layer_fails(kind, error):
    net = net_of(kind)
    names = [name for name in layer_shapes(net) if name != "output"]
    before = condition(net)
    part = net.module.get_submodule(names[0])
    original = part.forward

    def fail(*_args, **_kwargs):
        raise error

    part.forward = fail
    if kind is Swallowing and error is ZeroDivisionError:
        with pytest.raises(PlaceError, match="not passed"):
            record(net, inputs_of(net), names)
    else:
        with pytest.raises(error):
            record(net, inputs_of(net), names)
    part.forward = original
    assert_untouched(net, before)


def test_calls_of_a_reused_layer():
    net = net_of(Reused)
    (x,) = inputs_of(net)
    acts = record(net, x, ["conv#1", "conv#2", "conv", "relu#1"])
    first = net.module.conv(x)
    second = net.module.conv(first.relu())
    assert torch.equal(acts[LayerAddress("conv", call=1)], first)
    assert torch.equal(acts[LayerAddress("conv", call=2)], second)
    assert torch.equal(acts[LayerAddress("conv")], second)
    assert torch.equal(acts[LayerAddress("relu", call=1)], first.relu())


@pytest.mark.parametrize("inplace", [False, True])
def test_only_what_is_overwritten_is_copied(inplace):
    """The next layer is given the very tensor that was recorded, unless it would change it."""
    net = wrap(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=inplace)), InPlace.specs)
    made, given = [], []
    net.module[0].register_forward_hook(lambda _m, _i, out: made.append(out))
    net.module[1].register_forward_pre_hook(lambda _m, inputs: given.append(inputs[0]))
    layer_shapes(net)
    made.clear()
    conv, relu = record(net, inputs_of(net), ["0", "1"]).values()
    assert (conv.data_ptr() == given[-1].data_ptr()) != inplace
    assert len(made) == (2 if inplace else 1)
    assert (conv < 0).any()
    assert torch.equal(conv.relu(), relu)
    record(net, inputs_of(net), ["0", "1"])
    assert len(made) == (3 if inplace else 2)


def test_an_overwritten_tensor_keeps_its_value_and_its_gradient():
    net = net_of(InPlace)
    x = inputs_of(net)[0].requires_grad_()
    acts = record(net, x, ["conv", "last", "output"])
    conv, last, out = acts.values()
    assert (conv < 0).any()
    assert torch.allclose(out, 2 * (last + conv.relu()))
    (slope,) = torch.autograd.grad(out.sum(), last, retain_graph=True)
    assert torch.allclose(slope, torch.full_like(last, 2))
    (through,) = torch.autograd.grad(out.sum(), conv, retain_graph=True)
    weights = net.module.last.weight.sum((0, 2, 3)) + 1
    assert torch.allclose(through, 2 * weights[None, :, None, None] * (conv > 0), atol=1e-6)
    assert torch.autograd.grad(out.sum(), x)[0].abs().sum() > 0


@pytest.mark.parametrize("kind", [InPlace, Reused, DictOutput, Choosing], ids=lambda kind: kind.__name__)
def test_what_is_noted_is_what_is_recorded(kind):
    net = net_of(kind)
    places = [LayerAddress(name) for name in layer_shapes(net)]
    noted = {}
    record(net, inputs_of(net), places)
    acts = record(net, inputs_of(net), places, noted=lambda place, act: noted.update({place: act.clone()}))
    assert set(places) - set(noted) <= {LayerAddress("output")}
    for place, act in noted.items():
        assert torch.equal(act, acts[place]), place


def test_places_are_noted_before_the_network_goes_on():
    net, order = net_of(InPlace), []
    net.module.last.register_forward_hook(lambda *_: order.append("last runs"))
    layer_shapes(net)
    order.clear()
    record(net, inputs_of(net), ["relu", "last"], noted=lambda place, _act: order.append(str(place)))
    assert order[-3:] == ["relu", "last runs", "last"]


def test_what_noting_throws_is_not_the_networks_fault():
    net = net_of(InPlace)

    def fails(_place, _act):
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        record(net, inputs_of(net), ["relu", "last"], noted=fails)
    assert not any(part._forward_hooks for part in net.module.modules())


def test_parts_of_dicts_and_tuples():
    net = net_of(DictOutput)
    (x,) = inputs_of(net)
    acts = record(net, x, ["inner", "inner[0]", "inner[1.deep]:2", "output[maps.1]:0@1,2", "output"])
    first, deep = net.module.inner.a(x), net.module.inner.b(x)
    whole, zero, unit, neuron, result = acts.values()
    assert torch.equal(whole, first)
    assert torch.equal(zero, first)
    assert torch.equal(unit, deep[:, 2])
    assert torch.equal(neuron, deep[:, 0, 1, 2])
    assert torch.equal(result, first.mean((2, 3)))


def test_named_tuples_and_several_inputs():
    net = net_of(TwoInputs)
    image, facts = inputs_of(net)
    acts = record(net, (image, facts), ["both[right]", "both[left]", "head"])
    assert torch.equal(acts[LayerAddress("both", key="right")], facts)
    assert torch.equal(acts[LayerAddress("head")], net.module(image, facts))


def test_the_pass_stops_after_the_last_place():
    passed = []
    layers = nn.Sequential(*(nn.Conv2d(1, 1, 1) for _ in range(5)))
    net = wrap(layers, TensorSpec((1, 4, 4)))
    layer_shapes(net)
    for i, layer in enumerate(layers):
        layer.register_forward_hook(lambda _m, _i, _o, i=i: passed.append(i))
    record(net, torch.rand(1, 1, 4, 4), ["1", "0", "2:0"])
    assert passed in ([0, 1, 2], [0, 1])
    passed.clear()
    record(net, torch.rand(1, 1, 4, 4), ["output"])
    assert passed == [0, 1, 2, 3, 4]


def test_a_network_that_catches_everything_is_stopped_too():
    net = net_of(Swallowing)
    (x,) = inputs_of(net)
    assert torch.equal(record(net, x, ["conv"])[LayerAddress("conv")], net.module.conv(x))


def test_the_way_that_was_not_taken():
    net = net_of(Choosing)
    assert "bright" in layer_shapes(net)
    bright, dark = torch.full((1, 1, 12, 12), 0.9), torch.full((1, 1, 12, 12), 0.1)
    record(net, bright, ["bright"])
    with pytest.raises(PlaceError, match="chooses its way"):
        record(net, dark, ["bright"])


def test_random_state_and_batch_statistics_stand_still():
    net = net_of(Training)
    before, random = condition(net), torch.random.get_rng_state()
    record(net, inputs_of(net, batch=5), ["1", "2", "output"])
    assert_untouched(net, before)
    assert torch.equal(torch.random.get_rng_state(), random)


def test_results_do_not_depend_on_the_place_they_are_recorded_with():
    net = net_of(Reused)
    (x,) = inputs_of(net)
    alone = record(net, x, ["conv#1"])[LayerAddress("conv", call=1)]
    together = record(net, x, ["conv#1", "output"])
    assert torch.equal(alone, together[LayerAddress("conv", call=1)])
    assert torch.equal(together[LayerAddress("output")], net(x))


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("cnov", "Did you mean conv"),
        ("conv:4", "units 0 to 3"),
        ("conv#3", "runs 2 times"),
        ("conv@9,0", "9 x 11 positions"),
        ("conv@1", "9 x 11 positions"),
        ("conv[a]", "returns one tensor"),
        ("output:tench", "numbers only: 0 to 3"),
    ],
)
def test_places_that_lead_nowhere(place, message):
    with pytest.raises(PlaceError, match=message):
        resolve(net_of(Reused), place)


def test_a_layer_that_is_there_but_never_runs():
    module = nn.Sequential(nn.Conv2d(1, 1, 1))
    module[0].spare = nn.Linear(1, 1)
    with pytest.raises(PlaceError, match="never calls"):
        resolve(wrap(module, TensorSpec((1, 2, 2))), "0.spare")


def test_labels():
    net = wrap(
        nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), TensorSpec((1, 2, 2)), ["cat", "dog, hound", "eel"]
    )
    assert resolve(net, "output:eel") == LayerAddress("output", unit=2)
    assert resolve(net, "1:Cat").unit == 0
    assert resolve(net, "output:hound").unit == 1
    x = torch.rand(2, 1, 2, 2)
    assert torch.equal(
        record(net, x, ["output:dog, hound"])[LayerAddress("output", unit="dog, hound")], net(x)[:, 1]
    )
    with pytest.raises(PlaceError, match="Did you mean cat"):
        resolve(net, "output:cta")


def test_positions_follow_the_size_of_the_input():
    net = wrap(nn.Sequential(nn.Conv2d(1, 2, 3)), TensorSpec((1, 5, 5)))
    with pytest.raises(PlaceError, match="3 x 3"):
        resolve(net, "0@5,5")
    large = torch.rand(1, 1, 9, 8)
    assert resolve(net, "0@5,5", large).position == (5, 5)
    assert record(net, large, ["0:1@5,5"])[LayerAddress("0", unit=1, position=(5, 5))].shape == (1,)
    with pytest.raises(PlaceError, match="7 x 6"):
        record(net, large, ["0:1@5,6"])


def test_a_size_the_network_cannot_take():
    net = wrap(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), TensorSpec((1, 2, 2)), name="small")
    before = condition(net)
    with pytest.raises(GraphError, match="the only size that small takes"):
        record(net, torch.rand(1, 1, 3, 3), ["1"])
    assert_untouched(net, before)


def test_an_address_is_named_by_its_class_and_leads_back() -> None:
    classes = ["goldfish, Carassius auratus", "crane, bird", "crane, machine", "7", "a@b", ""]
    module = nn.Sequential(nn.Flatten(), nn.Linear(4, 6))
    net = wrap(module, TensorSpec((1, 2, 2)), classes=classes, name="named")
    told = [named_address(net, resolve(net, f"output:{unit}")) for unit in range(6)]
    assert told == ["output:goldfish", "output:crane, bird", "output:crane, machine", *_numbers(3, 4, 5)]
    assert [resolve(net, text).unit for text in told] == list(range(6))
    plain = wrap(module, TensorSpec((1, 2, 2)), name="plain")
    assert named_address(plain, resolve(plain, "output:1")) == "output:1"
    assert named_address(net, resolve(net, "output")) == "output"


def _numbers(*units: int) -> list[str]:
    return [f"output:{unit}" for unit in units]
