"""Photographs of handwritten digits in MNIST's form: light on dark, 20x20 inside 28x28, centred by mass."""

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
    """One digit on paper, or drawn on a canvas, in [0, 1]: paper 0, ink 1.

    Ink is what differs from the paper, darker or lighter; a smooth change of light across the paper is
    removed. A picture of 28x28 with a dark edge is taken as already in MNIST's form, and kept as it is.

    Raises:
        DataError: there is nothing drawn.
    """
    grey = as_rgb(image).convert("L")
    edge = np.asarray(grey)
    if grey.size == (SIDE, SIDE) and _edge_median(edge) < 32:
        return torch.from_numpy(edge.astype(np.float32) / 255).unsqueeze(0)
    grey.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.BOX)
    ink, threshold = _ink(np.asarray(grey, dtype=np.float64))
    return torch.from_numpy(_centred(_boxed(ink, threshold))).unsqueeze(0)


def _edge_median(grey: np.ndarray) -> float:
    ring = max(1, min(grey.shape) // 20)
    edges = (grey[:ring], grey[-ring:], grey[:, :ring], grey[:, -ring:])
    return float(np.median(np.concatenate([edge.ravel() for edge in edges])))


def _ink(grey: np.ndarray) -> tuple[np.ndarray, float]:
    """How far each pixel is on the ink's side of the paper, in levels, and from where on it is ink."""
    paper = _paper(grey)
    difference = grey - paper
    dark = float((difference**3).sum()) < 0  # the long tail is the ink's
    # Dark ink swallows a share of the light on the paper, so it is measured as one.
    ink = np.clip(-difference * (255 / np.clip(paper, 32, 255)) if dark else difference, 0, None)
    grain = 1.4826 * float(np.median(np.abs(difference)))
    if ink.max() < max(FAINTEST, 6 * grain):
        raise DataError(
            "one digit, drawn in a colour that differs from its paper",
            received=f"a picture whose levels differ by at most {ink.max():.0f} of 255 from its background",
            hint="Use a thicker or darker pen, or crop the picture to the digit.",
        )
    return ink, _otsu(ink[ink > 3 * grain])


def _paper(grey: np.ndarray) -> np.ndarray:
    """The light on the paper: a quadratic surface fitted to what is not ink, in six rounds."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in grey.shape), indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], -1).reshape(-1, 6)
    every = max(1, grey.size // 20_000)
    some, values = terms[::every], grey.ravel()[::every]
    light, weights = np.full(len(values), _edge_median(grey)), np.zeros(6)
    for _ in range(6):
        distance = np.abs(values - light)
        paper = distance <= max(2.5 * float(np.median(distance)), 3.0)
        known = some[paper]
        weights = np.linalg.solve(known.T @ known + 1e-6 * np.eye(6), known.T @ values[paper])
        light = some @ weights
    return (terms @ weights).reshape(grey.shape)


def _otsu(ink: np.ndarray) -> float:
    """The threshold that separates two groups best. Source: Otsu 1979, IEEE Trans. SMC 9(1)."""
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
    """The ink in [0, 1], cut to its bounding box, its longer side 20 pixels."""
    drawn = ink > threshold
    if min(drawn.shape) > 2 * SIDE:  # specks of dust do not count
        drawn = np.asarray(Image.fromarray(drawn.astype(np.uint8)).filter(ImageFilter.MedianFilter(3))) > 0
        drawn = drawn if drawn.any() else ink > threshold
    rows, columns = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    peak, floor = float(np.median(ink[drawn])), threshold / 2
    level = np.clip((ink[window] - floor) / max(peak - floor, 1e-6), 0, 1)
    picture = _widened(Image.fromarray((255 * level).astype(np.uint8)), drawn[window])
    scale = BOX / max(picture.size)
    across, down = (max(1, round(side * scale)) for side in picture.size)
    small = np.asarray(picture.resize((across, down), Image.Resampling.BILINEAR), dtype=np.float32)
    return small / max(float(small.max()), 1.0)


def _widened(picture: Image.Image, drawn: np.ndarray) -> Image.Image:
    """Thin strokes made as wide as a pen's in MNIST, so that they do not fade when the picture shrinks."""
    inside = np.pad(drawn, 1)
    inner = inside[1:-1, :-2] & inside[1:-1, 2:] & inside[:-2, 1:-1] & inside[2:, 1:-1] & drawn
    outline = max(int(drawn.sum() - inner.sum()), 1)
    missing = THINNEST * max(drawn.shape) - 2 * float(drawn.sum()) / outline
    if missing < 1:
        return picture
    reach = round(missing / 2)
    if reach < 1:
        return picture
    wide = Image.new("L", (picture.width + 2 * reach, picture.height + 2 * reach))
    wide.paste(picture, (reach, reach))
    return wide.filter(ImageFilter.MaxFilter(2 * reach + 1))


def _centred(small: np.ndarray) -> np.ndarray:
    """28x28 with the centre of mass as near to the centre as whole pixels, and the frame, allow."""
    field = np.zeros((SIDE, SIDE), dtype=np.float32)
    corner = []
    for axis, extent in enumerate(small.shape):
        weights = small.sum(1 - axis)
        mass = float((weights * np.arange(extent)).sum() / weights.sum())
        corner.append(min(max(round(SIDE / 2 - mass), 0), SIDE - extent))
    top, left = corner
    field[top : top + small.shape[0], left : left + small.shape[1]] = small
    return field
