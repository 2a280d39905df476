"""The table of worlds, and what every verb needs of them: open a file as an input, draw an input."""

from collections import Counter
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Generator, Tensor

from convscope.errors import DataError, UsageError, nearest
from convscope.graph.spec import IMAGE, TensorSpec
from convscope.worlds.arrays import ArrayWorld, open_array, open_arrays
from convscope.worlds.datasets.digit_world import DigitWorld
from convscope.worlds.go.world import GoWorld
from convscope.worlds.images.checking.check import DatasetReport, check_images
from convscope.worlds.images.decode import MOST_PIXELS
from convscope.worlds.images.listing import files_below
from convscope.worlds.images.world import ImageWorld
from convscope.worlds.sound.spectrogram import SpectrogramWorld
from convscope.worlds.sound.world import SoundWorld
from convscope.worlds.text.world import TextWorld
from convscope.worlds.world import InputLike, Sample, World

MASK = TensorSpec((1, 1, 1))
"""A mask: one channel in [0, 1], of any size."""
WORLDS: dict[str, World] = {
    world.kind: world
    for world in (
        ImageWorld(),
        DigitWorld(),
        GoWorld(),
        SoundWorld(),
        SpectrogramWorld(),
        TextWorld(),
        ArrayWorld("signal", "a signal"),
        ArrayWorld("vector", "a vector of features"),
        ArrayWorld("tensor", "a tensor"),
    )
}
"""Every world, by its kind."""


def register_world(world: World) -> None:
    """Add a world, whose inputs every verb can then open and draw.

    Args:
        world: its `kind` must be new.

    Raises:
        UsageError: there is a world of this kind already.
    """
    if world.kind in WORLDS:
        raise UsageError("a kind that no world has yet", received=world.kind, hint="Choose another kind.")
    WORLDS[world.kind] = world


def world_of(spec: TensorSpec) -> World:
    """Return the world of an input.

    Args:
        spec: specification of the input.

    Returns:
        The world of its kind.

    Raises:
        UsageError: no world has this kind.
    """
    if spec.kind not in WORLDS:
        raise UsageError(
            f"a kind of input that convscope knows: {', '.join(WORLDS)}",
            received=spec.kind,
            hint=nearest(spec.kind, WORLDS) or "Register its world: convscope.worlds.register_world.",
        )
    return WORLDS[spec.kind]


def open_sample(source: InputLike, spec: TensorSpec) -> Sample:
    """Read whatever a person has as one input of a network: its world decides how.

    For networks of images, a path, the bytes of a file, an opened PIL image and uint8 arrays and tensors are
    pictures: they are resized and cropped as the spec says. Floating point arrays and tensors are inputs as
    the network takes them, in the value range of the spec, and keep their size; where it is not the spec's, a
    warning says so, and a NumPy array without batch axis, evidently a photograph, is refused. Channels may
    come first or last. What can be read in two ways is refused.

    Args:
        source: a path, an object of the input's world, an array or tensor with or without a batch axis of 1,
            or a sample.
        spec: specification of the network's input; its kind decides how the file is read.

    Returns:
        The input, what was opened, and where that lies in the input.

    Raises:
        DataError: the file is missing, or is not what the kind says.
        UsageError: no world has this kind, or the spec does not fit its things.
    """
    world = world_of(spec)
    if isinstance(source, Sample):
        return source
    if isinstance(source, np.ndarray | Tensor) and not world.reads_arrays:
        return open_array(source, spec)
    return world.open(source, spec)


def folder_spec(root: str | Path) -> TensorSpec | None:
    """Choose the input of a network that is trained from nothing on a folder, by the files that it holds.

    Args:
        root: the folder.

    Returns:
        What the first world that finds its files there chooses; None for a folder of images, whose size
        depends on more.

    Raises:
        DataError: there is no such folder, or no file can be read.
    """
    return next(filter(None, (world.folder_spec(root) for world in WORLDS.values())), None)


def check_data(
    root: str | Path, kind: str = "auto", *, duplicates: bool = True, most_pixels: int = MOST_PIXELS
) -> DatasetReport:
    """Validate files before anything is learned from them, as their world does.

    Args:
        root: a folder, or a file that holds a whole data set.
        kind: the world: image, sound, text or go; `auto` is told by the endings of most files.
        duplicates: whether to look for things that are there twice.
        most_pixels: number of pixels above which an image counts as too large and is not decoded.

    Returns:
        Counts, problems, duplicates and remarks.

    Raises:
        DataError: there is nothing, or nothing of that kind.
        UsageError: there is no such kind, or its files cannot be checked.
    """
    if kind != "auto" and kind not in WORLDS:
        raise UsageError("a kind of data", received=kind, hint=nearest(kind, WORLDS))
    world = _world_of_files(Path(root)) if kind == "auto" else WORLDS[kind]
    if isinstance(world, ImageWorld):
        return check_images(root, duplicates=duplicates, most_pixels=most_pixels)
    return world.check(root, duplicates=duplicates)


def _world_of_files(root: Path) -> World:
    """Return the world of most files at a place, by their endings; that of images where none is known."""
    files = files_below(root) if root.is_dir() else [root]
    endings = Counter(file.suffix.lower() for file in files)
    counts = {world: sum(endings[end] for end in world.collected) for world in WORLDS.values()}
    images = sum(endings[end] for end in WORLDS[IMAGE].suffixes)
    found = max(counts, key=lambda world: counts[world])
    return found if counts[found] > images else WORLDS[IMAGE]


def open_whole(source: InputLike, spec: TensorSpec, *, longest: int | None = None) -> Sample:
    """Read an input as `open_sample` does, but whole: neither cropped nor fitted to the size of the spec.

    Args:
        source: as for `open_sample`.
        spec: specification of the network's input.
        longest: longer side in pixels to which an image is resized; its own if left out.

    Returns:
        The input, what was opened, and where that lies in the input.

    Raises:
        DataError: the file is missing, or is not what the kind says.
        UsageError: no world has this kind, or its things have no size of their own.
    """
    return world_of(spec).open_whole(source, spec, longest=longest)


def open_inputs(
    source: InputLike | Sequence[InputLike], specs: Sequence[TensorSpec]
) -> tuple[Float[Tensor, "b *shape"], ...]:
    """Read whatever a person has as a batch for each input of a network.

    Args:
        source: for a network with one input what `open_sample` takes, a list of such things, or an array or
            tensor with a batch axis; for several inputs a list with one of these for each.
        specs: specifications of the network's inputs.

    Returns:
        One batch for each thing that is given; fewer than `specs` where fewer are given.

    Raises:
        DataError: a thing is missing or does not fit, or there are more things than inputs.
        UsageError: no world has this kind.
    """
    if len(specs) == 1:
        if isinstance(source, list | tuple) and len(source) == 1 and isinstance(source[0], Tensor):
            source = source[0]
        return (_batch(source, specs[0]),)
    given = list(source) if isinstance(source, list | tuple) else [source]
    if not given or len(given) > len(specs):
        raise DataError(f"one thing for each of {len(specs)} inputs", received=str(len(given)))
    return tuple(_batch(one, spec) for one, spec in zip(given, specs, strict=False))


def _batch(source: InputLike | Sequence[InputLike], spec: TensorSpec) -> Float[Tensor, "b *shape"]:
    """Read one thing or several as a batch of one input."""
    world = world_of(spec)
    if isinstance(source, np.ndarray | Tensor):
        return world.open_batch(source, spec) if world.reads_arrays else open_arrays(source, spec)
    several = list(source) if isinstance(source, list | tuple) else None
    if several is None:
        return open_sample(cast("InputLike", source), spec).input[None]
    inputs = [open_sample(one, spec).input for one in several]
    if len({tuple(one.shape) for one in inputs}) != 1:
        shapes = ", ".join(str(tuple(one.shape)) for one in inputs) or "none"
        raise DataError(f"one or more of {world.thing}, of one size", received=shapes)
    return torch.stack(inputs)


def open_mask(source: InputLike) -> Float[Tensor, "h w"]:
    """Read a mask: a grey picture, white where something applies.

    Args:
        source: as for `open_sample`; also an array or tensor of bool.

    Returns:
        Values from 0 to 1, at the picture's own size.

    Raises:
        DataError: the file is missing or no picture, or the values are not a mask.
    """
    if isinstance(source, np.ndarray) and source.dtype == np.bool_:
        source = source.astype(np.float32)
    if isinstance(source, Tensor) and source.dtype == torch.bool:
        source = source.float()
    return open_whole(source, MASK).input[0]


def name_of(source: object) -> str:
    """Return the path of an input, for recipes; empty where it has none.

    Args:
        source: what `open_sample` takes.

    Returns:
        The path that was given, or from which the image was opened.
    """
    if isinstance(source, str | PathLike):
        return str(source)
    if isinstance(source, Sample):
        return name_of(source.original)
    return str(getattr(source, "filename", "") or "")


def render(tensor: Float[Tensor, "*shape"], spec: TensorSpec) -> Image.Image:
    """Draw one input of a network.

    Args:
        tensor: an input of any size, without batch axis, in the spec's value range.
        spec: specification of the input; its kind decides how it is drawn.

    Returns:
        An image of mode RGB or L, or of mode LA with black ink and alpha where the world `is_ink`.
    """
    return world_of(spec).render(tensor, spec)


def augmented(batch: Tensor, names: Sequence[str], spec: TensorSpec, seed: int) -> Tensor:
    """Apply augmentations of an input's world, in the order of their names.

    Args:
        batch: things of the world, `[b ...]`, on the CPU; left as they are. Images are uint8.
        names: keys of the world's `augmentations`.
        spec: specification of the things; its kind names the world.
        seed: the same one gives the same changes.

    Returns:
        The augmented batch.

    Raises:
        UsageError: the world has no such augmentation.
    """
    check_augmentations(names, spec)
    generator = Generator().manual_seed(seed)
    for name in names:
        batch = world_of(spec).augmentations[name](batch, generator)
    return batch


def check_augmentations(names: Sequence[str], spec: TensorSpec) -> None:
    """Refuse augmentations that an input's world does not have.

    Args:
        names: names of augmentations.
        spec: specification of the input; its kind names the world.

    Raises:
        UsageError: the world has no such augmentation.
    """
    known = world_of(spec).augmentations
    for name in names:
        if name not in known:
            raise UsageError(
                f"an augmentation of {world_of(spec).thing}: {', '.join(known) or 'there is none'}",
                received=name,
                hint=nearest(name, known) if known else "Leave --augment out.",
            )
