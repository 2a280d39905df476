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

from convscope.jobs import inputs
from convscope.jobs.job import Document, Steps, finished, save_results
from convscope.jobs.output.workspace import ResultFolder, Workspace
from convscope.see.deepdream import DreamRecipe
from convscope.system.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.Image import Image
    from torch import Tensor

    from convscope.nets import Net
    from convscope.see import DreamResult
    from convscope.worlds import Sample

schema = DreamRecipe
FRAMES = 15
"""Frames per second of the zoom animation."""


def run(recipe: DreamRecipe, workspace: Workspace) -> Steps:
    """Run DeepDream on an image, and save the result.

    Writes `dream.png`, `sheet.png` (before and after) and, with `--zoom`, `frames/0000.png` and so on and the
    animation `zoom.webp`; each contains the recipe with every automatic choice replaced by its value.

    Args:
        recipe: image, network, layers, octaves, guide, mask, zoom and other settings.
        workspace: where the result goes, and what is logged.

    Yields:
        The progress with the document so far; JSON fields `net`, `layers`, `picture` (file name), `size`
        (`[height, width]` in pixels), `octaves` (the fields of `see.deepdream.deepdream.Octave`), `frames`
        (their number, 0 without `--zoom`) and `out` (the folder).

    Raises:
        Interrupted: stopped; the image and frames so far are saved (exit code 130).
        UsageError: the network does not take one image (exit code 2).
        DataError: an image cannot be read, or a weight is NaN or infinite (exit code 3).
    """
    from convscope import worlds

    net = inputs.require_image_input(inputs.network(recipe.net, recipe, workspace))
    photo = worlds.open_whole(recipe.photo, net.input_spec, longest=recipe.size)
    guide = None
    if recipe.guide is not None:
        guide = worlds.open_whole(recipe.guide, net.input_spec, longest=max(net.input_spec.size))
    mask = None if recipe.mask is None else worlds.open_mask(recipe.mask)
    with workspace.folder(f"dream-{Path(recipe.photo).stem}") as folder:
        keeper = _Keeper(net, recipe, folder)
        document = yield from save_results(
            _dreamt(net, photo, recipe, guide, mask, keeper),
            keeper.save,
            lambda _made, _message: f"stopped; the picture so far is in {folder.out}",
        )
    yield finished({**document, "out": str(folder.out)})


def _dreamt(
    net: "Net",
    photo: "Sample",
    recipe: DreamRecipe,
    guide: "Sample | None",
    mask: "Tensor | None",
    keeper: "_Keeper",
) -> "Iterator[Progress[DreamResult]]":
    from convscope.nets import frozen
    from convscope.see import iter_dream

    with frozen(net.module):
        yield from iter_dream(net, photo, recipe, guide=guide, mask=mask, watch=keeper.frame)


class _Keeper:
    """Save images with the recipe in their metadata, and the frames of a zoom as they are finished."""

    def __init__(self, net: "Net", recipe: DreamRecipe, folder: ResultFolder) -> None:
        self.net, self.recipe, self.folder = net, recipe, folder
        self.first: DreamResult | None = None
        self.frames: list[Image] = []

    @staticmethod
    def mark(made: "DreamResult") -> dict[str, Any]:
        from convscope.recipe import stamp

        return stamp(made.recipe)

    def picture(self, image: "Tensor") -> "Image":
        from convscope.show.images import input_image

        return input_image.opaque(image, self.net.input_spec)

    def frame(self, number: int, made: "DreamResult") -> None:
        self.first = self.first or made
        if self.recipe.zoom:
            picture = self.picture(made.image)
            self.folder.save_image(picture, f"frames/{number:04d}.png", self.mark(made), f"frame {number}")
            self.frames.append(picture)

    def save(self, made: "DreamResult") -> Document:
        from convscope.show.images import contact_sheet
        from convscope.show.images.contact_sheet import SheetRow, SheetTile

        made = self.first or made
        mark, title = self.mark(made), f"A dream of {self.net.name}"
        picture = self.picture(made.image)
        self.folder.save_image(picture, "dream.png", mark, title)
        before = SheetTile(self.picture(made.original), notes=["before"])
        row = SheetRow([before, SheetTile(picture, notes=["after"])], ", ".join(made.layers))
        side = min(max(picture.height, 160), 480)
        sheet = contact_sheet.compose([row], title=title, side=side)
        self.folder.save_image(sheet, "sheet.png", mark, "before and after")
        if self.frames:
            seconds = len(self.frames) / FRAMES
            self.folder.save_animation(self.frames, "zoom.webp", mark, "the zoom", seconds=seconds)
        return {
            "net": self.net.name,
            "layers": list(made.layers),
            "picture": "dream.png",
            "size": [picture.height, picture.width],
            "octaves": [asdict(octave) for octave in made.octaves],
            "frames": len(self.frames),
        }
