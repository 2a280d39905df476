"""The verbs of the terminal with their settings: one schema for flags, files, this API and the forms."""

from inspect import cleandoc
from typing import Annotated, Any

from fastapi import APIRouter, Query

from convscope.errors import PlaceError, nearest
from convscope.jobs.registry import load, schema_for, summary
from convscope.lab.web.jobs import offered_verbs
from convscope.lab.web.routes.answers.common import answers
from convscope.lab.web.routes.answers.jobs import VerbSchema, VerbSummary
from convscope.learn import find_recipe
from convscope.recipe.fields import describe_field

router = APIRouter(prefix="/verbs", tags=["verbs"])
Choice = Annotated[str | None, Query(max_length=100)]


@router.get("")
@answers(list[VerbSummary])
def verbs() -> list[dict[str, str]]:
    """List what can be done as a job.

    Returns:
        `verb` and `summary`, a sentence, of each.
    """
    return [{"verb": verb, "summary": summary(verb)} for verb in offered_verbs()]


@router.get("/{verb}")
@answers(VerbSchema)
def verb(verb: str, task: Choice = None, recipe: Choice = None, reduced: bool = False) -> dict[str, Any]:
    """Return the settings of a verb. Those of a training depend on its task, and have a recipe's values.

    Args:
        verb: the verb; two words with a space between them.
        task: of a training, such as `detection`.
        recipe: name of a recipe, whose values are the defaults: `lenet5`.
        reduced: whether they are those of its run of seconds.

    Returns:
        `verb`, `summary`, `help` and `fields`, each with `name`, `title`, `flag`, `type`, `choices`,
        `default`, `required`, `minimum`, `maximum`, `exclusive`, `repeats`, `help`, `positional` and `takes`.
    """
    if verb not in offered_verbs():
        raise PlaceError("a verb that the lab runs", received=verb[:80], hint=nearest(verb, offered_verbs()))
    module = load(verb)
    given = {name: value for name, value in (("task", task), ("recipe", recipe)) if value is not None}
    schema = schema_for(verb, given)
    usual = find_recipe(recipe).values(reduced) if recipe is not None else {}
    ordered = [*schema.positional, *(name for name in schema.model_fields if name not in schema.positional)]
    fields = [
        describe_field(name, schema.model_fields[name], positional=name in schema.positional)
        for name in ordered
    ]
    fields = [{**field, "default": usual.get(field["name"], field["default"])} for field in fields]
    return {"verb": verb, "summary": summary(verb), "help": cleandoc(module.__doc__ or ""), "fields": fields}
