"""Events that a training yields while it runs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from convscope.learn.trainer import values as check
from convscope.recipe.result import Result

if TYPE_CHECKING:
    from convscope.learn.tasks.metrics import MetricSpec
    from convscope.learn.tasks.task import EvalResult


@dataclass(frozen=True)
class TrainProgress:
    """Report the progress within an epoch, a few times a second at most."""

    epoch: int
    """The current epoch, from 1."""
    epochs: int
    """Epochs of the whole training."""
    step: int
    """Steps done in this epoch."""
    steps: int
    """Steps of an epoch."""
    lr: float
    """Learning rate of the last step."""
    samples_per_second: float
    seconds: float
    """Since this epoch began, without pauses."""
    loss: float
    """What the last step minimised; the sum over the optimizers where there are several."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Metrics of the task by name, over this epoch so far."""
    preparing: float | None = None
    """Share of what is computed before the first step, such as cached features, 0 to 1; None in the steps."""

    @property
    def done(self) -> float:
        """Share of the whole training, 0 to 1."""
        return (self.epoch - 1 + self.step / max(self.steps, 1)) / self.epochs


@dataclass(frozen=True)
class Epoch(Result):
    """Hold the metrics of one finished epoch."""

    index: int
    """From 1."""
    epochs: int
    """Epochs of the whole training."""
    metrics: dict[str, float | None]
    """Metrics of the task by name, measured in the training steps (on augmented samples, if there are any);
    None where they were NaN or infinite."""
    test_metrics: dict[str, float | None]
    """Metrics of the task on the test data; empty without such data."""
    seconds: float
    """Of the training steps, without the test."""
    samples_per_second: float
    lr: float
    """Learning rate of the last step."""
    precision: str
    memory_format: str
    problems: int = 0
    """Number of files that could not be read so far."""
    validation_metrics: dict[str, float | None] = field(default_factory=dict)
    """Metrics of the task on the validation data; empty without such data."""
    best: bool = False
    """Whether its primary validation metric is the best so far, or as good with a validation loss that is not
    higher, where the training stops early: the network of the last such epoch is what the run saves."""
    stopped: bool = False
    """Whether the training ended early after it."""
    worst: str = ""
    """The most frequent mistake on the test data, in words."""
    tested: "EvalResult | None" = field(default=None, repr=False, compare=False)
    """The whole evaluation behind `test_metrics`, with the event only: it is neither stored nor kept in a
    history."""

    @property
    def done(self) -> float:
        """Share of the whole training, 0 to 1."""
        return 1.0 if self.stopped else self.index / self.epochs

    def to_json(self) -> dict[str, Any]:
        """Return the fields but `tested` as a JSON-ready dict: one line of `metrics.jsonl`."""
        stored = asdict(replace(self, tested=None))
        del stored["tested"]
        return stored

    @classmethod
    def from_json(cls, values: Any, index: int, epochs: int, specs: "Sequence[MetricSpec]" = ()) -> "Epoch":
        """Read an epoch from what `to_json` returned, checking every value.

        Args:
            values: one line of `metrics.jsonl`, parsed.
            index: number that the epoch must have, from 1.
            epochs: epochs of the run; the line may state fewer, from before epochs were added.
            specs: the task's metrics, where it is known: what is not optional must be there, and all values
                in their ranges.

        Returns:
            The epoch.

        Raises:
            ValueError: a value is missing, unknown, or of another type or range.
        """
        name = f"epoch {index}"
        found = check.fields(name, values, (f.name for f in fields(cls) if f.name != "tested"))
        check.integer(f"{name}, index", found["index"], index, index)
        check.integer(f"{name}, epochs", found["epochs"], index, epochs)
        check.integer(f"{name}, problems", found["problems"])
        check.number(f"{name}, lr", found["lr"])
        for field_name in ("seconds", "samples_per_second"):
            check.number(f"{name}, {field_name}", found[field_name], 0)
        check.text(f"{name}, precision", found["precision"], ("fp32", "bf16", "fp16"))
        check.text(f"{name}, memory_format", found["memory_format"], ("contiguous", "channels_last"))
        check.text(f"{name}, worst", found["worst"])
        for field_name in ("best", "stopped"):
            check.flag(f"{name}, {field_name}", found[field_name])
        known = {spec.name: (spec.low, spec.high) for spec in specs}
        for field_name in ("metrics", "validation_metrics", "test_metrics"):
            label, table = f"{name}, {field_name}", found[field_name]
            for key, value in check.fields(label, table, table or ()).items():
                check.number_or_none(f"{label}, {check.shown(key)}", value, *known.get(key, ()))
        missing = [s.name for s in specs if not s.optional and s.name not in found["metrics"]]
        if missing:
            raise ValueError(f"{name}, metrics: no {', '.join(missing)}")
        return cls(**found)
