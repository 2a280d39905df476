"""Teach a network.

NETWORK is a name from `convscope nets`, a run's folder (its weights are the start), or a chain of layers in
quotes. DATA is `digits` (bundled), `mnist`, `fashion-mnist`, `cifar10`, or a folder with one folder of
pictures for each class. The run's folder gets report.html: curves, mistakes, filters, how to go on. Ctrl-C
saves, and the message says how to go on, exactly where it stopped. --task names another registered task than
classification; settings of its own come from --config. --size 32 builds the network for another input.
--recipe takes all settings from one of `convscope recipes`; flags override them.

--from efficientnet_lite0, in the place of NETWORK, starts from its weights with a fresh last layer for the
classes of the data: the first --probe-epochs train that layer alone, on features computed once, the others
everything.

Under torchrun the same command trains in several processes, one for each GPU or for some cores each: --batch
is what they compute together, and process 0 writes and prints. Where torchrun may restart them
(--max-restarts), --out must be given: they go on from the run there.

With --resume the run's own recipe counts, and no other setting may be given, except more --epochs. They are
exactly what they would have been if planned from the start, which needs --schedule constant (without
--warmup): the learning rates of the other schedules follow from the number of epochs.

    convscope train lecture-relu digits --epochs 3
    convscope train "conv 8 3x3, relu, maxpool 2, flatten, dense 10" digits
    convscope train --recipe lenet5
    convscope train pictures --from efficientnet_lite0
    convscope train --resume runs/2026-11-22-train-lecture-relu
    convscope train --resume runs/2026-11-22-train-lecture-relu --epochs 10
    torchrun --nproc-per-node 2 --max-restarts 3 -m convscope train lecture-relu digits --out runs/mine
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from convscope.errors import UsageError
from convscope.jobs import pictures, training
from convscope.jobs.job import Document, Steps, finished
from convscope.jobs.output.workspace import Workspace
from convscope.learn import ClassificationRecipe, TaskRecipe
from convscope.recipe.fields import as_text, flag_of
from convscope.system.counting import counted

if TYPE_CHECKING:
    from convscope.learn import EvalResult

schema = ClassificationRecipe


SCHEMA_SETTINGS = ("task", "recipe")
"""The settings that decide which others there are."""


def schema_for(values: Mapping[str, Any]) -> type[TaskRecipe]:
    """Return the recipe schema of the task that is named.

    Args:
        values: settings by field, not validated.

    Returns:
        The task's own schema; where a run is resumed, one of every task.

    Raises:
        UsageError: no such task is registered, or another verb trains it; there is no such recipe; settings
            are given that only another task has.
    """
    from convscope.learn import find_recipe, find_schema

    name = as_text(values.get("recipe") or "")
    named = find_recipe(name).values() if isinstance(name, str) and name else {}
    task = values.get("task", named.get("task"))
    if task is None:
        return schema
    found = find_schema(str(as_text(task)))
    other = [flag_of(n) for n in values if n in schema.model_fields and n not in found.model_fields]
    if other:
        raise UsageError(
            f"settings of the task {task}",
            received=f"{', '.join(other)}, of the task classification",
            hint=f"Leave out {', '.join(other)}, or train another task.",
        )
    return found  # pyright: ignore[reportReturnType]  # of this verb


def run(recipe: TaskRecipe, workspace: Workspace) -> Steps:
    """Train a network on a task, and evaluate it on the test data.

    The run's folder holds `recipe.toml`, `state/` (to resume from), `env.json`, `model.json`,
    `model.safetensors`, `metrics.jsonl` (one line per epoch) and `report.html`. It is
    `--out`, the run of `--resume`, or a new one under `runs/`.

    Args:
        recipe: network, data, task and settings; with `resume`, the run's own recipe is followed.
        workspace: where the result goes, and what is logged.

    Yields:
        The progress with what there is to show so far, as field `training` (`TrainingView.document()`; at the
        end only where it was asked for before), and at the end the document; JSON fields `recipe` (the
        settings that were followed, the task among them), `network`, `unread` (number of files that could not
        be used), `train` (number of training samples), `frozen` (`FreezeRecord.to_json()` of each part that
        was frozen: what, when, and the SHA-256 of its values at the freezing, at the thawing and at the end),
        `lr_changes` (`LRChange.to_json()` of each one while it ran), `classes` (number of them by class; null
        without labels), `validation` (number of those held out of them to choose by), `input` (size of the
        input and of the pictures; null for other data), `epochs`
        (`Epoch.to_json()` of each one run now), `kept_epoch` (with `--patience` the number of the epoch whose
        weights are saved, else null), `test` (`EvalResult.to_json()` of the network that is saved: for a
        classifier `Evaluation.to_json()`), `table` (see `training.table`), `said` and `said_zh` (what
        needs attention, in sentences: that the training diverged, that few samples choose the epoch that is
        kept, how much of cropped photographs the network sees), `lr_finder` (of `--find-lr`:
        `LRFinderResult.to_json()`, else null), `probe_lr_finder` (the same of a linear probe), `report` (file
        name of the page) and `out` (the folder).

    Raises:
        TrainingError: a loss or weight is NaN or infinite; the last good state is kept (exit code 1).
        UsageError: settings contradict each other or the run to resume, no such task is registered, or
            `--out` is taken (exit code 2).
        DataError: the data or the run to resume is damaged (exit code 3).
        Interrupted: stopped with Ctrl-C; the run is saved, and the hint has the command that resumes (exit
            code 130).
    """
    done = yield from training.run(recipe, workspace)
    if done is None:
        return
    if done.tested is None:
        raise RuntimeError("the last epoch holds its evaluation")
    setup = done.setup
    unread = len({problem.path for problem in (*setup.train.problems, *setup.test.problems)})
    if unread:
        see = f" See: convscope data check {done.recipe.data}" if os.path.isdir(done.recipe.data) else ""  # noqa: PTH112
        workspace.log(f"{counted(unread, 'file')} could not be used.{see}")
    if getattr(setup.task, "calibrate", False) and setup.net.output_spec.temperature == 1:
        workspace.log(
            "Not calibrated: every answer on the validation part is right, so that no temperature is better "
            "than another. A larger --validation-split may help."
        )
    asked = done.recipe.model_copy(update={"resume": recipe.resume})
    yield finished({"recipe": asked.model_dump(mode="json"), **_document(done, done.tested, unread)})


def _document(done: training.Training[TaskRecipe], tested: "EvalResult", unread: int) -> Document:
    """Return the fields of the document on a finished training, but for its recipe."""
    from convscope.learn import best_epoch, class_counts

    setup = done.setup
    counts = class_counts(setup.train, getattr(setup.train, "classes", ()))
    kept = best_epoch(done.all_epochs)
    crops = pictures.said_of_data(setup.train)
    found_rates = {found.rate: found.to_json() for found in done.lr_finders}
    return {
        "network": setup.net.name,
        "unread": unread,
        "train": len(setup.train),
        "classes": None if counts is None else dict(zip(setup.train.classes, counts.tolist(), strict=True)),
        "validation": 0 if setup.validation is None else len(setup.validation),
        "frozen": [record.to_json() for record in done.frozen],
        "lr_changes": [change.to_json() for change in done.lr_changes],
        "input": None if setup.fit is None else setup.fit.to_json(),
        "epochs": [epoch.to_json() for epoch in done.epochs],
        "kept_epoch": None if kept is None else kept.index,
        "test": tested.to_json(),
        "table": training.table(done, [*tested.summary, *done.lines, *crops["said"]]),
        "lr_finder": found_rates.get("lr"),
        "probe_lr_finder": found_rates.get("probe_lr"),
        "said": [*done.said(), *crops["said"]],
        "said_zh": [*done.said("zh"), *crops["said_zh"]],
        "report": training.REPORT,
        **done.shown,
        "out": str(done.folder),
    }
