"""Spectra of waveforms as modules: differentiable, and with the numbers of librosa 0.11."""

from abc import ABC, abstractmethod
from math import log, pi
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

from convscope.errors import GraphError

LINEAR_HERTZ, LOG_FROM, LOG_STEP = 200.0 / 3, 1000.0, log(6.4) / 27
"""Slaney's mel scale: linear up to 1000 Hz, then 27 mels for each factor of 6.4."""
LEAST_POWER = 1e-10
"""Powers below this have its decibels, -100."""


class FullPrecision(nn.Module, ABC):
    """Base class of modules that compute in float32, also in a network of half precision or under autocast.

    Powers span ten orders of magnitude and more, which float16 does not have; there is no Fourier transform
    in bfloat16.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Compute in float32, or float64 where that is given.

        Args:
            x: of any floating point dtype.

        Returns:
            The result in the dtype of `x`.
        """
        full = x if x.dtype in (torch.float32, torch.float64) else x.float()
        with torch.autocast(x.device.type, enabled=False):
            return self.compute(full).to(x.dtype)

    @abstractmethod
    def compute(self, x: Tensor) -> Tensor:
        """Compute the result.

        Args:
            x: float32 or float64.

        Returns:
            The result in the same dtype.
        """


class Spectrogram(FullPrecision):
    """Spectrogram: magnitudes of the short-time Fourier transform to a power, for each channel.

    The Hann window is periodic and shorter ones are padded with zeros on both sides, as librosa does.

    Args:
        n_fft: length of the Fourier transform, in samples.
        hop_length: samples from one frame to the next.
        win_length: length of the window, in samples.
        center: centre frame `k` at sample `k * hop_length`, with zeros around the waveform.
        power: 1 for magnitudes, 2 for powers.
    """

    window: Tensor

    def __init__(
        self, n_fft: int, hop_length: int, win_length: int, center: bool = True, power: float = 2.0
    ) -> None:
        super().__init__()
        self.n_fft, self.hop_length, self.win_length = n_fft, hop_length, win_length
        self.center, self.power = center, power
        self.register_buffer("window", torch.hann_window(win_length), persistent=False)

    @override
    def compute(self, x: Float[Tensor, "b c t"]) -> Float[Tensor, "b c f n"]:
        """Transform waveforms.

        Args:
            x: waveforms `[b c t]`.

        Returns:
            Values from 0 on `[b c n_fft//2+1 frames]`.
        """
        found = torch.stft(
            x.flatten(0, 1),
            self.n_fft,
            self.hop_length,
            self.win_length,
            self.window.to(x.dtype),
            center=self.center,
            pad_mode="constant",
            return_complex=True,
        )
        squares = found.real.square() + found.imag.square()
        # the root has no gradient at 0, where a magnitude has a corner
        value = squares if self.power == 2 else squares.clamp_min(1e-30) ** (self.power / 2)
        return value.unflatten(0, x.shape[:2])


def to_mel(hertz: Tensor) -> Tensor:
    """Convert frequencies to Slaney's mels.

    Args:
        hertz: frequencies from 0 on.

    Returns:
        Mels.

    Source: Slaney 1998, Auditory Toolbox; `librosa.hz_to_mel`.
    """
    above = LOG_FROM / LINEAR_HERTZ + torch.log(hertz.clamp_min(LOG_FROM) / LOG_FROM) / LOG_STEP
    return torch.where(hertz < LOG_FROM, hertz / LINEAR_HERTZ, above)


def to_hertz(mels: Tensor) -> Tensor:
    """Convert Slaney's mels to frequencies; the inverse of `to_mel`.

    Args:
        mels: mels from 0 on.

    Returns:
        Frequencies in hertz.
    """
    corner = LOG_FROM / LINEAR_HERTZ
    above = LOG_FROM * torch.exp(LOG_STEP * (mels - corner).clamp_min(0))
    return torch.where(mels < corner, mels * LINEAR_HERTZ, above)


def band_edges(n_mels: int, f_min: float, f_max: float) -> Float[Tensor, " edges"]:
    """Return the corners of triangular mel bands: band `k` rises from edge `k` and ends at edge `k + 2`.

    Args:
        n_mels: number of bands.
        f_min: lowest frequency, in hertz.
        f_max: highest frequency, in hertz.

    Returns:
        `n_mels + 2` frequencies in hertz, equally spaced in mels, float64.
    """
    ends = to_mel(torch.tensor([f_min, f_max], dtype=torch.float64))
    steps = torch.linspace(0, 1, n_mels + 2, dtype=torch.float64)
    return to_hertz(ends[0] + (ends[1] - ends[0]) * steps)


def mel_filters(
    n_mels: int, bins: int, sample_rate: int, f_min: float, f_max: float | None
) -> Float[Tensor, "m f"]:
    """Compute triangular filters of equal area over the bins of a Fourier transform.

    Args:
        n_mels: number of bands.
        bins: number of frequencies, from 0 to half of the sample rate.
        sample_rate: samples per second.
        f_min: lowest frequency, in hertz.
        f_max: highest frequency, in hertz; half of the sample rate if None.

    Returns:
        Weights `[n_mels bins]`.

    Raises:
        GraphError: a band lies between two bins, and so would be 0 for every sound.

    Source: `librosa.filters.mel` with `htk=False`, `norm="slaney"`.
    """
    edges = band_edges(n_mels, f_min, sample_rate / 2 if f_max is None else f_max)
    frequencies = torch.linspace(0, sample_rate / 2, bins, dtype=torch.float64)
    widths = edges.diff()
    ramps = edges[:, None] - frequencies
    rising, falling = -ramps[:-2] / widths[:-1, None], ramps[2:] / widths[1:, None]
    filters = torch.minimum(rising, falling).clamp_min(0) * (2 / (edges[2:] - edges[:-2]))[:, None]
    empty = (filters.sum(1) == 0).nonzero().flatten().tolist()
    if empty:
        raise GraphError(
            "mel bands that each hold a frequency of the Fourier transform",
            received=f"{n_mels} bands over {bins} frequencies, of which {len(empty)} hold none",
            hint="Choose fewer bands (n_mels) or a longer transform (n_fft).",
        )
    return filters.float()


class MelScale(nn.Module):
    """Mel filter bank: weighted sums of the frequencies of a spectrogram.

    Args:
        n_mels: number of bands.
        bins: number of frequencies of the spectrogram.
        sample_rate: samples per second of the waveform.
        f_min: lowest frequency, in hertz.
        f_max: highest frequency, in hertz; half of the sample rate if None.
    """

    filters: Tensor

    def __init__(
        self, n_mels: int, bins: int, sample_rate: int, f_min: float = 0.0, f_max: float | None = None
    ) -> None:
        super().__init__()
        filters = mel_filters(n_mels, bins, sample_rate, f_min, f_max)
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, x: Float[Tensor, "b c f n"]) -> Float[Tensor, "b c m n"]:
        """Sum up bands.

        Args:
            x: a spectrogram `[b c f frames]`.

        Returns:
            Bands `[b c n_mels frames]`.
        """
        return torch.matmul(self.filters.to(x.dtype), x)


class Decibels(nn.Module):
    """Decibels of powers: `10 log10(max(x, 1e-10))`.

    Args:
        top_db: values further below the largest one of a sample are raised to that; None for none.
    """

    def __init__(self, top_db: float | None = None) -> None:
        super().__init__()
        self.top_db = top_db

    def forward(self, x: Float[Tensor, "b *shape"]) -> Float[Tensor, "b *shape"]:
        """Convert powers.

        Args:
            x: values from 0 on, `[b ...]`.

        Returns:
            Decibels of the same shape.
        """
        found = 10 * torch.log10(x.clamp_min(LEAST_POWER))
        if self.top_db is None:
            return found
        highest = found.flatten(1).amax(1).view(-1, *(1,) * (x.ndim - 1))
        return torch.maximum(found, highest - self.top_db)


class LogMel(FullPrecision):
    """Log-mel spectrogram: the decibels of the mel bands of a power spectrogram.

    Args:
        n_fft: length of the Fourier transform, in samples.
        hop_length: samples from one frame to the next.
        win_length: length of the window, in samples.
        center: centre frame `k` at sample `k * hop_length`.
        n_mels: number of bands.
        sample_rate: samples per second of the waveform.
        top_db: dynamic range; None for all.
        band: `f_min` and `f_max` of the bands, in hertz.
    """

    def __init__(
        self,
        n_fft: int,
        hop_length: int,
        win_length: int,
        center: bool = True,
        n_mels: int = 64,
        sample_rate: int = 16000,
        top_db: float | None = None,
        **band: float | None,
    ) -> None:
        super().__init__()
        self.spectrogram = Spectrogram(n_fft, hop_length, win_length, center)
        low, high = cast("float", band.get("f_min", 0.0)), band.get("f_max")
        self.mel_scale = MelScale(n_mels, n_fft // 2 + 1, sample_rate, low, high)
        self.decibels = Decibels(top_db)

    @override
    def compute(self, x: Float[Tensor, "b c t"]) -> Float[Tensor, "b c m n"]:
        """Transform waveforms.

        Args:
            x: waveforms `[b c t]`.

        Returns:
            Decibels `[b c n_mels frames]`.
        """
        return self.decibels(self.mel_scale(self.spectrogram(x)))


class MFCC(FullPrecision):
    """Mel-frequency cepstral coefficients: the orthonormal DCT-II of a log-mel spectrogram along frequency.

    Args:
        n_mfcc: number of coefficients.
        n_mels: number of bands.
        **log_mel: the other arguments of `LogMel`.
    """

    basis: Tensor

    def __init__(self, n_mfcc: int, n_mels: int, **log_mel: int | bool | float | None) -> None:
        super().__init__()
        self.log_mel = LogMel(n_mels=n_mels, **log_mel)  # pyright: ignore[reportArgumentType]
        self.register_buffer("basis", cosines(n_mfcc, n_mels), persistent=False)

    @override
    def compute(self, x: Float[Tensor, "b c t"]) -> Float[Tensor, "b c k n"]:
        """Transform waveforms.

        Args:
            x: waveforms `[b c t]`.

        Returns:
            Coefficients `[b c n_mfcc frames]`.
        """
        return torch.matmul(self.basis.to(x.dtype), self.log_mel(x))


def cosines(count: int, length: int) -> Float[Tensor, "k m"]:
    """Compute the first rows of the orthonormal DCT-II.

    Args:
        count: number of rows.
        length: number of values that are transformed.

    Returns:
        `[count length]`; times its own transpose it is the identity.
    """
    places = (torch.arange(length, dtype=torch.float64) + 0.5) * pi / length
    rows = torch.cos(torch.arange(count, dtype=torch.float64)[:, None] * places) * (2 / length) ** 0.5
    rows[0] /= 2**0.5
    return rows.float()
