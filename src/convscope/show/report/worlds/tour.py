"""Write the tour of a world chapter by chapter, as that of pictures is written."""

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

from convscope.errors import Interrupted
from convscope.show import html
from convscope.show.report.figure import Section
from convscope.show.report.i18n import plain, spoken
from convscope.show.report.recipe import TourRecipe
from convscope.show.report.report import Report, render
from convscope.show.report.worlds.chapters import facts
from convscope.show.report.worlds.subject import Subject, WorldTour
from convscope.system.counting import counted
from convscope.system.files import write_text
from convscope.system.progress import Progress

PREPARED = 0.5
"""Share of the duration until network and inputs are there: an estimate."""


def find_tour(world: str) -> WorldTour:
    """Return the tour of a world.

    Args:
        world: name of the module beside this one that holds it as `TOUR`, which is imported only here.

    Returns:
        The tour.
    """
    return import_module(f"{__package__}.{world}").TOUR


def iter_sections(
    tour: WorldTour, recipe: TourRecipe, folder: Path, shown: Path, seconds: Callable[[], float]
) -> Iterator[Progress[tuple[Section, ...]]]:
    """Compute the chapters of a tour, and write the page after each.

    Args:
        tour: the tour.
        recipe: all settings.
        folder: where to write.
        shown: the folder that readers will find the results in.
        seconds: returns the seconds since the tour began.

    Yields:
        The progress with the sections so far.

    Raises:
        Interrupted: the user stopped the tour; finished chapters are in `folder`.
    """
    sections: list[Section] = []
    count = len(tour.chapters)
    try:
        yield Progress(0.0, plain(f"{tour.key}.title"), lambda: tuple(sections))
        subject = tour.prepare(recipe, folder)
        yield Progress(PREPARED, plain(f"{tour.key}.title"), lambda: tuple(sections))
        for number, chapter in enumerate(tour.chapters):
            section = chapter(subject)
            sections.append(section)
            _write(tour, subject, sections, folder, seconds())
            done = PREPARED + (1 - PREPARED) * (number + 1) / (count + 1)
            yield Progress(done, spoken(section.title, **section.values)["en"], lambda: tuple(sections))
    except KeyboardInterrupt:
        raise Interrupted(
            "the tour to run to its end",
            received="a stop",
            hint=f"{len(sections)} of {counted(count, 'chapter')}: {shown / 'report.html'}.",
        ) from None


def _write(tour: WorldTour, subject: Subject, sections: list[Section], folder: Path, seconds: float) -> None:
    """Write the page with the chapters finished so far, atomically."""
    values = {
        **html.made_with(),
        "seconds": round(seconds),
        "seed": subject.recipe.seed,
        "net": subject.net.source.name or subject.net.name,
    }
    unfinished = len(sections) < len(tour.chapters)
    report = Report(
        tuple(sections),
        subject.recipe.command(),
        tour.key,
        facts(tour.key, subject),
        values,
        unfinished,
        parts=("look",),
    )
    write_text(folder / "report.html", render(report))
