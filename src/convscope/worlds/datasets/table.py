"""Tables of texts: CSV files with one row for each sample, and one column for each input and target."""

import csv
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from torch import Tensor
from typing_extensions import override

from convscope.errors import DataError, UsageError, nearest
from convscope.graph.spec import TensorSpec
from convscope.system.files import read_bytes
from convscope.worlds.batch import Batch
from convscope.worlds.dataset import Dataset, Indices, Problem, checked
from convscope.worlds.images.adapt import scaled

SUFFIXES = {".csv": ",", ".tsv": "\t"}
"""Endings of tables, and what separates their cells."""
LARGEST = 2**28
"""Bytes of the largest table that is read."""


@dataclass(frozen=True)
class TextTable:
    """Hold a table of texts.

    Attributes:
        name: name of the table, for messages.
        folder: what paths in its cells are relative to.
        columns: the cells of each column by its heading, without space around them; empty where one is
            missing.
        lines: number of each row's line in the file.
    """

    name: str
    folder: Path
    columns: Mapping[str, tuple[str, ...]]
    lines: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.lines)

    def column(self, name: str) -> tuple[str, ...]:
        """Return the cells of a column.

        Args:
            name: its heading.

        Returns:
            One text for each row.

        Raises:
            UsageError: there is no such column.
        """
        if name not in self.columns:
            raise UsageError(
                f"a column of {self.name}: {', '.join(self.columns)}",
                received=name,
                hint=nearest(name, self.columns),
            )
        return self.columns[name]

    def where(self, row: int) -> str:
        """Return the place of a row, for messages.

        Args:
            row: index of the row, from 0.

        Returns:
            Such as `line 7 of train.csv`.
        """
        return f"line {self.lines[row]} of {self.name}"


def read_table(path: str | Path) -> TextTable:
    """Read a table from a file: UTF-8, the headings in the first line.

    Args:
        path: a `.csv` file (cells between commas) or a `.tsv` file (between tabs); cells may be quoted.

    Returns:
        The table; empty lines are left out.

    Raises:
        DataError: there is no such file, it is no table, a heading is missing or given twice, or a row has
            another number of cells; the message names the line.
    """
    path = Path(path)
    expected = f"a table at {path}"
    try:
        text = read_bytes(path, LARGEST).decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=SUFFIXES[path.suffix.lower()])
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(row)]
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise DataError(
            expected, received=str(error), hint="Save it as UTF-8 text, with one row in a line."
        ) from None
    if len(rows) < 2:
        raise DataError(
            f"{expected}, with headings and rows",
            received=f"{len(rows)} line(s)",
            hint="The first line names the columns.",
        )
    heads, *body = rows
    twice = [head for head, count in Counter(heads[1]).items() if count > 1 or not head]
    if twice:
        raise DataError(
            f"{expected}, each column with a heading of its own",
            received=f"{twice[0]!r}, missing or more than once",
            hint="Rename the column in the first line.",
        )
    for line, row in body:
        if len(row) != len(heads[1]):
            raise DataError(
                f"{len(heads[1])} cells in every row of {path}",
                received=f"{len(row)} in line {line}",
                hint="Put cells that hold the separator into quotation marks.",
            )
    cells = zip(*(row for _line, row in body), strict=True)
    columns = dict(zip(heads[1], map(tuple, cells), strict=True))
    return TextTable(path.name, path.parent, columns, tuple(line for line, _row in body))


class ColumnDataset(Dataset):
    """A data set of any inputs and any targets, each held in memory as one tensor.

    Args:
        inputs: one tensor `[n ...]` for each input, in the order of a network's; uint8 for images whose
            values 0 and 255 stand for the two ends of the spec's value range, else in that range.
        specs: specifications of the inputs.
        targets: tensors `[n ...]` by name.
        name: name of the data set.
        problems: rows that were left out, and why.

    Raises:
        DataError: the tensors hold different numbers of samples, or do not fit the specs.
    """

    def __init__(
        self,
        inputs: tuple[Tensor, ...],
        specs: tuple[TensorSpec, ...],
        targets: Mapping[str, Tensor],
        name: str = "table",
        problems: tuple[Problem, ...] = (),
    ) -> None:
        self.inputs, self.targets, self.name = tuple(inputs), dict(targets), name
        self._specs, self._problems = tuple(specs), tuple(problems)
        lengths = {len(tensor) for tensor in (*self.inputs, *self.targets.values())}
        shapes = [tuple(tensor.shape[1:]) for tensor in self.inputs]
        if len(lengths) != 1 or shapes != [spec.shape for spec in specs]:
            raise DataError(
                f"as many samples of all inputs and targets, of {[spec.shape for spec in specs]}",
                received=f"{sorted(lengths)} of {shapes}",
                hint="Give tensors [n ...] with the shapes of the specs.",
            )

    @property
    @override
    def specs(self) -> tuple[TensorSpec, ...]:
        return self._specs

    @property
    @override
    def problems(self) -> tuple[Problem, ...]:
        return self._problems

    @override
    def __len__(self) -> int:
        return len(self.inputs[0])

    def __repr__(self) -> str:
        return f"ColumnDataset({self.name}: {len(self):,}, targets {', '.join(self.targets)})"

    @override
    def batch(self, indices: Indices) -> Batch:
        """Return some samples; the targets are a dict of tensors by name."""
        chosen = checked(indices, len(self))
        drawn = [(tensor[chosen], spec) for tensor, spec in zip(self.inputs, self._specs, strict=True)]
        inputs = tuple(scaled(x, spec) if x.dtype == torch.uint8 else x for x, spec in drawn)
        return Batch(inputs, {name: tensor[chosen] for name, tensor in self.targets.items()})

    @override
    def take(self, indices: Indices) -> Self:
        chosen = checked(indices, len(self))
        inputs = tuple(tensor[chosen] for tensor in self.inputs)
        targets = {name: tensor[chosen] for name, tensor in self.targets.items()}
        return type(self)(inputs, self._specs, targets, self.name, self._problems)
