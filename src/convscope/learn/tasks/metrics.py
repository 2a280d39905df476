"""Metrics of a training task: how they are named and formatted, and tables of them as plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convscope.learn.trainer.events import Epoch


LARGE = 1e5
"""From here on numbers are written with an exponent."""


def formatted(value: float, form: str) -> str:
    """Format a number; one that is large gets three digits and an exponent.

    Args:
        value: the number.
        form: format specification, as for `format`.

    Returns:
        The text, such as `2.3026` or `1.59e+25`.
    """
    return format(value, form if abs(value) < LARGE or form.endswith("%") else ".2e")


@dataclass(frozen=True)
class MetricSpec:
    """Describe one metric of a task.

    Attributes:
        name: key in `Epoch.metrics` and `Epoch.test_metrics`.
        label: heading in tables and word in progress lines; the name if empty.
        form: format specification of its values, as for `format`.
        higher_is_better: whether larger values are better.
        low: least possible value.
        high: largest possible value.
        optional: whether an epoch may lack it.
    """

    name: str
    label: str = ""
    form: str = ".4g"
    higher_is_better: bool = False
    low: float = float("-inf")
    high: float = float("inf")
    optional: bool = False

    @property
    def heading(self) -> str:
        """The label, or the name where there is none."""
        return self.label or self.name

    def text(self, metrics: Mapping[str, float | None]) -> str:
        """Format this metric's value.

        Args:
            metrics: values by name.

        Returns:
            The formatted value; empty where it is missing or None.
        """
        value = metrics.get(self.name)
        return "" if value is None else formatted(value, self.form)


@dataclass(frozen=True)
class Table:
    """Hold a table as plain data.

    Attributes:
        heads: headings of the columns.
        rows: the cells of each row, as many as there are headings.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def metrics_text(specs: Sequence[MetricSpec], metrics: Mapping[str, float | None]) -> str:
    """Format metrics as one line.

    Args:
        specs: which metrics, in order.
        metrics: values by name; those that are missing or None are left out.

    Returns:
        Headings and values, such as `loss 0.12  accuracy 97.0%`.
    """
    texts = [(spec.heading, spec.text(metrics)) for spec in specs]
    return "  ".join(f"{heading} {text}" for heading, text in texts if text)


def epochs_table(specs: Sequence[MetricSpec], epochs: "Sequence[Epoch]") -> Table:
    """Lay out the epochs of a training as a table.

    Args:
        specs: which metrics, in order.
        epochs: the finished epochs.

    Returns:
        One row for each epoch: its number, metrics of the training, validation and test data, speed, seconds.
        Metrics of the validation data, and optional ones, have a column only where there are values.
    """
    parts = {
        "": [epoch.metrics for epoch in epochs],
        "validation ": [epoch.validation_metrics for epoch in epochs],
        "test ": [epoch.test_metrics for epoch in epochs],
    }
    columns = {
        f"{part}{spec.heading}": texts
        for part, measured in parts.items()
        for spec in specs
        if any(texts := [spec.text(one) for one in measured]) or not (part.startswith("v") or spec.optional)
    }
    rows = [
        (
            str(epoch.index),
            *(texts[k] for texts in columns.values()),
            f"{epoch.samples_per_second:,.0f}",
            f"{epoch.seconds:.1f}",
        )
        for k, epoch in enumerate(epochs)
    ]
    return Table(("epoch", *columns, "samples/s", "seconds"), tuple(rows))
