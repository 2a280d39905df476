"""The tables of a comparison of runs: metrics, and settings that are not the same."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from convscope.learn import RunComparison
from convscope.show.report.figure import Figure
from convscope.show.report.figures.runs.compared_curves import heading
from convscope.show.report.i18n import bilingual, bilingual_of, spoken
from convscope.show.svg import element, join

NOTHING = "–"


def metrics(compared: RunComparison) -> Figure:
    """Build the table of the test metrics after the last epoch, and what follows from them.

    Args:
        compared: the runs.

    Returns:
        The figure.
    """
    heads = [
        element("th", bilingual("runs.metrics.run")),
        element("th", bilingual("runs.metrics.epochs")),
        *(element("th", bilingual_of(heading(spec))) for spec in compared.specs),
        element("th", bilingual("runs.metrics.interval")),
    ]
    rows = [
        element(
            "tr",
            element("th", run.name, scope="row", translate="no"),
            element("td", f"{len(run.run.epochs)}/{run.run.recipe.epochs}"),
            *(element("td", spec.text(run.test_metrics) or NOTHING) for spec in compared.specs),
            element("td", _span(run.interval)),
        )
        for run in compared.runs
    ]
    sentences = [bilingual_of(text, tag="p") for text in sentences_of(compared)]
    return Figure("runs.metrics", join([_table(heads, rows), *sentences]), "", "", {"count": len(rows)})


def settings(compared: RunComparison) -> Figure | None:
    """Build the table of the settings in which the runs differ.

    Args:
        compared: the runs.

    Returns:
        The figure; None where all are the same.
    """
    if not compared.settings:
        return None
    heads = [element("th", bilingual("runs.settings.setting"))]
    heads += [element("th", run.name, translate="no") for run in compared.runs]
    rows = [
        element(
            "tr",
            element("th", name, scope="row", translate="no"),
            *(element("td", _written(value), translate="no") for value in values),
        )
        for name, values in compared.settings.items()
    ]
    return Figure("runs.settings", _table(heads, rows), "", "", {"count": len(rows)})


def sentences_of(compared: RunComparison) -> list[dict[str, str]]:
    """Say what the accuracies prove, in every language.

    Args:
        compared: the runs.

    Returns:
        A text in each language for each sentence.
    """
    found = [
        spoken(
            f"runs.difference.{'clear' if difference.beyond_chance else 'chance'}",
            best=difference.best,
            other=difference.other,
            apart=f"{100 * difference.difference:.2f}",
            low=f"{100 * difference.interval[0]:+.2f}",
            high=f"{100 * difference.interval[1]:+.2f}",
        )
        for difference in compared.differences
    ]
    found += [dict(remark) for remark in compared.remarks]
    if compared.seeds is not None:
        spec, (average, spread) = compared.runs[0].primary, compared.seeds
        form = spec.form if spec else ".4g"
        values = {"mean": f"{average:{form}}", "spread": f"{spread:{form}}", "count": len(compared.runs)}
        found.append(spoken("runs.seeds", **values))
    elif not compared.settings:
        found.append(spoken("runs.same"))
    return found


def _span(ends: tuple[float, float] | None) -> str:
    return NOTHING if ends is None else f"{100 * ends[0]:.2f}–{100 * ends[1]:.2f}%"


def _written(value: Any) -> str:
    """Write the value of a setting; several values with commas between them."""
    if value is None or value == []:
        return NOTHING
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _table(heads: Sequence[Markup], rows: Sequence[Markup]) -> Markup:
    head = element("thead", element("tr", *heads))
    return element("div", element("table", head, element("tbody", *rows), class_="exact"), class_="scrolled")
