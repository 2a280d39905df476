"""What comes after a layer as a network of its own: the same numbers, the same layers, clear refusals."""

import pytest
import torch
from tests.see.attribution.nets import convolutional, pictures, residual
from torch import nn

from convscope.errors import PlaceError, UsageError
from convscope.graph import chain
from convscope.graph.spec import SOUND, TensorSpec
from convscope.nets import after_layer, build, load, wrap

torch.set_num_threads(1)
FRONT = {
    "sound-frequency": "log_mel",
    "sound-time": "log_mel",
    "sound-square": "log_mel",
    "sound-waveform": "relu1",
}


def wave(count: int = 2) -> torch.Tensor:
    return 0.3 * torch.randn(count, 1, 8000, generator=torch.Generator().manual_seed(0)).clamp(-3, 3)


@pytest.mark.parametrize(("name", "layer"), FRONT.items())
def test_the_rest_of_a_network_of_sounds_returns_what_the_whole_does(name, layer):
    net = load(name, weights=None, seed=0)
    seen = []
    handle = net.module.get_submodule(layer).register_forward_hook(
        lambda _m, _i, out: seen.append(out.clone())
    )
    wanted = net(wave())
    handle.remove()
    rest, output = after_layer(net, layer, wave())
    assert torch.equal(output, seen[0])
    assert rest.input_spec.shape == output.shape[1:]
    torch.testing.assert_close(rest(output), wanted)
    own = {id(p) for p in net.module.parameters()}
    assert {id(p) for p in rest.module.parameters()} <= own
    assert layer not in dict(rest.module.named_modules())
    kind = "spectrogram" if layer == "log_mel" else "signal"
    assert rest.input_spec.kind == kind and rest.classes == net.classes


@pytest.mark.parametrize(
    ("make", "layer"), [(convolutional, "1"), (convolutional, "5"), (residual, "one"), (residual, "norm_one")]
)
def test_any_module_is_cut_where_everything_passes(make, layer):
    net = make()
    x = pictures(net)
    rest, output = after_layer(net, layer, x)
    torch.testing.assert_close(rest(output), net(x), rtol=1e-5, atol=1e-6)
    doubled = nn.Sequential(*list(net.module)[: int(layer) + 1])(x) if make is convolutional else None
    assert doubled is None or torch.equal(doubled, output)


def test_a_front_end_of_several_modules_is_cut_at_the_module_around_them():
    front = build(chain((1, 800), "spectrogram n_fft=64, mel_scale 8 sample_rate=8000, decibels"))
    module = nn.Sequential(front, nn.Conv2d(1, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    net = wrap(module, TensorSpec((1, 800), kind=SOUND, value_range=(-1, 1), sample_rate=8000))
    x = wave(2)[..., :800]
    rest, output = after_layer(net, "0", x)
    assert torch.equal(output, front(x))
    torch.testing.assert_close(rest(output), net(x))


def test_a_layer_that_something_passes_by_is_refused_with_those_that_would_do():
    net = residual()
    with pytest.raises(UsageError, match="through which everything passes") as caught:
        after_layer(net, "two", pictures(net))
    assert caught.value.hint == "Choose one of these: one, norm_one."


def test_layers_that_are_none_and_units_are_refused():
    net = convolutional()
    for text, error in (("conv9", PlaceError), ("3:1", UsageError), ("8", UsageError)):
        with pytest.raises(error):
            after_layer(net, text, pictures(net))


def test_code_that_the_layers_do_not_tell_is_refused():
    class Free(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.weight = nn.Parameter(torch.randn(2, 4 * 10 * 12))

        def forward(self, x):
            return nn.functional.linear(self.conv(x).flatten(1), self.weight)

    net = wrap(Free(), TensorSpec((3, 12, 14)))
    with pytest.raises(UsageError, match="run by themselves"):
        after_layer(net, "conv", pictures(net))


def test_a_layer_that_runs_twice_is_shared_and_nothing_of_the_network_changes():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.same, self.act = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()

        def forward(self, x):
            x = self.act(self.conv(x))
            return self.act(self.same(self.same(x))).mean((2, 3))

    net = wrap(Twice().train(), TensorSpec((3, 12, 14)))
    modes = [m.training for m in net.module.modules()]
    rest, output = after_layer(net, "act#1", pictures(net))
    torch.testing.assert_close(rest(output), net(pictures(net)))
    assert len(list(rest.module.parameters())) == 2
    assert [m.training for m in net.module.modules()] == modes
    assert not any(m._forward_hooks for m in net.module.modules())
