"""Learning, and what it gets wrong."""

from collections.abc import Sequence

from convscope.learn import Epoch, Evaluation
from convscope.show.report.figure import Figure, Section
from convscope.show.report.figures.network import confusion, curves, worst_examples
from convscope.show.report.figures.network.curves import History
from convscope.show.report.figures.network.worst_examples import Answer
from convscope.worlds import LabelledImages, scaled

HARDEST = 12


def chapter(
    printed: Sequence[Epoch],
    relu: Sequence[Epoch],
    evaluation: Evaluation,
    data: LabelledImages,
    commands: tuple[str, str, str],
    learned_from: str,
) -> Section:
    """Curves of both networks; mistakes of the one with ReLU.

    Args:
        printed: epochs of the network as the lecture prints it.
        relu: epochs of the network with ReLU.
        evaluation: of the latter.
        data: the test digits that were evaluated.
        commands: what makes the curves, the confusion matrix and the hardest digits.
        learned_from: how many digits the networks learned from, as written.
    """
    classes = evaluation.classes
    figures: list[Figure] = [curves.figure(_history(printed), _history(relu), len(data), commands[0])]
    if (evaluation.predictions != evaluation.labels).any():
        figures.append(confusion.figure(evaluation.confusion.tolist(), classes, commands[1]))
    figures.append(worst_examples.figure(answers(evaluation, data, HARDEST), commands[2]))
    return Section(
        "training", tuple(figures), {"test": f"{len(data):,}", "train": learned_from, "epochs": len(relu)}
    )


def answers(evaluation: Evaluation, data: LabelledImages, count: int) -> list[Answer]:
    """The hardest pictures and what was said of them."""
    chosen = evaluation.hardest(count)
    images = scaled(data.batch(chosen), data.contract)
    made = []
    for image, index in zip(images, chosen.tolist(), strict=True):
        chances, truth = evaluation.probabilities[index], int(evaluation.labels[index])
        answer = int(chances.argmax())
        made.append(
            Answer(
                image,
                evaluation.classes[truth],
                evaluation.classes[answer],
                float(chances[answer]),
                float(chances[truth]),
            )
        )
    return made


def _history(epochs: Sequence[Epoch]) -> History:
    return History([e.train_loss for e in epochs], [1 - (e.test_accuracy or 0.0) for e in epochs])
