"""Style-swap: replace every patch of a photograph's features by the most similar patch of a style's.

Source: Chen and Schmidt 2016, "Fast Patch-based Style Transfer of Arbitrary Style", arXiv:1612.04337, section
3; both features are whitened first, as in the style decorator of Avatar-Net (Sheng et al. 2018,
arXiv:1805.03857). Statistics alone say which strokes there are, not how they lie beside each other: here
neighbours come from the painting together.

Where a photograph is flat, all patches are about as unlike it, and one would be everywhere. There the one is
taken that lies in the painting where the photograph's lies in the photograph (`NEARNESS`): strokes go on as
in the painting. Where it is far from flat, as at an eye, no stroke is like it, and a part of its own features
stays (`content_share`).
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from convscope.nets.style.parts import Maps

PATCH = 3
"""Side of a patch, in positions."""
DIMENSIONS = 48
"""Patches are compared in so many random combinations of the channels (Johnson and Lindenstrauss 1984), and
not in all 256: whitened channels are alike, so there are no principal ones."""
STRIDE = 2
"""Of the style's patches, one in so many rows and columns is compared with: a quarter of the time, and by
SqueezeNet the pictures are as near to painting and photograph."""
NEARNESS = 15.0
"""What a patch loses that lies as far away as the painting is high, in lengths of whitened features: those of
a photograph's patches are about 10 where it is flat, and 50 to 70 where it is not."""
EQUAL_ENERGY = 4.0
"""Mean square of the whitened features in a patch of which half stays. A photograph's mean is 1, flat parts
have less than 0.1, contours 1 to 4. By eye: eyes come back, and strokes stay."""
MOST_SIMILARITIES = 2**24
"""How many similarities of patches are held at a time."""
OFFSETS = range(-(PATCH // 2), PATCH // 2 + 1)


class StylePatches(NamedTuple):
    """The patches of a style.

    Attributes:
        features: whitened features, with a border of one position, reflected: `[1 c h+2 w+2]`.
        centres: where the middle of each patch is in these features, row by row.
        directions: each patch, projected and of length 1; then what its place adds to a similarity, as
            factors of the row, of the column, and of 1.
    """

    features: Maps
    centres: Int[Tensor, " n"]
    directions: Float[Tensor, "n d+3"]


class Part(NamedTuple):
    """Where features lie in those of a whole photograph, in positions.

    Attributes:
        corner: the first row and column.
        whole: height and width of the whole.
    """

    corner: tuple[int, int]
    whole: tuple[int, int]


def style_patches(features: Float[Tensor, "1 c h w"]) -> StylePatches:
    """Cut the whitened features of a style into patches.

    Args:
        features: whitened features; both sides at least 2.

    Returns:
        The patches.
    """
    height, width = features.shape[-2:]
    wide = _with_border(features)
    inside = torch.arange(wide[0, 0].numel(), device=features.device).view(wide.shape[-2:])[1:-1, 1:-1]
    patches = next(_projected_patches(features, height)).unflatten(0, (height, width))
    few = (slice(None, None, STRIDE),) * 2
    directions = functional.normalize(patches[few].flatten(0, 1), dim=1)
    places = _places(features, Part((0, 0), (height, width)))[few].flatten(0, 1)
    # -N |p - q|^2 for a place p of the photograph, without what is the same for all q
    nearness = torch.cat([2 * NEARNESS * places, -NEARNESS * places.square().sum(1, keepdim=True)], 1)
    return StylePatches(wide, inside[few].flatten(), torch.cat([directions, nearness], 1))


def swap(
    features: Float[Tensor, "1 c h w"], style: StylePatches, part: Part | None = None
) -> Float[Tensor, "1 c h w"]:
    """Replace every patch by the style's most similar one, by cosine similarity; mean where they overlap.

    Args:
        features: whitened features of a photograph; both sides at least 2.
        style: patches of the style, of as many channels.
        part: where the features lie in those of the whole photograph; None if they are the whole.

    Returns:
        Features made of the style's alone. They are no longer white: a mean varies less.
    """
    height, width = features.shape[-2:]
    part = part or Part((0, 0), (height, width))
    centres = style.centres[_nearest(features, style, part)].unflatten(0, (height, width))
    flat, total = style.features[0].flatten(1), torch.zeros_like(features)
    count = features.new_zeros(height, width)
    for down in OFFSETS:
        for right in OFFSETS:
            covered, sources = _overlap(height, width, down, right)
            places = centres[sources] - down * style.features.shape[-1] - right
            total[0][:, *covered] += flat[:, places.flatten()].unflatten(1, places.shape)
            count[covered] += 1
    return total / count


def content_share(features: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 1 h w"]:
    """Return how much of a photograph's features stays beside the style's: the gain of a Wiener filter.

    It is `e / (e + EQUAL_ENERGY)`; `e` is the mean square of the features in the patch around a position, at
    the border in the part of it that there is.

    Args:
        features: whitened features of the photograph.

    Returns:
        Shares from 0, where it is flat, to below 1.
    """
    energy = features.square().mean(1, keepdim=True)
    energy = functional.avg_pool2d(energy, PATCH, 1, PATCH // 2, count_include_pad=False)
    return energy / (energy + EQUAL_ENERGY)


def _overlap(height: int, width: int, down: int, right: int) -> tuple[tuple[slice, slice], ...]:
    """Return which positions have a patch centred `down` and `right` of them, and these centres."""
    rows = slice(max(0, -down), height - max(0, down)), slice(max(0, down), height - max(0, -down))
    columns = slice(max(0, -right), width - max(0, right)), slice(max(0, right), width - max(0, -right))
    return (rows[0], columns[0]), (rows[1], columns[1])


def _nearest(features: Maps, style: StylePatches, part: Part) -> Int[Tensor, " n"]:
    """Return which patch of the style is the most similar, for each position, row by row."""
    rows = max(1, MOST_SIMILARITIES // (len(style.directions) * features.shape[-1]))
    wanted = style.directions.T
    places = functional.pad(_places(features, part), (0, 1), value=1.0).split(rows)
    return torch.cat(
        [
            (torch.cat([patches, place.flatten(0, 1)], 1) @ wanted).argmax(1)
            for patches, place in zip(_projected_patches(features, rows), places, strict=True)
        ]
    )


def _places(features: Maps, part: Part) -> Float[Tensor, "h w 2"]:
    """Return where the middle of each position is, as shares of the whole's height and width."""
    axes = [
        (torch.arange(first, first + count, device=features.device) + 0.5).to(features) / extent
        for first, count, extent in zip(part.corner, features.shape[-2:], part.whole, strict=True)
    ]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)


def _projected_patches(features: Maps, rows: int) -> Iterator[Float[Tensor, "n d"]]:
    """Yield the projected patches around the positions of some rows at a time."""
    wide = _with_border(functional.conv2d(features, _projection(features)))
    for first in range(0, features.shape[-2], rows):
        yield functional.unfold(wide[:, :, first : first + rows + 2], PATCH)[0].T


def _projection(features: Maps) -> Float[Tensor, "d c 1 1"]:
    """Return the same random projection at every call."""
    generator = torch.Generator().manual_seed(0)
    made = torch.randn(DIMENSIONS, features.shape[1], 1, 1, generator=generator)
    return made.to(features) / DIMENSIONS**0.5


def _with_border(features: Maps) -> Maps:
    return functional.pad(features, (PATCH // 2,) * 4, mode="reflect")
