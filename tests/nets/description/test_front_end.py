"""Where a front end ends, and the frequencies and times of what it returns, against librosa."""

import librosa
import numpy as np
import pytest
import torch
from torch import nn

from convscope.graph import chain
from convscope.graph.spec import SOUND, TensorSpec
from convscope.nets import Net, build, front_end, load, spectrogram_axes, wrap

RATE = 8000
SPEC = TensorSpec((1, 4000), kind=SOUND, value_range=(-1.0, 1.0), sample_rate=RATE)
END = "conv 2 3x3, relu, globalavgpool, dense 2"
MEL = f"mel_scale 20 sample_rate={RATE} f_min=100 f_max=3500"


def net(text: str, spec: TensorSpec = SPEC) -> Net:
    return wrap(build(chain(spec.shape, text)), spec)


@pytest.mark.parametrize(
    ("text", "last"),
    [
        (f"log_mel 20 sample_rate={RATE}, batchnorm, {END}", "log_mel"),
        (f"mfcc 12 sample_rate={RATE}, {END}", "mfcc"),
        (f"spectrogram n_fft=256, {MEL}, log, {END}", "log1"),
        (f"spectrogram n_fft=256, decibels 80, {END}", "decibels"),
        (f"spectrogram n_fft=256, {END}", "spectrogram"),
        ("conv 4 8, relu, globalavgpool, dense 2", None),
        ("log, conv 4 8, relu, globalavgpool, dense 2", None),
    ],
)
def test_a_front_end_is_what_has_no_weights(text, last):
    assert front_end(net(text)) == last


def test_raw_waveforms_pictures_and_modules_have_none():
    names = ("sound-waveform", "cldnn", "digits", "questions")
    assert [front_end(load(name, weights=None)) for name in names] == [None] * 4
    assert front_end(load("spoken-digits")) == "log_mel"


class LogMel(nn.Module):
    """A front end as people write it."""

    def __init__(self, learned: bool = False) -> None:
        super().__init__()
        bank = torch.from_numpy(librosa.filters.mel(sr=RATE, n_fft=256, n_mels=20))
        self.bank = nn.Parameter(bank) if learned else nn.Buffer(bank)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        window = torch.hann_window(256)
        spectrum = torch.stft(x.flatten(0, 1), 256, 80, window=window, return_complex=True)
        power = (self.bank @ spectrum.abs().square())[:, None]
        return (power + 1e-6).log() - power.mean((2, 3), keepdim=True)  # read twice, inside


class Complex(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        window = torch.hann_window(256)
        return torch.stft(x.flatten(0, 1), 256, 80, window=window, return_complex=True)[:, None]


class Power(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.abs().square()


class Skipping(nn.Module):
    """What comes after the front end reads the waveform, too."""

    def __init__(self) -> None:
        super().__init__()
        self.front, self.rest = LogMel(), nn.Sequential(*rest())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.rest(self.front(x)) + x.mean((1, 2))[:, None]


def rest() -> tuple[nn.Module, ...]:
    return nn.Conv2d(1, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()


@pytest.mark.parametrize(
    ("module", "last"),
    [
        (nn.Sequential(LogMel(), *rest()), "0"),
        (nn.Sequential(nn.Sequential(LogMel(), nn.Dropout(0.1)), *rest()), "0"),
        (nn.Sequential(Complex(), Power(), *rest()), "1"),
        (nn.Sequential(LogMel(), nn.AvgPool2d(2), *rest()), "0"),
        (nn.Sequential(LogMel(learned=True), *rest()), None),
        (nn.Sequential(nn.Conv1d(1, 4, 64, 32), nn.Unflatten(1, (1, 4)), *rest()), None),
        (nn.Sequential(nn.Unflatten(2, (40, 100)), *rest()), None),
        (Skipping(), None),
    ],
)
def test_the_front_end_of_a_module_is_found_in_its_code(module, last):
    assert front_end(wrap(module.eval(), SPEC)) == last


@pytest.mark.parametrize("center", [True, False])
def test_frequencies_and_times_are_librosas(center):
    options = f"n_fft=256 hop_length=80 center={str(center).lower()}"
    bands = librosa.mel_frequencies(22, fmin=100, fmax=3500)[1:-1]
    bins = librosa.fft_frequencies(sr=RATE, n_fft=256)
    mel = net(f"log_mel 20 {options} sample_rate={RATE} f_min=100 f_max=3500, batchnorm, {END}")
    split = net(f"spectrogram {options}, {MEL}, log, {END}")
    for made, layer, hertz in (
        (mel, "log_mel", bands),
        (mel, "batchnorm1", bands),
        (split, "log1", bands),
        (split, "spectrogram", bins),
    ):
        axes = spectrogram_axes(made, layer)
        np.testing.assert_allclose(axes.hertz, hertz, rtol=1e-6)
        frames = np.arange(made.graph.shapes[layer][-1])
        moved = 0 if center else 256 // 2
        np.testing.assert_allclose(
            axes.seconds, librosa.frames_to_time(frames, sr=RATE, hop_length=80) + moved / RATE
        )
    assert spectrogram_axes(mel, "conv1") is None and spectrogram_axes(mel, "nothing") is None


def test_coefficients_have_no_frequencies():
    axes = spectrogram_axes(net(f"mfcc 12 sample_rate={RATE}, {END}"), "mfcc")
    assert axes.hertz == () and axes.seconds[0] == 0
