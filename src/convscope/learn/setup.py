"""Load what a recipe of a training names: the network, training and test data, the device."""

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from convscope import nets, worlds
from convscope.errors import DataError, MissingError, UsageError
from convscope.graph.chain import chain
from convscope.graph.spec import SPECIAL, TensorSpec
from convscope.learn.batches.class_balance import imbalance_note
from convscope.learn.batches.holdout import split
from convscope.learn.batches.source import seed_of
from convscope.learn.recipe import SENTENCES, TaskRecipe
from convscope.learn.trainer.distributed import local_device
from convscope.learn.trainer.freezing.addresses import Change
from convscope.learn.trainer.state import sha256_of
from convscope.nets import Net, takes_network
from convscope.system.counting import counted
from convscope.worlds import Dataset, InputFit, LabelledDataset, LabelledImages, require_labelled
from convscope.worlds.datasets.named import OWN, PHRASES
from convscope.worlds.images import photos
from convscope.worlds.images.datasets.folder import ImageFolder
from convscope.worlds.images.listing import SPLITS, list_folder
from convscope.worlds.sound.recordings import LabelledSounds
from convscope.worlds.text.dataset import TextDataset
from convscope.worlds.text.sentences import parts_of
from convscope.worlds.text.vectors import read_vectors
from convscope.worlds.text.vocabulary import WORDS, fit_spec

AnyDataset = TypeVar("AnyDataset", bound=Dataset)
LARGEST = 224
"""Largest side of pictures, in pixels, at whose own size a chain of layers is trained."""
HELD_OUT = 5
"""Where a folder has no part to test on, one of so many images of each class is held out."""
THINGS = {ImageFolder: "picture", TextDataset: "text", LabelledSounds: "sound"}
"""Data set of a folder -> what an error calls one of its samples."""


@dataclass(frozen=True)
class TrainingSetup:
    """Hold what a training needs beside its recipe.

    Attributes:
        net: network to train, on the recipe's device.
        task: what the training optimises and measures, a `Task`.
        train: data to learn from.
        test: data to test on.
        notes: sentences on what is odd about the data, such as test images that are also in the training
            part.
        fit: how images of another size become the network's input; None for other data.
        validation: part held out of the training data, to choose by; None where the recipe asks for none.
    """

    net: Net
    task: Any
    train: Any
    test: Any
    notes: tuple[str, ...] = ()
    fit: InputFit | None = None
    validation: Any = None


def load_training(recipe: TaskRecipe, task: Any) -> TrainingSetup:
    """Load the network and the data that a recipe names, the network on its device.

    In place of a network's name, `recipe.network` may be a chain of layers; its input spec is then the
    data's: for a folder of pictures their own size where all have the same of at most `LARGEST` pixels, else
    that of `photos.SPEC`. `recipe.size` sets another one, and builds the network for it.

    Args:
        recipe: recipe with network, data, device and seed.
        task: the task of the training.

    Returns:
        Network, task, training data, test data, and notes on the data.

    Raises:
        UsageError: nothing has that name.
        MissingError: the device, the data or a package is not available.
        DataError: the data is damaged, or all test images are in the training part too.
    """
    device = find_device(recipe.device)
    texts = ()
    if " " in recipe.network and not os.path.exists(recipe.network):  # noqa: PTH110  # takes text of any length
        _refuse_start_from_chain(recipe)
        train, test = open_data(recipe, None)
        (spec,) = train.specs
        if recipe.size is not None:
            spec = _square(spec, recipe)
        graph = chain("x".join(map(str, spec.shape)), recipe.network)
        if isinstance(train, TextDataset) and isinstance(test, TextDataset):
            graph = nets.adapt_graph(graph, spec)
            train, test = train.with_spec(spec), test.with_spec(spec)
        net = nets.wrap(nets.build(graph, seed=recipe.seed), spec, name="chain")
    else:
        weights = getattr(recipe, "weights", "packaged")
        net = nets.load(recipe.network, weights=None if weights == "none" else weights, seed=recipe.seed)
        if recipe.size is not None:
            net = nets.with_input_size(net, recipe.size, recipe.seed)
        train, test = open_data(recipe, net.input_spec)
        net, train, test, texts = with_vocabulary_of(net, sampled(train, recipe), test, recipe)
        if len(train.specs) == len(net.input_specs) == 1:
            net = replace(net, input_specs=(_uncropped(net.input_spec, train),))
        if getattr(recipe, "from_", None) is not None:
            net = nets.replace_head(net, require_labelled(train).classes, seed=recipe.seed)
    net, changed = _with_head_for(train, net, recipe)
    train, test = sampled(train, recipe), _readable(test)
    _check_classes(train, recipe.data)
    notes = [*_fresh_notes(net, recipe), *changed, *texts, *_data_notes(train, test)]
    notes += [f"In {part.name}: {note}." for part in (train, test) for note in _notes_of(part, train)]
    notes += filter(None, [imbalance_note(train)])
    if recipe.samples is not None and recipe.samples > len(train):
        notes.append(
            f"--samples {recipe.samples:,}: there are only {len(train):,} to learn from; all are taken."
        )
    fit = _fit(train, net.input_spec)
    if fit is not None and fit.note:
        notes.append(f"{fit.note} {_smaller(fit)}")
    return TrainingSetup(net.to(device), task, train, test, tuple(notes), fit)


def _fresh_notes(net: Net, recipe: TaskRecipe) -> list[str]:
    """Say what of a training needs learned weights, where they are fresh: a start, a probe, freezing."""
    if net.source.weights != "none":
        return []
    fresh = f"{net.name} has fresh weights"
    if getattr(recipe, "from_", None) is not None:
        published = net.name.startswith(("torchvision/", "timm/"))
        hint = " Its published ones: --weights default" if published else ""
        return [f"{fresh}: it has learned nothing that could be a start.{hint}"]
    notes = []
    probed = getattr(recipe, "probe_epochs", 0)
    if probed:
        told = "epoch" if probed == 1 else f"{probed:,} epochs"
        notes.append(
            f"{fresh}: for the first {told} its last layer learns alone, from features that nothing has "
            "learned. Name a trained network with --from, or leave out --probe-epochs."
        )
    plan = [Change.parse(text) for text in recipe.freeze]
    kept = [
        change.address
        for change in plan
        if change.epoch == 1 and not (net.input_spec.vocabulary and change.address.startswith("embedding"))
    ]
    if kept:
        notes.append(f"{fresh}: what --freeze keeps has learned nothing yet ({', '.join(kept)}).")
    return notes


def _refuse_start_from_chain(recipe: TaskRecipe) -> None:
    """Refuse layers in the place of a trained network, whose weights a training would start from."""
    if getattr(recipe, "from_", None) is None:
        return
    raise UsageError(
        "a trained network in --from, whose weights are the start",
        received=f"layers, whose weights are fresh: {recipe.network}",
        hint=f"Train them from scratch: convscope train {shlex.join([recipe.network, recipe.data])}",
    )


def _notes_of(data: Dataset, train: Dataset) -> tuple[str, ...]:
    """Return the notes of the training data, and those of test data that are others."""
    return data.notes if data is train else tuple(note for note in data.notes if note not in train.notes)


@takes_network
def with_vocabulary_of(
    net: Net, train: Dataset, test: Dataset, recipe: TaskRecipe
) -> tuple[Net, Dataset, Dataset, tuple[str, ...]]:
    """Give a network of texts without a vocabulary that of the training data, and word vectors.

    Test data gets the same vocabulary: what it has beside is unknown. A network that has a vocabulary
    already, which it has learned, keeps it, and so does every network of something else.

    Args:
        net: the network.
        train: what is learned from.
        test: what is tested on.
        recipe: recipe with `vectors` and `seed`.

    Returns:
        Network, training and test data, and sentences on what was done.

    Raises:
        UsageError: word vectors are given for a network that has learned already, or reads no texts.
        DataError: the file of word vectors is damaged.
    """
    path = getattr(recipe, "vectors", None)
    fresh = isinstance(train, TextDataset) and isinstance(test, TextDataset) and not net.input_spec.vocabulary
    if not fresh or not isinstance(train, TextDataset) or not isinstance(test, TextDataset):
        if path is not None:
            raise UsageError(
                "word vectors only for a network of texts that has learned nothing yet, such as kim_cnn",
                received=f"--vectors for {net.name}",
                hint="Leave out --vectors.",
            )
        return net, train, test, ()
    found = None if path is None else read_vectors(path)
    spec = train.spec if found is None else fit_spec(train.given, train.texts, found.words)
    size = None if found is None else found.vectors.shape[1]
    net = nets.with_vocabulary(net, spec, train.classes, embedding_dim=size, seed=recipe.seed)
    own = len(train.spec.vocabulary) - len(SPECIAL)
    notes = [f"{net.name} gets a vocabulary of {own:,} {spec.text.tokens} of the training data."]
    frozen = [text for text in recipe.freeze if text.startswith("embedding")]
    if found is None and frozen:
        notes.append(
            f"{frozen[0]} is frozen with random vectors: name a file of word vectors with --vectors."
        )
    if found is not None:
        nets.set_vectors(net, found.words, torch.from_numpy(found.vectors))
        known = {*found.words}
        held = sum(word in known or word.lower() in known for word in train.spec.vocabulary[len(SPECIAL) :])
        notes.append(
            f"{held:,} of them begin with a vector from {path}; its other words are in the vocabulary too."
        )
    return net, train.with_spec(net.input_spec), test.with_spec(net.input_spec), tuple(notes)


def _with_head_for(data: Dataset, net: Net, recipe: TaskRecipe) -> tuple[Net, tuple[str, ...]]:
    """Return a network with one output for each class of the data, where its weights are fresh anyway.

    A network that ends in no linear layer is returned as it is, and so is one that has learned already.

    Returns:
        The network, and a sentence if its last layer is another one.
    """
    if not isinstance(data, LabelledDataset) or not net.classes or net.source.weights != "none":
        return net, ()
    if len(data.classes) == len(net.classes):
        return net, ()
    try:
        changed = nets.replace_head(net, data.classes, seed=recipe.seed)
    except UsageError:
        return net, ()
    count, before = len(data.classes), len(net.classes)
    return changed, (
        f"{net.name} gets {count:,} outputs, for the classes of the data, in place of {before:,}.",
    )


def sampled(data: AnyDataset, recipe: TaskRecipe) -> AnyDataset:
    """Return as many samples as a recipe asks for, drawn from its seed, in the data's order.

    Args:
        data: samples; left unchanged.
        recipe: recipe with `samples` and `seed`.

    Returns:
        The subset; the same data where all are asked for.
    """
    if recipe.samples is None or recipe.samples >= len(data):
        return data
    generator = torch.Generator().manual_seed(seed_of(recipe.seed, "samples"))
    return data.take(torch.randperm(len(data), generator=generator)[: recipe.samples].sort().values)


def _readable(data: Dataset) -> Dataset:
    """Return what can be decoded of what is measured on: nothing else may stand in its place."""
    return data.readable() if isinstance(data, ImageFolder) else data


def _check_classes(data: Dataset, name: str) -> None:
    """Refuse a folder with a class of which no picture can be decoded: nothing could be learned of it."""
    damaged = data.unreadable_classes() if isinstance(data, ImageFolder) else {}
    if damaged:
        raise DataError(
            "a readable picture of each class to learn from",
            received=", ".join(f"{found}: all {count} are damaged" for found, count in damaged.items()),
            hint=f"Replace them, or take the class away. See: convscope data check {shlex.quote(name)}",
        )


def _check_filled(train: Dataset, name: str) -> None:
    """Refuse a folder with a class that has nothing to learn from: no answer could be right about it.

    Args:
        train: data to learn from.
        name: the folder.

    Raises:
        DataError: there is such a class.
    """
    missing = _missing(train) if isinstance(train, LabelledDataset) else []
    if not missing:
        return
    one = next((word for kind, word in THINGS.items() if isinstance(train, kind)), "sample")
    parts = [Path(problem.path).parts for problem in train.problems]
    unread = {found: sum(found in each for each in parts) for found in missing}
    told = [f"{found}: none" + (f" (unreadable: {n})" if n else "") for found, n in unread.items()]
    part = " in train" if "train" in {*list_folder(name).splits, *parts_of(name)} else ""
    raise DataError(
        f"at least one {one} of each class to learn from",
        received=f"{_listed(told)}{part}",
        hint=f"Add {one}s to the folder of {_listed(missing)}{part}, or remove that class from all parts. "
        f"See: convscope data check {shlex.quote(name)}",
    )


def _smaller(fit: InputFit) -> str:
    """Return the sentence that says how to train at a smaller size."""
    if fit.smallest == fit.largest and len(set(fit.smallest)) == 1:
        return f"--size {fit.smallest[0]} trains at their own size, where the network takes it."
    return "--size trains at a smaller one, where the network takes it."


def _fit(data: Dataset, spec: TensorSpec) -> InputFit | None:
    """Compare the sizes of a data set's images with the input; None where there are none."""
    return data.fit_to(spec) if isinstance(data, LabelledImages) else None


def _square(spec: TensorSpec, recipe: TaskRecipe) -> TensorSpec:
    """Return a spec for square images of the recipe's size.

    Raises:
        UsageError: the spec is not for images.
    """
    if len(spec.size) != 2:
        shape = "x".join(map(str, spec.shape))
        raise UsageError(
            "--size only with pictures", received=f"{recipe.data}, of {shape}", hint="Leave out --size."
        )
    side = recipe.size or spec.size[0]
    return replace(spec, shape=(spec.channels, side, side))


def _uncropped(spec: TensorSpec, data: Dataset) -> TensorSpec:
    """Return a spec without a crop where the data of a folder has been opened without one."""
    opened = data.specs[0]
    return replace(spec, transform=opened.transform) if opened.shape == spec.shape else spec


def find_device(name: str) -> torch.device:
    """Return the torch device of a name.

    Args:
        name: `cpu`, `cuda`, `mps`, or `auto` for the first available of `cuda`, `mps`, `cpu`.

    Returns:
        The device; of several processes on a machine, each has a GPU of its own.

    Raises:
        MissingError: there is no such device.
        UsageError: there are more processes than GPUs.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return local_device(next(kind for kind, is_available in available.items() if is_available))
    if not available.get(name, False):
        raise MissingError(
            "a device of this machine", received=name, hint="Use --device auto, or see: convscope doctor"
        )
    return local_device(name)


def open_data(recipe: TaskRecipe, spec: TensorSpec | None) -> tuple[Dataset, Dataset]:
    """Open the training and test data of a recipe.

    A folder with a part `train` and another part is used as it is divided; any other folder is divided at
    random, class by class where there are classes, or by whole groups, such as speakers, where they are
    known.

    Args:
        recipe: recipe with data, root, download, size and seed.
        spec: spec of the network's input; None for a chain of layers.

    Returns:
        Training and test data.

    Raises:
        UsageError: nothing has that name, or there are too few samples to divide.
        MissingError: a published set is not there.
        DataError: the data is damaged, or a folder has nothing of one of its classes to learn from.
    """
    train, test = _parts(recipe, spec)
    if os.path.isdir(recipe.data):  # noqa: PTH112  # takes text of any length
        _check_filled(train, recipe.data)
    return train, test


def _parts(recipe: TaskRecipe, spec: TensorSpec | None) -> tuple[Dataset, Dataset]:
    """Open training and test data as they are divided, or divide them."""
    folder = Path(recipe.data)
    if recipe.data in (PHRASES, *SENTENCES) or (spec is not None and len(spec.size) == 1 and folder.exists()):
        return _divided(recipe, spec)
    if recipe.data in OWN or not os.path.isdir(recipe.data):  # noqa: PTH112  # takes text of any length
        return _open_part(recipe, "train", spec), _open_part(recipe, "test", spec)
    spec = _folder_spec(folder, recipe, spec)
    splits = [name for name in SPLITS if name in list_folder(folder).splits]
    test_split = next((name for name in reversed(splits) if name != "train"), None)
    if "train" in splits and test_split:
        return worlds.open(folder, "train", spec=spec), worlds.open(folder, test_split, spec=spec)
    return split_for_test(worlds.open(folder, splits[0] if splits else None, spec=spec), recipe.seed)


def _divided(recipe: TaskRecipe, spec: TensorSpec | None) -> tuple[Dataset, Dataset]:
    """Open what the input's world reads, as it is divided, or divided at random."""
    named, known = worlds.parts(recipe.data, spec or WORDS), recipe.data in SENTENCES

    def part(split: str | None) -> Dataset:
        return worlds.open(recipe.data, split, root=recipe.root if known else None, spec=spec)

    test = next((name for name in reversed(named) if name != "train"), None)
    if "train" in named and test:
        return part("train"), part(test)
    return split_for_test(part(named[0] if named else None), recipe.seed)


def _folder_spec(folder: Path, recipe: TaskRecipe, spec: TensorSpec | None) -> TensorSpec:
    """Return the spec at which the files of a folder are read; what they are, their endings tell.

    Pictures of the size of the input are not cropped. Without a network's spec the size is the recipe's, or
    that which all pictures have, or that of `photos.SPEC`.

    Args:
        folder: the folder.
        recipe: its size counts where there is no spec.
        spec: spec of the network's input; None for a chain of layers.

    Returns:
        The spec.
    """
    if spec is None and (found := worlds.folder_spec(folder)) is not None:
        return found
    if spec is not None and (len(spec.size) != 2 or recipe.size is None):
        return spec
    common = set(ImageFolder(folder, spec=spec or photos.SPEC).original_sizes())
    own = next(iter(common)) if len(common) == 1 else None
    if spec is None:
        side = photos.SPEC.size[0] if recipe.size is None else recipe.size
        size = own if recipe.size is None and own is not None and max(own) <= LARGEST else (side, side)
        spec = replace(photos.SPEC, shape=(photos.SPEC.channels, *size))
    return replace(spec, transform=replace(spec.transform, crop=1.0)) if spec.size == own else spec


def _open_part(recipe: TaskRecipe, split: str, spec: TensorSpec | None) -> Dataset:
    return worlds.open(recipe.data, split, root=recipe.root, download=recipe.download, spec=spec)


def split_for_test(data: AnyDataset, seed: int) -> tuple[AnyDataset, AnyDataset]:
    """Split a data set into training and test part at random, class by class if it has any.

    Args:
        data: samples; left unchanged.
        seed: decides which are held out.

    Returns:
        The part to learn from, and one in `HELD_OUT` to test on.

    Raises:
        UsageError: there are too few samples.
    """
    train, test = split(data, lambda count: count // HELD_OUT, seed, "held out")
    if not len(test):
        raise UsageError(
            f"{HELD_OUT} samples or more, of each class where there are any, to learn from and to test on",
            received=f"{len(data)} in all",
            hint="Take more of them, or divide them yourself into the folders (or tables) train and test.",
        )
    return train, test


def _data_notes(train: Dataset, test: Dataset) -> tuple[str, ...]:
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
                hint="Put other pictures into the part to test on, or leave it out: then a random "
                f"{1 / HELD_OUT:.0%} of each class is held out.",
            )
        if duplicates:
            notes.append(
                f"{len(duplicates):,} of {counted(len(test), 'test picture')} "
                f"{'is' if len(duplicates) == 1 else 'are'} learned from too, "
                f"such as {duplicates[0]}."
            )
    notes += _group_notes(train, test)
    if isinstance(train, LabelledDataset) and (missing := _missing(train)):
        notes.append(f"No sample to learn from is of {_listed(missing)}: no answer is ever right about it.")
    if isinstance(test, LabelledDataset) and (missing := _missing(test)):
        notes.append(
            f"No test sample is of {_listed(missing)}: nothing is measured about {len(missing)} of the "
            "classes."
        )
    return tuple(notes)


def _group_notes(train: Dataset, test: Dataset) -> list[str]:
    """Say whether the groups that are tested on, such as speakers, are learned from too."""
    if not isinstance(train, LabelledDataset) or not isinstance(test, LabelledDataset):
        return []
    tested, known = sorted(set(test.groups)), set(train.groups) & set(test.groups)
    if not tested or not train.groups:
        return []
    if not known:
        return [f"Tested on {_listed(tested)}: none of their samples is learned from."]
    return [
        f"{len(known)} of {len(tested)} that are tested on, such as {min(known)}, are learned from too: "
        "others may be answered worse."
    ]


def _missing(data: LabelledDataset) -> list[str]:
    """Return the classes of which a data set has no image."""
    return [name for k, name in enumerate(data.classes) if not bool((data.labels == k).any())]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


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
