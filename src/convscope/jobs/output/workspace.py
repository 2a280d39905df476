"""Where a job writes its result, and what it tells meanwhile."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.jobs.output import results
from convscope.jobs.output.controls import Controls
from convscope.jobs.output.dialogue import Dialogue, ScriptedDialogue
from convscope.system import signals

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from convscope.graph import TensorSpec


@dataclass(frozen=True)
class Artifact:
    """A file of a result.

    Attributes:
        file: its name, below the result's folder.
        kind: `image`, `animation`, `page`, or the ending of another file, such as `wav`.
        caption: what it shows.
    """

    file: str
    kind: str
    caption: str


def _silent(_text: str) -> None:
    """Discard a line of the log."""


@dataclass(eq=False)
class Workspace:
    """Where a job writes its result, and what it tells meanwhile.

    Attributes:
        out: path of the result; None for one under `runs/`, or none.
        log: called with one line of text for people; what it says is not part of the result.
        artifacts: files written so far, in the order in which they were first written.
        pending: the folder in which they lie while the job runs; None before it has one, and once they lie at
            their paths.
        dialogue: whom a job talks with that talks; by default nobody, who says nothing.
        controls: what a running training is asked for, from any thread.
    """

    out: Path | None = None
    log: Callable[[str], None] = _silent
    artifacts: list[Artifact] = field(default_factory=list)
    pending: Path | None = None
    dialogue: Dialogue = field(default_factory=ScriptedDialogue)
    controls: Controls = field(default_factory=Controls)

    @contextlib.contextmanager
    def folder(self, name: str) -> Iterator["ResultFolder"]:
        """Make a result folder, atomically; see `convscope.jobs.output.results`.

        Args:
            name: what the result is, for a name under `runs/` without `out`.

        Yields:
            The folder to fill.

        Raises:
            UsageError: on entering or leaving the block, the path is taken or cannot be written to.
        """
        signals.working()
        with results.folder(self.out, name) as pending:
            self.pending = pending.path
            yield ResultFolder(pending, self)
        self.pending = None


@dataclass(frozen=True, eq=False)
class ResultFolder:
    """A result folder that is being filled, and lists what is written into it."""

    pending: results.Pending
    workspace: Workspace

    @property
    def path(self) -> Path:
        """The temporary folder to write to."""
        return self.pending.path

    @property
    def out(self) -> Path:
        """The path that it is moved to in the end."""
        return self.pending.out

    def save_image(self, image: "Image", name: str, recipe: dict[str, Any], caption: str = "") -> str:
        """Write an image as PNG with its recipe inside.

        Args:
            image: the image, of any mode that PNG knows.
            name: name of the file to write or replace.
            recipe: JSON-ready recipe, as `recipe.stamp` returns it.
            caption: what it shows.

        Returns:
            The name.

        Raises:
            DataError: the folder cannot be written to.
        """
        from convscope.show.images import png

        png.save(image, self.path / name, recipe)
        return self._listed(name, "image", caption)

    def save_animation(
        self,
        images: "list[Image]",
        name: str,
        recipe: dict[str, Any],
        caption: str = "",
        *,
        seconds: float | None = None,
    ) -> str:
        """Write an animation as WebP with its recipe inside.

        Args:
            images: its frames, all of one size.
            name: name of the file to write or replace.
            recipe: JSON-ready recipe.
            caption: what it shows.
            seconds: its duration; the usual one if left out.

        Returns:
            The name.
        """
        from convscope.show.images import animation

        options = {} if seconds is None else {"seconds": seconds}
        animation.save(images, self.path / name, recipe, **options)
        return self._listed(name, "animation", caption)

    def save_page(self, html: str, name: str, caption: str = "") -> str:
        """Write a page.

        Args:
            html: the page.
            name: name of the file to write or replace.
            caption: what it shows.

        Returns:
            The name.
        """
        (self.path / name).write_text(html, encoding="utf-8")
        return self._listed(name, "page", caption)

    def save_file(self, content: bytes, name: str, caption: str = "") -> str:
        """Write a file that is neither an image nor a page, such as a sound.

        Args:
            content: all of it.
            name: name of the file to write or replace.
            caption: what it holds.

        Returns:
            The name.
        """
        (self.path / name).write_bytes(content)
        return self._listed(name, Path(name).suffix.removeprefix("."), caption)

    def save_playable(
        self, tensor: "Tensor", spec: "TensorSpec", picture: str, caption: str = ""
    ) -> dict[str, str]:
        """Write an input as a file of its own kind, such as a sound, beside its picture.

        Args:
            tensor: an input of any size, without batch axis, in the spec's value range.
            spec: specification of the input.
            picture: name of the picture's file; this one has another ending.
            caption: what it holds.

        Returns:
            The name as `sound`; nothing where the picture is all there is.
        """
        from convscope.worlds import world_of

        made = world_of(spec).to_file(tensor, spec)
        if made is None:
            return {}
        return {"sound": self.save_file(made[1], str(Path(picture).with_suffix(made[0])), caption)}

    def _listed(self, name: str, kind: str, caption: str) -> str:
        found = Artifact(name, kind, caption)
        if found not in self.workspace.artifacts:
            self.workspace.artifacts.append(found)
        return name
