"""What a training tells while it runs."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Progress:
    """News from within an epoch, at most some times a second.

    `loss`, `accuracy` and `measures` are means over this epoch so far.
    """

    epoch: int
    """The epoch under way, from 1."""
    epochs: int
    step: int
    """Steps done in this epoch."""
    steps: int
    """Steps of an epoch."""
    loss: float
    accuracy: float | None
    """None where the task is no classification."""
    lr: float
    images_per_second: float
    seconds: float
    """Since this epoch began, pauses left out."""
    measures: dict[str, float] = field(default_factory=dict)
    """What else the task measures, by name."""

    @property
    def done(self) -> float:
        """Share of the whole training, 0 to 1."""
        return (self.epoch - 1 + self.step / max(self.steps, 1)) / self.epochs


@dataclass(frozen=True)
class Epoch:
    """One pass over the training data, finished. Accuracies are shares from 0 to 1."""

    index: int
    """From 1."""
    epochs: int
    train_loss: float
    train_accuracy: float | None
    """Measured while learning, on augmented pictures if there are any; losses are without label smoothing."""
    test_loss: float | None
    test_accuracy: float | None
    seconds: float
    """Of training; testing is left out."""
    images_per_second: float
    lr: float
    """At the last step."""
    precision: str
    memory_format: str
    problems: int = 0
    """Pictures that could not be read so far."""
    worst: str = ""
    """The commonest mistake on the test pictures, in words."""
    measures: dict[str, float] = field(default_factory=dict)
    """What else the task measured while learning, by name."""
    test_measures: dict[str, float] = field(default_factory=dict)
    """The same on the test pictures."""

    @property
    def done(self) -> float:
        """Share of the whole training, 0 to 1."""
        return self.index / self.epochs

    def to_json(self) -> dict[str, Any]:
        """As one line of `metrics.jsonl`."""
        return asdict(self)
