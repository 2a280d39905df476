"""Events that a training yields while it runs."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from convscope.learn.trainer import values as check


@dataclass(frozen=True)
class TrainProgress:
    """Report the progress within an epoch, a few times a second at most.

    `loss`, `accuracy` and `measures` are means over this epoch so far.
    """

    epoch: int
    """The current epoch, from 1."""
    epochs: int
    """Epochs of the whole training."""
    step: int
    """Steps done in this epoch."""
    steps: int
    """Steps of an epoch."""
    loss: float
    accuracy: float | None
    """0 to 1; None where the task is no classification."""
    lr: float
    """Learning rate of the last step."""
    images_per_second: float
    seconds: float
    """Since this epoch began, without pauses."""
    measures: dict[str, float] = field(default_factory=dict)
    """Further metrics of the task, by name."""

    @property
    def done(self) -> float:
        """Share of the whole training, 0 to 1."""
        return (self.epoch - 1 + self.step / max(self.steps, 1)) / self.epochs


@dataclass(frozen=True)
class Epoch:
    """Hold the metrics of one finished epoch. Accuracies are shares from 0 to 1."""

    index: int
    """From 1."""
    epochs: int
    """Epochs of the whole training."""
    train_loss: float
    train_accuracy: float | None
    """Measured in the training steps, on augmented images if there are any; losses are without label
    smoothing."""
    test_loss: float | None
    test_accuracy: float | None
    seconds: float
    """Of the training steps, without the test."""
    images_per_second: float
    lr: float
    """Learning rate of the last step."""
    precision: str
    memory_format: str
    problems: int = 0
    """Number of files that could not be read so far."""
    worst: str = ""
    """The most frequent mistake on the test data, in words."""
    measures: dict[str, float | None] = field(default_factory=dict)
    """Further metrics of the task on the training data, by name; None where they were NaN or infinite."""
    test_measures: dict[str, float | None] = field(default_factory=dict)
    """Further metrics of the task on the test data."""

    @property
    def done(self) -> float:
        """Share of the whole training, 0 to 1."""
        return self.index / self.epochs

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON-ready dict: one line of `metrics.jsonl`."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Any, index: int, epochs: int) -> "Epoch":
        """Read an epoch from what `to_json` returned, checking every value.

        Args:
            values: one line of `metrics.jsonl`, parsed.
            index: number that the epoch must have, from 1.
            epochs: epochs of the run; the line may state fewer, from before epochs were added.

        Returns:
            The epoch.

        Raises:
            ValueError: a value is missing, unknown, or of another type or range.
        """
        name = f"epoch {index}"
        found = check.fields(name, values, (f.name for f in fields(cls)))
        check.integer(f"{name}, index", found["index"], index, index)
        check.integer(f"{name}, epochs", found["epochs"], index, epochs)
        check.integer(f"{name}, problems", found["problems"])
        for field_name in ("train_loss", "lr"):
            check.number(f"{name}, {field_name}", found[field_name])
        for field_name in ("seconds", "images_per_second"):
            check.number(f"{name}, {field_name}", found[field_name], 0)
        check.number_or_none(f"{name}, test_loss", found["test_loss"])
        for field_name in ("train_accuracy", "test_accuracy"):
            check.number_or_none(f"{name}, {field_name}", found[field_name], 0, 1)
        check.text(f"{name}, precision", found["precision"], ("fp32", "bf16", "fp16"))
        check.text(f"{name}, memory_format", found["memory_format"], ("contiguous", "channels_last"))
        check.text(f"{name}, worst", found["worst"])
        for field_name in ("measures", "test_measures"):
            table = check.fields(f"{name}, {field_name}", found[field_name], found[field_name] or ())
            for key, value in table.items():
                check.number_or_none(f"{name}, {check.shown(key)}", value)
        return cls(**found)
