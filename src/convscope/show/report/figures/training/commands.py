"""The figures of settings, of what is known about a recipe, and of commands that go on from a run."""

from collections.abc import Mapping, Sequence

from convscope.learn import NamedRecipe
from convscope.show.report.figure import Figure
from convscope.show.report.i18n import Text, bilingual, texts
from convscope.show.svg import element, join


def settings(chosen: Mapping[str, object], command: str) -> Figure:
    """Build the figure of the settings in which a run differs from the defaults.

    Args:
        chosen: values by name of the setting.
        command: begins the same training again.

    Returns:
        The figure.
    """
    rows = [
        element("tr", element("th", name.rstrip("_"), scope="row"), element("td", _written(value)))
        for name, value in chosen.items()
    ]
    table = element("table", element("tbody", *rows), class_="exact", translate="no")
    body = join([element("div", table, class_="scrolled"), element("pre", command, translate="no")])
    return Figure("trained.settings", body, "", "", {})


def _written(value: object) -> str:
    """Write the value of a setting: several with commas between them, those of a table with their names."""
    if isinstance(value, list | tuple):
        return ("; " if value and isinstance(value[0], Mapping) else ", ").join(map(_written, value))
    if isinstance(value, Mapping):
        return " ".join(f"{name}={_written(entry)}" for name, entry in value.items())
    return str(value)


def going_on(commands: Sequence[str]) -> Figure:
    """Build the figure of commands that use or continue a run.

    Args:
        commands: terminal commands; a text `trained.use.<verb>` says what one does, where there is one.

    Returns:
        The figure.
    """
    entries = []
    for command in commands:
        words = command.split()
        verb = "resume" if "--resume" in words else words[1]
        said = bilingual(f"trained.use.{verb}", tag="p") if f"trained.use.{verb}" in texts() else None
        entries.append(join([said, element("pre", command, translate="no")]))
    return Figure("trained.use", element("div", *entries, class_="commands"), "", "", {})


def known_results(found: NamedRecipe, here: Text, reduced: bool) -> Figure:
    """Build the figure of published and measured results of a recipe and its cost, beside those of the run.

    Args:
        found: the recipe that the run followed, with or without changes.
        here: what the run gave, in words of both languages; empty if nothing was tested.
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
    elif found.cost:
        lines.append(bilingual("trained.expected.cost", tag="p", value=found.cost))
    if here:
        key = "trained.expected.reduced" if reduced else "trained.expected.here"
        lines.append(bilingual(key, tag="p", value=here))
    values = {"title": found.title, "name": found.name, "summary": found.summary}
    return Figure("trained.expected", join(lines), f"convscope recipes {found.name}", found.source, values)
