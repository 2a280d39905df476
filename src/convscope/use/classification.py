"""Classification of images with a trained network."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import DataError, UsageError
from convscope.nets import Net, frozen, takes_network
from convscope.nets.activations.classifier_output import read_output, select_output
from convscope.recipe.result import Result
from convscope.use.recipe import ClassifyRecipe
from convscope.worlds import InputLike, Placement, name_of, open_sample

SEVERAL = "convscope.use.iter_predictions(net, pictures) takes several, and answers for one after the other."
"""What to do with several pictures."""


@dataclass(frozen=True)
class Prediction(Result):
    """Hold the most probable classes of one image, in descending order.

    Attributes:
        source: name of the file; `an image` for what has none.
        units: indices of the network's outputs.
        labels: their labels; the index as text where there is none.
        probabilities: their probabilities, 0 to 1.
    """

    source: str
    units: tuple[int, ...]
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    classes: int = 0
    """Number of classes of the network; with a single one, every prediction is the same."""
    recipe: ClassifyRecipe | None = None
    """The settings with which the terminal gives the same answer; None where the image is no file."""
    placement: Placement | None = None
    """Where the image lies in the input, which may show a part of it; None without a fixed place."""

    def _answer(self) -> Iterator[tuple[str, Any]]:
        yield "labels", self.labels
        yield "probabilities", self.probabilities

    @property
    def label(self) -> str:
        """Label of the most probable class."""
        return self.labels[0]


@takes_network
def classify(net: Net, picture: InputLike, top: int = 3) -> Prediction:
    """Classify one image.

    Args:
        net: a classifier, or its name.
        picture: a path, an opened image, an array or a tensor; `worlds.open_sample` says how each is read.
        top: number of classes to return; fewer, if the network has fewer.

    Returns:
        The most probable classes.

    Raises:
        DataError: the picture is missing or damaged or does not fit, or the output is not finite.
        UsageError: the network is no classifier of images, or `top` is not positive.
    """
    answer = next(iter_predictions(net, [picture], top=top))
    if isinstance(answer, DataError):
        if isinstance(picture, list | tuple) or len(getattr(picture, "shape", ())) > 3:
            raise DataError(answer.expected, received=answer.received, hint=SEVERAL)
        raise answer
    return answer


@takes_network
def iter_predictions(
    net: Net, pictures: Iterable[InputLike], *, top: int = 3, batch: int = 32
) -> Iterator[Prediction | DataError]:
    """Classify images in batches, as they are read.

    Args:
        net: a classifier with one input, or its name.
        pictures: any number of what `classify` takes; read as they are needed.
        top: number of classes for each.
        batch: images that are computed at once.

    Yields:
        For each image, in order, its most probable classes, or the error for one that cannot be read.

    Raises:
        UsageError: the network has several inputs or is no classifier, or `top` or `batch` is not
            positive.
    """
    if top < 1 or batch < 1 or len(net.input_specs) != 1:
        raise UsageError(
            "a network with one input, and top and batch of 1 or more",
            received=f"{len(net.input_specs)} inputs, top={top}, batch={batch}",
            hint="Choose a network with one input: convscope nets lists them.",
        )
    remaining = iter(pictures)
    while chunk := list(islice(remaining, batch)):
        inputs = [_read_image(net, picture) for picture in chunk]
        images = [given[0] for given in inputs if not isinstance(given, DataError)]
        alike = len({image.shape for image in images}) == 1
        groups = [torch.stack(images)] if alike else [image[None] for image in images]
        rows = iter([row for group in groups for row in probabilities(net, group)])
        for picture, given in zip(chunk, inputs, strict=True):
            if isinstance(given, DataError):
                yield given
                continue
            found = _to_classification(net, name_of(picture), next(rows), top)
            yield found if isinstance(found, DataError) else replace(found, placement=given[1])


def probabilities(net: Net, images: Float[Tensor, "b *shape"]) -> Float[Tensor, "b classes"]:
    """Compute a classifier's probability of every class for every image.

    A softmax is applied to the output, unless it is declared to hold probabilities, or its rows are some.

    Args:
        net: a classifier; runs in evaluation mode and is left unchanged.
        images: `[b c ...]`, in the range and at the size of the network's spec.

    Returns:
        Probabilities `[b classes]`, on the CPU.

    Raises:
        UsageError: the output is not one number for each class.
    """
    with frozen(net.module), torch.inference_mode():
        result = net(images)
        output = read_output(net, result)
    if output is None:
        found = select_output(net, result)
        raise UsageError(
            "a network that answers with one number for each class",
            received="no tensor" if found is None else f"a result of shape {tuple(found.shape)}",
            hint="Use a classifier; convscope look shows the output of any network.",
        )
    return output.log_probabilities().exp().cpu()


def _to_classification(
    net: Net, source: str, row: Float[Tensor, " classes"], top: int
) -> Prediction | DataError:
    """Return the most probable classes of one row of probabilities; an error where it is not finite."""
    if not bool(row.isfinite().all()):
        return DataError(
            "finite numbers as the network's answer",
            received=f"NaN or infinity from {net.name} for {source}",
            hint="Look for an overflow: half precision, or weights or a spec that are no numbers.",
        )
    values, units = row.topk(min(top, len(row)))
    chosen = tuple(units.tolist())
    named = {"images": [source], "net": net.name, "top": top}
    recipe = ClassifyRecipe.parse(named) if source else None
    source = source or "an image"
    labels = tuple(net.classes[unit] if unit < len(net.classes) else str(unit) for unit in chosen)
    return Prediction(source, chosen, labels, tuple(values.tolist()), len(row), recipe)


def _read_image(net: Net, picture: InputLike) -> tuple[Float[Tensor, "*shape"], Placement | None] | DataError:
    """Read one image as an input, with its place there; return the error for one that cannot be read."""
    try:
        found = open_sample(picture, net.input_spec)
    except DataError as error:
        return error
    image = found.input.cpu()
    return image.float() if image.is_floating_point() else image, found.placement
