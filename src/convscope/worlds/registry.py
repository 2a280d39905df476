"""The table of worlds, and what every verb needs of them: open a file as an input, draw an input."""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from PIL import Image
from torch import Generator, Tensor

from convscope.errors import UsageError, nearest
from convscope.graph.spec import TensorSpec
from convscope.worlds.arrays import ArrayWorld
from convscope.worlds.datasets.digit_world import DigitWorld
from convscope.worlds.images.world import ImageWorld
from convscope.worlds.world import Sample, World

WORLDS: dict[str, World] = {
    world.kind: world
    for world in (
        ImageWorld(),
        DigitWorld(),
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
        raise UsageError("a kind that no world has yet", received=world.kind)
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


def open_sample(source: Any, spec: TensorSpec) -> Sample:
    """Read a file, or an opened thing, as one input of a network; the one function that decides how.

    Args:
        source: a path, or an object of the input's world, such as an opened image.
        spec: specification of the network's input; its kind decides how the file is read.

    Returns:
        The input, what was opened, and where that lies in the input.

    Raises:
        DataError: the file is missing, or is not what the kind says.
        UsageError: no world has this kind, or the spec does not fit its things.
    """
    return world_of(spec).open(source, spec)


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
