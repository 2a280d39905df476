"""The chapter on training, and on the mistakes that remain."""

from collections.abc import Sequence

from convscope.learn import Epoch, Evaluation
from convscope.show.report.figure import Figure, Section
from convscope.show.report.figures.training import confusion, curves, worst_examples
from convscope.show.report.figures.training.curves import History
from convscope.show.report.figures.training.worst_examples import Answer
from convscope.worlds import LabelledDataset

HARDEST = 12


def chapter(
    printed: Sequence[Epoch],
    relu: Sequence[Epoch],
    evaluation: Evaluation,
    data: LabelledDataset,
    commands: tuple[str, str, str],
    learned_from: str,
) -> Section:
    """Build the chapter on training: learning curves of both networks, mistakes of the one with ReLU.

    Args:
        printed: training history of the network as the lecture prints it.
        relu: training history of the network with ReLU.
        evaluation: test results of the network with ReLU.
        data: the test digits that were evaluated.
        commands: reproduce the curves, the confusion matrix and the hardest digits, in this order.
        learned_from: number of training digits, as formatted text.

    Returns:
        The section; without a confusion matrix if no digit was misclassified.
    """
    classes = evaluation.classes
    figures: list[Figure] = [curves.figure(_history(printed), _history(relu), len(data), commands[0])]
    if (evaluation.predictions != evaluation.labels).any():
        figures.append(confusion.figure(evaluation.confusion.tolist(), classes, commands[1]))
    figures.append(worst_examples.figure(answers(evaluation, data, HARDEST), commands[2]))
    return Section(
        "training", tuple(figures), {"test": f"{len(data):,}", "train": learned_from, "epochs": len(relu)}
    )


def answers(evaluation: Evaluation, data: LabelledDataset, count: int) -> list[Answer]:
    """Select the test images with the largest loss.

    Args:
        evaluation: test results.
        data: the images that were evaluated, in the same order.
        count: how many to select.

    Returns:
        The images with the true and the predicted class and the probabilities of both, largest loss first.
    """
    chosen = evaluation.hardest(count)
    images = data.inputs(chosen)
    made = []
    for image, index in zip(images, chosen.tolist(), strict=True):
        probabilities, truth = evaluation.probabilities[index], int(evaluation.labels[index])
        answer = int(probabilities.argmax())
        made.append(
            Answer(
                image,
                evaluation.classes[truth],
                evaluation.classes[answer],
                float(probabilities[answer]),
                float(probabilities[truth]),
            )
        )
    return made


def _history(epochs: Sequence[Epoch]) -> History:
    return History(
        [e.metrics["loss"] or 0.0 for e in epochs], [1 - (e.test_metrics["accuracy"] or 0.0) for e in epochs]
    )
