"""The figure of the learning curves of several runs."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from convscope.learn import Epoch, MetricSpec, RunComparison, RunSummary
from convscope.show.report.figure import Figure
from convscope.show.report.figures.chart import chart, key
from convscope.show.report.i18n import LANGUAGES, bilingual_of, plain, spoken, texts
from convscope.show.svg import element, join

STYLES = tuple(f"run-{k}" for k in range(12))
"""CSS classes of the curves of 12 runs: six colours, and again dashed."""
PARTS = ("test", "validation", "train")


def of_runs(compared: RunComparison) -> Figure | None:
    """Build the figure of all curves, one panel for each metric and part of the data, with all runs in each.

    Args:
        compared: the runs.

    Returns:
        The figure; None where no epoch is finished.
    """
    panels = [panel for part in PARTS for spec in compared.specs for panel in _panel(compared, spec, part)]
    if not panels:
        return None
    names = [
        element("span", key(style), element("span", run.name, translate="no"))
        for style, run in zip(STYLES, compared.runs, strict=False)
    ]
    legend = element("div", *names, class_="legend")
    most = max(len(run.run.epochs) for run in compared.runs)
    values = {"count": len(compared.runs), "epochs": most}
    return Figure(
        "runs.curves", join([legend, element("div", *panels, class_="pair")]), "", "", values, wide=True
    )


def _panel(compared: RunComparison, spec: MetricSpec, part: str) -> list[Markup]:
    """Draw one metric of all runs that have measured it; nothing where none has."""
    every = {style: _series(run, spec.name, part) for style, run in zip(STYLES, compared.runs, strict=False)}
    found = {style: values for style, values in every.items() if any(v is not None for v in values)}
    if not found:
        return []
    metric = heading(spec)
    name = {language: plain(f"runs.curves.{part}", language, metric=metric) for language in LANGUAGES}
    label = spoken("runs.curves.alt", name=name, said=_last_values(compared, spec, found, part))
    drawn = chart(found, label=label, styles=tuple(found), whole=False)
    return [element("div", bilingual_of(name, tag="p", class_="mini"), drawn)]


def _series(run: RunSummary, metric: str, part: str) -> list[float | None]:
    """Return a metric of each epoch."""
    return [_measured(epoch, part).get(metric) for epoch in run.run.epochs]


def _measured(epoch: Epoch, part: str) -> Mapping[str, float | None]:
    """Return the metrics of an epoch on a part of the data."""
    return {
        "test": epoch.test_metrics,
        "validation": epoch.validation_metrics,
        "train": epoch.metrics,
    }[part]


def _last_values(
    compared: RunComparison, spec: MetricSpec, found: Mapping[str, Sequence[float | None]], part: str
) -> str:
    """Return the last value of each curve, for those who do not see it."""
    words = []
    for style, run in zip(STYLES, compared.runs, strict=False):
        if style in found:
            text = spec.text(_measured(run.run.epochs[-1], part))
            words.append(f"{run.name} {text or '–'}")
    return "; ".join(words)


def heading(spec: MetricSpec) -> Mapping[str, str]:
    """Return the name of a metric in every language, as far as it is known.

    Args:
        spec: the metric.

    Returns:
        Language -> name.
    """
    known = f"trained.metric.{spec.name}"
    return {
        language: plain(known, language) if known in texts() and not spec.label else spec.heading
        for language in LANGUAGES
    }
