"""Embed vectors in two dimensions: UMAP or PCA."""

import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from convscope.errors import MissingError, UsageError

NEIGHBOURS, CLOSEST = 20, 0.01
"""UMAP's n_neighbors and min_dist, as in Carter et al. 2019."""
OUTLIERS = 0.01
"""Share of points at each end of an axis that is moved to the border, so that outliers do not compress
the rest.
"""


@dataclass(frozen=True, eq=False)
class Embedding2d:
    """Points in the unit square.

    Attributes:
        points: coordinates from 0 to 1.
        spread: share of the vectors' variance that the two axes hold, from 0 to 1; None for UMAP, whose axes
            are not linear.
    """

    points: Float[Tensor, "n 2"]
    spread: float | None


def embed_2d(
    vectors: Float[Tensor, "n c"],
    layout: str,
    seed: int = 0,
    *,
    outliers: float = OUTLIERS,
    min_dist: float = CLOSEST,
) -> Embedding2d:
    """Embed vectors in the unit square by their direction; their lengths are ignored.

    Args:
        vectors: at least 16 vectors.
        layout: `umap` or `pca`.
        seed: seed of UMAP.
        outliers: share of points at each end of an axis that is moved to the border; 0 for none.
        min_dist: UMAP's least distance of points, in its own units; larger values spread groups out.

    Returns:
        The points, and how much of the variance they hold.

    Raises:
        MissingError: UMAP is not installed.
        UsageError: there are too few vectors.
    """
    check(layout)
    if len(vectors) < 16:
        raise UsageError(
            "16 vectors or more to lay out", received=f"{len(vectors)}", hint="Take more pictures: --images."
        )
    points, spread = EMBEDDINGS[layout](normalize(vectors.double(), dim=1), seed, min_dist)
    return Embedding2d(_framed(points.double(), outliers).float(), spread)


def check(layout: str) -> None:
    """Check that the packages of a layout are installed, before any work begins.

    Args:
        layout: `umap` or `pca`.

    Raises:
        MissingError: UMAP is not installed.
    """
    if layout == "umap" and importlib.util.find_spec("umap") is None:
        raise MissingError(
            "umap-learn, which lays out the atlas",
            hint="Install it: pip install umap-learn. Or do without: --layout pca.",
        )


def _pca(vectors: Float[Tensor, "n c"], seed: int, min_dist: float) -> tuple[Float[Tensor, "n 2"], float]:
    """Project on the first two principal components; signs are fixed, so the result is reproducible."""
    del seed, min_dist
    centred = vectors - vectors.mean(0)
    _, strengths, axes = torch.linalg.svd(centred, full_matrices=False)
    axes = axes[:2] * axes[:2].sum(1, keepdim=True).sign().where(
        axes[:2].sum(1, keepdim=True) != 0, torch.ones(1)
    )
    spread = strengths.square()
    share = float(spread[:2].sum() / spread.sum().clamp_min(1e-30))
    points = centred @ axes.T
    if points.shape[1] < 2:
        points = torch.cat([points, torch.zeros_like(points)], 1)[:, :2]
    return points, share


def _umap(vectors: Float[Tensor, "n c"], seed: int, min_dist: float) -> tuple[Float[Tensor, "n 2"], None]:
    """Embed with UMAP and cosine distance.

    Source: McInnes, Healy and Melville 2018, UMAP, arXiv:1802.03426.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import umap

        reducer = umap.UMAP(
            n_neighbors=min(NEIGHBOURS, len(vectors) - 1),
            min_dist=min_dist,
            metric="cosine",
            random_state=seed % 2**32,
            n_jobs=1,
        )
        points = reducer.fit_transform(vectors.float().numpy())
    return torch.as_tensor(points), None


EMBEDDINGS: dict[str, Callable[[Tensor, int, float], tuple[Tensor, float | None]]] = {
    "umap": _umap,
    "pca": _pca,
}


def _framed(points: Float[Tensor, "n 2"], outliers: float) -> Float[Tensor, "n 2"]:
    """Scale points to the unit square, axis by axis, ignoring outliers."""
    low, high = points.quantile(outliers, dim=0), points.quantile(1 - outliers, dim=0)
    return ((points - low) / (high - low).clamp_min(1e-12)).clamp(0, 1)
