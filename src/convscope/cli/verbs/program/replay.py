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
    """Read the recipe, run its verb, and compare pictures of the same name."""
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
    return VerbResult({**answer.data, "replayed": replayed}, lambda: _shown(answer, same))


def _differences(before: Any, now: dict[str, str]) -> list[str]:
    if not isinstance(before, dict):
        return []
    return [
        f"{name} {before[name]} then, {now[name]} now"
        for name in now
        if name in before and before[name] != now[name]
    ]


def _compare(source: Path, out: object) -> bool | None:
    """Whether the picture came out as it was; None where there is nothing to compare."""
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
    """The picture in a file as it is stored.

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
