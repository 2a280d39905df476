"""Make a result again from the recipe it carries.

FILE is a picture that convscope saved, a recipe.toml, an answer saved as JSON, or a folder of these. On the
same machine with the same versions the result is the same, bit for bit; where versions differ, it says so.

    convscope replay runs/2026-11-22-visualize-digits/conv1-3.png
"""

from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from convscope.cli.core.shell import Shell, VerbResult
from convscope.errors import DataError, UsageError, nearest
from convscope.recipe import Recipe


class ReplayRecipe(Recipe):
    """Which result to make again. Device and seed are those of the result."""

    verb: ClassVar[str] = "replay"
    positional: ClassVar[tuple[str, ...]] = ("file",)

    file: str = Field(min_length=1, description="a picture, recipe.toml, JSON answer or run folder")


schema = ReplayRecipe


def run(recipe: ReplayRecipe, shell: Shell) -> VerbResult:
    """Run the verb of a saved recipe again, and compare the images if the recipe came from a PNG.

    Writes what that verb writes.

    Args:
        recipe: the file with the recipe.
        shell: destination of results, progress and log.

    Returns:
        The JSON fields of the verb, and `replayed`: `file`, `verb`, `versions_differ` (one text for each
        package) and `same_picture` (whether all pixels are equal; null where there is nothing to compare).
        The exit code is that of the verb, also for a different image.

    Raises:
        DataError: the file holds no recipe, or one that is invalid or of an unknown verb (exit code 3).
        MissingError: the recipe's device is not here (exit code 4).
        ConvscopeError: whatever the verb raises.
    """
    from convscope.cli.core import command, inputs, provenance
    from convscope.cli.verbs import VERBS

    source = Path(recipe.file)
    values = provenance.read(source)
    if source.suffix.lower() == ".png" and source.is_file():
        _pixels(source)  # a picture that cannot be compared is met before the work, not after
    verb, before = values.pop("verb"), values.pop("versions", {})
    values.pop("out", None)
    if verb not in VERBS or verb == ReplayRecipe.verb:
        raise DataError("a recipe of a verb that exists", received=verb, hint=nearest(verb, VERBS))
    differ = _differences(before, provenance.versions())
    if differ:
        shell.log("Made with other versions, so the last bits may differ: " + "; ".join(differ))
    module = command.load(verb)
    try:
        inner = module.schema.parse(values)
    except UsageError as error:  # what is wrong is in the file, not in the request
        raise DataError(f"{error.expected}, in {source}", received=error.received, hint=error.hint) from None
    inputs.require_device(inner)
    shell.log(f"Again: {inner.command()}")
    answer = module.run(inner, shell)
    same = _compare(source, answer.data.get("out"))
    replayed = {"file": recipe.file, "verb": verb, "versions_differ": differ, "same_picture": same}
    return VerbResult({**answer.data, "replayed": replayed}, lambda: _shown(answer, same), answer.code)


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


def _shown(answer: VerbResult, same: bool | None) -> Any:
    from rich.console import Group

    verdict = {True: "The same picture, bit for bit.", False: "A different picture.", None: ""}[same]
    shown = answer.render()
    if not verdict:
        return shown
    return Group(*(shown.split("\n") if isinstance(shown, str) else [shown]), verdict)
