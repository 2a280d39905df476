"""The pointing game: whether the hottest position lies on the object."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from convscope.errors import UsageError

Box = Sequence[float | int]
"""Left, top, right, bottom, in pixels of the input."""
Boxes = Sequence[Sequence[Box]]
"""For each row, its boxes."""
TOLERANCE = 15 / 224
"""Distance from a box within which a hit counts, as a share of the shorter side: 15 of 224 pixels."""


@dataclass(frozen=True)
class Pointing:
    """Whether the hottest position of one row lies in a box, and how much of the positive heat does."""

    hit: bool
    """Whether the hottest position lies in a box, or at most `TOLERANCE` beside one."""
    inside: float
    """Share of the positive heat in the boxes, 0 to 1."""
    area: float
    """Share of the positions in the boxes: the chance level of `inside`."""


def pointing_game(heat: Tensor, boxes: Boxes) -> tuple[Pointing, ...]:
    """Play the pointing game for each row.

    Args:
        heat: `[b h w]`.
        boxes: for each row, boxes `(left, top, right, bottom)` in positions of the heatmap.

    Returns:
        The result of each row.

    Source: Zhang et al. 2018, doi:10.1007/s11263-017-1059-x, §4.1.

    Raises:
        UsageError: the heat has no height and width, or there is not one list of boxes for each row.
    """
    if heat.dim() != 3 or len(boxes) != len(heat) or any(len(box) != 4 for row in boxes for box in row):
        raise UsageError(
            "for each picture a list of boxes (left, top, right, bottom)",
            received=f"{len(boxes)} lists for heat of shape {tuple(heat.shape)}",
        )
    return tuple(_pointed(one, row) for one, row in zip(heat.cpu().float(), boxes, strict=True))


def _pointed(heat: Tensor, boxes: Sequence[Box]) -> Pointing:
    height, width = heat.shape
    slack = TOLERANCE * min(height, width)
    y, x = divmod(int(heat.nan_to_num(0).argmax()), width)
    hit = any(
        left - slack <= x + 0.5 <= right + slack and top - slack <= y + 0.5 <= bottom + slack
        for left, top, right, bottom in boxes
    )
    rows, columns = torch.arange(height)[:, None] + 0.5, torch.arange(width)[None] + 0.5
    inside = torch.zeros(height, width, dtype=torch.bool)
    for left, top, right, bottom in boxes:
        inside |= (columns >= left) & (columns <= right) & (rows >= top) & (rows <= bottom)
    positive = heat.nan_to_num(0).clamp_min(0)
    total = float(positive.sum())
    share = float(positive[inside].sum()) / total if total > 0 else 0.0
    return Pointing(hit, share, float(inside.float().mean()))
