"""What `caricature` and `invert` share: reconstruct an image from each layer, and save the images."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from convscope.errors import UsageError
from convscope.jobs import inputs, pictures
from convscope.jobs.job import Document, Steps, finished, save_results
from convscope.jobs.output.workspace import ResultFolder, Workspace
from convscope.see.activation_atlas import CaricatureRecipe, InvertRecipe
from convscope.system.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor

    from convscope.nets import Net
    from convscope.see import Reconstruction
    from convscope.worlds import Sample


def run(recipe: CaricatureRecipe | InvertRecipe, workspace: Workspace, title: str) -> Steps:
    """Reconstruct an image from each layer by optimisation, and save the images.

    Writes one PNG for each layer and `strip.png`, the input beside all reconstructions; each PNG contains the
    recipe.

    Args:
        recipe: settings of `caricature` or `invert`.
        workspace: where the result goes, and what is logged.
        title: title of the strip; `{net}` in it is replaced by the network's name.

    Yields:
        The progress with the document so far; JSON fields `net`, `said` and `said_zh` (how much of a cropped
        photograph the network sees, in English and Chinese; else empty), `layers` and `out` (the folder).
        Each entry of `layers` has `layer`, `cosine` (cosine similarity between the activations of the
        reconstruction and of the input), `explained` (0 to 1: 1 minus their squared distance, over that of
        the start or of 0, whichever is nearer), `strength` (length of the reconstruction's
        activations along the input's, in lengths of theirs), `verdict` (`found`, `partly` or `failed`, by the
        thresholds of `see.Reconstruction`), `reason` (a sentence with the numbers), `picture` (file name), of
        a sound `sound` (name of a WAV file) and `unmoved` (whether the gradient was 0 in every step).

    Raises:
        Interrupted: stopped; what was reconstructed before is saved (exit code 130).
        UsageError: the network does not take one image (exit code 2).
        DataError: the image cannot be read, or a weight is NaN or infinite (exit code 3).
    """
    net = inputs.require_single_input(inputs.network(recipe.net, recipe, workspace))
    if net.input_spec.is_integer:
        raise UsageError(
            "a network whose input can be changed step by step",
            received=f"{net.name}, which reads tokens: they are discrete, and have no gradient",
            hint="See what decides: convscope explain TEXT; what a unit sees: convscope unit, visualize.",
        )
    sample = inputs.sample(net, recipe.image)
    with workspace.folder(f"{recipe.verb}-{net.name}") as folder:
        document = yield from save_results(
            _drawn(net, sample.input[None], recipe),
            lambda made: _save(net, made, recipe, folder, title, sample),
            lambda made, _: (
                f"stopped at {made.layers[-1]}, step {made.steps}; what there is is in {folder.out}"
            ),
        )
    yield finished({**document, "out": str(folder.out)})


def _drawn(
    net: "Net", image: "Tensor", recipe: CaricatureRecipe | InvertRecipe
) -> "Iterator[Progress[Reconstruction]]":
    from convscope.nets import frozen
    from convscope.see import iter_reconstruct

    with frozen(net.module):
        yield from iter_reconstruct(net, image, recipe)


def _save(
    net: "Net",
    made: "Reconstruction",
    recipe: CaricatureRecipe | InvertRecipe,
    folder: ResultFolder,
    title: str,
    sample: "Sample",
) -> Document:
    from convscope.recipe import stamp
    from convscope.show.images import input_image
    from convscope.show.pages import crop
    from convscope.show.pages import reconstruction as page

    mark, found = stamp(recipe), []
    numbers = {"cosine": made.cosines, "explained": made.explained, "strength": made.strengths}
    for row, (layer, image, verdict) in enumerate(zip(made.layers, made.images, made.verdicts, strict=True)):
        name = pictures.file_name(layer, [entry["picture"] for entry in found])
        folder.save_image(input_image.opaque(image, net.input_spec), name, mark, layer)
        entry: dict[str, Any] = {"layer": layer, **{key: float(n[row]) for key, n in numbers.items()}}
        entry |= {"verdict": verdict.word, "reason": verdict.text, "picture": name}
        entry |= folder.save_playable(image, net.input_spec, name, layer)
        found.append({**entry, "unmoved": layer in made.unmoved})
    caption = title.format(net=net.name)
    folder.save_image(
        page.sheet(made, net, caption, crop.note(sample, net.input_spec)), "strip.png", mark, caption
    )
    return {"net": net.name, **pictures.said_of_crops([sample], net.input_spec), "layers": found}
