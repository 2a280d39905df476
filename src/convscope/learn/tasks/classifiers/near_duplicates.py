"""Find images of one part of the data that are nearly the same as images of another."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from convscope.worlds import LabelledImages

THUMBNAIL = 32
"""Side of the grey thumbnails that are compared, in pixels."""
LEAST = 0.97
"""Least correlation of two thumbnails of near-duplicates. The same photograph at another size or quality has
0.99 and more."""
LEAST_CONTRAST = 8.0
"""Standard deviation of a thumbnail's 0..255 values below which it has too little content to be compared."""
MOST = 20_000
"""Most images of both sets together that are compared."""
CHUNK = 256


@dataclass(frozen=True)
class NearDuplicate:
    """A test image that is nearly the same as one of the training images.

    Attributes:
        test: index of the test image.
        train: index of the training image that is most similar to it, in its part.
        correlation: Pearson's correlation of the thumbnails, `LEAST` to 1.
        mirrored: whether it is similar to the mirror image.
        part: where that training image lies: `train`, which is learned from, or `validation`, which the epoch
            and the temperature are chosen by.
    """

    test: int
    train: int
    correlation: float
    mirrored: bool
    part: str = "train"


@dataclass(frozen=True)
class DuplicatesOfParts:
    """Near-duplicates between all parts of the data of a training.

    Attributes:
        test: test images with a twin in the training data, the most similar pair first. Where the part that
            is learned from and the validation part both have one, it is the one that is learned from.
        validation: validation images (`NearDuplicate.test`) with a twin that is learned from.
    """

    test: tuple[NearDuplicate, ...]
    validation: tuple[NearDuplicate, ...] = ()


def near_duplicates(train: LabelledImages, test: LabelledImages) -> tuple[NearDuplicate, ...] | None:
    """Find test images whose thumbnails correlate with that of a training image, or with its mirror image.

    Grey thumbnails of 32x32 pixels find copies at other sizes, qualities and brightnesses; they do not find
    other crops of a photograph.

    Args:
        train: images that are learned from.
        test: images that are tested on.

    Returns:
        One entry for each such test image, the most similar pair first. None where the images are too many to
        be compared (`MOST`), or too small to tell similar ones from equal ones (`THUMBNAIL`).
    """
    found = duplicates_of_parts(train, test)
    return None if found is None else found.test


def duplicates_of_parts(
    train: LabelledImages, test: LabelledImages, validation: LabelledImages | None = None
) -> DuplicatesOfParts | None:
    """Find near-duplicates of test and training data, and of validation data and what is learned from.

    Args:
        train: images that are learned from.
        test: images that are tested on.
        validation: images that were held out of the training data, to choose by; None where there are none.

    Returns:
        The pairs. None where the images are too many or too small, as for `near_duplicates`.
    """
    parts = [train, test, *([] if validation is None else [validation])]
    sides = [side for part in parts for side in part.spec.size]
    if sum(len(part) for part in parts) > MOST or min(sides) <= THUMBNAIL:
        return None
    learned, tested, *held = (_thumbnails(part) for part in parts)
    found = _pairs(learned, tested)
    if not held:
        return DuplicatesOfParts(found)
    known = {pair.test for pair in found}
    others = [replace(pair, part="validation") for pair in _pairs(held[0], tested)]
    found = (*found, *(pair for pair in others if pair.test not in known))
    return DuplicatesOfParts(
        tuple(sorted(found, key=lambda pair: (-pair.correlation, pair.mirrored))), _pairs(learned, held[0])
    )


def _pairs(learned: Tensor, tested: Tensor) -> tuple[NearDuplicate, ...]:
    """Return the thumbnails of one part with a twin in another, the most similar pair first."""
    found: list[NearDuplicate] = []
    for start in range(0, len(tested), CHUNK):
        part = tested[start : start + CHUNK]
        for mirrored in (False, True):
            similar = (part.flip(2) if mirrored else part).flatten(1) @ learned.flatten(1).T
            best, at = similar.max(1)
            found += [
                NearDuplicate(start + k, int(at[k]), min(1.0, float(best[k])), mirrored)
                for k in (best >= LEAST).nonzero().flatten().tolist()
            ]
    found.sort(key=lambda pair: (-pair.correlation, pair.mirrored))
    seen: set[int] = set()
    return tuple(pair for pair in found if not (pair.test in seen or seen.add(pair.test)))


def _thumbnails(images: LabelledImages) -> Tensor:
    """Return grey thumbnails of mean 0 and norm 1, `[n 32 32]`; zeros for those without content."""
    parts = []
    for pixels, _labels in images.pixel_batches(torch.arange(len(images)), CHUNK):
        grey = pixels.float().mean(1, keepdim=True)
        small = functional.interpolate(grey, (THUMBNAIL, THUMBNAIL), mode="area").squeeze(1)
        centred = small - small.mean((1, 2), keepdim=True)
        norm = centred.flatten(1).norm(dim=1)
        usable = norm > LEAST_CONTRAST * THUMBNAIL
        scale = torch.where(usable, 1 / norm.clamp_min(1e-9), torch.zeros(()))
        parts.append(centred * scale[:, None, None])
    return torch.cat(parts)
