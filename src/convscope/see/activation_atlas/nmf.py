"""Non-negative matrix factorisation.

Source: Lee and Seung 1999, Nature 401; the updates are hierarchical alternating least squares (Cichocki and
Phan 2009, IEICE Transactions E92-A), the start is a singular value decomposition (Boutsidis and Gallopoulos
2008, Pattern Recognition 41).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import UsageError

TINY = 1e-12


def nmf(
    table: Float[Tensor, "n c"], count: int, *, steps: int = 200, tolerance: float = 1e-5
) -> tuple[Float[Tensor, "n k"], Float[Tensor, "k c"]]:
    """Factorise a matrix into two non-negative ones whose product approximates it (least squares).

    Deterministic: the same matrix gives the same factors.

    Args:
        table: a matrix of non-negative numbers.
        count: number of factors `k`, at most the smaller extent of the matrix.
        steps: maximum number of iterations.
        tolerance: stop when an iteration lowers the error by less than this share of the matrix's norm.

    Returns:
        Amounts `[n k]` and factors `[k c]`, in the matrix's dtype.

    Raises:
        UsageError: there are negative numbers, or fewer rows or columns than factors.
    """
    if count < 1 or count > min(table.shape) or bool((table < 0).any()):
        raise UsageError(
            f"a table without negative numbers, of {count} rows and columns or more",
            received=f"{tuple(table.shape)}",
        )
    values = table.double()
    amounts, factors = _start(values, count)
    norm, before = float(values.norm()) or 1.0, float("inf")
    for _ in range(steps):
        _improve(amounts, values @ factors.T, factors @ factors.T)
        turned = factors.T.contiguous()
        _improve(turned, values.T @ amounts, amounts.T @ amounts)
        factors = turned.T.contiguous()
        error = float((values - amounts @ factors).norm()) / norm
        if before - error < tolerance:
            break
        before = error
    return amounts.to(table.dtype), factors.to(table.dtype)


def _improve(sought: Float[Tensor, "n k"], against: Float[Tensor, "n k"], gram: Float[Tensor, "k k"]) -> None:
    """Update each column in turn to its non-negative least-squares solution, in place."""
    for k in range(sought.shape[1]):
        change = (against[:, k] - sought @ gram[:, k]) / gram[k, k].clamp_min(TINY)
        sought[:, k] = (sought[:, k] + change).clamp_min(0)


def _start(values: Float[Tensor, "n c"], count: int) -> tuple[Float[Tensor, "n k"], Float[Tensor, "k c"]]:
    """Initialise by NNDSVD: the dominant sign of each pair of singular vectors; zeros become a constant."""
    left, strengths, right = torch.linalg.svd(values, full_matrices=False)
    amounts, factors = torch.zeros(len(values), count).double(), torch.zeros(count, values.shape[1]).double()
    amounts, factors = amounts.to(values.device), factors.to(values.device)
    for k in range(count):
        sides = (
            [(sign * left[:, k]).clamp_min(0) for sign in (1, -1)],
            [(sign * right[k]).clamp_min(0) for sign in (1, -1)],
        )
        sizes = [float(a.norm() * b.norm()) for a, b in zip(*sides, strict=True)]
        side = sizes.index(max(sizes))
        a, b = sides[0][side], sides[1][side]
        scale = (strengths[k] * sizes[side]).sqrt()
        amounts[:, k], factors[k] = scale * a / a.norm().clamp_min(TINY), scale * b / b.norm().clamp_min(TINY)
    mean = values.mean().clamp_min(TINY).sqrt() * 0.01
    return amounts.clamp_min(mean), factors.clamp_min(mean)
