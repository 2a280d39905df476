"""A running training as a JSON-ready document: where it is, its last test, what is frozen, its filters."""

from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.jobs.job import Document
from convscope.jobs.output.controls import Controls

if TYPE_CHECKING:
    from convscope.learn import Epoch, RunEvents, Task, TrainingSetup, TrainProgress

MOST_FILTERS, MOST_WEIGHTS = 64, 10_000
"""Filters of the first layer that are given, and weights that they have at most."""
MOST_CLASSES, MOST_CONFUSIONS = 64, 100
"""Classes up to which the confusion matrix is given, and pairs of classes that are listed."""


def document_so_far(
    place: Path,
    setup: "TrainingSetup",
    events: "RunEvents",
    event: "Epoch | TrainProgress",
    controls: Controls,
) -> Document:
    """Describe a training between two of its batches.

    Args:
        place: the run's folder.
        setup: network, task and data.
        events: the training.
        event: the newest event.
        controls: what was asked for meanwhile.

    Returns:
        JSON field `training` with `run` (the folder), `epoch`, `epochs`, `step`, `steps`, `lr` (of the last
        step), `highest_lr`, `paused`, `frozen` (addresses), `controls` (what became of each request), `now`
        (loss and metrics of the epoch so far; None at its end), `finished` (at the end of an epoch
        `Epoch.to_json()`, its `answers` as `answers_of` returns them, and `test`, as the task says it; else
        None), `metrics` (names, headings, and whether the lower is better) and `filters` (of the first
        convolution: `layer`, `shape` and `values`; None without one).
    """
    from convscope.learn import Epoch

    trainer = events.trainer
    steps = trainer.batch_source.steps
    if isinstance(event, Epoch):
        epoch, step, now, finished = event.index, steps, None, _finished(event, setup)
    else:
        epoch, step, now, finished = event.epoch, event.step, _now(event), None
    return {
        "training": {
            "run": str(place),
            "epoch": epoch,
            "epochs": event.epochs,
            "step": step,
            "steps": steps,
            "lr": trainer.rates.current,
            "highest_lr": trainer.rates.highest,
            "paused": controls.paused,
            "frozen": list(trainer.freezer.frozen),
            "controls": [outcome.to_json() for outcome in controls.outcomes],
            "now": now,
            "finished": finished,
            "metrics": _metrics(setup.task),
            "filters": _filters(setup),
        }
    }


def _now(event: "TrainProgress") -> Document:
    shown = {name: _finite(value) for name, value in asdict(event).items() if name != "metrics"}
    return {**shown, "metrics": {name: _finite(value) for name, value in event.metrics.items()}}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not isfinite(value) else value


def _finished(epoch: "Epoch", setup: "TrainingSetup") -> Document:
    test = None if epoch.tested is None else epoch.tested.to_json()
    if test is not None and len(test.get("confusion", ())) > MOST_CLASSES:
        test["confusion"] = None
    return {**epoch.to_json(), "test": test, "answers": answers_of(epoch, setup)}


def answers_of(epoch: "Epoch", setup: "TrainingSetup") -> Document | None:
    """Return what a classifier answers for each test sample.

    Args:
        epoch: a finished epoch.
        setup: network, task and data.

    Returns:
        `classes`, `confusions` (true class, answer, count; the most frequent first), and in the order of the
        samples `labels`, `predictions` (indices of classes), `losses` and `files` (class folder and name;
        empty where the samples are no files). None for another task, and where nothing was tested.
    """
    from convscope.learn import ClassifiedSamples

    if epoch.tested is None:
        return None
    for finding in setup.task.findings(setup.net, setup.test, epoch.tested):
        if isinstance(finding, ClassifiedSamples):
            found, paths = finding.evaluation, getattr(finding.samples, "paths", ())
            return {
                "classes": list(found.classes),
                "confusions": [list(entry) for entry in found.confusions[:MOST_CONFUSIONS]],
                "labels": found.labels.tolist(),
                "predictions": found.predictions.tolist(),
                "losses": [round(loss, 4) for loss in found.losses.tolist()],
                "files": [f"{path.parent.name}/{path.name}" for path in paths],
            }
    return None


def _metrics(task: "Task") -> list[Document]:
    return [
        {"name": spec.name, "heading": spec.heading, "primary": spec.name == task.primary_metric}
        for spec in task.metric_specs
    ]


def _filters(setup: "TrainingSetup") -> Document | None:
    """Return the kernels of the first convolution, as far as they are few."""
    from convscope import see

    layers = see.layers_with_filters(setup.net)
    if not layers:
        return None
    weights = see.filters(setup.net, layers[0]).weights[:MOST_FILTERS]
    if weights.numel() > MOST_WEIGHTS:
        return None
    values = [float(f"{value:.3g}") if isfinite(value) else None for value in weights.flatten().tolist()]
    return {"layer": layers[0], "shape": list(weights.shape), "values": values}
