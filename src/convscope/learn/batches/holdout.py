"""Divide a data set at random, class by class: what is held out to test on, or to choose by."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch

from convscope.errors import UsageError
from convscope.learn.batches.source import seed_of
from convscope.learn.recipe import TrainRecipe
from convscope.worlds import Dataset, LabelledDataset
from convscope.worlds.images.datasets.folder import ImageFolder

AnyDataset = TypeVar("AnyDataset", bound=Dataset)


def split(data: AnyDataset, count: Callable[[int], int], *seed: int | str) -> tuple[AnyDataset, AnyDataset]:
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
    if isinstance(data, LabelledDataset):
        groups = [(data.labels == label).nonzero().flatten() for label in range(len(data.classes))]
    for members in groups:
        members = members[torch.randperm(len(members), generator=generator)]
        chosen = count(len(members))
        held.append(members[:chosen])
        kept.append(members[chosen:])
    return data.take(torch.cat(kept)), data.take(torch.cat(held))


def with_validation(train: Any, validation: Any, recipe: TrainRecipe) -> tuple[Any, Any]:
    """Decide what a training learns from and chooses by: the one place that holds a validation part out.

    Args:
        train: training data; left unchanged.
        validation: the part that the caller has held out already; None where there is none.
        recipe: recipe with `validation_share` and seed.

    Returns:
        Training data, and the validation part: as given; else, where the recipe asks for one, what is left
        and what is held out; else None.

    Raises:
        UsageError: the data cannot be divided, or has too few samples.
    """
    if validation is not None or not recipe.validation_share:
        return train, validation
    return hold_out(train, recipe.validation_share, recipe.seed)


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
