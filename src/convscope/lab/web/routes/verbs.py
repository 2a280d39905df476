"""The verbs of the terminal with their settings: one schema for flags, files, this API and the forms."""

from inspect import cleandoc
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request

from convscope.errors import PlaceError, nearest
from convscope.jobs.registry import load, schema_for, summary
from convscope.lab.web.jobs import offered_verbs
from convscope.learn import find_recipe
from convscope.recipe.fields import describe_field

router = APIRouter(prefix="/verbs", tags=["verbs"])


@router.get("")
def verbs() -> list[dict[str, str]]:
    """List what can be done as a job.

    Returns:
        `verb` and `summary`, a sentence, of each.
    """
    return [{"verb": verb, "summary": summary(verb)} for verb in offered_verbs()]


@router.get("/{verb}")
def verb(verb: str, request: Request) -> dict[str, Any]:
    """Return the settings of a verb. Those of a training depend on its task: `?task=detection`.

    Those of a named recipe have its values as defaults: `?recipe=lenet5`, with `&reduced=true` those of its
    run of seconds.

    Args:
        verb: the verb; two words with a space between them.
        request: its query has settings on which others may depend.

    Returns:
        `verb`, `summary`, `help` and `fields`, each with `name`, `title`, `flag`, `type`, `choices`,
        `default`, `required`, `minimum`, `maximum`, `exclusive`, `repeats`, `help`, `positional` and `takes`.
    """
    if verb not in offered_verbs():
        raise PlaceError("a verb that the lab runs", received=verb[:80], hint=nearest(verb, offered_verbs()))
    module = load(verb)
    given = dict(request.query_params)
    schema = schema_for(verb, given)
    usual = find_recipe(given["recipe"]).values(given.get("reduced") == "true") if "recipe" in given else {}
    ordered = [*schema.positional, *(name for name in schema.model_fields if name not in schema.positional)]
    fields = [
        describe_field(name, schema.model_fields[name], positional=name in schema.positional)
        for name in ordered
    ]
    fields = [{**field, "default": usual.get(field["name"], field["default"])} for field in fields]
    return {"verb": verb, "summary": summary(verb), "help": cleandoc(module.__doc__ or ""), "fields": fields}
