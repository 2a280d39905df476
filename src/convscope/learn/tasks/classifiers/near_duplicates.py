"""Find test images that are nearly the same as images that a network learned from."""

from dataclasses import dataclass

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
        train: index of the training image that is most similar to it.
        correlation: Pearson's correlation of the thumbnails, `LEAST` to 1.
        mirrored: whether it is similar to the mirror image.
    """

    test: int
    train: int
    correlation: float
    mirrored: bool


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
    if len(train) + len(test) > MOST or min(*train.spec.size, *test.spec.size) <= THUMBNAIL:
        return None
    learned, tested = (_thumbnails(images) for images in (train, test))
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
