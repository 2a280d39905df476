"""From the row of a job to the recipe that is run: uploads become files, names become the user's runs."""

import os
import re
import shutil
from pathlib import Path
from typing import Any

from convscope.jobs.registry import schema_for
from convscope.lab.folder import LabFolder
from convscope.lab.queue.job import QueuedJob
from convscope.recipe import Recipe
from convscope.recipe.fields import field_form

RUN = "run:"
"""What the name of a run begins with, where a network is named."""
UNSAFE = re.compile(r"[^\w.() -]+")


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
    settings = {name: resolved(value, folder) for name, value in job.settings.items()}
    schema = schema_for(job.verb, settings)
    for name, files in job.uploads.items():
        paths = placed(files, folder, folder.inputs(job.id) / name)
        field = schema.model_fields.get(name)
        form = None if field is None else field_form(field)
        settings[name] = paths if form is not None and form.repeats else paths[0]
    return schema_for(job.verb, settings).parse(settings)


def resolved(value: Any, folder: LabFolder) -> Any:
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
        return [resolved(entry, folder) for entry in value]
    if isinstance(value, str) and value.startswith(RUN):
        return str(folder.run(value.removeprefix(RUN)))
    return value


def placed(files: list[dict[str, str]], folder: LabFolder, place: Path) -> list[str]:
    """Put uploads into a folder, under the names that the user gave them.

    Args:
        files: `id` and `name` of each.
        folder: where uploads lie.
        place: the folder, which is made anew.

    Returns:
        The paths, in the same order.

    Raises:
        UsageError: one is not there.
    """
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    paths = []
    for number, file in enumerate(files):
        path = place / _plain(file.get("name", ""), number)
        path = path if not os.path.lexists(path) else path.with_stem(f"{path.stem}-{number}")
        _link(folder.upload(file["id"]), path)
        paths.append(str(path))
    return paths


def _plain(name: str, number: int) -> str:
    """Return the last part of a name without what could be more than a name."""
    last = UNSAFE.sub("_", name.replace("\\", "/").rpartition("/")[2]).strip(" .")[-80:]
    return last.lstrip("-. ") or f"file-{number}"


def _link(source: Path, path: Path) -> None:
    try:
        os.link(source, path)
    except OSError:
        shutil.copyfile(source, path)
