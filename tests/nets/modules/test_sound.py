"""Spectra against librosa and scipy, and the layers of networks of sounds."""

import librosa
import numpy as np
import pytest
import scipy.fft
import scipy.signal
import torch
from torch import nn

from convscope.errors import GraphError
from convscope.graph import chain, receptive_fields
from convscope.nets import build
from convscope.nets.modules.worlds.sound.spectrum import Decibels

torch.set_num_threads(1)
RATE = 8000


def sound(seconds: float = 0.5, seed: int = 0) -> np.ndarray:
    """Noise and a chirp, in [-1, 1]."""
    t = np.arange(int(RATE * seconds)) / RATE
    noise = np.random.default_rng(seed).normal(size=len(t))
    return (0.5 * np.sin(2 * np.pi * (300 + 2000 * t) * t) + 0.05 * noise).astype(np.float32)


def ours(text: str, wave: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return build(chain((1, len(wave)), text)).eval()(torch.from_numpy(wave)[None, None])[0, 0].numpy()


@pytest.mark.parametrize(("n_fft", "hop", "win", "center"), [(512, 128, 512, True), (256, 80, 200, False)])
@pytest.mark.parametrize("power", [1.0, 2.0])
def test_spectrogram_is_librosas(n_fft, hop, win, center, power):
    wave = sound()
    stft = librosa.stft(wave, n_fft=n_fft, hop_length=hop, win_length=win, center=center)
    text = f"spectrogram n_fft={n_fft} hop_length={hop} win_length={win} power={power}"
    found = ours(f"{text} center={str(center).lower()}", wave)
    assert np.abs(stft).max() > 10
    np.testing.assert_allclose(found, np.abs(stft) ** power, rtol=1e-4, atol=1e-4)


def test_spectrogram_is_scipys():
    wave = sound()
    window = scipy.signal.get_window("hann", 256)
    transform = scipy.signal.ShortTimeFFT(window, 64, RATE, fft_mode="onesided", mfft=256)
    theirs = np.abs(transform.stft(wave, p0=0, p1=len(wave) // 64 + 1)) ** 2
    np.testing.assert_allclose(ours("spectrogram n_fft=256", wave), theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("n_mels", "low", "high"), [(40, 0.0, None), (64, 100.0, 3800.0)])
def test_log_mel_is_librosas(n_mels, low, high):
    wave = sound()
    mel = librosa.feature.melspectrogram(
        y=wave, sr=RATE, n_fft=1024, hop_length=160, n_mels=n_mels, fmin=low, fmax=high
    )
    options = f"n_fft=1024 hop_length=160 sample_rate={RATE} f_min={low}" + (f" f_max={high}" if high else "")
    top = librosa.power_to_db(mel, top_db=60)
    found = ours(f"log_mel {n_mels} {options} top_db=60", wave)
    np.testing.assert_allclose(found, top, rtol=0, atol=1e-4 * np.abs(top).max())
    parts = f"spectrogram n_fft=1024 hop_length=160, mel_scale {n_mels} sample_rate={RATE} f_min={low}"
    found = ours(parts + (f" f_max={high}" if high else ""), wave)
    np.testing.assert_allclose(found, mel, rtol=1e-4, atol=1e-6)


def test_mfcc_is_librosas():
    wave = sound()
    theirs = librosa.feature.mfcc(y=wave, sr=RATE, n_mfcc=13, n_fft=1024, hop_length=160, n_mels=64)
    found = ours(f"mfcc 13 n_fft=1024 hop_length=160 n_mels=64 sample_rate={RATE} top_db=80", wave)
    np.testing.assert_allclose(found, theirs, rtol=0, atol=1e-4 * np.abs(theirs).max())
    log_mel = ours(f"log_mel 64 n_fft=1024 hop_length=160 sample_rate={RATE} top_db=80", wave)
    cosines = scipy.fft.dct(log_mel, axis=0, norm="ortho")[:13]
    np.testing.assert_allclose(found, cosines, rtol=0, atol=1e-4 * np.abs(cosines).max())


def test_decibels_are_those_of_each_sample_alone():
    module = build(chain((1, 4000), f"log_mel 20 sample_rate={RATE} top_db=30"))
    loud, soft = torch.from_numpy(sound())[None], 0.001 * torch.from_numpy(sound(seed=1))[None]
    together = module(torch.stack([loud, soft]))
    torch.testing.assert_close(together[1:], module(soft[None]))
    assert float(together[1].max() - together[1].min()) <= 30.001


def test_powers_near_silence_have_librosas_decibels():
    powers = torch.tensor([[0.0, 1e-12, 1e-10, 3e-10, 1e-3, 1.0, 50.0]])
    module = Decibels()
    np.testing.assert_allclose(module(powers), librosa.power_to_db(powers.numpy(), top_db=None), rtol=1e-6)
    assert float(module(powers).min()) == -100


def test_the_gradient_is_exact_where_top_db_raises_values():
    powers = torch.tensor([[[0.1, 0.3, 2.0, 9.0]], [[0.2, 7.0, 3.0, 0.5]]], dtype=torch.float64)
    module = Decibels(10.0)
    assert int((module(powers) > 10 * powers.log10()).sum()) == 4
    assert torch.autograd.gradcheck(module, powers.requires_grad_())


@pytest.mark.parametrize("text", ["spectrogram power=1", "log_mel 20 sample_rate=8000", "mfcc 5 n_mels=20"])
def test_gradients_reach_the_waveform_also_of_silence(text):
    module = build(chain((1, 1024), text)).double()
    quiet = torch.zeros(1, 1, 1024, dtype=torch.float64, requires_grad=True)
    module(quiet).sum().backward()
    assert quiet.grad is not None
    assert quiet.grad.isfinite().all()
    wave = torch.randn(1, 1, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    small = build(chain((1, 64), text.replace("20", "3").replace("mfcc 5", "mfcc 2") + " n_fft=32")).double()
    assert torch.autograd.gradcheck(small, wave.requires_grad_(), atol=1e-4)


def test_bands_that_hold_no_frequency_are_refused():
    with pytest.raises(GraphError, match="hold none"):
        build(chain((1, 4000), "log_mel 200 n_fft=128"))


def test_receptive_fields_follow_time_through_a_spectrogram():
    graph = chain((1, 8000), "spectrogram n_fft=256 hop_length=80, conv 2 3x3, unit = conv 1 1x5, lstm 4")
    field = receptive_fields(graph)["unit"]
    assert field.stride == (80,)
    assert field.size == (255 + 6 * 80,)
    height, width = graph.shapes["unit"][1:]
    box = field.box((height // 2, 40))
    module = build(graph)
    module.get_submodule("conv1").bias.data.fill_(0)
    wave = torch.rand(1, 1, 8000, requires_grad=True)
    parts = [module.get_submodule(name) for name in ("spectrogram", "conv1", "unit")]
    nn.Sequential(*parts)(wave)[0, 0, height // 2, 40].backward()
    seen = wave.grad[0, 0].nonzero().flatten()
    assert box == ((int(seen.min()), int(seen.max()) + 1),)
    after = receptive_fields(graph)["lstm1"]
    assert after.box((3,)) == after.box((40,)) != box
    assert width > 40


def test_receptive_fields_follow_time_through_unsqueeze():
    graph = chain((1, 90), "conv 4 10 stride=4, unsqueeze, unit = conv 1 2x3")
    field = receptive_fields(graph)["unit"]
    assert (field.size, field.stride) == ((18,), (4,))
    wave = torch.rand(1, 1, 90, requires_grad=True)
    build(graph)(wave)[0, 0, 1, 7].backward()
    assert wave.grad is not None
    seen = wave.grad[0, 0].nonzero().flatten()
    assert field.box((1, 7)) == ((int(seen.min()), int(seen.max()) + 1),)


def test_lstm_is_torchs_over_time():
    torch.manual_seed(0)
    graph = chain((2, 3, 7), "lstm 5 bidirectional=true num_layers=2")
    module = build(graph)
    theirs = nn.LSTM(6, 5, num_layers=2, bidirectional=True, batch_first=True)
    theirs.load_state_dict(module.get_submodule("lstm1").state_dict())
    x = torch.rand(3, 2, 3, 7)
    expected, _ = theirs(x.permute(0, 3, 1, 2).flatten(2))
    torch.testing.assert_close(module(x), expected.transpose(1, 2))


def test_channels_become_rows():
    x = torch.rand(2, 3, 5)
    torch.testing.assert_close(build(chain((3, 5), "unsqueeze"))(x), x.view(2, 1, 3, 5))
    torch.testing.assert_close(build(chain((3, 5), "log offset=0.5"))(x), (x + 0.5).log())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_spectra_of_half_precision_are_computed_in_full(dtype):
    """Only the last rounding is left: half a unit of the 8 (11) bits of a number."""
    module = build(chain((1, 4000), f"log_mel 20 sample_rate={RATE} top_db=80"))
    wave = torch.from_numpy(sound())[None, None].to(dtype)
    exact = module(wave.float())
    found = module.to(dtype)(wave)
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), exact.to(dtype).float(), rtol=2e-2, atol=0.3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(
            build(chain((1, 4000), f"log_mel 20 sample_rate={RATE} top_db=80"))(wave.float()), exact
        )
