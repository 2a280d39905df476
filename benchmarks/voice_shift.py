"""Is a word of a man's and of a woman's voice one pattern, shifted in frequency? Mandarin greetings.

Log-mel spectrograms of the same word by two female and two male voices are stretched to the same number of
frames (by dynamic time warping), and shifted along frequency by whole bands. Where the lecture's claim holds,
spectrograms of different sexes agree better after a shift than without one, by more than those of one sex.
"""

import itertools
from typing import Any

import numpy as np
import torch

from benchmarks.data import DATA
from benchmarks.result import Result
from convscope import nets, worlds
from convscope.graph import chain
from convscope.worlds.sound.folder import sound_spec

NEEDS = ("speech_extra",)
RATE, SECONDS, BANDS = 16000, 1.2, 80
MOST = 12
"""Largest shift, in bands."""
VOICES = {"f2": "female", "f3": "female", "m3": "male", "m7": "male"}


def spectrogram(voice: str, win: int) -> np.ndarray:
    """Log-mel spectrogram `[bands frames]` of a greeting, its silence cut off, each band's mean left in."""
    spec = sound_spec(RATE, SECONDS)
    wave = worlds.open_sample(DATA / "speech_extra" / "nihao" / f"nihao_{voice}.wav", spec).input
    text = f"log_mel {BANDS} sample_rate={RATE} n_fft=2048 hop_length=160 win_length={win} f_min=60 top_db=60"
    with torch.no_grad():
        found = nets.build(chain(spec.shape, text)).eval()(wave[None])[0, 0].numpy()
    loud = found.max(0) > found.max() - 40
    first, last = loud.argmax(), len(loud) - loud[::-1].argmax()
    return found[:, first:last]


def warped(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frames of both along the path of dynamic time warping, by the energies of their frames."""
    cost = np.abs(a.mean(0)[:, None] - b.mean(0)[None])
    total = np.full((cost.shape[0] + 1, cost.shape[1] + 1), np.inf)
    total[0, 0] = 0
    for i, j in itertools.product(range(cost.shape[0]), range(cost.shape[1])):
        total[i + 1, j + 1] = cost[i, j] + min(total[i, j], total[i, j + 1], total[i + 1, j])
    i, j = cost.shape
    path = []
    while i and j:
        path.append((i - 1, j - 1))
        steps = ((i - 1, j - 1), (i - 1, j), (i, j - 1))
        i, j = min(steps, key=lambda at: total[at])
    rows, columns = zip(*reversed(path), strict=True)
    return a[:, rows], b[:, columns]


def agreement(a: np.ndarray, b: np.ndarray, shift: int) -> float:
    """Correlation of two spectrograms where they overlap, with `b` shifted up by so many bands."""
    low, high = max(0, shift), BANDS + min(0, shift)
    return float(np.corrcoef(a[low:high].ravel(), b[low - shift : high - shift].ravel())[0, 1])


def compare(first: str, second: str, win: int) -> dict[str, Any]:
    """Agreement without a shift, and with the best one."""
    a, b = warped(spectrogram(first, win), spectrogram(second, win))
    found = {shift: agreement(a, b, shift) for shift in range(-MOST, MOST + 1)}
    best = max(found, key=found.__getitem__)
    return {
        "first": first,
        "second": second,
        "win": win,
        "best": best,
        "still": found[0],
        "shifted": found[best],
    }


def run() -> Result:
    rows, raw = [], []
    for win, what in ((2048, "harmonics (128 ms windows)"), (320, "formants (20 ms windows)")):
        for first, second in itertools.combinations(VOICES, 2):
            one = compare(first, second, win)
            raw.append(one)
            sexes = VOICES[first], VOICES[second]
            pair = "same sex" if sexes[0] == sexes[1] else "female and male"
            cells = (f"{one['still']:.3f}", f"{one['best']:+d}", f"{one['shifted']:.3f}")
            rows.append((what, f"{first}, {second}", pair, *cells, f"{one['shifted'] - one['still']:.3f}"))
    head = ("window", "voices", "pair", "correlation", "best shift, bands", "correlation then", "gain")
    about = (
        f"The Mandarin greeting of four voices of espeak-ng, {BANDS} mel bands from 60 Hz to 8 kHz. "
        "A positive shift moves the second voice up. Frames are aligned by their energy alone."
    )
    return Result("One word, two voices", about, head, rows, {"pairs": raw})


if __name__ == "__main__":
    print(run().markdown())
