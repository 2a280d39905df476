"""Load what a recipe of a classifier's training names: the network, training and test data, the device."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from convscope import nets, worlds
from convscope.errors import DataError, MissingError, UsageError
from convscope.graph.chain import chain
from convscope.graph.spec import TensorSpec
from convscope.learn.batches.source import seed_of
from convscope.learn.recipe import ClassificationRecipe
from convscope.learn.trainer.state import sha256_of
from convscope.nets import Net
from convscope.worlds import LabelledImages
from convscope.worlds.images.folder import ImageFolder
from convscope.worlds.images.listing import SPLITS, list_folder

HELD_OUT = 5
"""Where a folder has no part to test on, one of so many images of each class is held out."""


@dataclass(frozen=True)
class TrainingSetup:
    """Hold what a training needs beside its recipe.

    Attributes:
        net: network to train, on the recipe's device.
        train: labelled images to learn from.
        test: labelled images to test on.
    """

    net: Net
    train: LabelledImages
    test: LabelledImages
    notes: tuple[str, ...] = ()
    """Sentences on what is odd about the data, such as test images that are also in the training part."""


def setup_training(plan: ClassificationRecipe) -> TrainingSetup:
    """Load the network and the data that a recipe names, the network on its device.

    In place of a network's name, `plan.network` may be a chain of layers; its input spec is then the
    data's.

    Args:
        plan: recipe with network, data, device and seed.

    Returns:
        Network, training data, test data, and notes on the data.

    Raises:
        UsageError: nothing has that name.
        MissingError: the device, the data or a package is not available.
        DataError: the data is damaged, or all test images are in the training part too.
    """
    device = find_device(plan.device)
    if " " in plan.network and not os.path.exists(plan.network):  # noqa: PTH110  # takes text of any length
        train, test = _open_data(plan, None)
        spec = train.spec
        graph = chain("x".join(map(str, spec.shape)), plan.network)
        net = nets.wrap(nets.build(graph, seed=plan.seed), spec, train.classes, name="chain")
    else:
        net = nets.load(plan.network, weights="packaged", seed=plan.seed)
        train, test = _open_data(plan, net.input_spec)
    return TrainingSetup(net.to(device), train, test, _data_notes(train, test))


def find_device(name: str) -> torch.device:
    """Return the torch device of a name.

    Args:
        name: `cpu`, `cuda`, `mps`, or `auto` for the first available of `cuda`, `mps`, `cpu`.

    Returns:
        The device.

    Raises:
        MissingError: there is no such device.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, is_available in available.items() if is_available))
    if not available.get(name, False):
        raise MissingError(
            "a device of this machine", received=name, hint="Use --device auto, or see: convscope doctor"
        )
    return torch.device(name)


def _open_data(plan: ClassificationRecipe, spec: TensorSpec | None) -> tuple[LabelledImages, LabelledImages]:
    """Open the training and test data of a recipe.

    A folder with a part `train` and another part is used as it is divided; any other folder is divided by
    class.
    """
    folder = Path(plan.data)
    if plan.data == "digits" or not os.path.isdir(plan.data):  # noqa: PTH112  # takes text of any length
        return _open_part(plan, "train"), _open_part(plan, "test")
    image_spec = spec if spec is not None and len(spec.size) == 2 else None
    splits = [name for name in SPLITS if name in list_folder(folder).splits]
    test_split = next((name for name in reversed(splits) if name != "train"), None)
    if "train" in splits and test_split:
        train = worlds.require_labelled_images(worlds.open(folder, "train", spec=image_spec))
        return train, worlds.require_labelled_images(worlds.open(folder, test_split, spec=image_spec))
    everything = worlds.require_labelled_images(
        worlds.open(folder, splits[0] if splits else None, spec=image_spec)
    )
    return _split_by_class(everything, plan.seed)


def _open_part(plan: ClassificationRecipe, split: str) -> LabelledImages:
    return worlds.require_labelled_images(
        worlds.open(plan.data, split, root=plan.root, download=plan.download)
    )


def _split_by_class(samples: LabelledImages, seed: int) -> tuple[LabelledImages, LabelledImages]:
    """Split labelled images into training and test part, class by class, at random by a seed."""
    generator = torch.Generator().manual_seed(seed_of(seed, "held out"))
    kept, held = [], []
    for label in range(len(samples.classes)):
        members = (samples.labels == label).nonzero().flatten()
        members = members[torch.randperm(len(members), generator=generator)]
        held.append(members[: len(members) // HELD_OUT])
        kept.append(members[len(members) // HELD_OUT :])
    if not sum(map(len, held)):
        raise UsageError(
            f"{HELD_OUT} pictures or more in a class, to learn from and to test on",
            received=f"{len(samples)} in all",
        )
    return samples.take(torch.cat(kept)), samples.take(torch.cat(held))


def _data_notes(train: LabelledImages, test: LabelledImages) -> tuple[str, ...]:
    """Describe what is odd about training and test data, as sentences.

    Raises:
        DataError: every test image is also in the training part, so that the test would measure memory.
    """
    notes = []
    if isinstance(train, ImageFolder) and isinstance(test, ImageFolder):
        duplicates = [
            path
            for path, is_duplicate in zip(test.paths, same_files(test.paths, train.paths), strict=True)
            if is_duplicate
        ]
        if len(duplicates) == len(test):
            raise DataError(
                "pictures to test on that are not learned from",
                received=f"all {len(duplicates)} of {test.name} are in {train.name} too",
                hint="Put other pictures into the part to test on, or leave it out: then every "
                f"{HELD_OUT}th picture is held out.",
            )
        if duplicates:
            notes.append(
                f"{len(duplicates)} of {len(test)} test pictures are learned from too, "
                f"such as {duplicates[0]}."
            )
    missing = [name for k, name in enumerate(test.classes) if not bool((test.labels == k).any())]
    if missing:
        listed = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        notes.append(
            f"No test picture is of {listed}: nothing is measured about {len(missing)} of the classes."
        )
    return tuple(notes)


def same_files(paths: Sequence[Path], others: Sequence[Path]) -> list[bool]:
    """Return for each file whether another list has a file with the same content.

    Only files of equal size are read; their SHA-256 digests are compared.

    Args:
        paths: files to look for.
        others: files to compare with.

    Returns:
        One flag for each of `paths`.
    """
    sizes: dict[int, list[Path]] = {}
    for other in others:
        sizes.setdefault(other.stat().st_size, []).append(other)
    digests: dict[int, set[str]] = {}
    found = []
    for path in paths:
        size = path.stat().st_size
        if size in sizes and size not in digests:
            digests[size] = {sha256_of(other)[1] for other in sizes[size]}
        found.append(size in sizes and sha256_of(path)[1] in digests[size])
    return found
