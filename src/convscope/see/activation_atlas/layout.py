"""Many vectors as points on a page."""

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
"""Share of points at each end of an axis that are moved to the border instead of shrinking all others."""


@dataclass(frozen=True, eq=False)
class Embedding2d:
    """Points in the unit square, and in a word how they came there."""

    points: Float[Tensor, "n 2"]
    note: str


def embed_2d(vectors: Float[Tensor, "n c"], layout: str, seed: int = 0) -> Embedding2d:
    """Vectors that point alike close together; lengths do not count.

    Args:
        vectors: at least 16.
        layout: `umap` or `pca`.
        seed: of UMAP.

    Raises:
        MissingError: UMAP is not installed.
        UsageError: there are too few vectors.
    """
    check(layout)
    if len(vectors) < 16:
        raise UsageError("16 vectors or more to lay out", received=f"{len(vectors)}")
    points, note = EMBEDDINGS[layout](normalize(vectors.double(), dim=1), seed)
    return Embedding2d(_framed(points.double()).float(), note)


def check(layout: str) -> None:
    """Say early what is missing.

    Raises:
        MissingError: UMAP is not installed.
    """
    if layout == "umap" and importlib.util.find_spec("umap") is None:
        raise MissingError(
            "umap-learn, which lays out the atlas",
            hint="Install it: pip install 'convscope[atlas]'. Or do without: --layout pca.",
        )


def _pca(vectors: Float[Tensor, "n c"], seed: int) -> tuple[Float[Tensor, "n 2"], str]:
    """The two axes of the widest spread; signs are chosen so that the same vectors always lie alike."""
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
    return points, f"the two widest axes, which hold {share:.0%} of the spread; neighbours may lie far apart"


def _umap(vectors: Float[Tensor, "n c"], seed: int) -> tuple[Float[Tensor, "n 2"], str]:
    """Source: McInnes, Healy and Melville 2018, UMAP, arXiv:1802.03426."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import umap

        reducer = umap.UMAP(
            n_neighbors=min(NEIGHBOURS, len(vectors) - 1),
            min_dist=CLOSEST,
            metric="cosine",
            random_state=seed % 2**32,
            n_jobs=1,
        )
        points = reducer.fit_transform(vectors.float().numpy())
    return torch.as_tensor(
        points
    ), "UMAP, which keeps neighbours together; distances between groups mean little"


EMBEDDINGS: dict[str, Callable[[Tensor, int], tuple[Tensor, str]]] = {"umap": _umap, "pca": _pca}


def _framed(points: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
    """Into the unit square, by the axes' own spans."""
    low, high = points.quantile(OUTLIERS, dim=0), points.quantile(1 - OUTLIERS, dim=0)
    return ((points - low) / (high - low).clamp_min(1e-12)).clamp(0, 1)
