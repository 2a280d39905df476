"""Visualize features: optimise images that activate units, layers and classes most.

PLACES are addresses inside the network: `conv2:17` is a unit, `conv2:17@5,5` one neuron, `conv2:*` every
unit, `conv2` a whole layer, `output:3` an answer, `'conv2:17 - 0.3*conv2:7'` a sum. Each gets a PNG that
contains its recipe. `--journey` goes from the first layer to the last. Ctrl-C keeps the pictures as
they are.

    convscope visualize digits conv2:3 output:7 --save-steps 0,4,16,128
    convscope visualize efficientnet_lite0 blocks.4.1:7 --variants 4 --both --size 160
    convscope visualize efficientnet_lite0 --journey --size 128
    convscope visualize RUN conv3:17 conv5:4        (a network of words: the best n-grams, by its weights)
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.errors import UsageError
from convscope.jobs import inputs, pictures
from convscope.jobs.job import Document, Steps, finished, save_results
from convscope.jobs.output.workspace import ResultFolder, Workspace
from convscope.see.visualization import VisualizeRecipe
from convscope.system.counting import counted
from convscope.system.progress import Progress

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from convscope.nets import Net
    from convscope.see import Visualization
    from convscope.see.visualization import LayerSelection

schema = VisualizeRecipe
FILM = "film.png"
OF_IMAGES = {"size", "steps", "canvas", "variants", "both", "animate", "save_steps", "spectrum", "start"}
"""Settings of an optimization that have no effect where there is none."""


def run(recipe: VisualizeRecipe, workspace: Workspace) -> Steps:
    """Synthesise images that maximise activations (feature visualisation), and save them.

    Writes a PNG for each image (`PLACE-min.png` where it is minimised), `sheet.png` with all of them,
    `film.png` with the steps of `--save-steps`, and with `--animate` a WebP animation for each image. Each
    contains the recipe with every automatic choice replaced by its value.

    Args:
        recipe: network, places (units, neurons, layers or sums) and settings of the optimisation; with
            `journey`, units of layers from the first to the last are chosen.
        workspace: where the result goes, and what is logged.

    Yields:
        The progress with the document so far; JSON fields `net`, `pictures` (entries with `place`, its name;
        `address`, with the unit's number; `score`, the objective of the final image without transforms and
        penalties; `robust`, the same for the image enlarged to the network's size, shifted, turned and
        scaled; `clipped`, the share of its values that are 0 or 255; `picture`, the file name; and of a
        sound `sound`, the name of a WAV file),
        `uninformative` (places whose images carry no information), `unmoved` (places whose gradient was 0 in
        every step), `film` (with `--save-steps`: `picture`, the file name, and `steps`, those so far) and
        `out` (the folder). For a network of words instead of `pictures` there are `ngrams` (entries with
        `place`, `ngram`, `value` and `words`: for each place of the kernel the best words, and what each
        adds), from its weights alone.

    Raises:
        Interrupted: stopped; the images so far are saved (exit code 130).
        UsageError: the network does not take one image or signal, or a place is invalid (exit code 2).
        DataError: an image cannot be read, or a weight is NaN or infinite (exit code 3).
    """
    net = inputs.network(recipe.net, recipe, workspace)
    if inputs.require_single_input(net).input_spec.is_integer:
        yield from _ngrams(net, recipe, workspace)
        return
    net = _drawable(net)
    stops = _stops(net, recipe)
    with workspace.folder(f"{'journey' if stops else 'visualize'}-{net.name}") as folder:
        document = yield from save_results(
            _ascended(net, recipe, stops),
            lambda made: _save(net, made, stops, recipe, folder),
            lambda made, _: f"stopped at step {made.steps}; the pictures so far are in {folder.out}",
        )
    yield finished({**document, "out": str(folder.out)})


def _ngrams(net: "Net", recipe: VisualizeRecipe, workspace: Workspace) -> Steps:
    """Find the n-grams of units that read words, by their weights, and draw the best words for each place."""
    from convscope.recipe import stamp
    from convscope.see.visualization import best_ngrams
    from convscope.show.images import contact_sheet
    from convscope.show.report.figures.network import unit_texts

    if recipe.journey or not recipe.places:
        raise UsageError(
            "units of a convolution that reads words, such as conv3:17",
            received="--journey" if recipe.journey else "none",
            hint="Tokens are discrete: no text is optimised step by step. convscope units lists all units.",
        )
    ignored = sorted(OF_IMAGES & {*recipe.chosen()})
    if ignored:
        workspace.log(f"No effect on a closed form: {', '.join(ignored)}.")
    found = best_ngrams(net, recipe.places, negative=recipe.negative)
    mark, made = stamp(recipe), []
    with workspace.folder(f"visualize-{net.name}") as folder:
        rows = unit_texts.best_words(found)
        folder.save_image(
            contact_sheet.compose(rows, title=f"Best words, {net.name}"), "sheet.png", mark, "words"
        )
        for place, words, gains, value in zip(
            found.places, found.words, found.gains, found.values, strict=True
        ):
            best = [
                [{"word": word, "adds": gain} for word, gain in zip(*both, strict=True)]
                for both in zip(words, gains, strict=True)
            ]
            made.append(
                {"place": place, "ngram": [column[0] for column in words], "value": value, "words": best}
            )
    yield finished({"net": net.name, "ngrams": made, "out": str(folder.out)})


def _drawable(net: "Net") -> "Net":
    if len(net.input_specs) != 1 or not 2 <= len(net.input_spec.shape) <= 3:
        shapes = " and ".join("x".join(map(str, spec.shape)) for spec in net.input_specs)
        raise UsageError(
            "a network that looks at one picture or signal",
            received=f"{net.name}: {shapes}",
            hint="Use another network; convscope nets lists those that there are.",
        )
    return net


def _stops(net: "Net", recipe: VisualizeRecipe) -> "tuple[LayerSelection, ...]":
    if not recipe.journey:
        return ()
    from convscope.see.visualization import choose_layers

    return choose_layers(net, recipe.places, stops=recipe.stops, units=recipe.units)


def _photographs(net: "Net", recipe: VisualizeRecipe) -> "Tensor | None":
    """Return the images `[n c h w]` whose spectrum is kept, at the synthesis' size; None without any."""
    if not recipe.spectrum:
        return None
    from dataclasses import replace

    import torch

    from convscope.see.optimize import shape_of
    from convscope.worlds import open_sample

    spec = replace(net.input_spec, shape=shape_of(net.input_spec, tuple(recipe.size)))
    opened = [open_sample(Path(path), spec).input for path in recipe.spectrum]
    return torch.stack(opened)


def _ascended(
    net: "Net", recipe: VisualizeRecipe, stops: "Sequence[LayerSelection]"
) -> "Iterator[Progress[Visualization]]":
    from convscope.see.visualization import iter_journey, iter_visualize

    photographs = _photographs(net, recipe)
    if stops:
        return iter_journey(net, recipe, stops, photographs=photographs)
    return iter_visualize(net, recipe, photographs=photographs)


def _save(
    net: "Net",
    made: "Visualization",
    stops: "Sequence[LayerSelection]",
    recipe: VisualizeRecipe,
    folder: ResultFolder,
) -> Document:
    from convscope.recipe import stamp

    mark = stamp(made.settled.model_copy(update={"places": recipe.places}))
    found: list[dict[str, Any]] = []
    images = [_picture(net, image) for image in made.images]
    measured = zip(
        made.clean_scores.tolist(), made.robust_scores.tolist(), made.clipped.tolist(), strict=True
    )
    lines = zip(made.places, made.captions, made.starts, images, measured, strict=True)
    for place, caption, start, image, (score, robust, clipped) in lines:
        name = pictures.synthetic_file_name(caption, [f["picture"] for f in found])
        folder.save_image(image, name, mark, caption)
        measures = {"score": score, "robust": robust, "clipped": clipped}
        heard = folder.save_playable(made.images[len(found)], net.input_spec, name, caption)
        found.append(
            {"place": place, "address": start.partition(" ~")[0], **measures, "picture": name, **heard}
        )
    folder.save_image(_sheet(net, made, images, stops, recipe), "sheet.png", mark, "all pictures")
    film = _save_film(net, made, recipe, folder, mark) if made.film else {}
    return {
        "net": net.name,
        "pictures": found,
        **film,
        "uninformative": list(made.uninformative),
        "unmoved": list(made.unmoved),
    }


def _picture(net: "Net", image: "Tensor") -> "Image":
    """Draw a synthetic image; unless 1 or 3, channels go side by side; signals become stripes."""
    from convscope.show.images import input_image
    from convscope.worlds import world_of

    apart = image.dim() == 3 and image.shape[0] not in (1, 3)
    if apart and not world_of(net.input_spec).draws_channels:
        image = image.permute(1, 0, 2).flatten(1)[None]
    picture = input_image.opaque(image, net.input_spec)
    if image.dim() == 3 or world_of(net.input_spec).has_timeline:
        return picture
    return picture.resize((picture.width, picture.height * max(1, 64 // picture.height)), 0)


def _sheet(
    net: "Net",
    made: "Visualization",
    images: "Sequence[Image]",
    stops: "Sequence[LayerSelection]",
    recipe: VisualizeRecipe,
) -> "Image":
    from convscope.show.images import contact_sheet
    from convscope.show.images.contact_sheet import SheetRow, SheetTile
    from convscope.show.images.draw import upscale

    if not stops:
        side, title = max(168, min(images[0].height, 224)), f"Feature visualization, {net.name}"
        shown = zip(images, made.captions, strict=True)
        tiles = [SheetTile(upscale(image, side), notes=[caption]) for image, caption in shown]
        if not recipe.both:
            return contact_sheet.compose(contact_sheet.in_rows(tiles), title=title)
        sides = [(tile, below) for tile, below in zip(tiles, made.minimized, strict=True)]
        up, down = ([tile for tile, below in sides if below is wanted] for wanted in (False, True))
        return contact_sheet.compose(contact_sheet.in_pairs(up, down, recipe.variants), title=title)
    rows = []
    for stop in stops:
        for below in (False, True):
            tiles = [
                SheetTile(image, notes=[_word(net, stop, caption)])
                for image, caption, down in zip(images, made.captions, made.minimized, strict=True)
                if down is below and caption.startswith(f"{stop.layer}:")
            ]
            first = not rows or rows[-1].name != stop.layer
            rows += [SheetRow(tiles, stop.layer, _facts(stop) if first else ["minimised"])] if tiles else []
    return contact_sheet.compose(
        rows, title=f"A journey through {net.name}", side=min(max(96, images[0].height), 160)
    )


def _word(net: "Net", stop: "LayerSelection", caption: str) -> str:
    unit, _, rest = caption.rpartition(":")[2].partition(" ")
    numbered = stop.layer == "output" and unit.isdecimal() and int(unit) < len(net.classes)
    word = net.classes[int(unit)] if numbered else unit if not unit.isdecimal() else f":{unit}"
    return f"{word} {rest}" if rest else word


def _facts(stop: "LayerSelection") -> list[str]:
    """Return a layer's number of units and its receptive field, in words."""
    facts = [counted(stop.shape[0], "unit")]
    if stop.covers_input:
        facts.append("sees everything")
    elif stop.receptive_field is not None:
        unit = "px" if len(stop.receptive_field) == 2 else "samples"
        facts.append(f"sees {' by '.join(map(str, stop.receptive_field))} {unit}")
    return facts


def _save_film(
    net: "Net", made: "Visualization", recipe: VisualizeRecipe, folder: ResultFolder, mark: dict[str, Any]
) -> Document:
    """Save the kept steps as a film strip, with a row for each image, and the animations."""
    from convscope.show.images import contact_sheet
    from convscope.show.images.contact_sheet import SheetRow, SheetTile

    moments = [(step, images) for step, images in made.film if step in recipe.save_steps]
    if moments:
        rows = [
            SheetRow(
                [SheetTile(_picture(net, images[i]), notes=[f"step {step}"]) for step, images in moments],
                caption,
            )
            for i, caption in enumerate(made.captions)
        ]
        title = f"Steps of the optimisation, {net.name}"
        sheet = contact_sheet.compose(rows, title=title, side=128)
        folder.save_image(sheet, FILM, mark, "film strip")
    if recipe.animate:
        taken: list[str] = []
        for i, caption in enumerate(made.captions):
            taken.append(pictures.synthetic_file_name(caption, taken))
            frames = [_picture(net, images[i]) for _, images in made.film]
            folder.save_animation(frames, str(Path(taken[-1]).with_suffix(".webp")), mark, caption)
    return {"film": {"picture": FILM, "steps": [step for step, _ in moments]}} if moments else {}
