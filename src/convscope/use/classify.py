"""What a network takes a picture for."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from convscope.errors import DataError, UsageError
from convscope.nets import Net, frozen
from convscope.nets.activations.classifier_output import log_probabilities
from convscope.worlds.opening import as_input

Picture = str | Path | Image.Image | Tensor
"""A file, an opened image, or a tensor `[c h w]` in the contract's range."""


@dataclass(frozen=True)
class Classification:
    """The likeliest classes of one picture, the likeliest first."""

    source: str
    units: tuple[int, ...]
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    classes: int = 0
    """How many classes the network tells apart; with one, its answer could not be another."""

    @property
    def label(self) -> str:
        """The likeliest."""
        return self.labels[0]


def classify(net: Net, picture: Picture, top: int = 3) -> Classification:
    """What is in a picture.

    Args:
        net: a classifier; one whose input is a bundled digit's gets handwriting in the form that it knows.
        picture: a file, an opened image, or a tensor `[c h w]` (or `[1 c h w]`) in the contract's range.
        top: how many classes; fewer, if the network knows fewer.

    Raises:
        DataError: the file is missing, or is no picture.
        UsageError: the network is no classifier of pictures, or `top` is not positive.
    """
    answer = next(classifying(net, [picture], top=top))
    if isinstance(answer, DataError):
        raise answer
    return answer


def classifying(
    net: Net, pictures: Iterable[Picture], *, top: int = 3, batch: int = 32
) -> Iterator[Classification | DataError]:
    """An answer for each picture, in order; for one that cannot be read, the reason why.

    Args:
        net: a classifier.
        pictures: files, opened images or tensors; read as they are needed.
        top: how many classes for each.
        batch: how many are looked at together.
    """
    if top < 1 or batch < 1 or len(net.contracts) != 1:
        raise UsageError(
            "a network with one input, and top and batch of 1 or more",
            received=f"{len(net.contracts)} inputs, top={top}, batch={batch}",
        )
    waiting = iter(pictures)
    while chunk := list(islice(waiting, batch)):
        read = [_read(net, picture) for picture in chunk]
        images = [image for image in read if isinstance(image, Tensor)]
        rows = iter(probabilities(net, torch.stack(images)) if images else ())
        for picture, image in zip(chunk, read, strict=True):
            yield image if isinstance(image, DataError) else _answer(net, _named(picture), next(rows), top)


def probabilities(net: Net, images: Float[Tensor, "b *shape"]) -> Float[Tensor, "b classes"]:
    """The network's probability of every class for every image."""
    with frozen(net.module), torch.inference_mode():
        result = net(images)
    if not isinstance(result, Tensor):
        tensors = result.values() if isinstance(result, dict) else result
        result = next((part for part in tensors if isinstance(part, Tensor)), None)
    if result is None or result.dim() != 2:
        raise UsageError(
            "a network that answers with one number for each class",
            received="no tensor" if result is None else f"a result of shape {tuple(result.shape)}",
        )
    return log_probabilities(result).exp().cpu()


def _answer(net: Net, source: str, row: Float[Tensor, " classes"], top: int) -> Classification | DataError:
    if not bool(row.isfinite().all()):
        return DataError(
            "finite numbers as the network's answer",
            received=f"NaN or infinity from {net.name} for {source}",
            hint="Look for an overflow: half precision, or weights or a contract that are no numbers.",
        )
    values, units = row.topk(min(top, len(row)))
    chosen = tuple(units.tolist())
    labels = tuple(net.labels[unit] if unit < len(net.labels) else str(unit) for unit in chosen)
    return Classification(source, chosen, labels, tuple(values.tolist()), len(row))


def _read(net: Net, picture: Picture) -> Float[Tensor, "*shape"] | DataError:
    if isinstance(picture, Tensor):
        image = picture[0] if picture.dim() == len(net.contract.shape) + 1 and len(picture) == 1 else picture
        if image.dim() != len(net.contract.shape) or image.shape[0] != net.contract.channels:
            return DataError(f"a tensor of shape {net.contract.shape}", received=f"{tuple(picture.shape)}")
        return image.detach().float().cpu()
    try:
        return as_input(picture, net.contract)
    except DataError as error:
        return error


def _named(picture: Picture) -> str:
    if isinstance(picture, (str, Path)):
        return str(picture)
    return getattr(picture, "filename", "") or type(picture).__name__.lower()
