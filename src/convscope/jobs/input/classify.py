"""Name the likeliest classes of images, each with its probability.

A folder stands for all images below it, damaged ones and files with the ending of one included; its other
files are left out.

    convscope classify photo.jpg
    convscope classify photo.jpg holidays --top 5
    convscope classify digit.png --net digits
"""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.errors import DataError
from convscope.jobs import inputs
from convscope.jobs.job import Document, Steps, finished
from convscope.jobs.output.workspace import Workspace
from convscope.system.counting import counted
from convscope.system.printable import printable
from convscope.system.progress import Progress
from convscope.use import ClassifyRecipe

if TYPE_CHECKING:
    from convscope.nets import Net

schema = ClassifyRecipe
NAMED = 5
"""Most files that are left out of a folder and named."""
ALONE = "The network knows one class, so every picture gets it: that says nothing about the picture."


def run(recipe: ClassifyRecipe, workspace: Workspace) -> Steps:
    """Classify images, and return the most probable classes of each.

    Folders are searched for images, with those in folders below. Writes no file of its own; `--out` saves the
    JSON document.

    Args:
        recipe: images, network, number of classes and batch size.
        workspace: where the result goes, and what is logged.

    Yields:
        The progress with the document so far; JSON fields `net`, `answers`, `said` and `said_zh` (how much of
        cropped photographs the network sees, in English and Chinese; else empty) and, for a network with a
        single class, `note`. Each answer has `image` (path) and either `error` (a short sentence) with
        `hint`, or `top`: entries with `unit`,
        `label` and `probability` (0 to 1; null for a network with a single class) in descending order; and
        `enlarged`, how many times, where the picture is much smaller than the network's input; for texts
        `notes`, such as on words that were never seen.

    Raises:
        DataError: there is one image, and it cannot be read (exit code 3). Of several, each has its answer.
        UsageError: the network does not take one image (exit code 2).
    """
    from convscope.show.pages import crop
    from convscope.use import iter_predictions

    net = inputs.require_single_input(inputs.network(recipe.net, recipe, workspace))
    listed = list(_listed(recipe.images, net, workspace))
    readable = (path for path, error in listed if error is None)
    found = iter_predictions(net, readable, top=recipe.top, batch=recipe.batch)
    answers, first, places = [], None, []
    document: Document = {"net": net.name, "answers": answers}

    def so_far() -> Document:
        return {**document, **crop.as_fields(crop.sentences_on_files(places, net.input_spec))}

    for number, (path, error) in enumerate(listed):
        answer = error or next(found)
        if isinstance(answer, DataError):
            first = first or answer
            answers.append({"image": path, "error": answer.brief, "hint": answer.hint})
        else:
            if answer.classes == 1:
                document["note"] = ALONE
            values = answer.probabilities if answer.classes > 1 else (None,)
            top = zip(answer.units, answer.labels, values, strict=True)
            entries = [_entry(*entry) for entry in top]
            answers.append({"image": path, "top": entries, **_enlarged(path, net), **_notes(path, net)})
            places.append(answer.placement)
        yield Progress((number + 1) / len(listed), path, so_far)
    if first is not None and len(answers) == 1:
        raise first
    yield finished(so_far())


def _listed(paths: list[str], net: "Net", workspace: Workspace) -> Iterator[tuple[str, DataError | None]]:
    """Yield each path with None or an error; a folder is replaced by the things of the world below it."""
    from convscope.worlds import world_of
    from convscope.worlds.images import listing

    world = world_of(net.input_spec)
    for path in paths:
        is_folder = os.path.isdir(path)  # noqa: PTH112  # takes names that Path refuses
        files = listing.files_below(Path(path)) if is_folder else []
        if not is_folder or (not files and listing.named_like_a_file(Path(path))):
            yield path, None
            continue
        found = [str(file) for file in files if world.recognises(file)]
        if not found:
            yield path, _nothing_in(path, world.things, len(files))
        elif len(found) < len(files):
            kept = set(found)
            others = [file.relative_to(path) for file in files if str(file) not in kept]
            names = ", ".join(map(printable, others[:NAMED])) + ", ..." * (len(others) > NAMED)
            workspace.log(
                f"In {path}, left out as no {world.things}: {counted(len(others), 'file')}: {names}."
            )
        for file in found:
            yield file, None


def _notes(path: str, net: "Net") -> dict[str, list[str]]:
    """Return what of a thing its input does not show; nothing where its world says nothing of the kind."""
    from convscope.worlds import World, open_sample, world_of

    world = world_of(net.input_spec)
    if type(world).notes is World.notes:
        return {}
    found = world.notes(open_sample(path, net.input_spec))
    return {"notes": list(found)} if found else {}


def _enlarged(path: str, net: "Net") -> dict[str, float]:
    """Return by how much a picture was enlarged for the network's input; nothing where that is little."""
    from convscope.worlds import input_fit
    from convscope.worlds.images import decode

    if net.input_spec.kind != "image":
        return {}
    try:
        fit = input_fit([decode.stored_size(path)], net.input_spec, net.input_spec.transform.crop)
    except DataError:  # an array, which has no header of an image
        return {}
    return {"enlarged": round(fit.enlarged, 3)} if fit is not None and fit.note else {}


def _nothing_in(path: str, things: str, files: int) -> DataError:
    from convscope import nets

    hint = f"Name files, or a folder with {things} in it or below it."
    if nets.is_network(path):
        hint = f"That folder is a saved network: add --net {shlex.quote(path)}."
    return DataError(
        f"{things} in the folder {path}", received=f"{counted(files, 'file')}, no {things}", hint=hint
    )


def _entry(unit: int, label: str, probability: float | None) -> dict[str, Any]:
    return {"unit": unit, "label": label, "probability": probability}
