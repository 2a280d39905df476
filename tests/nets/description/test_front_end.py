"""Where a front end ends, and the frequencies and times of what it returns, against librosa."""

import librosa
import numpy as np
import pytest

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
