"""From the row of a job to the recipe that is run: uploads become files, names become the user's runs."""

import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from convscope.errors import UsageError
from convscope.jobs.registry import schema_for
from convscope.lab.data_sets import root_of
from convscope.lab.folder import RUN, LabFolder
from convscope.lab.queue.job import QueuedJob
from convscope.lab.uploaded_sets import UploadedSets
from convscope.learn import TrainRecipe
from convscope.recipe import Recipe
from convscope.recipe.fields import field_form
from convscope.worlds import SPLITS

FOLDERS = ("a data set", "a folder of pictures")
"""What fields take for which uploads are put together in a folder; one file alone is the data set."""
ROOT = "root"
"""Field that names the folder of a published set."""
UNSAFE_CHARACTERS = re.compile(r"[^\w.() -]+")


def trains(verb: str, settings: Mapping[str, Any]) -> bool:
    """Return whether a verb with these settings is a training, which can be paused and gone on with.

    Args:
        verb: the verb.
        settings: values by field.

    Returns:
        Whether its recipe is a `TrainRecipe`.
    """
    return issubclass(schema_for(verb, dict(settings)), TrainRecipe)


def recipe_of(job: QueuedJob, folder: LabFolder) -> Recipe:
    """Return the recipe of a job, with paths in the place of uploads and of runs.

    Args:
        job: the job.
        folder: where uploads and runs lie.

    Returns:
        The recipe.

    Raises:
        UsageError: a setting is wrong, or an upload or run is not there.
    """
    settings = {name: resolve_runs(value, folder.network) for name, value in job.settings.items()}
    schema = schema_for(job.verb, settings)
    for name, files in job.uploads.items():
        inputs = folder.inputs(job.id) / name
        form = field_form(schema.model_fields[name])
        below = form is not None and form.takes is not None and form.takes.noun in FOLDERS
        files = expand_sets(files, folder)
        paths = link_uploads(files, folder, inputs, classes=below)
        together = name == ROOT or (below and not is_single_file(files))
        settings[name] = str(inputs) if together else paths if form is not None and form.repeats else paths[0]
    return parsed(job.verb, settings, folder)


def parsed(verb: str, settings: Mapping[str, Any], folder: LabFolder) -> Recipe:
    """Return a recipe; where it names a published set, with the folder in which that lies.

    Args:
        verb: the verb.
        settings: values by field.
        folder: says where published sets lie.

    Returns:
        The recipe.

    Raises:
        UsageError: a setting is wrong.
    """
    recipe = schema_for(verb, dict(settings)).parse(settings)
    root = root_of(getattr(recipe, "data", ""), folder.data)
    if root is None or getattr(recipe, ROOT, root) is not None:
        return recipe
    return recipe.parse({**settings, ROOT: str(root)})


def expand_sets(files: Sequence[Mapping[str, str]], folder: LabFolder) -> list[dict[str, str]]:
    """Return uploads with the files of a folder, as corrected, in the place of its id.

    Args:
        files: `id` and `name` of each file; of a folder `set`, its id, and `version`, how many corrections
            count.
        folder: where uploads lie.

    Returns:
        `id` and `name` of each file.

    Raises:
        PlaceError: there is no such folder.
    """
    sets, found = UploadedSets(folder), list[dict[str, str]]()
    for file in files:
        if "set" in file:
            found += sets.files(file["set"], int(file["version"]))
        else:
            found.append(dict(file))
    return found


def is_single_file(files: Sequence[Mapping[str, str]]) -> bool:
    """Return whether uploads are a data set in one file, such as a table of texts, rather than a folder.

    Args:
        files: `id` and `name` of each; `set` in the place of the id for a folder that was handed over.

    Returns:
        Whether it is one file, in no folder.
    """
    alone = len(files) == 1 and "set" not in files[0]
    return alone and "/" not in files[0].get("name", "").replace("\\", "/")


def resolve_runs(value: Any, name_of: Callable[[str], str]) -> Any:
    """Return a setting with something else in the place of the name of a training's network.

    Args:
        value: the setting; lists are resolved entry by entry.
        name_of: `LabFolder.network` for a job, `LabFolder.reference` for a command.

    Returns:
        The setting, as the rooms below take it.

    Raises:
        PlaceError: there is no such run.
    """
    if isinstance(value, list):
        return [resolve_runs(entry, name_of) for entry in value]
    return name_of(value) if isinstance(value, str) and value.startswith(RUN) else value


def link_uploads(
    files: list[dict[str, str]], folder: LabFolder, target: Path, *, classes: bool = False
) -> list[str]:
    """Put uploads into a folder, under the names that the user gave them.

    Args:
        files: `id` and `name` of each; several may have the same content.
        folder: where uploads lie.
        target: the folder, which is made anew.
        classes: whether the first folder in a name, such as `cats` in `cats/1.jpg`, is that of its class; one
            above it may be that of its part, as in `train/cats/1.jpg`.

    Returns:
        The paths, in the same order.

    Raises:
        PlaceError: one is not there.
        UsageError: there is none.
    """
    if not files:
        raise UsageError("at least one file", received="none", hint="Upload one, or leave the field out.")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    names = unique_paths([file.get("name", "") for file in files], classes=classes)
    for file, name in zip(files, names, strict=True):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        _link(folder.upload(file["id"]), target / name)
    return [str(target / name) for name in names]


def unique_paths(names: Sequence[str], *, classes: bool = False) -> list[str]:
    """Return where files of some names are put: below one folder, each at a place of its own.

    Args:
        names: as the user gave them.
        classes: see `link_uploads`.

    Returns:
        Paths below the folder, in the same order; the same for the same names.
    """
    found: dict[str, None] = {}
    for number, name in enumerate(names):
        above, _, last = name.replace("\\", "/").rpartition("/")
        inside = _class_folder(above) if classes else PurePosixPath()
        path = inside / _safe_name(last, f"file-{number}")
        while str(path) in found:
            path = path.with_stem(f"{path.stem}-{number}")
        found[str(path)] = None
    return list(found)


def _class_folder(above: str) -> PurePosixPath:
    """Return the folder of a class, and above it that of its part, if there are any in a path."""
    parts = [part for part in above.split("/") if part]
    part = parts.pop(0) if len(parts) > 1 and parts[0] in SPLITS else ""
    return PurePosixPath(part, *(_safe_name(name, "class") for name in parts[:1]))


def _safe_name(name: str, other: str) -> str:
    """Return a name without what could be more than a name; another one where nothing is left."""
    return UNSAFE_CHARACTERS.sub("_", name).strip(" .")[-80:].lstrip("-. ") or other


def _link(source: Path, path: Path) -> None:
    try:
        os.link(source, path)
    except OSError:
        shutil.copyfile(source, path)
