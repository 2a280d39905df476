"""What a task shows of a test beside its metrics: plain data, which a report draws."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from convscope.graph.spec import TensorSpec
from convscope.learn.tasks.evaluation import Evaluation
from convscope.worlds import LabelledDataset


@dataclass(frozen=True, eq=False)
class ClassifiedSamples:
    """The predictions of a classifier for labelled samples.

    A report shows the confusion matrix, the accuracy of each class and the samples with the largest loss.

    Attributes:
        evaluation: labels, predictions and losses.
        samples: the samples, in the same order.
    """

    evaluation: Evaluation
    samples: LabelledDataset


@dataclass(frozen=True, eq=False)
class ImageRows:
    """Rows of images side by side: inputs and what a network makes of them, for example.

    Attributes:
        heads: what each column shows, by language (`en`, `zh`).
        rows: the images of each row, one for each column, `[c h w]` in the spec's value range.
        spec: kind and value range of the images.
        title: what the rows show in a few words, by language (`en`, `zh`): the heading of the figure.
        caption: how they were made and how to read them, by language.
        outlines: for each row and column a polygon `[k 2]` that is drawn over the image, or None; x and y
            from 0 to 1 across the image, also beyond it. Empty where there are none.
    """

    heads: Sequence[Mapping[str, str]]
    rows: Sequence[Sequence[Tensor]]
    spec: TensorSpec
    title: Mapping[str, str]
    caption: Mapping[str, str]
    outlines: Sequence[Sequence[Tensor | None]] = ()


@dataclass(frozen=True, eq=False)
class NumberTable:
    """Numbers of a test side by side, such as those of a network and of what it is compared with.

    Attributes:
        title: what the numbers are, by language (`en`, `zh`).
        heads: what each column holds, by language.
        rows: name of each row, by language, and its cells as text, one for each column.
        caption: how they were measured and how to read them, by language.
    """

    title: Mapping[str, str]
    heads: Sequence[Mapping[str, str]]
    rows: Sequence[tuple[Mapping[str, str], Sequence[str]]]
    caption: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Series:
    """Points of a plot that belong together.

    Attributes:
        name: what they are, by language (`en`, `zh`).
        points: `[n 2]`, finite; positive on a logarithmic axis.
        joined: whether they are joined by a line, in their order; else each is a dot.
    """

    name: Mapping[str, str]
    points: Tensor
    joined: bool = False


@dataclass(frozen=True, eq=False)
class Plot:
    """A plot of points and lines over two axes.

    Attributes:
        title: what is plotted, by language (`en`, `zh`); states no number that may change.
        axes: names of the horizontal and the vertical axis, by language.
        series: at most four.
        caption: how it was computed and how to read it, by language.
        logarithmic: whether both axes are.
        square: whether both axes have the same scale, as for points in the plane.
    """

    title: Mapping[str, str]
    axes: tuple[Mapping[str, str], Mapping[str, str]]
    series: Sequence[Series]
    caption: Mapping[str, str]
    logarithmic: bool = False
    square: bool = False


def untranslated(text: str) -> Mapping[str, str]:
    """Return a text that is the same in every language, such as a number.

    Args:
        text: the text.

    Returns:
        The text by language (`en`, `zh`).
    """
    return {"en": text, "zh": text}


def numbered(count: int) -> list[Mapping[str, str]]:
    """Return the numbers from 1 on, as heads of columns.

    Args:
        count: how many.

    Returns:
        The numbers by language (`en`, `zh`).
    """
    return [untranslated(str(number)) for number in range(1, count + 1)]


Finding = ClassifiedSamples | ImageRows | NumberTable | Plot
"""Everything that a report of a training can draw."""
