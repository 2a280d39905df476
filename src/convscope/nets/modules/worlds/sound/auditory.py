"""Gammatone filters, which model the cochlea, as initial kernels of a convolution over waveforms."""

from math import pi

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convscope.nets.modules.worlds.sound.spectrum import to_hertz, to_mel

ORDER = 4
"""Order of the filters, that of the cochlea's."""


def bandwidth(hertz: Tensor) -> Tensor:
    """Compute the equivalent rectangular bandwidth (ERB) of the auditory filter at a frequency.

    Args:
        hertz: frequencies.

    Returns:
        Bandwidths in hertz.

    Source: Glasberg and Moore 1990, Derivation of auditory filter shapes from notched-noise data.
    """
    return 24.7 * (4.37 * hertz / 1000 + 1)


def centres(count: int, sample_rate: int, f_min: float = 100.0) -> Float[Tensor, " n"]:
    """Return frequencies equally spaced in mels, below half of the sample rate.

    Args:
        count: how many.
        sample_rate: samples per second.
        f_min: the lowest, in hertz.

    Returns:
        Frequencies in hertz, float64; the highest is 90% of half of the sample rate.
    """
    ends = to_mel(torch.tensor([f_min, 0.45 * sample_rate], dtype=torch.float64))
    return to_hertz(torch.linspace(float(ends[0]), float(ends[1]), count, dtype=torch.float64))


def gammatone(count: int, taps: int, sample_rate: int) -> Float[Tensor, "n 1 taps"]:
    """Compute kernels of a convolution that is a gammatone filter bank.

    `t^3 exp(-2 pi b t) cos(2 pi f t)`, scaled so that a tone of amplitude 1 at the centre frequency comes out
    with amplitude 1; reversed in time, since a convolution layer correlates.

    Args:
        count: number of filters.
        taps: samples of each.
        sample_rate: samples per second.

    Returns:
        Kernels, float32, from low to high frequencies.

    Source: Patterson and others 1992, Complex sounds and auditory images; as the first layer of a network:
        Sainath, Weiss, Senior, Wilson and Vinyals 2015, Learning the Speech Front-end with Raw Waveform
        CLDNNs.
    """
    f = centres(count, sample_rate)[:, None]
    t = torch.arange(taps, dtype=torch.float64)[None] / sample_rate
    response = t ** (ORDER - 1) * torch.exp(-2 * pi * 1.019 * bandwidth(f) * t) * torch.cos(2 * pi * f * t)
    tone = torch.exp(2j * pi * f * t)
    gain = (response * tone).sum(1, keepdim=True).abs()
    return (response / gain).flip(1)[:, None].float()


def init_gammatones(module: nn.Module, layer: str, sample_rate: int) -> None:
    """Initialise the kernels of a 1-d convolution over a waveform with gammatones, in place.

    Args:
        module: the network.
        layer: name of the convolution, of one input channel.
        sample_rate: samples per second.
    """
    convolution = module.get_submodule(layer)
    weight = convolution.get_parameter("weight")
    with torch.no_grad():
        weight.copy_(gammatone(weight.shape[0], weight.shape[2], sample_rate))
