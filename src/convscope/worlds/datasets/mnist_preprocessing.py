"""Preprocessing of photographed digits to MNIST's form: light on dark, 20x20 in 28x28, centred by mass."""

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageFilter
from torch import Tensor

from convscope.errors import DataError
from convscope.worlds.images.decode import as_rgb

SIDE, BOX = 28, 20
"""MNIST scales the ink into a 20x20 box and moves its centre of mass to the centre of 28x28 (LeCun, Cortes,
Burges, the data set's page)."""
WORKING_SIDE = 400
FAINTEST = 24
"""Ink must differ from paper by this many of 255 levels."""
THINNEST = 0.09
"""Stroke width over the height of the digit, below which the pen is widened. MNIST's median is about 0.12."""


def to_mnist(image: Image.Image) -> Float[Tensor, "1 28 28"]:
    """Convert an image of one digit to MNIST's form.

    Ink is what differs from the paper, darker or lighter; a smooth change of light across the paper is
    removed. An image of 28x28 is taken to be in MNIST's form already, and kept as it is, if it has a dark
    edge; or a white one, and ink that is centred as in MNIST.

    Args:
        image: one digit on paper, or drawn on a canvas, of any size and colour mode.

    Returns:
        `[1 28 28]` in [0, 1]: paper 0, ink 1.

    Raises:
        DataError: nothing is drawn.
    """
    grey = as_rgb(image).convert("L")
    edge = np.asarray(grey)
    if edge.min() == edge.max():
        raise blank_error(0)
    if grey.size == (SIDE, SIDE) and edge_median(edge) < 32:
        return torch.from_numpy(edge.astype(np.float32) / 255).unsqueeze(0)
    if grey.size == (SIDE, SIDE) and _centred_on_white(edge):
        return torch.from_numpy((255 - edge).astype(np.float32) / 255).unsqueeze(0)
    grey.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.BOX)
    ink, threshold = _ink(np.asarray(grey, dtype=np.float64))
    return torch.from_numpy(_centred(_boxed(ink, threshold))).unsqueeze(0)


def blank_error(most: float) -> DataError:
    """Return the error of a picture with no ink, or too little.

    Args:
        most: the largest difference of a pixel from the paper, in levels of 255.

    Returns:
        The error, to be raised.
    """
    return DataError(
        "one digit, drawn in a colour that differs from its paper",
        received=f"a picture whose levels differ by at most {most:.0f} of 255 from its background",
        hint="Use a thicker or darker pen, or crop the picture to the digit.",
    )


def edge_median(grey: np.ndarray) -> float:
    """Return the median level of an image's border, which is paper.

    Args:
        grey: `[h w]`, levels from 0 to 255.

    Returns:
        The median, 0 to 255.
    """
    ring = max(1, min(grey.shape) // 20)
    edges = (grey[:ring], grey[-ring:], grey[:, :ring], grey[:, -ring:])
    return float(np.median(np.concatenate([edge.ravel() for edge in edges])))


def _centred_on_white(grey: np.ndarray) -> bool:
    """Return whether the image is MNIST's form in black on white: ink of its box, mass in the middle."""
    ink = 255.0 - grey
    rows, columns = np.flatnonzero(ink.max(1)), np.flatnonzero(ink.max(0))
    if edge_median(grey) < 255 or not rows.size:
        return False
    middle = [(ink.sum(axis) @ np.arange(SIDE)) / ink.sum() for axis in (1, 0)]
    sides = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    return max(sides) == BOX and max(abs(m - (SIDE - 1) / 2) for m in middle) <= 1


def _ink(grey: np.ndarray) -> tuple[np.ndarray, float]:
    """Return how many levels each pixel differs from the paper towards the ink, and the ink's threshold."""
    paper = _paper(grey)
    difference = grey - paper
    dark = float((difference**3).sum()) < 0  # the long tail is the ink's
    # Dark ink swallows a share of the light on the paper, so it is measured as one.
    ink = np.clip(-difference * (255 / np.clip(paper, 32, 255)) if dark else difference, 0, None)
    grain = 1.4826 * float(np.median(np.abs(difference)))
    if ink.max() < FAINTEST:
        raise blank_error(float(ink.max()))
    if ink.max() < 6 * grain:
        raise DataError(
            "one digit on even paper",
            received="a picture without an even background, such as a photograph",
            hint="Crop it to the digit. A photograph of other things takes another network: convscope nets.",
        )
    return ink, _otsu(ink[ink > 3 * grain])


def _paper(grey: np.ndarray) -> np.ndarray:
    """Estimate the paper's illumination: a quadratic surface fitted to what is not ink, in six rounds."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in grey.shape), indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], -1).reshape(-1, 6)
    every = max(1, grey.size // 20_000)
    some, values = terms[::every], grey.ravel()[::every]
    light, weights = np.full(len(values), edge_median(grey)), np.zeros(6)
    for _ in range(6):
        distance = np.abs(values - light)
        paper = distance <= max(2.5 * float(np.median(distance)), 3.0)
        known = some[paper]
        weights = np.linalg.solve(known.T @ known + 1e-6 * np.eye(6), known.T @ values[paper])
        light = some @ weights
    return (terms @ weights).reshape(grey.shape)


def _otsu(ink: np.ndarray) -> float:
    """Return Otsu's threshold, which maximises the variance between two groups.

    Source: Otsu 1979, IEEE Trans. SMC 9(1).
    """
    counts, edges = np.histogram(ink, bins=256, range=(0, float(ink.max())))
    below = np.cumsum(counts)
    above = below[-1] - below
    middles = (edges[:-1] + edges[1:]) / 2
    sums = np.cumsum(counts * middles)
    both = (below > 0) & (above > 0)
    if not both.any():
        return float(edges[128])
    spread = np.zeros(256)
    means = sums[both] / below[both] - (sums[-1] - sums[both]) / above[both]
    spread[both] = (below * above)[both] * means**2
    return float(edges[1:][np.argmax(spread)])


def _boxed(ink: np.ndarray, threshold: float) -> np.ndarray:
    """Return the ink in [0, 1], cropped to its bounding box and resized to a longer side of 20 pixels."""
    drawn = ink > threshold
    if min(drawn.shape) > 2 * SIDE:  # specks of dust do not count
        drawn = np.asarray(Image.fromarray(drawn.astype(np.uint8)).filter(ImageFilter.MedianFilter(3))) > 0
        drawn = drawn if drawn.any() else ink > threshold
    rows, columns = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    peak, floor = float(np.median(ink[drawn])), threshold / 2
    level = np.clip((ink[window] - floor) / max(peak - floor, 1e-6), 0, 1)
    image = _widened(Image.fromarray((255 * level).astype(np.uint8)), drawn[window])
    scale = BOX / max(image.size)
    across, down = (max(1, round(side * scale)) for side in image.size)
    small = np.asarray(image.resize((across, down), Image.Resampling.BILINEAR), dtype=np.float32)
    return small / max(float(small.max()), 1.0)


def _widened(image: Image.Image, drawn: np.ndarray) -> Image.Image:
    """Dilate thin strokes to the width of MNIST's, so that they do not fade when the image is reduced."""
    inside = np.pad(drawn, 1)
    inner = inside[1:-1, :-2] & inside[1:-1, 2:] & inside[:-2, 1:-1] & inside[2:, 1:-1] & drawn
    outline = max(int(drawn.sum() - inner.sum()), 1)
    missing = THINNEST * max(drawn.shape) - 2 * float(drawn.sum()) / outline
    if missing < 1:
        return image
    reach = round(missing / 2)
    if reach < 1:
        return image
    wide = Image.new("L", (image.width + 2 * reach, image.height + 2 * reach))
    wide.paste(image, (reach, reach))
    return wide.filter(ImageFilter.MaxFilter(2 * reach + 1))


def _centred(small: np.ndarray) -> np.ndarray:
    """Return 28x28 pixels with the centre of mass as near to the middle as whole pixels allow."""
    field = np.zeros((SIDE, SIDE), dtype=np.float32)
    corner = []
    for axis, extent in enumerate(small.shape):
        weights = small.sum(1 - axis)
        mass = float((weights * np.arange(extent)).sum() / weights.sum())
        corner.append(min(max(round(SIDE / 2 - mass), 0), SIDE - extent))
    top, left = corner
    field[top : top + small.shape[0], left : left + small.shape[1]] = small
    return field
