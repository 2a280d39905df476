"""The report of a training as one HTML page: curves, mistakes, what was learned, and how to go on."""

import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

from convscope.errors import PlaceError
from convscope.learn import (
    ClassifiedSamples,
    Divergence,
    Epoch,
    EvalResult,
    Evaluation,
    FewToChooseBy,
    Finding,
    FreezeRecord,
    ImageRows,
    LRChange,
    LRFinderResult,
    MetricSpec,
    NumberTable,
    Plot,
    TrainingSetup,
    TrainRecipe,
    best_epoch,
    deciding_loss,
    divergence,
    duplicates_of_parts,
    extends,
    few_to_choose_by,
    find_recipe,
    max_lr_at,
    recipe_names,
)
from convscope.see.features import filters, layers_with_filters
from convscope.show import html
from convscope.show.pages import crop
from convscope.show.report.chapters.training import HARDEST, answers
from convscope.show.report.figure import Figure, Section
from convscope.show.report.figures.network import filters as kernels
from convscope.show.report.figures.training import (
    attributed_mistakes,
    calibration,
    class_accuracy,
    commands,
    confusion,
    curves,
    duplicates,
    frozen,
    next_step,
    side_by_side,
    worst_examples,
)
from convscope.show.report.i18n import LANGUAGES, bilingual_of, plain, spoken, texts
from convscope.show.report.report import Report, render
from convscope.worlds import LabelledImages

SAMPLES = 200
"""Points of the curve of the learning rate."""
EVALUATE = """\
import convscope as cs
from convscope import learn
setup = learn.setup_training(learn.Run.open({folder!r}).recipe)
found = learn.evaluate(cs.load({folder!r}), setup.test)
print(found.metrics, found.confusion, found.hardest({hardest}))"""

FROZEN = """\
from convscope import learn
for part in learn.Run.open({folder!r}).frozen:
    print(part.text())"""


@dataclass(frozen=True)
class TrainedRun:
    """What the report of a training is made of.

    Attributes:
        recipe: the recipe that was followed.
        setup: network, task and data.
        epochs: all finished epochs of the run, those before a resumption included.
        tested: the evaluation after the last of them; None where none was finished now.
        folder: the run's folder, as the commands name it.
        frozen: what was frozen, and when.
        lr_changes: how the learning rate was changed while it ran.
        lr_finders: the curves from which learning rates were taken before it.
    """

    recipe: TrainRecipe
    setup: TrainingSetup
    epochs: Sequence[Epoch]
    tested: EvalResult | None
    folder: Path
    frozen: Sequence[FreezeRecord] = ()
    lr_changes: Sequence[LRChange] = ()
    lr_finders: Sequence[LRFinderResult] = ()

    @property
    def unfinished(self) -> bool:
        """Whether planned epochs are missing, which the training did not leave out itself."""
        return len(self.epochs) < self.recipe.epochs and not (self.epochs and self.epochs[-1].stopped)

    @property
    def kept(self) -> Epoch:
        """The epoch whose network is saved: the best one where one was chosen, else the last."""
        return best_epoch(self.epochs) or self.epochs[-1]

    @property
    def diverged(self) -> Divergence | None:
        """How the training of the network that is saved diverged, if it did."""
        evidence = None if self.tested is None else self.tested.evidence
        kept = self.epochs[: self.kept.index] if self.epochs else ()
        return divergence(kept, evidence, probed=getattr(self.recipe, "probe_epochs", 0))

    @property
    def few(self) -> FewToChooseBy | None:
        """That few samples choose the epoch that is kept, where they do."""
        setup = self.setup
        return few_to_choose_by(self.recipe, setup.train, setup.validation, setup.task.primary)


def page(run: TrainedRun) -> str:
    """Render the report of a training as a self-contained HTML page in English and Chinese.

    Args:
        run: the training, finished or stopped.

    Returns:
        The HTML document.
    """
    task, net = run.setup.task, run.setup.net
    shown = _findings(run)
    sections = [
        Section("trained.result", (*_curves(run), *_expected(run), *shown)),
        Section("trained.held", _frozen(run)),
        Section("trained.learned", _filters(run)),
        Section("trained.next", (_settings(run), commands.going_on(_commands(run)))),
    ]
    values: Mapping[str, object] = {
        "net": net.name,
        "data": getattr(run.setup.train, "name", "data"),
        "train": f"{len(run.setup.train):,}",
        "test": f"{len(run.setup.test):,}",
        "done": len(run.epochs),
        "planned": run.recipe.epochs,
        "seed": run.recipe.seed,
        "task": run.recipe.task,
        **html.made_with(),
    }
    return render(
        Report(
            tuple(section for section in sections if section.figures),
            run.recipe.command(),
            "trained",
            [*_facts(run, task.primary)],
            values,
            run.unfinished,
            deep=True,
            parts=("trained",),
            notes=crop.sentences_on_data(run.setup.train),
        )
    )


def _facts(run: TrainedRun, primary: MetricSpec) -> list[tuple[str, Markup | str]]:
    facts: list[tuple[str, Markup | str]] = []
    if run.epochs:
        value = primary.text(run.kept.test_metrics if run.tested is None else run.tested.metrics)
        facts += [(f"trained.fact.{_known(primary)}", value)] if value else []
    facts.append(("trained.fact.epochs", f"{len(run.epochs)} / {run.recipe.epochs}"))
    facts.append(("trained.fact.train", f"{len(run.setup.train):,}"))
    if run.setup.validation is not None:
        facts.append(("trained.fact.validation", f"{len(run.setup.validation):,}"))
    if run.setup.fit is not None:
        height, width = run.setup.fit.size
        facts.append(("trained.fact.input", f"{width}×{height}"))
    seconds = sum(epoch.seconds for epoch in run.epochs)
    return [*facts, ("trained.fact.seconds", f"{seconds:,.0f} s" if seconds >= 10 else f"{seconds:.1f} s")]


def _known(metric: MetricSpec) -> str:
    """Return the part of a text's key for a metric: its name where there is a text of it."""
    return metric.name if f"trained.fact.{metric.name}" in texts() else "primary"


def _curves(run: TrainedRun) -> tuple[Figure, ...]:
    """Build the figure of all metrics over the epochs, and of the learning rate; none before the first."""
    if not run.epochs:
        return ()
    found = []
    for spec in run.setup.task.metric_specs:
        series = {
            name: [epoch_metrics.get(spec.name) for epoch_metrics in measured]
            for name, measured in (
                ("train", [epoch.metrics for epoch in run.epochs]),
                ("test", [epoch.test_metrics for epoch in run.epochs]),
                ("validation", [epoch.validation_metrics for epoch in run.epochs]),
            )
        }
        series = {name: values for name, values in series.items() if any(v is not None for v in values)}
        if series:
            found.append(curves.Curve(_heading(spec), series))
    found.append(_rates(run))
    last = run.kept
    tested = last.test_metrics if run.tested is None else run.tested.metrics
    measured = [spec for spec in run.setup.task.metric_specs if spec.text(tested)]
    values = {
        "epoch": last.index,
        "epochs": run.recipe.epochs,
        "measured": _in_words(measured, tested),
    }
    found_turns = [
        *_chosen(run),
        *_calibrated(run),
        *turned(run.epochs, "loss"),
        *_found_rates(run),
        *_rescaled(run),
    ]
    sentences = [bilingual_of(spoken(key, **numbers), tag="p") for key, numbers in found_turns]
    said = [bilingual_of(found.text, tag="p") for found in (run.diverged, run.few) if found is not None]
    sentences = [*said, *sentences]
    figure = curves.of_run(found, values, sentences)
    return (figure if measured else replace(figure, key="trained.untested"),)


def _chosen(run: TrainedRun) -> list[tuple[str, Mapping[str, object]]]:
    """Say which epoch's network is saved, where one was chosen, and whether the training ended early."""
    best = best_epoch(run.epochs)
    if best is None:
        return []
    metric = run.setup.task.primary
    found: list[tuple[str, Mapping[str, object]]] = [
        (
            "trained.kept",
            {"epoch": best.index, "metric": metric.heading, "value": metric.text(best.validation_metrics)},
        )
    ]
    tied = deciding_loss(run.epochs, metric)
    found += [("trained.tied_epochs", {"loss": tied})] if tied else []
    if run.epochs[-1].stopped:
        found.append(("trained.stopped", {"done": len(run.epochs), "patience": run.recipe.patience}))
    return found


def _calibrated(run: TrainedRun) -> list[tuple[str, Mapping[str, object]]]:
    """Say that the loss of a calibrated network is another one than that of its last epoch."""
    found = None if run.tested is None else run.tested.evidence
    if not isinstance(found, Evaluation) or found.temperature == 1:
        return []
    return [
        ("trained.calibrated_loss", {"loss": f"{found.loss:.4f}", "temperature": f"{found.temperature:.3g}"})
    ]


def _found_rates(run: TrainedRun) -> list[tuple[str, Mapping[str, object]]]:
    """Say which learning rates the finder suggested before the training, and for what."""
    return [
        (
            "trained.found_probe_lr" if found.rate == "probe_lr" else "trained.found_lr",
            {"lr": f"{found.suggestion:.2g}", "flag": found.flag},
        )
        for found in run.lr_finders
        if found.suggestion is not None
    ]


def _rescaled(run: TrainedRun) -> list[tuple[str, Mapping[str, object]]]:
    """Say when the learning rate was changed while the training ran."""
    return [
        (
            "trained.rescaled",
            {"epoch": c.epoch, "step": c.step, "lr": f"{c.max_lr:.3g}", "before": f"{c.previous:.3g}"},
        )
        for c in run.lr_changes
    ]


def turned(epochs: Sequence[Epoch], metric: str) -> list[tuple[str, Mapping[str, object]]]:
    """Say where a metric of the test data was lowest, if that was before the last epoch.

    Args:
        epochs: the finished epochs.
        metric: name of a metric that shall be low.

    Returns:
        The key of one sentence and its values; nothing where the last epoch has the lowest value, or where
        the difference does not show in three digits.
    """
    values = [(epoch.test_metrics.get(metric), epoch.index) for epoch in epochs]
    known = [(value, index) for value, index in values if value is not None]
    if len(known) < 2:
        return []
    (best, at), (last, _) = min(known), known[-1]
    if f"{best:.3g}" == f"{last:.3g}":
        return []
    return [("trained.turned", {"epoch": at, "best": f"{best:.3g}", "last": f"{last:.3g}"})]


def _heading(spec: MetricSpec) -> Mapping[str, str]:
    """Return the name of a metric in both languages, as far as it is known."""
    key = f"trained.metric.{spec.name}"
    return {
        language: plain(key, language) if key in texts() and not spec.label else spec.heading
        for language in LANGUAGES
    }


def _in_words(specs: Sequence[MetricSpec], metrics: Mapping[str, float | None]) -> dict[str, str]:
    """Write metrics with their values in a line, in both languages; empty without any."""
    if not specs:
        return {}
    return {
        language: comma.join(
            f"{heading}{'' if heading.endswith('）') else ' '}{spec.text(metrics)}"
            for spec in specs
            if (heading := _heading(spec)[language])
        )
        for language, comma in (("en", ", "), ("zh", "，"))
    }


def _rates(run: TrainedRun) -> curves.Curve:
    """Return the learning rate over the finished epochs, as the task sets it."""
    done = SAMPLES * len(run.epochs)
    weights = [weight for weight in run.setup.net.module.parameters() if weight.requires_grad]
    highest = run.recipe.max_lr(sum(weight.numel() for weight in weights))
    chosen = range(0, done, max(1, done // SAMPLES))
    values = [
        run.setup.task.learning_rate(
            run.recipe, max_lr_at(highest, run.lr_changes, step / SAMPLES), step, SAMPLES
        )
        for step in chosen
    ]
    name = {language: plain("trained.metric.lr", language) for language in LANGUAGES}
    return curves.Curve(name, {"train": values}, (0, len(run.epochs)))


def _findings(run: TrainedRun) -> list[Figure]:
    """Build the figures of what the task shows of its test."""
    if run.tested is None:
        return []
    found: Sequence[Finding] = run.setup.task.findings(run.setup.net, run.setup.test, run.tested)
    return _distinct([figure for finding in found for figure in FIGURES[type(finding)](finding, run)])


def _distinct(figures: Sequence[Figure]) -> list[Figure]:
    """Number figures of the same key, so that each has an id of its own on the page."""
    counts: Counter[str] = Counter()
    found = []
    for figure in figures:
        counts[figure.anchor] += 1
        number = counts[figure.anchor]
        found.append(figure if number == 1 else replace(figure, name=f"{figure.name} {number}".strip()))
    return found


def _expected(run: TrainedRun) -> tuple[Figure, ...]:
    """Build the figure of what is known about the named recipe of the run; none without one."""
    name = getattr(run.recipe, "recipe", "")
    if name not in recipe_names():
        return ()
    here = {}
    if run.epochs:
        metrics = run.kept.test_metrics
        here = _in_words([spec for spec in run.setup.task.metric_specs if spec.text(metrics)], metrics)
    return (commands.known_results(find_recipe(name), here, getattr(run.recipe, "reduced", False)),)


def _classified(finding: ClassifiedSamples, run: TrainedRun) -> list[Figure]:
    """Build the figures of a classifier's test: accuracy of each class, calibration, confusions, mistakes."""
    evaluation, images = finding.evaluation, finding.samples
    again = EVALUATE.format(folder=str(run.folder), hardest=HARDEST)
    figures = [class_accuracy.of_run(evaluation, again), calibration.of_run(evaluation, again)]
    if evaluation.confusions:
        figures.append(confusion.of_run(evaluation, again, images))
    worst = answers(evaluation, images, HARDEST)
    figures.append(worst_examples.figure(worst, again, images.spec, key="trained.hardest", source=""))
    explained = f"convscope explain INPUT --net {shlex.quote(str(run.folder))}"
    attributed = attributed_mistakes.of_run(run.setup.net, worst, evaluation.classes, explained)
    figures += [attributed] if attributed else []
    copies, pairs = _duplicates(finding, run)
    figures += copies
    if run.diverged:
        return [*figures, next_step.diverged(run.diverged, _retrained(run.recipe))]
    if run.few is not None and run.kept.index < len(run.epochs) and not pairs:
        return [*figures, next_step.chosen_by_few(run.few, _rechosen(run.recipe, run.few))]
    data = str(getattr(run.recipe, "data", ""))
    figures.append(next_step.of_run(run.kept, evaluation, pairs, data, str(run.folder)))
    return figures


def _duplicates(finding: ClassifiedSamples, run: TrainedRun) -> tuple[list[Figure], int]:
    """Build the figures of near-duplicates between the parts of the data; return how many the test has."""
    train, test, validation = run.setup.train, finding.samples, run.setup.validation
    if not isinstance(train, LabelledImages) or not isinstance(test, LabelledImages):
        return [], 0
    held = validation if isinstance(validation, LabelledImages) else None
    found = duplicates_of_parts(train, test, held)
    if found is None:
        return [], 0
    figures = []
    if found.test:
        figures.append(duplicates.of_run(found.test, train, test, finding.evaluation, held))
    if held is not None and found.validation:
        figures.append(duplicates.of_validation(found.validation, train, held))
    return figures, len(found.test)


FIGURES: dict[type, Callable[[Any, TrainedRun], list[Figure]]] = {
    ClassifiedSamples: _classified,
    ImageRows: lambda finding, _run: [side_by_side.images(finding)],
    NumberTable: lambda finding, _run: [side_by_side.numbers(finding)],
    Plot: lambda finding, _run: [side_by_side.points(finding)],
}
"""What draws each kind of finding."""


def _frozen(run: TrainedRun) -> tuple[Figure, ...]:
    """Build the figure of what was frozen; none where nothing was."""
    shown = [record for record in run.frozen if not record.momentary]
    return (frozen.of_run(shown, FROZEN.format(folder=str(run.folder))),) if shown else ()


def _filters(run: TrainedRun) -> tuple[Figure, ...]:
    """Build the figure of the first layer's kernels.

    None for a network without convolutions, and where only the head has been trained so far.
    """
    if run.epochs and len(run.epochs) <= getattr(run.recipe, "probe_epochs", 0):
        return ()
    net = run.setup.net
    places = layers_with_filters(net)
    try:
        found = filters(net, places[0]) if places else None
    except PlaceError:  # the layer has no kernels that could be shown
        return ()
    if found is None or found.weights.dim() != 4 or max(found.weights.shape[2:]) < 2:
        return ()
    return (kernels.of_run(found, f"convscope visualize {shlex.quote(str(run.folder))} {places[0]}"),)


def _settings(run: TrainedRun) -> Figure:
    """Build the figure of the settings."""
    execution = {}
    if run.epochs:
        execution = {"precision": run.epochs[-1].precision, "memory_format": run.epochs[-1].memory_format}
    given = {name: value for name, value in run.recipe.chosen().items() if name != "resume"}
    shown = {name: getattr(run.recipe, name) for name in ("epochs", "batch", "optimizer", "schedule")}
    return commands.settings({**shown, **execution, **given}, run.recipe.command())


def _retrained(recipe: TrainRecipe) -> str:
    """Return the command that trains again, with the learning rates of the finder."""
    own = {"probe_lr": type(recipe).model_fields["probe_lr"].default} if hasattr(recipe, "probe_lr") else {}
    return recipe.model_copy(update={**own, "lr": None, "find_lr": True, "resume": None}).command()


def _rechosen(recipe: TrainRecipe, few: FewToChooseBy) -> str:
    """Return the command that trains again and chooses the epoch by more samples, or keeps the last one."""
    if few.share is None:
        changes = {"patience": None, "validation_split": None}
    else:
        changes = {"validation_split": few.share}
    return recipe.model_copy(update={**changes, "resume": None}).command()


def _commands(run: TrainedRun) -> list[str]:
    """Return the commands that go on from this run: to the next epochs, and to what the task is for."""
    folder = shlex.quote(str(run.folder))
    verb = run.recipe.verb
    found = []
    if run.unfinished:
        found.append(f"convscope {verb} --resume {folder}")
    elif extends(run.recipe) and not run.epochs[-1].stopped and not run.diverged:
        found.append(f"convscope {verb} --resume {folder} --epochs {2 * run.recipe.epochs}")
    return [*found, *run.setup.task.commands(folder, run.recipe)]
