"""Non-negative matrix factorisation: a table as a sum of few tables of one row and one column each.

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
    """Amounts and factors, none of them negative, whose product comes close to the table.

    Nothing is random: the same table gives the same factors.

    Args:
        table: 0 or more everywhere.
        count: how many factors, at most the smaller extent of the table.
        steps: rounds at most.
        tolerance: ends when a round lowers the error by less than this share of the table's norm.

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
    """Each column in turn becomes the best one without negative numbers, the others held."""
    for k in range(sought.shape[1]):
        change = (against[:, k] - sought @ gram[:, k]) / gram[k, k].clamp_min(TINY)
        sought[:, k] = (sought[:, k] + change).clamp_min(0)


def _start(values: Float[Tensor, "n c"], count: int) -> tuple[Float[Tensor, "n k"], Float[Tensor, "k c"]]:
    """The stronger side, plus or minus, of each pair of singular vectors; zeros become the mean."""
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
