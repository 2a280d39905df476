"""What of the queue the web process shows, and which jobs it lets in. No torch."""

import re
from collections.abc import Container
from typing import Any

from convscope.errors import UsageError, nearest, settings_hint
from convscope.jobs import JOBS, Controls
from convscope.jobs.registry import schema_for
from convscope.lab.folder import LabFolder
from convscope.lab.queue.job import QueuedJob
from convscope.lab.workers.requests import is_single_file, parsed, resolve_runs
from convscope.learn import TrainRecipe
from convscope.recipe import Recipe
from convscope.recipe.fields import field_form, flag_of

NOT_OFFERED = ("lab", "gtp", "play", "runs prune", "replay", "push")
"""Verbs that talk while they run, remove what is the user's or send it elsewhere, or are this server."""
NETWORK_NAME = re.compile(r"(?:torchvision|timm)/[\w.\-]{1,100}")
"""Names with a slash that are no paths."""
PUBLIC_FIELDS = (
    "id",
    "verb",
    "settings",
    "uploads",
    "state",
    "fraction",
    "message",
    "seconds_left",
    "created",
    "started",
)
PUBLIC_FIELDS += ("ended", "error", "command")
"""What of a job is shown as it is."""
FOLDER = "FOLDER"
"""What stands in a command for a folder that was handed over."""
OFFLINE_WEIGHTS = ("packaged", "none")
"""Settings of weights with which nothing is fetched."""
LOCAL_TRACKERS = frozenset({"tensorboard"})
"""Where metrics go without leaving this machine."""
PATHLIKE = re.compile(r"[/\\\0]|^\.|^[A-Za-z]:|^~|:/")


def offered_verbs() -> list[str]:
    """Return the verbs that the lab runs, in the order of the help."""
    return [verb for verb in JOBS if verb not in NOT_OFFERED]


def check_request(
    verb: str, settings: dict[str, Any], uploads: dict[str, list[dict[str, str]]], folder: LabFolder
) -> str:
    """Check a request, before it becomes a job.

    Args:
        verb: what to do.
        settings: values by field.
        uploads: fields that take files -> `id` and `name` of each.
        folder: where runs and published sets lie.

    Returns:
        The command with the same effect, where the lab was started.

    Raises:
        UsageError: there is no such verb, a setting is wrong, or one names a path.
    """
    if verb not in offered_verbs():
        raise UsageError("a verb that the lab runs", received=verb[:80], hint=nearest(verb, offered_verbs()))
    for name, value in settings.items():
        _refuse_paths(name, value)
    schema = schema_for(verb, settings)
    shown = {**settings, **{name: _names(schema, name, files) for name, files in uploads.items() if files}}
    unknown = [name for name in uploads if name not in schema.model_fields]
    if unknown:
        raise UsageError(
            f"fields of {verb} for uploads",
            received=unknown[0],
            hint=settings_hint(unknown[0], schema.model_fields),
        )
    recipe = parsed(
        verb, {name: resolve_runs(value, folder.reference) for name, value in shown.items()}, folder
    )
    _refuse_network(recipe, uploads)
    return recipe.command()


def _refuse_network(recipe: Recipe, uploads: Container[str]) -> None:
    """Refuse settings that make a job ask other machines, or send them something."""
    weights, trackers = getattr(recipe, "weights", OFFLINE_WEIGHTS[0]), set(getattr(recipe, "track", ()))
    needed = {
        "--weights": str(weights) if weights not in OFFLINE_WEIGHTS and "weights" not in uploads else "",
        "--download": "yes" if getattr(recipe, "download", False) else "",
        "--track": ", ".join(sorted(trackers - LOCAL_TRACKERS)),
    }
    for flag, value in needed.items():
        if value:
            raise UsageError(
                "a job that needs nothing from other machines",
                received=f"{flag} {value}",
                hint="Do this in the terminal; what it fetches is there for the lab, too.",
            )


def check_control(job: QueuedJob, action: str, value: Any) -> None:
    """Refuse what cannot be asked of a job, as far as that is known without the job.

    Args:
        job: the job.
        action: what is asked for.
        value: what belongs to it.

    Raises:
        UsageError: it is no training, or the value is of another kind.
    """
    if not issubclass(schema_for(job.verb, dict(job.settings)), TrainRecipe):
        hint = f"Cancel it: POST /api/v1/jobs/{job.id}/cancel"
        raise UsageError("a training", received=f"a job that does {job.verb}", hint=hint)
    Controls.check(action, value)


def _refuse_paths(name: str, value: Any) -> None:
    """Refuse a text that leads to a file, in any setting."""
    if isinstance(value, list | tuple):
        for entry in value:
            _refuse_paths(name, entry)
    elif isinstance(value, dict):
        for entry in value.values():
            _refuse_paths(name, entry)
    elif isinstance(value, str) and _is_path(value):
        raise UsageError(
            f"a name for {flag_of(name)}, no path",
            received=value[:80],
            hint="Upload a file, or name a run as run:NAME.",
        )


def _is_path(value: str) -> bool:
    if NETWORK_NAME.fullmatch(value):
        return False
    return bool(PATHLIKE.search(value))


def _names(schema: type[Recipe], field: str, files: list[dict[str, str]]) -> Any:
    """Return what a command names in the place of uploads: files, or a folder of them."""
    names = [file.get("name") or "FILE" for file in files]
    form = field_form(schema.model_fields[field]) if field in schema.model_fields else None
    if form is not None and form.repeats:
        return names
    if "set" in files[0]:
        return files[0].get("name") or FOLDER
    return names[0] if is_single_file(files) else FOLDER


def to_json(job: QueuedJob, *, whole: bool = True) -> dict[str, Any]:
    """Return a job as the page and programs get it.

    Args:
        job: the job.
        whole: whether to include its document.

    Returns:
        JSON-ready fields.
    """
    artifacts = [
        {"index": index, **{name: entry[name] for name in ("kind", "title", "bytes", "version")}}
        for index, entry in enumerate(job.artifacts)
    ]
    found = {name: getattr(job, name) for name in PUBLIC_FIELDS}
    found |= {"cancelling": job.cancelled and not job.over, "artifacts": artifacts}
    found["uploads"] = {name: [_handed(file) for file in files] for name, files in job.uploads.items()}
    return {**found, "document": job.document} if whole else found


def _handed(file: dict[str, str]) -> dict[str, Any]:
    """Return an upload of a job as it is shown."""
    if "set" in file:
        return {"set": file["set"], "name": file.get("name", ""), "version": int(file["version"])}
    return {"id": file["id"], "name": file.get("name", "")}
