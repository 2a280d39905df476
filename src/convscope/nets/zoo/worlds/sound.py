"""Networks of spoken digits: filters along frequency, along time or both, raw waveforms, and a CLDNN.

Each takes one second of waveform at 8 kHz and has its own front end.
"""

from typing import TYPE_CHECKING

from convscope.graph.chain import chain
from convscope.graph.graph import Graph
from convscope.graph.spec import SOUND, TensorSpec
from convscope.nets.zoo.entry import DIGITS, ZooEntry

if TYPE_CHECKING:
    from torch import nn

RATE = 8000
SPEECH = TensorSpec((1, RATE), kind=SOUND, value_range=(-1.0, 1.0), sample_rate=RATE)
"""Spec for one second of speech at 8 kHz, in [-1, 1]."""
FRONT = "log_mel 40 n_fft=256 hop_length=160 sample_rate=8000 top_db=80, batchnorm"
"""Log-mel spectrogram of 40 bands and 51 frames of 20 ms, brought to mean 0 and variance 1 of the data."""
END = "flatten, dropout 0.3, dense 10"
LECTURE = "Lecture on convolutional networks, speech recognition: filters that move along frequency only"


def frequency() -> Graph:
    """Build a CNN whose filters cover all frames, and so move along frequency alone."""
    return chain(
        SPEECH.shape,
        f"{FRONT}, conv 48 8x51, relu, maxpool 3x1, conv 64 4x1, relu, maxpool 2x1, {END}",
    )


def time() -> Graph:
    """Build a CNN whose filters cover all bands, and so move along time alone."""
    return chain(
        SPEECH.shape,
        f"{FRONT}, conv 48 40x8, relu, maxpool 1x3, conv 64 1x4, relu, maxpool 1x2, {END}",
    )


def square() -> Graph:
    """Build a CNN whose filters move along frequency and time."""
    return chain(
        SPEECH.shape,
        f"{FRONT}, conv 8 5x5 padding=same, relu, maxpool 2, conv 24 3x3 padding=same, relu, maxpool 2, "
        f"conv 48 3x3 padding=same, relu, maxpool 2, {END}",
    )


def waveform() -> Graph:
    """Build a 1-d CNN on the waveform, without a spectrogram."""
    return chain(
        SPEECH.shape,
        "conv 32 80 stride=8, batchnorm, relu, maxpool 4, conv 32 3, batchnorm, relu, maxpool 4, "
        "conv 64 3, batchnorm, relu, maxpool 4, conv 64 3, batchnorm, relu, globalavgpool, dense 10",
    )


def cldnn() -> Graph:
    """Build a CLDNN on the waveform: learned filter bank, convolution along frequency, LSTM, dense layers."""
    return chain(
        SPEECH.shape,
        "filters = conv 40 200 stride=4 padding=140 bias=false, energies = maxpool 21 20, rectified = relu, "
        "compressed = log offset=0.01, rows = unsqueeze, batchnorm, fconv = conv 32 8x1, relu, "
        "fpool = maxpool 3x1, "
        "lstm 48, globalavgpool, dense 64, relu, dense 10",
    )


def _gammatones(module: "nn.Module") -> None:
    from convscope.nets.modules.worlds.sound.auditory import init_gammatones

    init_gammatones(module, "filters", RATE)


SOUND_FREQUENCY = ZooEntry(
    "sound-frequency",
    frequency,
    SPEECH,
    DIGITS,
    "spoken digits from a log-mel spectrogram, by filters that move along frequency only",
    LECTURE,
)
SOUND_TIME = ZooEntry(
    "sound-time",
    time,
    SPEECH,
    DIGITS,
    "spoken digits from a log-mel spectrogram, by filters that move along time only",
    LECTURE,
)
SOUND_SQUARE = ZooEntry(
    "sound-square",
    square,
    SPEECH,
    DIGITS,
    "spoken digits from a log-mel spectrogram, by square filters",
    LECTURE,
)
SOUND_WAVEFORM = ZooEntry(
    "sound-waveform",
    waveform,
    SPEECH,
    DIGITS,
    "spoken digits from the raw waveform, by a 1-d CNN",
    "Dai et al. 2017, Very Deep Convolutional Neural Networks for Raw Waveforms, arXiv:1610.00087",
    "The layers of its M5 (80 taps, then 3, four convolutions), narrower, with a stride of 8 in place of 4.",
)
CLDNN = ZooEntry(
    "cldnn",
    cldnn,
    SPEECH,
    DIGITS,
    "spoken digits from the raw waveform: filter bank, convolution, LSTM and dense layers",
    "Sainath et al. 2015, Learning the Speech Front-end with Raw Waveform CLDNNs, Interspeech 2015",
    "At 8 kHz and much smaller than the paper's: 40 filters of 25 ms every 10 ms, the largest of 10 ms of "
    "outputs, one LSTM of 48 cells. The filters begin as gammatones and are learned.",
    prepare=_gammatones,
)
SPOKEN_DIGITS = ZooEntry(
    "spoken-digits",
    square,
    SPEECH,
    DIGITS,
    "sound-square, trained on spoken English digits by five men; ships with the package",
    LECTURE,
    "Trained by scripts/train_spoken_digits.py. Its accuracy on voices outside of the training data is much "
    "lower: see docs/sound.md.",
    weights="spoken-digits",
)
