"""Paint a picture in the style of others: its content, their brush.

The picture itself is moved until its values in a trained network are the content's and the correlations
between filters the paintings', from coarse to fine. Ctrl-C keeps the picture as it is.

    convscope style photo.jpg --style starry-night.jpg --size 512
    convscope style photo.jpg --style wave.jpg --style scream.jpg --style-weight 2 --style-weight 1
    convscope style photo.jpg --style starry-night.jpg --color luminance --mask sky.png --preview 10
    convscope style photo.jpg --style starry-night.jpg --guide parts.png --style-guide its-parts.png
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.jobs import inputs
from convscope.jobs.job import Document, Steps, finished, save_results
from convscope.jobs.output.workspace import ResultFolder, Workspace
from convscope.see.style import StyleRecipe
from convscope.system.progress import Progress

if TYPE_CHECKING:
    from PIL.Image import Image

    from convscope.see.style import StyleProblem, StyleResult

schema = StyleRecipe
PICTURE, STRIP = "picture.png", "strip.png"


def run(recipe: StyleRecipe, workspace: Workspace) -> Steps:
    """Transfer the style of paintings to an image by optimising the image (Gatys et al.).

    Writes `picture.png` and `strip.png` (content, paintings and result); both contain the recipe with every
    automatic choice replaced by its value. With `--preview`, a PNG beside the folder shows the state
    meanwhile and is removed at the end.

    Args:
        recipe: content, paintings, weights, mask, guides, network and settings of the optimisation.
        workspace: where the result goes, and what is logged.

    Yields:
        The progress with the document so far; the JSON fields of `document`, and `out` (the folder).

    Raises:
        Interrupted: stopped; the image so far is saved (exit code 130).
        UsageError: the network or a setting does not suit style transfer (exit code 2).
        DataError: an image cannot be read, or a weight is NaN or infinite (exit code 3).
    """
    from convscope.see.style import StyleProblem, checked
    from convscope.worlds.images import photos

    content, *paintings = [photos.open_photo(Path(path)) for path in (recipe.content, *recipe.style)]
    masks = [_shades(path) for path in ([recipe.mask] if recipe.mask else [])]
    guides = [
        photos.to_tensor_uncropped(photos.open_photo(Path(path)))
        for path in ([recipe.guide, *recipe.style_guide] if recipe.guide else [])
    ]
    net = checked(inputs.network(recipe.net, recipe, workspace), recipe)
    problem = StyleProblem(
        net,
        photos.to_tensor_uncropped(content),
        [photos.to_tensor_uncropped(painting) for painting in paintings],
        recipe,
        mask=masks[0] if masks else None,
        guide=guides[0] if guides else None,
        style_guides=guides[1:],
    )
    workspace.log(f"Style in {', '.join(map(str, problem.layers.style))}: {problem.layers.how}.")
    with workspace.folder(f"style-{Path(recipe.content).stem}") as folder:
        found = yield from save_results(
            _painted(problem, folder.out),
            lambda painted: _save(painted, paintings, folder),
            lambda _, message: f"stopped at {message}; the picture so far is in {folder.out}",
        )
    yield finished({**found, "out": str(folder.out)})


def _shades(path: str) -> Any:
    """Return an image's luminance as a mask `[1 h w]` from 0 to 1."""
    from convscope.see.style import luminance
    from convscope.worlds.images import photos

    return luminance(photos.to_tensor_uncropped(photos.open_photo(Path(path))))


def _painted(problem: "StyleProblem", out: Path) -> "Iterator[Progress[StyleResult]]":
    from convscope.nets import frozen
    from convscope.see.style import iter_style_transfer

    preview = _Preview(problem.recipe.preview, out)
    try:
        with frozen(problem.net.module):
            for step in iter_style_transfer(problem):
                preview.show(step)
                yield step
    finally:
        preview.close()


class _Preview:
    """A preview image beside the result, updated during the optimisation and removed at the end.

    It takes a name that is free, and is replaced and removed only while it is the file that was written last.
    """

    def __init__(self, seconds: float | None, out: Path) -> None:
        self.seconds, self.out = seconds, out
        self.shown = time.monotonic()
        self.file: Path | None = None
        self.identity: tuple[int, int] | None = None

    def show(self, step: "Progress[StyleResult]") -> None:
        """Write the image of a step if the last preview is older than the interval."""
        if self.seconds is None or (self.file and time.monotonic() - self.shown < self.seconds):
            return
        from convscope.worlds.images import photos

        self._write(photos.to_pil(step.result().image))
        self.shown = time.monotonic()

    def _write(self, image: "Image") -> None:
        from convscope.system.files import create_file, replace_file

        if self.file is not None and self._is_own(self.file):
            with replace_file(self.file) as part:
                image.save(part, format="PNG")
        else:
            number = 1
            while (self.file is None) or os.path.lexists(self.file):
                ending = "-preview" if number == 1 else f"-preview-{number}"
                self.file, number = (
                    self.out.absolute().with_name(f"{self.out.name}{ending}.png"),
                    number + 1,
                )
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with create_file(self.file) as part:
                image.save(part, format="PNG")
        self.identity = self._identity(self.file)

    @staticmethod
    def _identity(file: Path) -> tuple[int, int]:
        found = file.lstat()
        return found.st_dev, found.st_ino

    def _is_own(self, file: Path) -> bool:
        return os.path.lexists(file) and self._identity(file) == self.identity

    def close(self) -> None:
        """Remove the file."""
        if self.file is not None and self._is_own(self.file):
            self.file.unlink(missing_ok=True)


def document(painted: "StyleResult") -> dict[str, Any]:
    """Return the result of a style transfer as JSON fields.

    Args:
        painted: the result.

    Returns:
        `picture` and `strip` (file names), `size` (`[width, height]` in pixels), `layers` (style and content
        layers, and how they were chosen), `style` (relative style loss by layer, 0 for a perfect match),
        `style_of_content` (the same for the content image), `content` (relative content loss by layer),
        `said` and `said_zh` (a remark where the style was not reached), `score` (the objective), `scales`
        (`size` as `[width, height]` and `steps` of each), `precision` and `unmoved`
        (whether the gradient was 0 in every step).
    """
    from convscope.see.style import remark_on_convergence

    losses = painted.losses
    moved = not painted.unmoved and sum(painted.steps) > 0
    remark = remark_on_convergence(losses, painted.settled) if moved else None
    return {
        "said": [remark["en"]] if remark else [],
        "said_zh": [remark["zh"]] if remark else [],
        "picture": PICTURE,
        "strip": STRIP,
        "size": [painted.image.shape[2], painted.image.shape[1]],
        "layers": painted.layers,
        "style": losses.style,
        "style_of_content": losses.style_of_content,
        "content": losses.values,
        "score": losses.score,
        "scales": [
            {"size": [w, h], "steps": n} for (h, w), n in zip(painted.sizes, painted.steps, strict=True)
        ],
        "precision": painted.settled.precision,
        "unmoved": painted.unmoved,
    }


def _save(painted: "StyleResult", paintings: "list[Image]", folder: ResultFolder) -> Document:
    from convscope.recipe import stamp
    from convscope.show.pages import style as page
    from convscope.worlds.images import photos

    mark = stamp(painted.settled)
    made, content = (photos.to_pil(image) for image in (painted.image, painted.content))
    folder.save_image(made, PICTURE, mark, "the picture")
    strip = page.sheet(content, paintings, made, painted)
    folder.save_image(strip, STRIP, mark, "content, paintings and result")
    return document(painted)
