"""Recognise a training that has diverged without a value that is NaN or infinite."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from convscope.learn.tasks.evaluation import Evaluation
from convscope.learn.tasks.metrics import formatted
from convscope.learn.trainer.events import Epoch

RISE = 2.0
"""How many times its first value, or that of guessing, a loss must have to count as diverged."""
LOSS = "loss"


@dataclass(frozen=True)
class Divergence:
    """State that the loss of a training rose instead of falling.

    Attributes:
        loss: of the training data in the last epoch.
        reference: what it is compared with: that of the first epoch, or of guessing.
        epoch: number of the last epoch.
        guessing: whether `reference` is the loss of equal probabilities for all classes.
        flag: the flag of the learning rate of that epoch.
    """

    loss: float
    reference: float
    epoch: int
    guessing: bool
    flag: str = "--lr"

    @property
    def text(self) -> Mapping[str, str]:
        """What happened and what to do, by language (`en`, `zh`)."""
        loss, reference = formatted(self.loss, ".3g"), formatted(self.reference, ".3g")
        if self.guessing:
            en = f"its loss is {loss} after epoch {self.epoch}, and guessing has {reference}"
            zh = f"第 {self.epoch} 轮后损失为 {loss}，而随机猜测为 {reference}"
        else:
            en = f"its loss was {reference} in epoch 1, and is {loss} in epoch {self.epoch}"
            zh = f"第 1 轮损失为 {reference}，第 {self.epoch} 轮为 {loss}"
        step = (f"lower {self.flag} (or --find-lr)", f"请降低 {self.flag}（或使用 --find-lr）")
        return {
            "en": f"The training diverged: {en}. The loss rose instead of falling: {step[0]}.",
            "zh": f"训练发散：{zh}。损失不降反升：{step[1]}。",
        }


def divergence(epochs: Sequence[Epoch], tested: object = None, *, probed: int = 0) -> Divergence | None:
    """Return whether a training diverged, as far as its losses say it.

    It did where the loss of the training and of the test data ended at `RISE` times the loss of guessing or
    more (of classifiers), or where both rose to `RISE` times their first values or more. The test loss alone
    rises also where a network memorises its data, and that of the training data alone where samples get
    harder.

    Args:
        epochs: the finished epochs, to the one whose network is saved.
        tested: evidence of the test; guessing is known of an `Evaluation`.
        probed: number of the first epochs that train only the head, with a learning rate of their own.

    Returns:
        What was found; None where the training did not diverge, and where its task has no `loss`.
    """
    losses = [epoch.metrics.get(LOSS) for epoch in epochs]
    tests = [epoch.test_metrics.get(LOSS) for epoch in epochs if LOSS in epoch.test_metrics]
    if not losses or losses[-1] is None:
        return None
    last, flag = losses[-1], "--probe-lr" if epochs[-1].index <= probed else "--lr"
    guess = math.log(max(len(tested.classes), 2)) if isinstance(tested, Evaluation) else None
    if guess is not None and _above(last, guess) and _above(tests[-1] if tests else None, guess):
        return Divergence(last, guess, epochs[-1].index, True, flag)
    first = losses[0]
    known = [value for value in tests if value is not None]
    rose = first is not None and len(losses) > 1 and first > 0 and _above(last, first)
    if rose and first is not None and (not tests or (known and known[0] > 0 and _above(tests[-1], known[0]))):
        return Divergence(last, first, epochs[-1].index, False, flag)
    return None


def _above(value: float | None, reference: float) -> bool:
    """Return whether a loss is far above another; one that was NaN or infinite is."""
    return value is None or value >= RISE * reference
