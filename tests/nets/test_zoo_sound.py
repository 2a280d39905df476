"""What the networks for sounds promise: shifts along frequency, and a filter bank that hears like an ear."""

import numpy as np
import pytest
import scipy.signal
import torch
from torch import nn

from convscope import nets
from convscope.errors import GraphError
from convscope.graph import TensorSpec, chain
from convscope.graph.layers.worlds.sound.spectrum import check_sample_rate
from convscope.nets.modules.worlds.sound.auditory import centres, gammatone

torch.set_num_threads(1)
NAMES = ("sound-frequency", "sound-time", "sound-square", "sound-waveform", "cldnn")
RATE = 8000


@pytest.mark.parametrize("name", NAMES)
def test_a_second_of_sound_becomes_ten_logits(name):
    net = nets.load(name, seed=0)
    assert net.input_spec.kind == "sound" and net.input_spec.sample_rate == RATE
    assert net(torch.zeros(2, 1, RATE)).shape == (2, 10)


def first_block(name: str) -> nn.Sequential:
    module = nets.load(name, seed=0).module
    return nn.Sequential(*(module.get_submodule(part) for part in ("conv1", "relu1", "pool1"))).eval()


def test_filters_along_frequency_move_with_a_shift_in_frequency_alone():
    """A spectrogram shifted by the stride of the pooling, 3 bands, gives the map shifted by one."""
    block = first_block("sound-frequency")
    spectrogram = torch.randn(1, 1, 40, 51)
    with torch.no_grad():
        before = block(spectrogram)
        up, later = (block(torch.roll(spectrogram, *shift)) for shift in ((3, 2), (3, 3)))
    assert before.shape == (1, 48, 11, 1)
    assert float(before.std()) > 0.05
    torch.testing.assert_close(up[:, :, 1:], before[:, :, :-1], rtol=0, atol=1e-5)
    assert float((later - before).abs().mean()) > 0.2 * float(before.std())  # nothing is promised along time


def test_filters_along_time_move_with_a_shift_in_time_alone():
    block = first_block("sound-time")
    spectrogram = torch.randn(1, 1, 40, 51)
    with torch.no_grad():
        before = block(spectrogram)
        later, up = (block(torch.roll(spectrogram, *shift)) for shift in ((3, 3), (3, 2)))
    torch.testing.assert_close(later[..., 1:], before[..., :-1], rtol=0, atol=1e-5)
    assert float((up - before).abs().mean()) > 0.2 * float(before.std())


def test_gammatones_are_scipys():
    """The same impulse responses but for their phase and scale: magnitudes of their spectra agree."""
    ours = gammatone(6, 400, RATE)[:, 0].flip(1).double().numpy()
    for kernel, hertz in zip(ours, centres(6, RATE).tolist(), strict=True):
        theirs, _ = scipy.signal.gammatone(hertz, "fir", order=4, numtaps=400, fs=RATE)
        a, b = (np.abs(np.fft.rfft(k, 4096)) for k in (kernel, theirs))
        np.testing.assert_allclose(a / a.max(), b / b.max(), atol=0.02)


def front(sound: np.ndarray) -> np.ndarray:
    """Logarithms `[filters frames]` that the first layers of the CLDNN make of a sound."""
    module = nets.load("cldnn", seed=0).module.eval()
    parts = ("filters", "energies", "rectified", "compressed")
    with torch.no_grad():
        wave = torch.from_numpy(sound.astype(np.float32))[None, None]
        return nn.Sequential(*map(module.get_submodule, parts))(wave)[0].numpy()


def speech_like(seed: int) -> np.ndarray:
    """A second of a buzz with moving formants, and noise."""
    random, t = np.random.default_rng(seed), np.arange(RATE) / RATE
    buzz = scipy.signal.square(2 * np.pi * (110 + 20 * t) * t, 0.1) + 0.3 * random.normal(size=RATE)
    out = np.zeros(RATE)
    for centre in (500, 1400, 2600):
        b, a = scipy.signal.iirpeak(centre * (1 + 0.1 * random.normal()), 8, fs=RATE)
        out += scipy.signal.lfilter(b, a, buzz) * np.sin(np.pi * t * (1 + centre / 1000)) ** 2
    return 0.5 * out / np.abs(out).max()


def test_gammatone_filters_reproduce_the_energies_of_a_filter_bank():
    """Root mean squares of scipy's filters over the 10 ms that a frame pools, in logarithms."""
    sound = speech_like(0)
    found = front(sound)
    expected = []
    for hertz in centres(40, RATE).tolist():
        b, a = scipy.signal.gammatone(hertz, "iir", fs=RATE)
        power = np.pad(scipy.signal.lfilter(b, a, np.pad(sound, (0, 140))) ** 2, (0, 80))
        frames = [power[k * 80 + 59 : k * 80 + 140] for k in range(found.shape[1])]
        expected.append([np.sqrt(frame.mean()) for frame in frames])
    energies = np.log(np.array(expected) + 0.01)
    assert np.corrcoef(found.ravel(), energies.ravel())[0, 1] > 0.95
    assert np.corrcoef(found[:, ::-1].ravel(), energies.ravel())[0, 1] < 0.8  # other frames do not agree


def test_a_shift_below_ten_milliseconds_barely_changes_the_pooled_filters():
    sound = np.pad(speech_like(1), (0, 0))
    still = front(sound)
    shifted = front(np.roll(sound, 40))  # 5 ms
    other = front(np.roll(sound, 2000))  # a quarter of a second
    inside = slice(4, -4)
    change = np.abs(shifted - still)[:, inside].mean()
    assert change < 0.2 * np.abs(other - still)[:, inside].mean()


def test_bands_of_another_sample_rate_are_refused():
    spec = TensorSpec((1, 8000), kind="sound", value_range=(-1.0, 1.0), sample_rate=8000)
    graph = chain((1, 8000), "log_mel 40, flatten, dense 2")
    with pytest.raises(GraphError, match="sample_rate=8000"):
        nets.wrap(nets.build(graph), spec)
    with pytest.raises(GraphError, match="16000"):
        check_sample_rate([node.layer for node in graph.nodes], spec)
    right = chain((1, 8000), "log_mel 40 sample_rate=8000, flatten, dense 2")
    assert nets.wrap(nets.build(right), spec)(torch.zeros(1, 1, 8000)).shape == (1, 2)
