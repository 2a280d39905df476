"""List the trainings that ship under a name: classic networks, with their source and published result.

Without a name: all of them, with what a paper reports and what was measured here. With a name: one of them,
its settings, and the commands that train it.

    convscope recipes
    convscope recipes lenet5
    convscope train --recipe lenet5 --reduced
"""

import shlex
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from convscope.jobs.job import Steps, finished
from convscope.jobs.output.workspace import Workspace
from convscope.recipe import Recipe

if TYPE_CHECKING:
    from convscope.learn import NamedRecipe


class RecipesRecipe(Recipe):
    """Which recipes to list."""

    verb: ClassVar[str] = "recipes"
    positional: ClassVar[tuple[str, ...]] = ("name",)

    name: str | None = Field(None, min_length=1, description="show this one; all are listed if left out")


schema = RecipesRecipe


def run(recipe: RecipesRecipe, workspace: Workspace) -> Steps:
    """List all named recipes, or show one.

    Writes no file of its own; `--out` saves the JSON document.

    Args:
        recipe: the name; if left out, all are listed.
        workspace: not used; all jobs have the same signature.

    Yields:
        The progress with the document; JSON field `recipes`, a list with the fields of `NamedRecipe`,
        `network` and `data` (as the recipe names them), and `commands` (that train it, in full and reduced).

    Raises:
        UsageError: there is no recipe of that name (exit code 2).
    """
    from convscope.learn import find_recipe, recipe_names

    names = (recipe.name,) if recipe.name else recipe_names()
    yield finished({"recipes": [_entry(find_recipe(name)) for name in names]})


def _entry(found: "NamedRecipe") -> dict[str, Any]:
    from convscope.learn import find_schema

    schema = find_schema(str(found.settings.get("task", "classification")))
    chosen = schema.parse(found.values()).model_dump(mode="json")
    command = f"convscope train --recipe {shlex.quote(found.name)}"
    return {
        **found.to_json(),
        "network": chosen["network"],
        "data": chosen["data"],
        "commands": [command, f"{command} --reduced"],
    }
