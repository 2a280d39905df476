"""Features of one hour of audio: this package's layers, librosa, and the torch code that everybody writes.

360 pieces of 10 seconds at 16 kHz, one thread. Every way computes the same numbers, which is checked first.
Rounds alternate; CPU time is counted, and its median taken.
"""

import sys
import time
from collections.abc import Callable

import librosa
import numpy as np
import torch

from benchmarks.result import Result, Target, spread
from convscope import nets
from convscope.graph import chain

RATE, SECONDS, PIECES = 16000, 10, 360
N_FFT, HOP, BANDS, COEFFICIENTS = 512, 160, 64, 20
NEEDS: tuple[str, ...] = ()
ROUNDS = 5
CHAINS = {
    "spectrogram": f"spectrogram n_fft={N_FFT} hop_length={HOP}",
    "log-mel": f"log_mel {BANDS} n_fft={N_FFT} hop_length={HOP}",
    "MFCC": f"mfcc {COEFFICIENTS} n_mels={BANDS} n_fft={N_FFT} hop_length={HOP}",
}
Ways = dict[str, Callable[[torch.Tensor], np.ndarray]]


def ours(text: str) -> Callable[[torch.Tensor], np.ndarray]:
    """The layer of this package, on one piece."""
    module = nets.build(chain((1, RATE * SECONDS), text)).eval()
    return lambda piece: module(piece[None, None])[0, 0].numpy()


def with_librosa(what: str) -> Callable[[torch.Tensor], np.ndarray]:
    """The functions of librosa 0.11."""

    def spectrogram(piece: torch.Tensor) -> np.ndarray:
        return np.abs(librosa.stft(piece.numpy(), n_fft=N_FFT, hop_length=HOP)) ** 2

    def log_mel(piece: torch.Tensor) -> np.ndarray:
        mel = librosa.feature.melspectrogram(
            y=piece.numpy(), sr=RATE, n_fft=N_FFT, hop_length=HOP, n_mels=BANDS
        )
        return librosa.power_to_db(mel, top_db=None)

    def mfcc(piece: torch.Tensor) -> np.ndarray:
        return librosa.feature.mfcc(S=log_mel(piece), n_mfcc=COEFFICIENTS)

    return {"spectrogram": spectrogram, "log-mel": log_mel, "MFCC": mfcc}[what]


def with_torch(what: str) -> Callable[[torch.Tensor], np.ndarray]:
    """The usual torch code, as torchaudio's transforms have it: magnitude, power, filters, logarithm."""
    window = torch.hann_window(N_FFT)
    filters = torch.from_numpy(librosa.filters.mel(sr=RATE, n_fft=N_FFT, n_mels=BANDS))
    places = torch.arange(BANDS) + 0.5
    cosines = torch.cos(torch.pi / BANDS * places * torch.arange(COEFFICIENTS)[:, None]) * (2 / BANDS) ** 0.5
    cosines[0] *= 0.5**0.5

    def spectrogram(piece: torch.Tensor) -> torch.Tensor:
        found = torch.stft(piece, N_FFT, HOP, window=window, pad_mode="constant", return_complex=True)
        return found.abs().pow(2)

    def log_mel(piece: torch.Tensor) -> torch.Tensor:
        mel = torch.matmul(spectrogram(piece).transpose(-1, -2), filters.T).transpose(-1, -2)
        return 10 * torch.log10(torch.clamp(mel, min=1e-10))

    def mfcc(piece: torch.Tensor) -> torch.Tensor:
        return torch.matmul(log_mel(piece).transpose(-1, -2), cosines.T).transpose(-1, -2)

    chosen = {"spectrogram": spectrogram, "log-mel": log_mel, "MFCC": mfcc}[what]
    return lambda piece: chosen(piece).numpy()


def measured(ways: Ways, pieces: torch.Tensor, rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each way for an hour, in turns."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.process_time()
            for piece in pieces:
                way(piece)
            found[name].append((time.process_time() - started) * PIECES / len(pieces))
    return found


@torch.no_grad()
def run(pieces: int = PIECES, rounds: int = ROUNDS) -> Result:
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    sound = 0.1 * torch.randn(pieces, RATE * SECONDS, generator=generator)
    rows, raw, targets = [], {}, []
    for what, text in CHAINS.items():
        ways: Ways = {"convscope": ours(text), "librosa": with_librosa(what), "torch": with_torch(what)}
        first = {name: way(sound[0]) for name, way in ways.items()}
        for name, values in first.items():
            scale = np.abs(first["librosa"]).max()
            np.testing.assert_allclose(values, first["librosa"], rtol=0, atol=1e-4 * scale, err_msg=name)
        found = measured(ways, sound, rounds)
        raw[what] = found
        middle = {name: float(np.median(times)) for name, times in found.items()}
        best = min(value for name, value in middle.items() if name != "convscope")
        rows.append(
            (what, *(spread(times, ".2f") for times in found.values()), f"{best / middle['convscope']:.2f}")
        )
        targets.append(
            Target(
                f"{what}: first of three",
                f"{best / middle['convscope']:.2f} times",
                middle["convscope"] <= best,
            )
        )
    return Result(
        "Features of one hour of audio",
        f"CPU seconds in one thread, {pieces} pieces of {SECONDS} s at {RATE} Hz scaled to an hour; {rounds} "
        "rounds in turns. The last column: how many times as fast as the best other way.",
        ("feature", "convscope", "librosa 0.11", "plain torch", "times the best other"),
        rows,
        raw,
        targets,
    )


if __name__ == "__main__":
    print(run(*(int(word) for word in sys.argv[1:])).markdown())
