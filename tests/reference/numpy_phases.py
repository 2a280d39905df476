"""Phase-only images, pixel by pixel, with nothing but sums of cosines."""

import numpy as np


def picture(magnitude: np.ndarray, angles: np.ndarray, size: tuple[int, int], contrast: float) -> np.ndarray:
    """`[c h w]` before colour and sigmoid, of half spectra `[c h w//2+1]`, by the DFT's definition."""
    height, width = size
    full = np.zeros((len(magnitude), height, width), complex)
    half = magnitude * np.exp(1j * angles)
    for v in range(height):
        for u in range(width):
            if u <= width // 2:
                full[:, v, u] = half[:, v, u]
            else:
                full[:, v, u] = np.conj(half[:, -v % height, width - u])
    for u in {0, width // 2} if width % 2 == 0 else {0}:  # columns whose mirror lies in themselves
        column = full[:, :, u].copy()
        mirrored = np.conj(column[:, -np.arange(height) % height])
        full[:, :, u] = (column + mirrored) / 2
    y, x = np.arange(height), np.arange(width)
    waves_y = np.exp(2j * np.pi * np.outer(y, y) / height)
    waves_x = np.exp(2j * np.pi * np.outer(x, x) / width)
    free = np.einsum("yv,cvu,xu->cyx", waves_y, full, waves_x).real / np.sqrt(height * width)
    free -= free.mean()
    return contrast * free / np.sqrt((free**2).mean())
