"""Registry of training tasks: by the name that recipes carry, the class and its recipe schemas.

A new task is one class and one call of `register_task`. Classes and schemas of the package's own tasks are
named as text and imported when they are needed.
"""

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from convscope.errors import UsageError, nearest
from convscope.learn.recipe import TaskRecipe, TrainRecipe

if TYPE_CHECKING:
    from convscope.learn.setup import TrainingSetup
    from convscope.learn.tasks.task import Task

    Setup = Callable[[Any], TrainingSetup]

NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


@dataclass(frozen=True)
class TaskEntry:
    """Describe a registered task.

    Attributes:
        name: as recipes name it.
        task: its class, or `module:Class`.
        schemas: its recipe schemas, classes or `module:Class`; each of another verb.
    """

    name: str
    task: "type[Task] | str"
    schemas: tuple[type[TrainRecipe] | str, ...] = (TaskRecipe,)
    setup: "Setup | str | None" = None
    """Builds task, network and data from a recipe, or `module:function`; None where the network and the data
    that the recipe names are loaded as for a classifier."""

    def load(self) -> "type[Task]":
        """Return the class of the task."""
        return _imported(self.task)

    def schema(self, verb: str = TaskRecipe.verb) -> type[TrainRecipe] | None:
        """Return the recipe schema of the task for a verb.

        Args:
            verb: the verb that trains it.

        Returns:
            The schema; None where that verb does not train the task.
        """
        schemas = (_imported(schema) for schema in self.schemas)
        return next((schema for schema in schemas if schema.verb == verb), None)

    @property
    def verbs(self) -> tuple[str, ...]:
        """The verbs that train the task."""
        return tuple(_imported(schema).verb for schema in self.schemas)


_DISTORTED = "convscope.learn.tasks.geometry.distorted"
_STYLE = ("convscope.learn.style.recipe:StyleTrainRecipe", "convscope.learn.style.recipe:StyleAddRecipe")
_STYLE_SETUP = "convscope.learn.style.setup:setup_from_recipe"
TASKS: dict[str, TaskEntry] = {
    entry.name: entry
    for entry in (
        TaskEntry(
            "classification",
            "convscope.learn.tasks.classification:Classification",
            ("convscope.learn.recipe:ClassificationRecipe",),
        ),
        TaskEntry(
            "reconstruction",
            "convscope.learn.tasks.generative.reconstruction:Reconstruction",
            ("convscope.learn.tasks.generative.recipe:ReconstructionRecipe",),
        ),
        TaskEntry(
            "vae",
            "convscope.learn.tasks.generative.vae:VariationalAutoencoder",
            ("convscope.learn.tasks.generative.recipe:VAERecipe",),
        ),
        TaskEntry(
            "pixel-likelihood",
            "convscope.learn.tasks.generative.pixel_likelihood:PixelLikelihood",
            ("convscope.learn.tasks.generative.recipe:PixelLikelihoodRecipe",),
        ),
        TaskEntry("approximation", "convscope.learn.tasks.approximation:Approximation"),
        TaskEntry("neocognitron", "convscope.learn.tasks.neocognitron:SelfOrganization"),
        TaskEntry(
            "gan",
            "convscope.learn.tasks.generative.gan_images:AdversarialImages",
            ("convscope.learn.tasks.generative.recipe:GANRecipe",),
        ),
        TaskEntry(
            "gan-ring",
            "convscope.learn.tasks.generative.gan_ring:AdversarialRing",
            ("convscope.learn.tasks.generative.recipe:RingGANRecipe",),
        ),
        TaskEntry(
            "multitask",
            "convscope.learn.multitask.task:Multitask",
            ("convscope.learn.multitask.recipe:MultitaskRecipe",),
            "convscope.learn.multitask.setup:setup_from_recipe",
        ),
        TaskEntry(
            "distorted",
            f"{_DISTORTED}:DistortedClassification",
            ("convscope.learn.tasks.geometry.recipe:DistortedRecipe",),
            f"{_DISTORTED}:setup_from_recipe",
        ),
        TaskEntry(
            "capsules",
            "convscope.learn.tasks.geometry.capsules:CapsuleClassification",
            ("convscope.learn.tasks.geometry.recipe:CapsuleRecipe",),
        ),
        TaskEntry(
            "go",
            "convscope.learn.tasks.go.policy:GoPolicy",
            ("convscope.learn.tasks.go.recipe:GoRecipe",),
            "convscope.learn.tasks.go.setup:setup_from_recipe",
        ),
        TaskEntry("stylebank", "convscope.learn.style.style_tasks:StyleBankTask", _STYLE, _STYLE_SETUP),
        TaskEntry("johnson", "convscope.learn.style.style_tasks:StyleTransferTask", _STYLE[:1], _STYLE_SETUP),
        TaskEntry("adain", "convscope.learn.style.adain_task:AdaINTask", _STYLE[:1], _STYLE_SETUP),
    )
}
"""All tasks, by name."""


def register_task(
    name: str, task: "type[Task]", *schemas: type[TrainRecipe], setup: "Setup | None" = None
) -> None:
    """Register a training task under a name.

    Args:
        name: lower-case letters, digits, `-` and `_`; recipes and runs name the task by it.
        task: its class.
        *schemas: recipe schemas, with the task's settings, each of another verb; `TaskRecipe` if left out.
        setup: builds task, network and data from a recipe; if left out, they are loaded as for a classifier.

    Raises:
        UsageError: the name is of another form, or taken by another task.
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            "a task's name of lower-case letters, digits, - and _",
            received=name,
            hint="For example: register_task('my-task', MyTask)",
        )
    entry = TaskEntry(name, task, schemas or (TaskRecipe,), setup)
    taken = TASKS.get(name)
    if taken is not None and _text(taken.task) != _text(task):
        raise UsageError(
            "a name that no other task has",
            received=f"{name}, of {_text(taken.task)}",
            hint="Choose another name.",
        )
    TASKS[name] = entry


def find_task(name: str) -> TaskEntry:
    """Return the registered task of a name.

    Args:
        name: as in a recipe.

    Returns:
        Its entry.

    Raises:
        UsageError: no task of that name is registered.
    """
    if name not in TASKS:
        raise UsageError(
            f"a registered task: {', '.join(TASKS)}",
            received=name,
            hint=f"{nearest(name, TASKS)} One of your own: register_task({name!r}, YourTask).".strip(),
        )
    return TASKS[name]


def find_schema(task: str, verb: str = TaskRecipe.verb) -> type[TrainRecipe]:
    """Return the recipe schema of a registered task for a verb.

    Args:
        task: name of the task.
        verb: the verb that trains it.

    Returns:
        The schema.

    Raises:
        UsageError: no such task is registered, or another verb trains it.
    """
    entry = find_task(task)
    schema = entry.schema(verb)
    if schema is None:
        raise UsageError(
            f"a task of '{verb}'",
            received=f"{task}, of '{entry.verbs[0]}'",
            hint=f"See: convscope {entry.verbs[0]} --help",
        )
    return schema


def is_registered(task: str, verb: str) -> bool:
    """Return whether a verb can build a task from its recipe.

    Args:
        task: name of the task.
        verb: the verb.

    Returns:
        True if the task is registered, with a schema of that verb.
    """
    return task in TASKS and TASKS[task].schema(verb) is not None


def task_name(task: "Task") -> str:
    """Return the name under which recipes and stored states know a task.

    Args:
        task: an instance of a task.

    Returns:
        The name of its registered class; the qualified name of a class that is not registered.
    """
    own = _text(type(task))
    names = (entry.name for entry in TASKS.values() if _text(entry.task) == own)
    return next(names, type(task).__qualname__)


def class_name(task: str) -> str:
    """Return the name of a task's class, for a message.

    Args:
        task: name of the task, as in a recipe.

    Returns:
        The class of a registered task; else the name, which is that of the class.
    """
    return _text(TASKS[task].task).partition(":")[2] if task in TASKS else task


def setup_training(recipe: TrainRecipe) -> "TrainingSetup":
    """Build the task that a recipe names, and load its network and data.

    Args:
        recipe: recipe of the training.

    Returns:
        Network on its device, task, training, validation and test data, and notes on the data.

    Raises:
        UsageError: no task is registered under that name, or nothing has the name of network or data.
        MissingError: the device, the data or a package is not available.
        DataError: the data is damaged, or all test samples are in the training part too.
    """
    from convscope.learn.batches.holdout import with_validation
    from convscope.learn.setup import load_training

    entry = find_task(recipe.task)
    if entry.setup is not None:
        setup = _imported(entry.setup)(recipe)
    else:
        setup = load_training(recipe, entry.load().from_recipe(recipe))  # pyright: ignore[reportArgumentType]
    train, validation = with_validation(setup.train, setup.validation, recipe)
    return replace(setup, train=train, validation=validation)


def resolve_task(recipe: TrainRecipe, task: "Task | None") -> "tuple[TrainRecipe, Task]":
    """Return the task of a training, and a recipe that names it and holds its settings.

    Args:
        recipe: recipe of the training.
        task: the task, where the caller built it himself.

    Returns:
        The recipe, of the task's own schema where its verb has one, and the task, built from the recipe where
        none was given.

    Raises:
        UsageError: the recipe names no registered task, or explicitly another one than `task`, or other
            settings than those of `task`.
    """
    if task is None:
        entry = find_task(recipe.task)
        recipe = _in_own_schema(recipe, entry.name)
        return recipe, entry.load().from_recipe(recipe)
    name = task_name(task)
    if recipe.task != name and recipe.task and "task" in recipe.model_fields_set:
        raise UsageError(
            f"a recipe for the task {name}",
            received=f"one for {recipe.task}",
            hint="Make the recipe by the schema of the task, or give a task of its name.",
        )
    recipe = _in_own_schema(recipe.model_copy(update={"task": name}), name)
    settings = {field: value for field, value in task.settings().items() if hasattr(recipe, field)}
    for field, value in settings.items():
        if field in recipe.model_fields_set and getattr(recipe, field) != value:
            raise UsageError(
                f"a recipe with the task's own {field}, {value}",
                received=f"{field} {getattr(recipe, field)}",
                hint="Leave it out of the recipe, or leave the task out: it is built from the recipe.",
            )
    return recipe.model_copy(update=settings), task


def _in_own_schema(recipe: TrainRecipe, task: str) -> TrainRecipe:
    """Return a recipe in the schema that a registered task has for its verb, if there is one."""
    schema = TASKS[task].schema(recipe.verb) if task in TASKS else None
    if schema is None or isinstance(recipe, schema):
        return recipe
    return schema.parse(recipe.model_dump(exclude_unset=True))


def _imported(entry: Any) -> Any:
    """Return what an entry names, imported where it is text."""
    if not isinstance(entry, str):
        return entry
    module, _, name = entry.partition(":")
    return getattr(importlib.import_module(module), name)


def _text(task: "type[Task] | str") -> str:
    """Return `module:Class` of a class."""
    return task if isinstance(task, str) else f"{task.__module__}:{task.__qualname__}"
