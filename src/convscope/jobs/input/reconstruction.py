"""What `caricature` and `invert` share: reconstruct an image from each layer, and save the images."""

from typing import TYPE_CHECKING, Any

from convscope.cli.core import inputs, pictures
from convscope.cli.core.shell import Shell, VerbResult
from convscope.errors import Interrupted
from convscope.see.activation_atlas import CaricatureRecipe, InvertRecipe

if TYPE_CHECKING:
    from convscope.nets import Net
    from convscope.see import Reconstruction


def run(recipe: CaricatureRecipe | InvertRecipe, shell: Shell, title: str) -> VerbResult:
    """Reconstruct an image from each layer by optimisation, and save the images.

    Writes one PNG for each layer and `strip.png`, the input beside all reconstructions; each PNG contains the
    recipe.

    Args:
        recipe: settings of `caricature` or `invert`.
        shell: destination of results, progress and log.
        title: title of the strip; `{net}` in it is replaced by the network's name.

    Returns:
        JSON fields `net`, `layers` and `out` (the folder); exit code 0. Each entry of `layers` has `layer`,
        `cosine` (cosine similarity between the activations of the reconstruction and of the input), `missed`
        (their squared distance as a share of the input activations' squared norm), `picture` (file name) and
        `unmoved` (whether the gradient was 0 in every step).

    Raises:
        Interrupted: stopped with Ctrl-C; what was reconstructed before is saved (exit code 130).
        UsageError: the network does not take one image (exit code 2).
        DataError: the image cannot be read, or a weight is NaN or infinite (exit code 3).
    """
    net = inputs.looks_at_pictures(inputs.network(recipe.net, recipe, shell))
    image = inputs.picture(net, recipe.image)
    with shell.folder(f"{recipe.verb}-{net.name}") as folder:
        drawn, stopped = _drawn(net, image, recipe, shell)
        found = _save(net, drawn, recipe, folder.path, title)
        if stopped:
            raise Interrupted(
                f"stopped at {drawn.layers[-1]}, step {drawn.steps}; what there is is in {folder.place}",
                hint="Run the same command with another --out to finish.",
            )
    return VerbResult({"net": net.name, "layers": found, "out": str(folder.place)}, lambda: _table(found))


def _drawn(
    net: "Net", image: Any, recipe: CaricatureRecipe | InvertRecipe, shell: Shell
) -> "tuple[Reconstruction, bool]":
    from convscope.nets import frozen
    from convscope.see import iter_reconstruct

    last = None
    with shell.progress(recipe.verb, 1.0) as progress, frozen(net.module):
        try:
            for last in iter_reconstruct(net, image, recipe):
                progress.update(last.done, f"{last.layer}, step {last.step} of {recipe.steps}")
        except KeyboardInterrupt:
            if last is None:
                raise
            return last.reconstruction(), True
    if last is None:
        raise Interrupted("stopped before the first step")
    return last.reconstruction(), False


def _save(
    net: "Net", drawn: "Reconstruction", recipe: CaricatureRecipe | InvertRecipe, folder: Any, title: str
) -> list[dict[str, Any]]:
    from convscope.cli.core.provenance import stamp
    from convscope.show.images import input_image, reconstruction_sheets

    mark, found = stamp(recipe), []
    numbers = zip(
        drawn.layers, drawn.images, drawn.cosines.tolist(), drawn.relative_errors.tolist(), strict=True
    )
    for layer, image, cosine, missed in numbers:
        name = pictures.file_name(layer, [entry["picture"] for entry in found])
        pictures.save(input_image.image_of(image, net.input_spec), folder / name, mark)
        found.append(
            {
                "layer": layer,
                "cosine": cosine,
                "missed": missed,
                "picture": name,
                "unmoved": layer in drawn.unmoved,
            }
        )
    strip = reconstruction_sheets.strip(
        drawn, net, title.format(net=net.name), exact=isinstance(recipe, InvertRecipe)
    )
    pictures.save(strip, folder / "strip.png", mark)
    return found


def _table(found: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for head in ("layer", "cosine", "missed", "picture", ""):
        table.add_column(head)
    for entry in found:
        note = pictures.UNMOVED if entry["unmoved"] else ""
        table.add_row(
            entry["layer"], f"{entry['cosine']:.3f}", f"{entry['missed']:.1%}", entry["picture"], note
        )
    return table
