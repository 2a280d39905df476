"""Make a result again from the recipe it carries.

FILE is a picture that convscope saved, a recipe.toml, an answer saved as JSON, or a folder of these. On the
same machine with the same versions the result is the same, bit for bit; where versions differ, it says so.

    convscope replay runs/2026-11-22-visualize-digits/conv1-3.png
"""

from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from convscope.errors import DataError, UsageError, nearest
from convscope.jobs import inputs, registry
from convscope.jobs.job import Document, Steps, finished, mapped
from convscope.jobs.output import provenance
from convscope.jobs.output.workspace import Workspace
from convscope.learn import TrainRecipe
from convscope.recipe import Recipe, versions
from convscope.recipe.fields import ResultFile
from convscope.system.progress import Progress


class ReplayRecipe(Recipe):
    """Which result to make again. Device and seed are those of the result."""

    verb: ClassVar[str] = "replay"
    positional: ClassVar[tuple[str, ...]] = ("file",)

    file: ResultFile = Field(min_length=1, description="a picture, recipe.toml, JSON answer or run folder")


schema = ReplayRecipe


def run(recipe: ReplayRecipe, workspace: Workspace) -> Steps:
    """Run the verb of a saved recipe again, and compare the images if the recipe came from a PNG.

    Writes what that verb writes.

    Args:
        recipe: the file with the recipe.
        workspace: where the result goes, and what is logged.

    Yields:
        The progress of the verb with its document so far: its JSON fields, and `replayed`: `file`, `verb`,
        `versions_differ` (one text for each package) and `same_picture` (whether all pixels are equal; null
        where there is nothing to compare).

    Raises:
        DataError: the file holds no recipe, or one that is invalid or of an unknown verb (exit code 3).
        MissingError: the recipe's device is not here (exit code 4).
        ConvscopeError: whatever the verb raises.
    """
    source = Path(recipe.file)
    values = provenance.read(source)
    if source.suffix.lower() == ".png" and source.is_file():
        _pixels(source)  # a picture that cannot be compared is met before the work, not after
    verb, before = values.pop("verb"), values.pop("versions", {})
    values.pop("out", None)
    if verb not in registry.JOBS or verb == ReplayRecipe.verb:
        raise DataError("a recipe of a verb that exists", received=verb, hint=nearest(verb, registry.JOBS))
    differ = _differences(before, versions())
    if differ:
        workspace.log("Made with other versions, so the last bits may differ: " + "; ".join(differ))
    try:
        inner = registry.schema_for(verb, values).parse(values)
    except UsageError as error:  # what is wrong is in the file, not in the request
        raise DataError(f"{error.expected}, in {source}", received=error.received, hint=error.hint) from None
    inputs.require_device(inner)
    workspace.log(f"Again: {inner.command()}")
    for change in _interventions(source, inner):
        workspace.log(f"Not repeated, because it was done by hand while the run went on: {change}")
    replayed = {"file": recipe.file, "verb": verb, "versions_differ": differ, "same_picture": None}
    last: Progress[Document | None] | None = None

    def convert(step: Progress[Document | None]) -> Progress[Document | None]:
        nonlocal last
        last = step
        return Progress(step.fraction, step.message, lambda: _with(step.result(), replayed))

    yield from mapped(registry.load(verb).run(inner, workspace), convert)
    made = None if last is None else last.result()
    if made is not None:
        same = _compare(source, made.get("out"))
        yield finished({**made, "replayed": {**replayed, "same_picture": same}})


def _with(document: Document | None, replayed: dict[str, Any]) -> Document | None:
    return None if document is None else {**document, "replayed": replayed}


def _interventions(source: Path, recipe: Recipe) -> tuple[str, ...]:
    """Return what was changed by hand while a training ran, which its recipe does not say."""
    folder = source if source.is_dir() else source.parent
    if not isinstance(recipe, TrainRecipe) or not (folder / "state").is_dir():
        return ()
    from convscope.learn import Run

    return Run(folder, recipe, ()).interventions


def _differences(before: Any, now: dict[str, str]) -> list[str]:
    if not isinstance(before, dict):
        return []
    return [
        f"{name} {before[name]} then, {now[name]} now"
        for name in now
        if name in before and before[name] != now[name]
    ]


def _compare(source: Path, out: object) -> bool | None:
    """Return whether the new image has the same pixels; None where there is nothing to compare."""
    made = Path(str(out)) if out else None
    if made is not None and made.is_dir():
        made = made / source.name
    if made is None or not made.is_file() or source.suffix.lower() != ".png":
        return None
    from PIL import ImageChops

    first, second = _pixels(source), _pixels(made)
    alike = first.size == second.size and first.mode == second.mode
    return alike and ImageChops.difference(first, second).getbbox(alpha_only=False) is None


def _pixels(path: Path) -> Any:
    """Return the image in a file with its pixels as stored.

    Raises:
        PhotoError: (a DataError) it is damaged, or larger than what is decoded.
    """
    from convscope.worlds.images import decode

    return decode.open_stored(decode.read_bytes(path), str(path))
