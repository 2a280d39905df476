"""The comparison of runs as one HTML page: curves, metrics, and the settings in which they differ."""

import shlex

from convscope.learn import RunComparison
from convscope.show import html
from convscope.show.report.figure import Section
from convscope.show.report.figures.runs import compared_curves, tables
from convscope.show.report.figures.training import commands
from convscope.show.report.report import Report, render


def page(compared: RunComparison, command: str) -> str:
    """Render a comparison of runs as a self-contained HTML page in English and Chinese.

    Args:
        compared: the runs.
        command: makes the page again.

    Returns:
        The HTML document.
    """
    curves, settings = compared_curves.of_runs(compared), tables.settings(compared)
    measured = tuple(figure for figure in (tables.metrics(compared), curves) if figure is not None)
    sections = [Section("runs.measured", measured)]
    if settings is not None:
        sections.append(Section("runs.differ", (settings,)))
    sections.append(Section("runs.next", (commands.going_on(_commands(compared)),)))
    count = len(compared.runs)
    values = {"count": count, **html.made_with()}
    facts = [
        ("runs.fact.runs", str(count)),
        ("runs.fact.settings", str(len(compared.settings))),
        ("runs.fact.epochs", str(sum(len(run.run.epochs) for run in compared.runs))),
    ]
    report = Report(tuple(sections), command, "runs", facts, values, parts=("trained", "runs"))
    return render(report)


def _commands(compared: RunComparison) -> list[str]:
    """Return the commands that go on from a comparison: unfinished runs, then what the best can do."""
    found = [
        f"convscope {run.run.recipe.verb} --resume {shlex.quote(str(run.run.folder))}"
        for run in compared.runs
        if not run.run.finished
    ]
    best = [run for run in compared.runs if run.value is not None]
    if best:
        spec = best[0].primary
        sign = 1 if spec is not None and spec.higher_is_better else -1
        chosen = max(best, key=lambda run: sign * (run.value or 0.0))
        found.append(f"convscope describe {shlex.quote(str(chosen.run.folder))}")
        if chosen.right is not None:
            found.append(f"convscope classify INPUT --net {shlex.quote(str(chosen.run.folder))}")
    return found
