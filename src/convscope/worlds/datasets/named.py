"""Open data sets by name, `digits`, `ring`, `sine`, `mnist`, ..., or from a folder."""

import filecmp
import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch

from convscope.errors import DataError, MissingError, UsageError, nearest
from convscope.graph.spec import DIGIT, IMAGE, TensorSpec
from convscope.system.files import PART_PREFIX, read_bytes
from convscope.worlds.dataset import Dataset, JoinedSamples, LabelledDataset, require_labelled
from convscope.worlds.datasets import digits, ring, sine, strokes
from convscope.worlds.datasets.idx import read_idx
from convscope.worlds.go import packaged
from convscope.worlds.images import photos
from convscope.worlds.images.datasets.labelled import ImageTensorDataset, LabelledImages
from convscope.worlds.registry import world_of
from convscope.worlds.sound import chirps, fsdd
from convscope.worlds.text.phrases import open_phrases
from convscope.worlds.text.published import SENTENCE_SETS, open_sentence_set

PHRASES = "phrases"
"""Name of the set of phrases that are made by rule."""
MOST_BYTES = 2**26
"""Bytes of the largest file of CIFAR-10 that is read."""
SPLIT_NAMES = ("train", "test")
OWN: dict[str, Any] = {
    "digits": digits,
    "ring": ring,
    "sine": sine,
    "strokes": strokes,
    "chirps": chirps,
    packaged.NAME: packaged,
}
"""Sets that need no folder: the module of each has `train` and `test`."""
FASHION = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True)
class NamedSet:
    """A published data set.

    Attributes:
        torchvision: name of its class in `torchvision.datasets`.
        classes: names of the classes.
        extent: channels, height and width of an image.
        layout: the files that are expected in a folder, as a sentence for errors.
        licence: licence of the images.
        read: function of this set, a folder and a split that returns uint8 images `[n c h w]` and labels
            `[n]`, or None if the folder does not hold the set.
    """

    torchvision: str
    classes: tuple[str, ...]
    extent: tuple[int, int, int]
    layout: str
    licence: str
    read: Callable[["NamedSet", Path, str], tuple[np.ndarray, np.ndarray] | None]


def named(
    name: str, root: str | Path | None, split: str = "train", *, download: bool = False
) -> LabelledImages:
    """Read a published data set from a folder, or download it into that folder.

    MNIST and Fashion-MNIST are IDX files, gzipped or not, in the folder itself, in `raw`, or where
    torchvision puts them (`MNIST/raw`, `FashionMNIST/raw`). CIFAR-10 is its binary version
    (`cifar-10-batches-bin`) or its Python version (`cifar-10-batches-py`). The latter are pickles: a file is
    read only when it is byte for byte the published one, by its MD5.

    Args:
        name: `mnist`, `fashion-mnist` or `cifar10`.
        root: the folder.
        split: `train` or `test`.
        download: download what is missing into `root`, with torchvision; otherwise the folder is only read.

    Returns:
        The data set, in memory.

    Raises:
        UsageError: there is no such data set or split.
        MissingError: the folder does not hold the data set, or it could not be downloaded.
        DataError: its files are damaged.
    """
    if name not in NAMED:
        raise UsageError("the name of a set", received=name, hint=nearest(name, NAMED))
    if split not in SPLIT_NAMES:
        raise UsageError(f"a split of {name}", received=split, hint=nearest(split, SPLIT_NAMES))
    known = NAMED[name]
    if root is None:
        raise _missing(name, known, "no folder")
    found = known.read(known, Path(root), split)
    if found is None and download:
        _download(name, known, Path(root))
        found = known.read(known, Path(root), split)
    if found is None:
        raise _missing(name, known, f"{root}, which does not hold it")
    return _samples(f"{name}/{split}", known, root, *found)


def _samples(
    name: str, known: NamedSet, root: str | Path, images: np.ndarray, labels: np.ndarray
) -> ImageTensorDataset:
    if images.shape != (len(labels), *known.extent):
        raise DataError(
            f"pictures of {known.extent} and a label for each, in {root}",
            received=f"pictures {images.shape}, labels {labels.shape}",
            hint="Take the files as published, or fetch them with --download into another folder.",
        )
    if int(labels.max()) >= len(known.classes):
        raise DataError(
            f"labels from 0 to {len(known.classes) - 1} in {root}",
            received=f"{int(labels.max())}",
            hint="The file is damaged, or of another set: copy or download it again.",
        )
    digits_only = known.classes == digits.CLASSES and known.extent[0] == 1
    spec = TensorSpec(known.extent, kind=DIGIT if digits_only else IMAGE)
    return ImageTensorDataset(
        torch.from_numpy(images),
        torch.from_numpy(labels.astype(np.int64)),
        known.classes,
        spec,
        name,
    )


DataLike = LabelledDataset | str | PathLike[str]
"""What a person has of labelled samples: a data set, or the name or folder that `open` takes."""


def open_labelled(data: DataLike, spec: TensorSpec) -> LabelledDataset:
    """Return labelled samples, or open those of a name or folder.

    Args:
        data: labelled samples, or what `open` takes.
        spec: specification of the samples of a folder.

    Returns:
        The data set; the same object if it was one.

    Raises:
        UsageError: there is no such name or folder, or it holds something else.
        MissingError: the published data set is not there.
        DataError: the folder holds no such files, or they are damaged.
    """
    if isinstance(data, str | PathLike):
        return require_labelled(open(str(data), spec=spec))
    if not isinstance(data, LabelledDataset):
        raise UsageError(
            "labelled samples: a name, a folder, or what worlds.open returns",
            received=type(data).__name__,
            hint="Give a name or a folder to worlds.open, or make an ImageTensorDataset or LabelledTensors.",
        )
    return data


def open(  # worlds.open, like Image.open
    ref: str | Path,
    split: str | None = None,
    *,
    root: str | Path | None = None,
    download: bool = False,
    spec: TensorSpec | None = None,
) -> Dataset:
    """Open a data set: a bundled or computed one, a published one by its name, or a folder of files.

    Args:
        ref: `digits` and `go-9x9` (bundled); `ring` (points of a ring of Gaussians), `sine` (places and
            values), `strokes` (five patterns, and the same shifted), `chirps` (sounds made by rule) or
            `phrases` (texts made by rule), which are computed; `mnist`, `fashion-mnist`, `cifar10`, `fsdd`
            (spoken digits) or `fsdd-without-SPEAKER`, which is tested on that speaker; `mr`, `trec`,
            `sst1`, `sst2`, `subj`, `cr` or `mpqa` (sentences); or the path of a folder, or of a file of
            texts. A folder that has one of these names is opened by `./digits`.
        split: `train` (when left out) or `test`; for a folder, one of its own.
        root: the folder of a published data set.
        download: download a published data set that `root` does not hold.
        spec: specification of the samples of a folder, whose kind decides how its files are read; images of
            3x224x224 in [0, 1] when left out. The others have their own.

    Returns:
        The data set, `LabelledImages` for images; files of a folder are decoded when they are needed.

    Raises:
        UsageError: there is no such name, folder or split.
        MissingError: the published data set is not there.
        DataError: the folder holds no such files, or they are damaged.
    """
    if ref in fsdd.names():
        return fsdd.open_fsdd(str(ref), root, split or "train", spec)
    if root is not None and ref not in (*NAMED, *SENTENCE_SETS):
        raise UsageError(
            f"a root only with the name of a published set: {', '.join((*NAMED, fsdd.NAME, *SENTENCE_SETS))}",
            received=f"{root} with {ref}",
            hint="Bundled and computed sets and folders need none: leave it out.",
        )
    if isinstance(ref, str) and ref in OWN:
        if split not in (None, *SPLIT_NAMES):
            raise UsageError(f"a split of {ref}", received=str(split), hint=nearest(str(split), SPLIT_NAMES))
        return OWN[ref].test() if split == "test" else OWN[ref].train()
    if isinstance(ref, str) and ref in NAMED:
        return named(ref, root, split or "train", download=download)
    if ref == PHRASES:
        return open_phrases(split, spec)
    if isinstance(ref, str) and ref in SENTENCE_SETS:
        return open_sentence_set(ref, root, split, spec)
    exists = bool(str(ref).strip()) and Path(ref).exists()  # Path("") would be the current folder
    if isinstance(ref, str) and not exists and not any(mark in ref for mark in "/\\."):
        raise UsageError(
            "the name of a set, or a folder of files",
            received=ref,
            hint=nearest(ref, (*OWN, PHRASES, *NAMED, *fsdd.names(), *SENTENCE_SETS)),
        )
    spec = spec or photos.SPEC
    return world_of(spec).open_folder(ref, split, spec)


def open_all(
    ref: str | Path, split: str | None = None, *, root: str | Path | None = None, spec: TensorSpec
) -> LabelledDataset:
    """Open one part of a labelled data set, or all of its parts as one.

    Args:
        ref: as for `open`.
        split: the part; all, those to learn from first, if left out.
        root: the folder of a published data set.
        spec: specification of the samples of a folder.

    Returns:
        The data set; `JoinedSamples` where it has several parts.

    Raises:
        UsageError: there is no such name, folder or split, or samples have no labels.
        MissingError: the published data set is not there.
        DataError: the folder holds no such files, or they are damaged, or parts do not fit each other.
    """
    names = () if split else parts(ref, spec)
    if len(names) < 2:
        return require_labelled(open(ref, split, root=root, spec=spec))
    found = {name: require_labelled(open(ref, name, root=root, spec=spec)) for name in names}
    return JoinedSamples(found, str(ref))


def parts(ref: str | Path, spec: TensorSpec) -> tuple[str, ...]:
    """Return the names of the parts of a data set: train, test, ...

    Args:
        ref: what `open` takes.
        spec: specification of the samples of a folder, whose kind decides how it is read.

    Returns:
        The names, those to learn from before those to test on; () for one that is not divided.
    """
    if isinstance(ref, str) and (ref in OWN or ref in NAMED or ref == PHRASES):
        return SPLIT_NAMES
    if isinstance(ref, str) and ref in SENTENCE_SETS:
        return tuple(filter(None, SENTENCE_SETS[ref].files))
    return world_of(spec).parts(ref)


def _read_idx(known: NamedSet, root: Path, split: str) -> tuple[np.ndarray, np.ndarray] | None:
    prefix = "train" if split == "train" else "t10k"
    for folder in (root, root / "raw", root / known.torchvision / "raw"):
        files = [_first(folder, f"{prefix}-{part}") for part in ("images-idx3-ubyte", "labels-idx1-ubyte")]
        if files[0] and files[1]:
            images, labels = read_idx(files[0]), read_idx(files[1])
            if images.ndim != 3 or labels.ndim != 1:
                raise DataError(
                    f"pictures [n h w] and labels [n] in {folder}",
                    received=f"{images.shape}, {labels.shape}",
                    hint="Take the files as published, or fetch them with --download into another folder.",
                )
            return images[:, None], labels
    return None


def _first(folder: Path, name: str) -> Path | None:
    """Return the file of that name, plain or gzipped; some copies have a dot before idx."""
    spellings = [name, name + ".gz", name.replace("-idx", ".idx"), name.replace("-idx", ".idx") + ".gz"]
    return next((folder / spelling for spelling in spellings if os.path.lexists(folder / spelling)), None)


def _read_cifar(known: NamedSet, root: Path, split: str) -> tuple[np.ndarray, np.ndarray] | None:
    names = [f"data_batch_{k}" for k in range(1, 6)] if split == "train" else ["test_batch"]
    for folder in (root, root / "cifar-10-batches-bin"):
        if all(os.path.lexists(folder / f"{name}.bin") for name in names):
            return _read_cifar_binary([folder / f"{name}.bin" for name in names])
    for folder in (root, root.parent):
        if all(os.path.lexists(folder / "cifar-10-batches-py" / name) for name in names):
            return _read_cifar_pickles(folder, split, names)
    return None


def _read_cifar_binary(paths: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Read files whose rows are one label and 3072 bytes.

    Source: Krizhevsky, the data set's page, "Binary version".
    """
    rows = []
    for path in paths:
        content = _read_limited(path)
        if not content or len(content) % 3073 or max(content[::3073]) > 9:
            raise DataError(
                f"rows of 3073 bytes that start with a label from 0 to 9 in {path}",
                received=f"{len(content):,} bytes",
                hint="The file is damaged: copy or download it again.",
            )
        rows.append(np.frombuffer(content, np.uint8).reshape(-1, 3073))
    table = np.concatenate(rows)
    return table[:, 1:].reshape(-1, 3, 32, 32).copy(), table[:, 0]


def _read_limited(path: Path) -> bytes:
    """Read one of CIFAR-10's files, each of which has 31 MB."""
    try:
        return read_bytes(path, MOST_BYTES)
    except (OSError, ValueError) as error:
        raise DataError(
            f"a readable file of CIFAR-10 at {path}", received=str(error), hint="Copy or download it again."
        ) from None


def _read_cifar_pickles(root: Path, split: str, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Read CIFAR-10's Python version, after a check that every file is the published one."""
    from torchvision.datasets import CIFAR10 as Published

    folder = root / Published.base_folder
    expected = dict((*Published.train_list, *Published.test_list))
    expected[Published.meta["filename"]] = Published.meta["md5"]
    for name in expected:
        path = folder / name
        there = os.path.lexists(path)
        if not there or hashlib.md5(_read_limited(path), usedforsecurity=False).hexdigest() != expected[name]:
            raise DataError(
                f"the published file {path}, byte for byte, since it is a pickle that could run anything",
                received="another one" if there else "nothing",
                hint="Download CIFAR-10 again, or use its binary version (cifar-10-batches-bin).",
            )
    found = Published(str(root), train=split == "train")
    return found.data.transpose(0, 3, 1, 2).copy(), np.asarray(found.targets)


def _download(name: str, known: NamedSet, root: Path) -> None:
    import torchvision.datasets

    published = getattr(torchvision.datasets, known.torchvision)
    part = (
        root / f"{PART_PREFIX}{os.urandom(16).hex()}"
    )  # torchvision would overwrite files of the same names
    try:
        part.mkdir(parents=True)
        published(str(part), download=True)
        _move_new(part, root)
    except Exception as error:  # urllib, ssl, OSError, RuntimeError: whatever a network gives
        raise MissingError(
            f"{name}, downloaded by torchvision into {root}",
            received=f"{type(error).__name__}: {error}",
            hint="Check the connection, or put the files there yourself. " + known.layout,
        ) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _move_new(source: Path, target: Path) -> None:
    """Move files into a folder, into the subfolders of the same names; what is there already stays.

    Raises:
        FileExistsError: another file has the name of one of them; nothing has been moved.
    """
    files = sorted(path.relative_to(source) for path in source.rglob("*") if path.is_file())
    there = [file for file in files if os.path.lexists(target / file)]
    for file in there:
        if not ((target / file).is_file() and filecmp.cmp(source / file, target / file, shallow=False)):
            raise FileExistsError(f"{target / file} is there already, and is not the published file")
    for file in sorted({*files} - {*there}):
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        (source / file).rename(target / file)


def _missing(name: str, known: NamedSet, received: str) -> MissingError:
    return MissingError(
        f"a folder that holds {name}",
        received=received,
        hint=f"{known.layout} Name it with root (--root FOLDER), or add download=True (--download) to fetch"
        f" it there ({known.licence}).",
    )


def _idx_layout(folder: str) -> str:
    return (
        "Expected layout: FOLDER/{train,t10k}-{images-idx3,labels-idx1}-ubyte, each plain or .gz, in the"
        f" folder itself or in {folder}/raw."
    )


NAMED = {
    "mnist": NamedSet("MNIST", digits.CLASSES, (1, 28, 28), _idx_layout("MNIST"), "CC BY-SA 3.0", _read_idx),
    "fashion-mnist": NamedSet(
        "FashionMNIST", FASHION, (1, 28, 28), _idx_layout("FashionMNIST"), "MIT", _read_idx
    ),
    "cifar10": NamedSet(
        "CIFAR10",
        CIFAR10,
        (3, 32, 32),
        "Expected layout: FOLDER/cifar-10-batches-bin/data_batch_1.bin ..., or"
        " FOLDER/cifar-10-batches-py/data_batch_1 ....",
        "no licence stated; see the authors' page",
        _read_cifar,
    ),
}
