"""Spectra of waveforms as layers: spectrogram, mel bands, decibels, log-mel spectrogram and MFCC.

A waveform has one spatial axis, time; a spectrogram has two, frequency (height) and frames in time (width).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from typing_extensions import override

from convscope.errors import GraphError
from convscope.graph.layer import EVERYTHING, Layer, Window
from convscope.graph.layers.activation import Elementwise
from convscope.graph.options import flag, number, whole, wrong
from convscope.graph.spec import Shape, TensorSpec
from convscope.graph.window_geometry import fitting, spatial


@dataclass(frozen=True)
class Framing(Layer):
    """Options and arithmetic of the short-time Fourier transform, which all spectra of waveforms have.

    Attributes:
        n_fft: length of the Fourier transform, in samples.
        hop_length: samples from one frame to the next; a quarter of `n_fft` if None.
        win_length: length of the Hann window, in samples, which is padded with zeros to `n_fft`; `n_fft` if
            None.
        center: whether frame `k` is centred at sample `k * hop_length`, with zeros before and behind the
            waveform; otherwise it begins there.
    """

    n_fft: int = 512
    hop_length: int | None = None
    win_length: int | None = None
    center: bool = True

    def __post_init__(self) -> None:
        whole(self, "n_fft", least=2)
        for name in ("hop_length", "win_length"):
            if getattr(self, name) is not None:
                whole(self, name)
        if self.win_length is not None and self.win_length > self.n_fft:
            raise wrong(self, "win_length", f"at most n_fft ({self.n_fft})")
        flag(self, "center")

    @property
    def hop(self) -> int:
        """Samples from one frame to the next."""
        return self.hop_length or max(1, self.n_fft // 4)

    @property
    def height(self) -> int:
        """Number of frequencies, bands or coefficients of a frame."""
        return self.n_fft // 2 + 1

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the channels of the waveform, the height of a frame, and the number of frames."""
        channels, (length,) = spatial(self, 1, shapes[0])
        inside = length if self.center else length - self.n_fft
        return (channels, self.height, *fitting(self, (inside // self.hop + 1,), (length,)))

    @override
    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """Return the window of a frame along time, without its first sample, where a Hann window is 0."""
        length = self.win_length or self.n_fft
        start = (self.n_fft - length) // 2 + 1 - (self.n_fft // 2 if self.center else 0)
        return ((Window(max(length - 1, 1), self.hop, start if length > 1 else start - 1),),)

    @override
    def output_axes(self, *shapes: Shape) -> tuple[tuple[int | None, ...], ...]:
        """Return that time becomes the second spatial axis, the width."""
        return ((1,),)

    def _transform(self) -> dict[str, object]:
        """Return the arguments of the Fourier transform."""
        length = self.win_length or self.n_fft
        return {"n_fft": self.n_fft, "hop_length": self.hop, "win_length": length, "center": self.center}


@dataclass(frozen=True)
class Spectrogram(Framing):
    """Spectrogram: magnitudes of the short-time Fourier transform to a power, for each channel.

    Attributes:
        n_fft, hop_length, win_length, center: as in `Framing`.
        power: 1 for magnitudes, 2 for powers.

    Source: `librosa.stft` of librosa 0.11, whose conventions these are.
    """

    power: float = 2.0
    kind = "spectrogram"
    implementation = "convscope.nets.modules.worlds.sound.spectrum.Spectrogram"
    numbered = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.power == -1:
            raise wrong(self, "power", "a number above 0")
        number(self, "power", 0.1, 8)

    @override
    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """Return those of the module."""
        return self._transform() | {"power": self.power}


@dataclass(frozen=True)
class MelScale(Layer):
    """Mel filter bank: triangular filters over the frequencies of a spectrogram.

    Attributes:
        n_mels: number of bands.
        sample_rate: samples per second of the waveform, to which the spectrogram's last row belongs by half.
        f_min: lowest frequency, in hertz.
        f_max: highest frequency, in hertz; half of the sample rate if None.

    Source: Slaney 1998, Auditory Toolbox, as in `librosa.filters.mel` with `htk=False` and `norm="slaney"`.
    """

    n_mels: int
    sample_rate: int = 16000
    f_min: float = 0.0
    f_max: float | None = None
    kind = "mel_scale"
    implementation = "convscope.nets.modules.worlds.sound.spectrum.MelScale"
    positional = ("n_mels",)
    numbered = False

    def __post_init__(self) -> None:
        check_bands(self)

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the channels, the bands and the frames."""
        channels, (_, frames) = spatial(self, 2, shapes[0])
        return (channels, self.n_mels, frames)

    @override
    def macs(self, *shapes: Shape) -> int:
        """Return bands times frequencies times frames, for each channel."""
        channels, (bins, frames) = spatial(self, 2, shapes[0])
        return channels * self.n_mels * bins * frames

    @override
    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """Return the whole of the frequencies, and one frame."""
        return ((EVERYTHING, Window()),)

    @override
    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """Return those of the module."""
        return bands(self) | {"bins": shapes[0][1]}


@dataclass(frozen=True)
class Decibels(Elementwise):
    """Decibels of powers: `10 log10(max(x, 1e-10))`.

    Attributes:
        top_db: values further than this below the largest one of a sample are raised to that; None for none.

    Source: `librosa.power_to_db` with `ref=1`.
    """

    top_db: float | None = None
    kind = "decibels"
    implementation = "convscope.nets.modules.worlds.sound.spectrum.Decibels"
    positional = ("top_db",)
    numbered = False

    def __post_init__(self) -> None:
        check_top(self)


@dataclass(frozen=True)
class LogMel(Framing):
    """Log-mel spectrogram: the decibels of the mel bands of a power spectrogram.

    Attributes:
        n_fft, hop_length, win_length, center: as in `Framing`.
        n_mels: number of bands.
        sample_rate: samples per second of the waveform.
        f_min: lowest frequency, in hertz.
        f_max: highest frequency, in hertz; half of the sample rate if None.
        top_db: values further than this below the largest one of a sample are raised to that; None for none.

    Source: `librosa.power_to_db(librosa.feature.melspectrogram(...))` of librosa 0.11.
    """

    n_mels: int = 64
    sample_rate: int = 16000
    f_min: float = 0.0
    f_max: float | None = None
    top_db: float | None = None
    kind = "log_mel"
    implementation = "convscope.nets.modules.worlds.sound.spectrum.LogMel"
    positional = ("n_mels",)
    numbered = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_bands(self)
        check_top(self)

    @property
    @override
    def height(self) -> int:
        """Number of bands."""
        return self.n_mels

    @override
    def macs(self, *shapes: Shape) -> int:
        """Return those of the filter bank; a Fourier transform has none that are counted."""
        channels, _, frames = self.output_shape(*shapes)
        return channels * self.n_mels * (self.n_fft // 2 + 1) * frames

    @override
    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """Return those of the module."""
        return self._transform() | bands(self) | {"top_db": self.top_db}


@dataclass(frozen=True)
class MFCC(LogMel):
    """Mel-frequency cepstral coefficients: the cosine transform of a log-mel spectrogram along frequency.

    Attributes:
        n_fft, hop_length, win_length, center, n_mels, sample_rate, f_min, f_max, top_db: as in `LogMel`.
        n_mfcc: number of coefficients, the first of the orthonormal DCT-II.

    Source: Davis and Mermelstein 1980; `librosa.feature.mfcc` of librosa 0.11, whose `top_db` is 80.
    """

    n_mfcc: int = 20
    kind = "mfcc"
    implementation = "convscope.nets.modules.worlds.sound.spectrum.MFCC"
    positional = ("n_mfcc",)

    def __post_init__(self) -> None:
        super().__post_init__()
        whole(self, "n_mfcc")
        if self.n_mfcc > self.n_mels:
            raise wrong(self, "n_mfcc", f"at most n_mels ({self.n_mels})")

    @property
    @override
    def height(self) -> int:
        """Number of coefficients."""
        return self.n_mfcc

    @override
    def macs(self, *shapes: Shape) -> int:
        """Return those of the filter bank and of the cosine transform."""
        channels, _, frames = self.output_shape(*shapes)
        return channels * frames * self.n_mels * (self.n_fft // 2 + 1 + self.n_mfcc)

    @override
    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """Return those of the module."""
        return super().arguments(*shapes) | {"n_mfcc": self.n_mfcc}


def bands(layer: MelScale | LogMel) -> dict[str, object]:
    """Return the arguments of a filter bank.

    Args:
        layer: a layer with mel bands.

    Returns:
        Arguments by name.
    """
    return {
        "n_mels": layer.n_mels,
        "sample_rate": layer.sample_rate,
        "f_min": layer.f_min,
        "f_max": layer.f_max,
    }


def check_bands(layer: MelScale | LogMel) -> None:
    """Check the options of a filter bank.

    Args:
        layer: the layer that is being made.

    Raises:
        GraphError: one is out of range, or the frequencies are not between 0 and half of the sample rate.
    """
    whole(layer, "n_mels", "sample_rate")
    number(layer, "f_min", low=0)
    if layer.f_max is not None:
        number(layer, "f_max", low=0)
    highest = layer.sample_rate / 2 if layer.f_max is None else layer.f_max
    if not layer.f_min < highest <= layer.sample_rate / 2:
        raise GraphError(
            f"{layer.kind}: f_min below f_max, and that at most half of the sample rate",
            received=f"f_min={layer.f_min}, f_max={layer.f_max}, sample_rate={layer.sample_rate}",
            hint="Give the sample rate of the sounds, and frequencies in hertz.",
        )


def check_sample_rate(layers: Iterable[Layer], spec: TensorSpec) -> None:
    """Refuse layers whose bands are of another sample rate than the network's input.

    Nothing else would notice: every band would lie at a wrong frequency.

    Args:
        layers: the layers of a network.
        spec: specification of its input; nothing is checked where it has no sample rate.

    Raises:
        GraphError: a layer has another sample rate.
    """
    for layer in layers:
        rate = layer.sample_rate if isinstance(layer, MelScale | LogMel) else spec.sample_rate
        if spec.sample_rate is not None and rate != spec.sample_rate:
            raise GraphError(
                f"{layer.kind} with the sample rate of the input, {spec.sample_rate}",
                received=f"sample_rate={rate}",
                hint=f"Write: {layer.kind} sample_rate={spec.sample_rate}",
            )


def check_top(layer: Decibels | LogMel) -> None:
    """Check the dynamic range of decibels.

    Args:
        layer: the layer that is being made.

    Raises:
        GraphError: it is no positive number.
    """
    if layer.top_db is not None:
        number(layer, "top_db", low=0)
