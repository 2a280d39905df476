"""The figure of what is known about a named recipe, beside what a run of it gave."""

from convscope.learn import NamedRecipe
from convscope.show.report.figure import Figure
from convscope.show.report.i18n import bilingual
from convscope.show.svg import join


def of_run(found: NamedRecipe, here: str, reduced: bool) -> Figure:
    """Build the figure of published and measured results of a recipe, beside those of the run.

    Args:
        found: the recipe that the run followed, with or without changes.
        here: what the run gave, in words; empty if nothing was tested.
        reduced: whether it was the reduced run, which says nothing about quality.

    Returns:
        The figure.
    """
    lines = [
        bilingual("trained.expected.published", tag="p", what=r.what, value=r.value, source=r.source)
        for r in found.published
    ]
    if found.measured is not None:
        lines.append(bilingual("trained.expected.measured", tag="p", value=found.measured.value))
    if here:
        key = "trained.expected.reduced" if reduced else "trained.expected.here"
        lines.append(bilingual(key, tag="p", value=here))
    values = {"title": found.title, "name": found.name, "summary": found.summary}
    return Figure("trained.expected", join(lines), f"convscope recipes {found.name}", found.source, values)
