"""Draw into a picture what a network sees in it (DeepDream).

The activations' own energy is raised at several sizes: what is positive grows, what is negative falls.
`--guide` dreams of what another picture shows, `--mask` only where it is white, `--seamless` makes a tile,
`--zoom 60` a video that falls into the dream. A picture of any size is cut into tiles that fit `--memory`.
Ctrl-C keeps the picture as it is.

    convscope dream photo.jpg
    convscope dream photo.jpg --layer blocks.3.2 --octaves 5 --size 1200
    convscope dream photo.jpg --net hed-vgg16 --layer relu4_3:17 --mask sky.png
"""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.cli.core import inputs, pictures
from convscope.cli.core.shell import Shell, VerbResult
from convscope.errors import Interrupted
from convscope.see.deepdream import DreamRecipe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.Image import Image
    from torch import Tensor

    from convscope.nets import Net
    from convscope.see import DreamProgress, DreamResult

schema = DreamRecipe


def run(recipe: DreamRecipe, shell: Shell) -> VerbResult:
    """Run DeepDream on an image, and save the result.

    Writes `dream.png`, `sheet.png` (before and after) and, with `--zoom`, `frames/0000.png` and so on and the
    animation `zoom.webp`; each contains the recipe with every automatic choice replaced by its value.

    Args:
        recipe: image, network, layers, octaves, guide, mask, zoom and other settings.
        shell: destination of results, progress and log.

    Returns:
        JSON fields `net`, `layers`, `picture` (file name), `size` (`[height, width]` in pixels), `octaves`
        (the fields of `see.deepdream.deepdream.Octave`), `frames` (their number, 0 without `--zoom`) and
        `out` (the folder); exit code 0.

    Raises:
        Interrupted: stopped with Ctrl-C; the image and frames so far are saved (exit code 130).
        UsageError: the network does not take one image (exit code 2).
        DataError: an image cannot be read, or a weight is NaN or infinite (exit code 3).
    """
    net = inputs.looks_at_pictures(inputs.network(recipe.net, recipe, shell))
    photo = _opened(net, recipe.photo, recipe.size)
    guide = None if recipe.guide is None else _opened(net, recipe.guide, max(net.input_spec.size))
    mask = None if recipe.mask is None else _mask(recipe.mask)
    with shell.folder(f"dream-{Path(recipe.photo).stem}") as folder:
        keeper = _Keeper(net, recipe, folder.path)
        made, stopped = _dreamt(_course(net, photo, recipe, guide, mask), keeper, shell)
        data = keeper.save(made)
        if stopped:
            raise Interrupted(
                f"stopped; the picture so far is in {folder.place}",
                hint="Run the same command with another --out to finish.",
            )
    return VerbResult({**data, "out": str(folder.place)}, lambda: _table(data))


def _opened(net: "Net", path: str, longest: int | None) -> "Tensor":
    from convscope.worlds.images import photos

    return photos.to_tensor_uncropped(photos.open_photo(Path(path)), net.input_spec, longest=longest)


def _mask(path: str) -> "Tensor":
    from convscope.graph.spec import TensorSpec
    from convscope.worlds.images import photos

    return photos.to_tensor_uncropped(photos.open_photo(Path(path)), TensorSpec((1, 1, 1)))[0]


def _course(
    net: "Net", photo: "Tensor", recipe: DreamRecipe, guide: "Tensor | None", mask: "Tensor | None"
) -> "Iterator[DreamProgress]":
    from convscope.nets import frozen
    from convscope.see import iter_dream

    with frozen(net.module):
        yield from iter_dream(net, photo, recipe, guide=guide, mask=mask)


def _dreamt(course: "Iterator[DreamProgress]", keeper: "_Keeper", shell: Shell) -> "tuple[DreamResult, bool]":
    """Return the first frame's result and whether it was stopped; each frame is saved once it is finished."""
    last, first = None, None
    with shell.progress("dreaming", 1.0) as progress:
        try:
            for last in course:
                frame = f"frame {last.frame}, " if last.frame else ""
                progress.update(last.done, f"{frame}octave {last.octave + 1}, step {last.step}")
                if last.whole:
                    made = last.result()
                    first = first or made
                    keeper.frame(made, last.frame)
        except KeyboardInterrupt:
            if last is None:
                raise
            return first or last.result(), True
    if first is None:
        raise Interrupted("stopped before the first step")
    return first, False


class _Keeper:
    """Save images with the recipe in their metadata."""

    def __init__(self, net: "Net", recipe: DreamRecipe, folder: Path) -> None:
        self.net, self.recipe, self.folder = net, recipe, folder
        self.frames: list[Image] = []

    @staticmethod
    def mark(made: "DreamResult") -> dict[str, Any]:
        from convscope.cli.core.provenance import stamp

        return stamp(made.recipe)

    def picture(self, image: "Tensor") -> "Image":
        from convscope.worlds.images import photos

        return photos.to_pil(image, self.net.input_spec)

    def frame(self, made: "DreamResult", number: int) -> None:
        if self.recipe.zoom:
            picture = self.picture(made.image)
            pictures.save(picture, self.folder / "frames" / f"{number:04d}.png", self.mark(made))
            self.frames.append(picture)

    def save(self, made: "DreamResult") -> dict[str, Any]:
        from convscope.show.images import contact_sheet

        picture = self.picture(made.image)
        pictures.save(picture, self.folder / "dream.png", self.mark(made))
        row = contact_sheet.Row(
            ", ".join(made.layers), [self.picture(made.original), picture], (), ["before", "after"]
        )
        side = min(picture.height, 480)
        sheet = contact_sheet.sheet([row], title=f"A dream of {self.net.name}", side=side)
        pictures.save(sheet, self.folder / "sheet.png", self.mark(made))
        if self.frames:
            contact_sheet.animation(
                self.frames, self.folder / "zoom.webp", self.mark(made), seconds=len(self.frames) / FRAMES
            )
        return {
            "net": self.net.name,
            "layers": list(made.layers),
            "picture": "dream.png",
            "size": [picture.height, picture.width],
            "octaves": [asdict(octave) for octave in made.octaves],
            "frames": len(self.frames),
        }


FRAMES = 15
"""Frames per second of the zoom animation."""


def _table(data: dict[str, Any]) -> Any:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for head in ("octave", "objective before", "after", ""):
        table.add_column(head)
    for octave in data["octaves"]:
        height, width = octave["size"]
        times = f"x {octave['after'] / octave['before']:.2f}" if octave["before"] > 0 else ""
        if octave["unmoved"]:
            times = pictures.UNMOVED
        exact = "" if octave["exact"] else ", not exact near seams"
        tiles = f"  {octave['tiles']} tiles{exact}" if octave["tiles"] > 1 else ""
        table.add_row(
            f"{width} by {height}", f"{octave['before']:.4g}", f"{octave['after']:.4g}", times + tiles
        )
    return table
