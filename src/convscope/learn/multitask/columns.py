"""Tensors of inputs and targets, from the columns of a table or of labelled images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, prod
from pathlib import Path

import torch
from torch import Tensor

from convscope.errors import ConvscopeError, DataError, UsageError, nearest
from convscope.graph.chain import read_shape
from convscope.graph.spec import TensorSpec
from convscope.learn.batches.source import seed_of
from convscope.learn.multitask.recipe import InputColumns, OutputLoss
from convscope.nets.io.weights import memory_of_machine
from convscope.recipe import real_number
from convscope.worlds import LabelledImages, Problem, open_sample
from convscope.worlds.datasets.table import ColumnDataset, TextTable, read_table
from convscope.worlds.images.adapt import to_spec

IMAGES = ("image", "image2")
"""Columns of labelled images that hold images: a sample's own, and that of the sample it is paired with."""
PARTS = 256
"""Images that are brought to a size at once."""
NAMED = 3
"""Rows that a message names."""


@dataclass(frozen=True)
class Columns:
    """Hold what inputs and targets are read from: texts, and images beside them.

    Attributes:
        texts: a table of texts.
        images: labelled images; None where the table names files.
        pairs: index of the sample with which each one is paired.
    """

    texts: TextTable
    images: LabelledImages | None = None
    pairs: Tensor | None = None

    @classmethod
    def of_file(cls, path: str | Path) -> "Columns":
        """Read a table from a file.

        Args:
            path: a `.csv` or `.tsv` file; the paths in it are relative to its folder.

        Returns:
            The columns.

        Raises:
            DataError: it is no table.
        """
        return cls(read_table(path))

    @classmethod
    def of_images(cls, data: LabelledImages, seed: int) -> "Columns":
        """Lay out labelled images as columns.

        These are `image`; `class`; `brightness`, the mean of all pixels from 0 to 1; and of another sample
        of the same data, drawn by the seed, `image2` and `class2`. Of both `same` says whether they are of
        one class (1 or 0); where all classes are whole numbers, `sum` is their sum.

        Args:
            data: labelled images.
            seed: decides the pairs.

        Returns:
            The columns.
        """
        generator = torch.Generator().manual_seed(seed_of(seed, "pairs", data.name))
        pairs = torch.randperm(len(data), generator=generator)
        first = [data.classes[k] for k in data.labels.tolist()]
        second = [first[k] for k in pairs.tolist()]
        parts = torch.arange(len(data)).split(PARTS)
        bright = torch.cat([data.pixels(part).flatten(1).float().mean(1) / 255 for part in parts])
        columns = {
            "image": [f"{data.name} {k}" for k in range(len(data))],
            "class": first,
            "brightness": [f"{value:.6g}" for value in bright.tolist()],
            "image2": [f"{data.name} {k}" for k in pairs.tolist()],
            "class2": second,
            "same": [str(int(a == b)) for a, b in zip(first, second, strict=True)],
        }
        if all(name.isdecimal() and name.isascii() for name in data.classes):
            columns["sum"] = [str(int(a) + int(b)) for a, b in zip(first, second, strict=True)]
        texts = {name: tuple(cells) for name, cells in columns.items()}
        return cls(TextTable(data.name, Path(), texts, tuple(range(1, len(data) + 1))), data, pairs)

    @property
    def name(self) -> str:
        """Name of the data."""
        return self.texts.name

    def holds_images(self, column: str) -> bool:
        """Return whether a column holds images that have been opened already.

        Args:
            column: its heading.

        Returns:
            True for the images of a set or a folder.
        """
        return self.images is not None and column in IMAGES

    def numbers(self, columns: Sequence[str]) -> Tensor:
        """Read columns of numbers.

        Args:
            columns: their headings.

        Returns:
            float32 `[n columns]`; NaN where a cell is empty.

        Raises:
            UsageError: there is no such column.
            DataError: a cell holds something else; the message names its line.
        """
        return torch.tensor(
            [self._number_cells(name) for name in columns], dtype=torch.float32
        ).T.contiguous()

    def _number_cells(self, column: str) -> list[float]:
        found = []
        for row, cell in enumerate(self.texts.column(column)):
            value = real_number(cell) if cell else float("nan")
            if value is None or (cell and not isfinite(float(torch.tensor(value)))):
                raise DataError(
                    f"a number in the column {column}, {self.texts.where(row)}",
                    received=cell[:80],
                    hint="Correct the cell, or leave it empty where the number is missing.",
                )
            found.append(value)
        return found

    def things(self, column: str, spec: TensorSpec) -> tuple[Tensor, dict[int, str]]:
        """Read a column of files, or of images that have been opened, as a spec's world does.

        Args:
            column: its heading.
            spec: specification of what is read.

        Returns:
            Tensors `[n *shape]` in the spec's range, or uint8 for images in memory of its shape; and of each
            row whose file is missing or cannot be read, which holds zeros, the reason.

        Raises:
            UsageError: there is no such column.
            DataError: no file can be read, or all do not fit into memory.
        """
        cells = self.texts.column(column)
        if self.images is not None and column in IMAGES:
            order = torch.arange(len(self.images)) if column == IMAGES[0] else self.pairs
            return _pictures(self.images, order if order is not None else torch.empty(0), spec), {}
        room = memory_of_machine() // 2
        if 4 * len(cells) * prod(spec.shape) > room:
            raise DataError(
                f"inputs that fit into half of the memory, {room / 1e9:.3g} GB",
                received=f"{len(cells):,} of {spec.shape}",
                hint="Take a smaller shape, or fewer rows.",
            )
        found = torch.zeros(len(cells), *spec.shape, dtype=torch.int64 if spec.is_integer else torch.float32)
        wrong: dict[int, str] = {}
        for row, cell in enumerate(cells):
            try:
                found[row] = _opened(self.texts.folder / cell, spec) if cell else _missing()
            except ConvscopeError as error:
                wrong[row] = f"{error.expected}: {error.received}"
        if len(wrong) == len(cells):
            raise DataError(
                f"files that can be read in the column {column} of {self.name}",
                received=f"none; {self.texts.where(0)}: {wrong[0]}",
                hint=f"Paths are relative to the folder of {self.name}.",
            )
        return found, wrong


def _opened(path: Path, spec: TensorSpec) -> Tensor:
    """Open a file at the shape of a spec."""
    found = open_sample(path, spec).input
    if tuple(found.shape) != spec.shape:
        raise DataError(
            f"{spec.shape} in {path}",
            received=str(tuple(found.shape)),
            hint="All inputs have one shape: write the file anew, or change shape in [[inputs]].",
        )
    return found


def _missing() -> Tensor:
    raise DataError("a file", received="an empty cell", hint="Write its path into the cell.")


def _pictures(data: LabelledImages, order: Tensor, spec: TensorSpec) -> Tensor:
    """Return images in an order: as they are where they have the spec's shape, else brought to it."""
    if data.shape == spec.shape:
        return torch.cat([data.pixels(part) for part in order.split(PARTS)])
    return torch.cat([to_spec(data.pixels(part), spec) for part in order.split(PARTS)])


def input_spec(part: InputColumns, train: Columns, known: TensorSpec | None) -> TensorSpec:
    """Determine the specification of an input: that of the network, or of the recipe and the data.

    Numbers are normalised by the mean and the standard deviation of the training data, unless the recipe has
    others.

    Args:
        part: the input in the recipe.
        train: training data.
        known: what a network states of this input; None for a network of the recipe's own.

    Returns:
        The specification.

    Raises:
        UsageError: a shape is missing, or the recipe and the network differ in it.
    """
    shape = read_shape(part.shape) if part.shape else None
    if known is not None:
        if shape not in (None, known.shape) or part.kind not in ("", known.kind):
            raise UsageError(
                f"the input {part.name} as the network has it: {known.kind} of {known.shape}",
                received=f"{part.kind or known.kind} of {shape or known.shape}",
                hint="Leave kind and shape out.",
            )
        return known
    for column in part.columns:
        train.texts.column(column)
    images = train.images if train.holds_images(part.columns[0]) else None
    if shape is None and images is None and (len(part.columns) > 1 or not part.kind):
        shape = (len(part.columns),)
    if shape is None:
        shape = images.shape if images is not None else None
    if shape is None:
        raise UsageError(
            f"a shape of the input {part.name}, such as 3x64x64", received="none", hint='shape = "3x64x64"'
        )
    kind = part.kind or (images.spec.kind if images is not None and len(shape) == 3 else "")
    spec = TensorSpec(shape, kind=kind, name=part.name)
    if part.value_range is not None:
        spec = replace(spec, value_range=part.value_range)
    if spec.kind == "vector" and images is None and _are_numbers(part, train):
        spec = _standardised(spec, train.numbers(part.columns), given=part.value_range)
    return replace(spec, mean=part.mean or spec.mean, std=part.std or spec.std)


def _standardised(spec: TensorSpec, numbers: Tensor, given: tuple[float, float] | None) -> TensorSpec:
    """Return a spec with mean, standard deviation and range of numbers `[n columns]`."""
    known = numbers[numbers.isfinite().all(1)].double()
    if not len(known):
        raise DataError(
            f"numbers for the input {spec.name}",
            received="rows with empty cells alone",
            hint="Fill in the cells, or name other columns.",
        )
    spread = known.std(0, correction=0)
    low, high = float(known.min()), float(known.max())
    return replace(
        spec,
        value_range=given or (low, high if high > low else low + 1),
        mean=tuple(known.mean(0).tolist()),
        std=tuple(torch.where(spread > 0, spread, 1.0).tolist()),
    )


def _are_numbers(part: InputColumns, columns: Columns) -> bool:
    """Return whether the first cell that is not empty holds a number."""
    cells = columns.texts.column(part.columns[0])
    return real_number(next(filter(None, cells), "")) is not None


def read_columns(
    columns: Columns,
    inputs: Sequence[tuple[InputColumns, TensorSpec]],
    outputs: Sequence[OutputLoss],
    shapes: Mapping[str, tuple[int, ...]],
    classes: Mapping[str, Sequence[str]],
) -> ColumnDataset:
    """Read a table's inputs and targets.

    Rows without one of the inputs are left out, and listed as problems.

    Args:
        columns: the table.
        inputs: the inputs of the recipe with their specifications, in the network's order.
        outputs: what the outputs learn.
        shapes: shape of each output, without batch axis; read for targets that are files.
        classes: names of the classes of outputs with `cross_entropy`.

    Returns:
        The data set. A missing target is -1 for `cross_entropy`, else NaN.

    Raises:
        UsageError: there is no such column.
        DataError: a cell cannot be read, or no row has all inputs.
    """
    found, wrong = [], {}
    for part, spec in inputs:
        if len(part.columns) == 1 and not (spec.kind == "vector" and _is_plain(part, columns)):
            things, unread = columns.things(part.columns[0], spec)
        else:
            things = columns.numbers(part.columns)
            empty = (~things.isfinite().all(1)).nonzero().flatten().tolist()
            unread = dict.fromkeys(empty, "an empty cell")
        if tuple(things.shape[1:]) != spec.shape:
            raise UsageError(
                f"columns for the input {part.name}, {spec.shape}",
                received=", ".join(part.columns),
                hint="Name a column for each number, or one column of files.",
            )
        found.append(things)
        wrong.update(unread)
    targets = {part.name: _targets(part, columns, shapes, classes) for part in outputs}
    keep = torch.tensor([row for row in range(len(columns.texts)) if row not in wrong], dtype=torch.int64)
    if not len(keep):
        raise DataError(
            f"rows of {columns.name} with all inputs",
            received="none",
            hint="Fill in the cells of the inputs' columns.",
        )
    problems = tuple(
        Problem(columns.texts.where(row), "unreadable", reason) for row, reason in sorted(wrong.items())
    )
    specs = tuple(spec for _part, spec in inputs)
    data = ColumnDataset(tuple(found), specs, targets, columns.name, problems)
    return data.take(keep) if wrong else data


def _is_plain(part: InputColumns, columns: Columns) -> bool:
    return not columns.holds_images(part.columns[0]) and _are_numbers(part, columns)


def _targets(
    part: OutputLoss,
    columns: Columns,
    shapes: Mapping[str, tuple[int, ...]],
    classes: Mapping[str, Sequence[str]],
) -> Tensor:
    """Read the targets of an output."""
    if part.loss == "cross_entropy":
        return _class_indices(part, columns, classes[part.name])
    if part.kind:
        spec = TensorSpec(shapes[part.name], kind=part.kind, name=part.name)
        things, unread = columns.things(part.columns[0], spec)
        if things.dtype == torch.uint8:
            things = things.float() / 255
        things[list(unread)] = float("nan")
        return things
    numbers = columns.numbers(part.columns)
    outside = numbers[numbers.isfinite() & ((numbers < 0) | (numbers > 1))]
    if part.loss == "bce" and len(outside):
        raise DataError(
            f"targets from 0 to 1 for the loss bce of the output {part.name}",
            received=f"{float(outside[0]):g}",
            hint="Write 0 and 1, or choose the loss mse for other numbers.",
        )
    return numbers


def class_names(part: OutputLoss, train: Columns) -> tuple[str, ...]:
    """Return the classes of an output: the recipe's, or what its column holds in the training data.

    Args:
        part: an output with `cross_entropy`.
        train: training data.

    Returns:
        The names: whole numbers in their order, else in alphabetical order.

    Raises:
        UsageError: there is no such column.
        DataError: there are fewer than two classes.
    """
    if part.classes:
        return part.classes
    names = {cell for cell in train.texts.column(part.columns[0]) if cell}
    numeric = all(name.isascii() and name.lstrip("-").isdecimal() for name in names)
    key: Callable[[str], tuple[float, str]] = (lambda n: (int(n), n)) if numeric else (lambda n: (0, n))
    if len(names) < 2:
        raise DataError(
            f"two classes or more in the column {part.columns[0]} of {train.name}",
            received=", ".join(names) or "empty cells alone",
            hint="Name another target, or another loss for numbers.",
        )
    return tuple(sorted(names, key=key))


def _class_indices(part: OutputLoss, columns: Columns, classes: Sequence[str]) -> Tensor:
    """Read a column of classes as their indices; -1 for an empty cell."""
    known = {name: index for index, name in enumerate(classes)} | {"": -1}
    cells = columns.texts.column(part.columns[0])
    for row, cell in enumerate(cells):
        if cell not in known:
            shown = ", ".join(classes[:NAMED]) + (", ..." if len(classes) > NAMED else "")
            raise DataError(
                f"a class of the output {part.name} ({shown}), {columns.texts.where(row)}",
                received=cell[:80],
                hint=nearest(cell, classes)
                or "The classes are those of the training data, or of the recipe.",
            )
    return torch.tensor([known[cell] for cell in cells], dtype=torch.int64)
