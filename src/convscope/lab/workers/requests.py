"""From the row of a job to the recipe that is run: uploads become files, names become the user's runs."""

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convscope.errors import UsageError
from convscope.jobs.registry import schema_for
from convscope.lab.folder import LabFolder
from convscope.lab.queue.job import QueuedJob
from convscope.learn import TrainRecipe
from convscope.recipe import Recipe
from convscope.recipe.fields import field_form

RUN = "run:"
"""What the name of a run begins with, where a network is named."""
FOLDERS = ("a data set", "a folder of pictures")
"""What fields take for which uploads are put together in a folder."""
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
    settings = {name: resolve_runs(value, folder) for name, value in job.settings.items()}
    schema = schema_for(job.verb, settings)
    for name, files in job.uploads.items():
        inputs = folder.inputs(job.id) / name
        form = field_form(schema.model_fields[name])
        below = form is not None and form.takes is not None and form.takes.noun in FOLDERS
        paths = link_uploads(files, folder, inputs, classes=below)
        settings[name] = str(inputs) if below else paths if form is not None and form.repeats else paths[0]
    return schema_for(job.verb, settings).parse(settings)


def resolve_runs(value: Any, folder: LabFolder) -> Any:
    """Return a setting with the folder in the place of the name of a run.

    Args:
        value: the setting; lists are resolved entry by entry.
        folder: where the runs lie.

    Returns:
        The setting, as the rooms below take it.

    Raises:
        UsageError: there is no such run.
    """
    if isinstance(value, list):
        return [resolve_runs(entry, folder) for entry in value]
    if isinstance(value, str) and value.startswith(RUN):
        return str(folder.run(value.removeprefix(RUN)))
    return value


def link_uploads(
    files: list[dict[str, str]], folder: LabFolder, target: Path, *, classes: bool = False
) -> list[str]:
    """Put uploads into a folder, under the names that the user gave them.

    Args:
        files: `id` and `name` of each; several may have the same content.
        folder: where uploads lie.
        target: the folder, which is made anew.
        classes: whether the folder in a name, such as `cats` in `cats/1.jpg`, is that of its class.

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
    paths = []
    for number, file in enumerate(files):
        above, _, last = file.get("name", "").replace("\\", "/").rpartition("/")
        inside = target / _safe_name(above.rpartition("/")[2], "class") if classes and above else target
        inside.mkdir(exist_ok=True)
        path = inside / _safe_name(last, f"file-{number}")
        path = path if not os.path.lexists(path) else path.with_stem(f"{path.stem}-{number}")
        _link(folder.upload(file["id"]), path)
        paths.append(str(path))
    return paths


def _safe_name(name: str, other: str) -> str:
    """Return a name without what could be more than a name; another one where nothing is left."""
    return UNSAFE_CHARACTERS.sub("_", name).strip(" .")[-80:].lstrip("-. ") or other


def _link(source: Path, path: Path) -> None:
    try:
        os.link(source, path)
    except OSError:
        shutil.copyfile(source, path)
