"""Colours for categories, no two alike."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]
BRIGHT: tuple[Colour, ...] = (
    (238, 102, 119),
    (34, 136, 51),
    (68, 119, 170),
    (204, 187, 68),
    (136, 34, 187),
    (0, 204, 204),
)
"""Red, green, blue, yellow, violet and turquoise: at least 40 degrees of OKLab hue apart, and told apart with
any colour vision.

Source: the first four are of Paul Tol, Colour Schemes, SRON/EPS/TN/09-002, issue 3.2 (2021), scheme "bright",
whose purple and cyan are within 28 degrees of its red and its blue.
"""
LIGHTNESS, CHROMA = (0.42, 0.86), 0.09
"""Range of OKLab lightness, and least chroma, of further colours: neither paper nor ink, nor grey."""


@cache
def distinct(count: int) -> tuple[Colour, ...]:
    """Return colours of which no two are alike: six fixed ones, then always the one farthest from all others.

    Distances are Euclidean in OKLab, where equal distances look about equally different.

    Args:
        count: how many.

    Returns:
        RGB of each, from 0 to 255; the first colours of a longer list are those of a shorter one.

    Source: Glasbey et al. 2007, Color Research & Application 32(4); Ottosson 2020, A perceptual color space
        for image processing.
    """
    chosen = list(BRIGHT[:count])
    levels = np.arange(0, 256, 17)
    cube = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(-1, 3)
    lab = oklab(cube)
    low, high = LIGHTNESS
    fit = (lab[:, 0] >= low) & (lab[:, 0] <= high) & (np.hypot(lab[:, 1], lab[:, 2]) >= CHROMA)
    cube, lab = cube[fit], lab[fit]
    nearest = np.full(len(cube), np.inf)
    for colour in chosen:
        nearest = np.minimum(nearest, np.linalg.norm(lab - oklab(np.array([colour])), axis=1))
    while len(chosen) < count:
        best = int(nearest.argmax())
        chosen.append((int(cube[best, 0]), int(cube[best, 1]), int(cube[best, 2])))
        nearest = np.minimum(nearest, np.linalg.norm(lab - lab[best], axis=1))
    return tuple(chosen)


def oklab(colours: NDArray[np.integer]) -> NDArray[np.float64]:
    """Convert sRGB colours to OKLab.

    Args:
        colours: `[n 3]`, from 0 to 255.

    Returns:
        `[n 3]`: lightness from 0 to 1, and the axes green to red and blue to yellow.

    Source: Ottosson 2020, A perceptual color space for image processing.
    """
    unit = colours / 255
    linear = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
    cones = linear @ np.array(
        [
            [0.4122214708, 0.2119034982, 0.0883024619],
            [0.5363325363, 0.6806995451, 0.2817188376],
            [0.0514459929, 0.1073969566, 0.6299787005],
        ]
    )
    return np.cbrt(cones) @ np.array(
        [
            [0.2104542553, 1.9779984951, 0.0259040371],
            [0.7936177850, -2.4285922050, 0.7827717662],
            [-0.0040720468, 0.4505937099, -0.8086757660],
        ]
    )
