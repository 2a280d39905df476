"""Attributions with respect to a layer's output: against captum, sums, a tone whose place is known."""

import captum.attr as captum
import numpy as np
import pytest
import scipy.signal
import torch
from captum.attr._utils.lrp_rules import EpsilonRule
from tests.see.attribution.nets import convolutional, pictures
from torch import nn

from convscope.errors import GraphError, PlaceError, UsageError
from convscope.graph import chain
from convscope.graph.spec import SOUND, TensorSpec
from convscope.nets import Net, build, load, spectrogram_axes, wrap
from convscope.see.attribution import METRICS, explain, make_task
from convscope.see.attribution.registry import METHODS

torch.set_num_threads(1)
RATE = 8000
SPEC = TensorSpec((1, RATE), kind=SOUND, value_range=(-1.0, 1.0), sample_rate=RATE)
FEW = {"rise": {"samples": 3000}, "smoothgrad": {"samples": 8}}


class Spectrum(nn.Module):
    """A front end as people write it, without a graph."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spectrum = torch.stft(x.flatten(0, 1), 64, 32, window=torch.hann_window(64), return_complex=True)
        return (spectrum.abs().square() + 1e-5).log()[:, None]


class Loud(nn.Sequential):
    """Multiplies what it returns by a number that it takes from the waveform, outside torch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) * float(x.detach().abs().max())


def of_sounds(kind: type[nn.Sequential] = nn.Sequential) -> Net:
    torch.manual_seed(0)
    rest = (nn.Conv2d(1, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return wrap(kind(Spectrum(), *rest), TensorSpec((1, 800), SOUND, value_range=(-1, 1), sample_rate=RATE))


def wave(count: int = 1, seed: int = 0) -> torch.Tensor:
    """Noise that grows louder, so that no two frames are alike."""
    noise = torch.randn(count, 1, RATE, generator=torch.Generator().manual_seed(seed))
    return (noise * torch.linspace(0.01, 0.2, RATE)).clamp(-1, 1)


@pytest.fixture(scope="module")
def square() -> Net:
    """The network that ships, in double precision."""
    net = load("spoken-digits")
    net.module.double().eval()
    return net


def close(found: torch.Tensor, wanted: torch.Tensor) -> None:
    assert found.shape == wanted.shape and float(wanted.abs().max()) > 0
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6 * float(wanted.abs().max()))


def test_integrated_gradients_are_captums(square):
    x, layer = wave(2).double(), square.module.get_submodule("log_mel")
    wanted = captum.LayerIntegratedGradients(square.module, layer).attribute(
        x, torch.zeros_like(x), target=3, n_steps=50, method="gausslegendre"
    )
    close(explain(square, x, "integrated", 3, steps=50).attribution, wanted)


def test_input_times_gradient_is_captums_relative_to_silence(square):
    x, layer = wave(2).double(), square.module.get_submodule("log_mel")
    product = captum.LayerGradientXActivation(square.module, layer).attribute(x, target=3)
    seen, silence = (
        captum.LayerActivation(square.module, layer).attribute(v) for v in (x, torch.zeros_like(x))
    )
    slope = product / seen
    close(explain(square, x, "saliency", 3).attribution, slope.detach())
    close(explain(square, x, "inputxgradient", 3).attribution, (slope * (seen - silence)).detach())
    assert torch.equal(silence, torch.full_like(silence, -100))


def test_grad_cam_is_captums(square):
    x = wave(2).double()
    maps = captum.LayerGradCam(square.module, square.module.get_submodule("relu3")).attribute(
        x, target=3, relu_attributions=True
    )
    wanted = nn.functional.interpolate(maps, (40, 51), mode="bilinear")
    close(explain(square, x, "gradcam", 3).attribution, wanted.detach())


def test_occlusion_is_captums_feature_ablation(square):
    x, layer = wave().double(), square.module.get_submodule("log_mel")
    window = 8
    groups = torch.arange(5)[:, None].repeat_interleave(8, 0) * 7 + torch.arange(51) // window
    silence = torch.full((1, 1, 40, 51), -100.0, dtype=torch.float64)
    wanted = captum.LayerFeatureAblation(square.module, layer).attribute(
        x, layer_baselines=silence, target=3, layer_mask=groups[None, None]
    )
    close(explain(square, x, "occlusion", 3, window=window, stride=window).attribution, wanted.detach())


def unbiased(front: str = "log_mel 12 n_fft=256 sample_rate=8000") -> Net:
    """A network whose layers have no bias, behind a front end."""
    text = f"{front}, conv 4 3x3 bias=false, relu, maxpool 2, flatten, dense 3 bias=false"
    return wrap(build(chain(SPEC.shape, text), seed=4).double().eval(), SPEC)


def test_relevance_is_captums_and_nothing_of_it_is_lost():
    net, x = unbiased(), wave(2).double()
    seen = net.module.get_submodule("log_mel")(x)
    rest = nn.Sequential(*list(net.module.children())[1:])
    rest[3].rule = EpsilonRule(1e-9)  # of the flattening
    wanted = captum.LRP(rest).attribute(seen.clone().requires_grad_(), 1)
    found = explain(net, x, "lrp", 1, rule="epsilon", epsilon=1e-9)
    close(found.attribution, wanted.detach())
    for rule in ("epsilon", "zplus", "gamma", "composite"):
        made = explain(net, x, "lrp", 1, rule=rule, checks=("completeness",))
        torch.testing.assert_close(
            made.attribution.sum((1, 2, 3)), net(x)[:, 1].detach(), rtol=1e-3, atol=1e-6
        )
        assert all(row.completeness.gap < 1e-3 for row in made.faithfulness)


def test_relevance_passes_a_normalisation_of_the_spectrogram_unchanged():
    """A batch normalisation sets where 0 lies; counted from there, its bias takes nothing."""
    net, x = unbiased("log_mel 12 n_fft=256 sample_rate=8000, batchnorm"), wave(2).double()
    norm = net.module.get_submodule("batchnorm1")
    norm.running_mean.fill_(-50)
    norm.running_var.fill_(300)
    norm.weight.data.fill_(1.3)
    norm.bias.data.fill_(0.4)
    behind = explain(net, x, "lrp", 1, wrt="batchnorm1").attribution
    before = explain(net, x, "lrp", 1).attribution
    close(before, behind)
    torch.testing.assert_close(before.sum((1, 2, 3)), net(x)[:, 1].detach(), rtol=1e-3, atol=1e-6)


def test_complete_methods_sum_to_what_the_sound_adds_to_silence(square):
    x = wave(2).double()
    with torch.no_grad():
        difference = (square(x) - square(torch.zeros_like(x)))[:, 3]
    found = explain(square, x, "integrated", 3, steps=300, checks=("completeness",))
    torch.testing.assert_close(found.attribution.sum((1, 2, 3)), difference, rtol=0.01, atol=0.02)
    for row, wanted in zip(found.faithfulness, difference.tolist(), strict=True):
        assert row.completeness.difference == pytest.approx(wanted, rel=1e-6)


TONE, BEGIN, END = 1000.0, 0.55, 0.70
"""Frequency in hertz and place in seconds of a tone."""


def tone() -> torch.Tensor:
    """A tone of 0.15 s in faint noise."""
    t = np.arange(RATE) / RATE
    inside = ((t - BEGIN) / (END - BEGIN)).clip(0, 1)
    made = 0.4 * np.sin(2 * np.pi * TONE * t) * np.sin(np.pi * inside)  # without a click at its ends
    noise = 1e-3 * np.random.default_rng(0).normal(size=RATE)
    return torch.from_numpy((made + noise).astype(np.float32))[None, None]


def hears() -> Net:
    """A network whose first class is how loud bands around the tone are, the second how loud others are."""
    front = "log_mel 40 n_fft=256 hop_length=160 sample_rate=8000 top_db=60"
    net = wrap(
        build(chain(SPEC.shape, f"{front}, batchnorm, conv 2 1x1, relu, flatten, dense 2")).eval(), SPEC
    )
    hertz = np.array(spectrogram_axes(net, "log_mel").hertz)
    near = torch.from_numpy((hertz > 800) & (hertz < 1250))
    with torch.no_grad():
        norm = net.module.get_submodule("batchnorm1")
        norm.running_mean.fill_(-40.0)
        norm.running_var.fill_(200.0)
        conv, dense = net.module.get_submodule("conv1"), net.module.get_submodule("dense1")
        conv.weight.fill_(1.0)
        conv.bias.zero_()
        bands = torch.zeros(2, 40)
        bands[0, near], bands[1, ~near] = 0.03, 0.03
        dense.weight.copy_(bands[:, None, :, None].expand(2, 2, 40, 51).reshape(2, -1))
        dense.bias.zero_()
    return net


@pytest.mark.parametrize("name", METHODS)
def test_heat_lies_at_the_frequency_and_time_of_the_tone_that_decides(name):
    net = hears()
    found = explain(net, tone(), name, 0, **FEW.get(name, {}))
    axes = spectrogram_axes(net, str(found.task.wrt))
    heat = found.heatmap[0].clamp_min(0)
    band, frame = (int(heat.sum(axis).argmax()) for axis in (1, 0))
    assert 800 < axes.hertz[band] < 1250
    hertz, seconds = (torch.tensor(v) for v in (axes.hertz, axes.seconds))
    heard, now = (hertz > 600) & (hertz < 1500), (seconds > BEGIN - 0.1) & (seconds < END + 0.1)
    assert heat[heard].mean() > 4 * heat[~heard].mean()
    if name == "deconvnet":  # it passes a ReLU back whether that was active or not
        return
    assert BEGIN - 0.03 < axes.seconds[frame] < END + 0.03
    assert heat[heard[:, None] & now].mean() > 4 * heat[~(heard[:, None] & now)].mean()


def test_filtering_out_the_hottest_band_takes_the_class_away_and_the_band_alone_keeps_it():
    net, sound = hears(), tone()
    found = explain(net, sound, "integrated", 0)
    hottest = spectrogram_axes(net, "log_mel").hertz[int(found.heatmap[0].sum(1).argmax())]
    edges = (hottest / 1.4, hottest * 1.4)
    scores = {}
    for kind in ("bandstop", "bandpass"):
        design = scipy.signal.butter(6, edges, kind, fs=RATE, output="sos")
        heard = scipy.signal.sosfiltfilt(design, sound.numpy()).astype(np.float32)
        scores[kind] = float(net(torch.from_numpy(heard.copy()))[0, 0].detach())
    whole = float(net(sound)[0, 0].detach())
    assert scores["bandpass"] > 0.8 * whole
    assert scores["bandstop"] < 0.4 * whole


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_heat_over_time_and_frequency_and_measures_there(name):
    net = load("spoken-digits")
    found = explain(net, wave(2), name, [3, 5], checks=METRICS, **{"rise": {"samples": 24}}.get(name, {}))
    assert str(found.task.wrt) == "log_mel" and found.heatmap.shape == (2, 40, 51)
    assert torch.equal(found.task.whole.inputs[0], wave(2))
    torch.testing.assert_close(found.scores, net(wave(2))[[0, 1], [3, 5]].detach())
    assert found.task.row(1).whole.classes == (5,)
    silent = net(torch.zeros(1, 1, RATE)).softmax(1)[0].tolist()
    for row, target in zip(found.faithfulness, (3, 5), strict=True):
        numbers = row.to_dict()
        assert numbers["baseline"] == "silence"
        assert numbers["deletion_curve"][-1] == pytest.approx(silent[target], abs=1e-5)


def test_the_input_itself_and_other_layers_can_be_asked_for():
    net = load("spoken-digits")
    for wrt, shape in (("input", (1, RATE)), ("batchnorm1", (1, 40, 51)), ("relu2", (24, 20, 25))):
        found = explain(net, wave(), "saliency", 3, wrt=wrt)
        assert found.attribution.shape == (1, *shape)
        assert (found.task.wrt is None) == (wrt == "input")
    assert explain(load("sound-waveform", weights=None), wave(), "saliency", 3).attribution.shape == (
        1,
        1,
        RATE,
    )
    picture = explain(convolutional(), pictures(convolutional()), "integrated", 1, wrt="3")
    module = convolutional().module.double()
    ready = pictures(convolutional()).double()
    wanted = captum.LayerIntegratedGradients(module, module[3]).attribute(
        ready, torch.zeros_like(ready), target=1, method="gausslegendre"
    )
    torch.testing.assert_close(picture.attribution.double(), wanted, rtol=1e-3, atol=1e-5)


def test_a_module_that_makes_a_spectrogram_is_explained_over_time_and_frequency():
    net, module = of_sounds(), of_sounds().module
    found = explain(net, wave()[..., :800], "saliency", 1)
    spectrogram = module[0](wave()[..., :800]).requires_grad_()
    module[1:](spectrogram)[0, 1].backward()
    assert str(found.task.wrt) == "0" and found.task.net.input_spec.kind == "spectrogram"
    torch.testing.assert_close(found.attribution, spectrogram.grad)
    assert explain(net, wave()[..., :800], "saliency", 1, wrt="input").attribution.shape == (1, 1, 800)


def test_a_spectrogram_behind_which_code_cannot_be_run_gives_way_to_the_waveform():
    net, x = of_sounds(Loud), wave(2)[..., :800]
    x[1] *= 4
    with pytest.warns(UserWarning, match="the waveform is explained"):
        assert explain(net, x, "saliency", 1).task.wrt is None
    with pytest.raises(GraphError, match="not built"):
        explain(net, x, "saliency", 1, wrt="0")


def test_what_cannot_be_attributed_is_refused():
    net = load("spoken-digits")
    with pytest.raises(PlaceError, match="conv9"):
        make_task(net, wave(), 3, wrt="conv9")
    with pytest.raises(PlaceError, match="a target behind relu2"):
        make_task(net, wave(), "conv1:0", wrt="relu2")
    with pytest.raises(UsageError):
        make_task(net, wave(), 3, wrt="dense1")


def test_a_network_is_left_as_it_was():
    net = load("spoken-digits")
    net.module.train()
    before = {name: value.clone() for name, value in net.module.state_dict().items()}
    explain(net, wave(), "lrp", 3, checks=METRICS)
    assert all(m.training and not m._forward_hooks for m in net.module.modules())
    assert all(torch.equal(before[name], value) for name, value in net.module.state_dict().items())
