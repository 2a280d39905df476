"""Regions of a guided style transfer: which region of an image gets the style of which region of a painting.

Source: Gatys et al. 2017, "Controlling Perceptual Factors in Neural Style Transfer", arXiv:1611.07865,
section 4 (guided Gram matrices).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from convscope.errors import DataError

LEAST = 0.005
"""Share of a guide below which a colour is taken for a blurred edge and assigned to the nearest colour."""
MOST_REGIONS = 16
"""Maximum number of regions."""
NEAR = 48.0
"""Euclidean distance in RGB (0 to 255) up to which colours of two guides are the same."""

Colour = tuple[int, int, int]


def palette(guide: Float[Tensor, "3 h w"]) -> list[Colour]:
    """Return the colours of a guide's regions, the commonest first.

    Args:
        guide: RGB image of flat colours, in [0, 1].

    Returns:
        RGB colours from 0 to 255, at most `MOST_REGIONS`.

    Raises:
        DataError: it has no flat colour, or more than `MOST_REGIONS`.
    """
    bytes_ = (guide * 255).round().long().flatten(1).T
    colours, counts = torch.unique(bytes_, dim=0, return_counts=True)
    order = counts.argsort(descending=True)
    share = counts[order].double() / len(bytes_)
    kept: list[Colour] = []
    for colour, part in zip(colours[order].tolist(), share.tolist(), strict=True):
        if part < LEAST:
            break
        if not near_any_color((colour[0], colour[1], colour[2]), kept):
            kept.append((colour[0], colour[1], colour[2]))
        if len(kept) > MOST_REGIONS:
            break
    if not 1 <= len(kept) <= MOST_REGIONS:
        found = "no flat colour" if not kept else f"more than {MOST_REGIONS}"
        raise DataError(
            f"a guide of 1 to {MOST_REGIONS} flat colours",
            received=found,
            hint="Save guides as PNG, not as JPEG.",
        )
    return kept


def regions(guide: Float[Tensor, "3 h w"], colours: Sequence[Colour]) -> Float[Tensor, "r h w"]:
    """Return the region of each colour as a mask: 1 where the colour is nearest, 0 elsewhere.

    Args:
        guide: RGB image of flat colours, in [0, 1].
        colours: RGB colours from 0 to 255.

    Returns:
        One mask for each colour, in that order.
    """
    table = torch.tensor(colours, dtype=torch.float32, device=guide.device) / 255
    nearest = (guide[None].float() - table[:, :, None, None]).square().sum(1).argmin(0)
    return _one_hot(nearest, len(colours))


def check(colours: Sequence[Colour], others: Sequence[Sequence[Colour]]) -> None:
    """Check that every colour of the content image's guide is in some painting's guide.

    Args:
        colours: colours of the content image's guide.
        others: colours of each painting's guide.

    Raises:
        DataError: a region has no counterpart.
    """
    for colour in colours:
        if not any(near_any_color(colour, painting) for painting in others):
            raise DataError(
                "each colour of the guide in a style guide too",
                received=f"rgb{colour}, which none of them has",
                hint="Use the same colours in both.",
            )


def near_any_color(colour: Colour, others: Sequence[Colour]) -> bool:
    """Return whether a colour is the same as one of several, up to a distance of `NEAR`.

    Args:
        colour: an RGB colour from 0 to 255.
        others: the colours to compare with.

    Returns:
        True if one of them is near.
    """
    return any(_distance(colour, other) <= NEAR for other in others)


def _one_hot(numbers: Int64[Tensor, "h w"], count: int) -> Float[Tensor, "r h w"]:
    return torch.nn.functional.one_hot(numbers, count).permute(2, 0, 1).float()


def _distance(one: Sequence[int], other: Sequence[int]) -> float:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5
