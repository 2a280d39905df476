"""Set up a training with several inputs and outputs from its recipe."""

from collections.abc import Sequence
from pathlib import Path

import torch

from convscope import nets
from convscope.errors import UsageError, nearest
from convscope.graph.branches import Branch, graph_of_branches
from convscope.graph.chain import read_shape
from convscope.graph.spec import TensorSpec
from convscope.learn.multitask.columns import Columns, class_names, input_spec, read_columns
from convscope.learn.multitask.losses import named_outputs, output_of
from convscope.learn.multitask.recipe import InputColumns, MultitaskRecipe
from convscope.learn.multitask.task import Multitask
from convscope.learn.setup import TrainingSetup, find_device, open_data, sampled, split_for_test
from convscope.learn.tasks.classifiers.classifier_head import random_inputs
from convscope.nets import Net, frozen
from convscope.system.counting import counted
from convscope.worlds import require_images
from convscope.worlds.datasets.table import SUFFIXES, ColumnDataset

NAMED = 3
"""Rows that a note names."""


def setup_from_recipe(recipe: MultitaskRecipe) -> TrainingSetup:
    """Set up the training that a recipe with inputs, outputs and branches describes.

    Args:
        recipe: the recipe.

    Returns:
        Network, task, training and test data, and notes on missing targets, rows that were left out, and
        weights that do not learn.

    Raises:
        UsageError: nothing has the name of a network, an input, an output or a column.
        DataError: a table is damaged, or a cell cannot be read.
    """
    known = None if recipe.branches else nets.load(recipe.network, weights="packaged", seed=recipe.seed)
    train, test = _columns(recipe, known)
    inputs = _inputs(recipe, train, known)
    net = (known or _built(recipe, inputs)).to(find_device(recipe.device))
    with torch.no_grad(), frozen(net.module):
        outputs = named_outputs(net, net(*random_inputs(net, 2)))
    shapes = {part.name: tuple(output_of(part, outputs).shape[1:]) for part in recipe.outputs}
    classes = {part.name: class_names(part, train) for part in recipe.outputs if part.loss == "cross_entropy"}
    parts = [
        read_columns(columns, inputs, recipe.outputs, shapes, classes)
        for columns in (train, test)
        if columns is not None
    ]
    learned, tested = parts if len(parts) == 2 else split_for_test(parts[0], recipe.seed)
    learned = sampled(learned, recipe)
    task = Multitask(recipe.outputs, classes)
    notes = [*_row_notes(learned), *(_row_notes(tested) if test is not None else ())]
    notes += [*_target_notes(task, learned), *_weight_notes(task, net)]
    return TrainingSetup(net, task, learned, tested, tuple(notes))


def _columns(recipe: MultitaskRecipe, known: Net | None) -> tuple[Columns, Columns | None]:
    """Open the columns to learn from, and those to test on where the data says which these are."""
    if Path(recipe.data).suffix.lower() in SUFFIXES:
        train = Columns.of_file(recipe.data)
        return train, Columns.of_file(recipe.test) if recipe.test else None
    if recipe.test:
        raise UsageError(
            f"a test table beside a table ({', '.join(SUFFIXES)})",
            received=f"{recipe.test} and {recipe.data}",
            hint="Leave test out: a set or a folder says itself what to test on.",
        )
    found = (require_images(data) for data in open_data(recipe, _image_spec(recipe, known)))
    train, test = (Columns.of_images(data, recipe.seed) for data in found)
    return train, test


def _image_spec(recipe: MultitaskRecipe, known: Net | None) -> TensorSpec | None:
    """Return the spec at which a folder's pictures are read: that of the first input that is an image."""
    if known is not None:
        return next((spec for spec in known.input_specs if len(spec.size) == 2), None)
    shapes = (read_shape(part.shape) for part in recipe.inputs if part.shape)
    return next((TensorSpec(shape) for shape in shapes if len(shape) == 3), None)


def _inputs(
    recipe: MultitaskRecipe, train: Columns, known: Net | None
) -> list[tuple[InputColumns, TensorSpec]]:
    """Return the inputs of the recipe with their specifications, in the network's order."""
    if known is None:
        return [(part, input_spec(part, train, None)) for part in recipe.inputs]
    specs = {spec.name: spec for spec in known.input_specs}
    if len(specs) < len(known.input_specs):  # names that say nothing: their order counts
        specs = {f"input{index}": spec for index, spec in enumerate(known.input_specs, start=1)}
    given = {part.name: part for part in recipe.inputs}
    for name in given:
        if name not in specs:
            raise UsageError(
                f"an input of {known.name}: {', '.join(specs)}", received=name, hint=nearest(name, specs)
            )
    parts = {name: given.get(name) or InputColumns(name=name) for name in specs}
    return [(parts[name], input_spec(parts[name], train, spec)) for name, spec in specs.items()]


def _built(recipe: MultitaskRecipe, inputs: Sequence[tuple[InputColumns, TensorSpec]]) -> Net:
    """Build the network that the recipe's branches describe."""
    branches = [Branch(part.name, part.inputs, part.layers, part.merge) for part in recipe.branches]
    shapes = {spec.name: spec.shape for _part, spec in inputs}
    graph = graph_of_branches(shapes, branches, [part.name for part in recipe.outputs])
    return nets.wrap(
        nets.build(graph, seed=recipe.seed), [spec for _part, spec in inputs], name=recipe.network
    )


def _row_notes(data: ColumnDataset) -> list[str]:
    """Say which rows were left out."""
    if not data.problems:
        return []
    shown = "; ".join(f"{problem.path}: {problem.reason}" for problem in data.problems[:NAMED])
    more = "; ..." if len(data.problems) > NAMED else ""
    return [f"{counted(len(data.problems), 'row')} without an input left out ({shown}{more})."]


def _target_notes(task: Multitask, data: ColumnDataset) -> list[str]:
    """Say how many targets are missing."""
    missing = {
        name: f"{count:,} of {counted(len(data), 'training sample')}"
        for name, count in task.missing(data).items()
        if count
    }
    return [
        f"Targets of {name} are missing in {text}: those count for the other outputs."
        for name, text in missing.items()
    ]


def _weight_notes(task: Multitask, net: Net) -> list[str]:
    """Say which weights do not learn because only outputs of weight 0 read them."""
    idle = [part.name for part in task.losses if not part.weight]
    if not idle:
        return []
    found = task.without_gradient(net)
    if not found:
        what = "All weights are read by other outputs too, and learn from those."
    else:
        what = f"Weights that no other output reads stay as they are: {_listed(found)}."
    return [f"The loss of {', '.join(idle)} has the weight 0: it is measured alone. {what}"]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
