"""Divide a data set at random, class by class: what is held out to test on, or to choose by."""

from collections.abc import Callable
from typing import Any

import torch

from convscope.errors import UsageError
from convscope.learn.batches.source import seed_of
from convscope.worlds import Dataset, LabelledImages
from convscope.worlds.images.folder import ImageFolder


def split(data: Dataset, count: Callable[[int], int], *seed: int | str) -> tuple[Dataset, Dataset]:
    """Divide a data set into two parts at random, class by class if it has any.

    Args:
        data: samples; left unchanged.
        count: how many of so many samples of one class go to the second part.
        *seed: what the order follows from, as for `seed_of`.

    Returns:
        The rest, and what was held out; one of them may be empty.
    """
    generator = torch.Generator().manual_seed(seed_of(*seed))
    kept, held = [], []
    groups = [torch.arange(len(data))]
    if isinstance(data, LabelledImages):
        groups = [(data.labels == label).nonzero().flatten() for label in range(len(data.classes))]
    for members in groups:
        members = members[torch.randperm(len(members), generator=generator)]
        chosen = count(len(members))
        held.append(members[:chosen])
        kept.append(members[chosen:])
    return data.take(torch.cat(kept)), data.take(torch.cat(held))


def hold_out(data: Any, share: float, seed: int) -> tuple[Any, Any]:
    """Hold a validation part out of training data, stratified: the same share of every class, 1 at least.

    Args:
        data: a `Dataset`; left unchanged.
        share: share of the samples that is held out, above 0 and below 1.
        seed: the recipe's; it decides which.

    Returns:
        The rest to learn from, and the validation part. A class of a single sample stays in the rest; files
            that cannot be decoded are left out of the validation part.

    Raises:
        UsageError: the data cannot be divided, or has too few samples.
        DataError: no image of the validation part can be decoded.
    """
    if not isinstance(data, Dataset):
        raise UsageError(
            "a Dataset, of which a validation part can be held out",
            received=type(data).__name__,
            hint="Give the part yourself: train(net, loader, validation=OTHER).",
        )
    rest, held = split(data, lambda n: max(1, round(share * n)) if n > 1 else 0, seed, "validation")
    if not len(rest) or not len(held):
        raise UsageError(
            "2 samples or more of a class, to hold one out for validation",
            received=f"{len(data)} in all",
            hint="Take more samples, or leave out patience, calibrate and validation_split.",
        )
    return rest, held.readable() if isinstance(held, ImageFolder) else held
