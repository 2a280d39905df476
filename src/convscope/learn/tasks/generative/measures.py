"""Measures of images that a network returns, and what they are compared with."""

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

CHUNK = 1000
"""Points whose distances from all others are computed at once."""


def psnr(mse: float, extent: float = 1.0) -> float:
    """Compute the peak signal-to-noise ratio.

    Args:
        mse: mean squared error.
        extent: length of the value range.

    Returns:
        `10 log10(extent^2 / mse)` in dB; infinity where the error is 0.
    """
    return math.inf if mse <= 0 else 10 * math.log10(extent * extent / mse)


def median_filter(images: Float[Tensor, "b c h w"], side: int) -> Float[Tensor, "b c h w"]:
    """Replace each pixel by the median of the square around it, with edge padding.

    Args:
        images: images `[b c h w]`.
        side: side of the square in pixels, odd.

    Returns:
        The filtered images, of the same size.

    Source: `scipy.ndimage.median_filter` with `mode="nearest"` returns the same.
    """
    reach = side // 2
    padded = functional.pad(images, (reach,) * 4, mode="replicate")
    return padded.unfold(2, side, 1).unfold(3, side, 1).flatten(4).median(4).values


def checkerboard(errors: Float[Tensor, "b c h w"]) -> tuple[float, float]:
    """Measure how much of the errors repeats every two pixels: artefacts of transposed convolutions.

    Kernels whose side is no multiple of their stride overlap unevenly, and leave such a pattern. The power of
    that pattern in an image is the variance of the means of its four phases (even and odd rows and columns);
    equivalently, the power at the three highest frequencies.

    Args:
        errors: images minus what they should be, `[b c h w]`, at least 2x2.

    Returns:
        Power of the patterns, and power of the errors without each map's mean, both summed over images and
        channels. Their ratio is 0 to 1; for white noise `3 / (h * w - 1)`.

    Source: Odena, Dumoulin and Olah 2016, Deconvolution and Checkerboard Artifacts, distill.pub.
    """
    height, width = (side // 2 * 2 for side in errors.shape[2:])
    even = errors[:, :, :height, :width].double()
    phases = even.unflatten(2, (-1, 2)).unflatten(4, (-1, 2)).mean((2, 4))
    pattern = phases.flatten(2).var(2, correction=0).sum()
    return float(pattern), float(even.flatten(2).var(2, correction=0).sum())


class PrincipalComponents:
    """Principal components of images: the best linear code of a given size.

    Args:
        images: images to learn from, `[n c h w]`.
        count: number of components; all there are if that is fewer.
    """

    def __init__(self, images: Float[Tensor, "n c h w"], count: int) -> None:
        flat = images.flatten(1).double()
        self.mean = flat.mean(0)
        centred = flat - self.mean
        _, vectors = torch.linalg.eigh(centred.T @ centred)  # in rising order of the variance
        self.axes = vectors[:, -count:]

    def reconstruct(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Project images onto the components.

        Args:
            images: images of the same size.

        Returns:
            The nearest images that mean and components can express.
        """
        centred = images.flatten(1).double() - self.mean
        return (self.mean + centred @ self.axes @ self.axes.T).view_as(images).to(images.dtype)


def nearest(
    points: Float[Tensor, "n d"], others: Float[Tensor, "m d"], apart: bool = False
) -> tuple[Float[Tensor, " n"], Int64[Tensor, " n"]]:
    """Find the nearest of other points for each point, by Euclidean distance.

    Args:
        points: points `[n d]`.
        others: what is searched, `[m d]`.
        apart: whether point i itself is the i-th of the others, and shall not be found.

    Returns:
        Distances, and indices into `others`.
    """
    distances, indices = [], []
    for start, part in zip(range(0, len(points), CHUNK), points.split(CHUNK), strict=True):
        found = torch.cdist(part, others)
        if apart:
            rows = torch.arange(len(part), device=part.device)
            found[rows, start + rows] = math.inf
        least = found.min(1)
        distances.append(least.values)
        indices.append(least.indices)
    return torch.cat(distances), torch.cat(indices)


def two_sample_accuracy(first: Float[Tensor, "n d"], second: Float[Tensor, "n d"]) -> tuple[float, float]:
    """Compute how often the nearest of all other points is from the same sample: a two-sample test.

    The leave-one-out accuracy of a 1-nearest-neighbour classifier that tells two samples of equal size apart.
    Its expectation is 1/2 where both are of the same distribution, 1 where they lie apart, and less than 1/2
    where one holds near copies of the other.

    Args:
        first: points of one sample.
        second: as many of the other.

    Returns:
        The accuracy for points of the first, and for those of the second.

    Raises:
        ValueError: the sizes differ; the expectation would not be 1/2.

    Source: Lopez-Paz and Oquab 2017, Revisiting Classifier Two-Sample Tests, arXiv:1610.06545.
    """
    if len(first) != len(second):
        raise ValueError(f"samples of the same size, not {len(first)} and {len(second)}")
    pooled = torch.cat([first, second])
    _, found = nearest(pooled, pooled, apart=True)
    return float((found[: len(first)] < len(first)).double().mean()), float(
        (found[len(first) :] >= len(first)).double().mean()
    )
