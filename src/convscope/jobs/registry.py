"""The jobs: one for each verb. A new one is one module below and one line in this table.

A job's module has a docstring (its help, with examples), `schema` (the class of its recipe) and
`run(recipe, workspace)`, a generator of `Progress` whose results are JSON-ready documents; the last is the
whole result. Errors are raised as a `ConvscopeError`, whose class has the exit code: 1 failure, 2 usage, 3
bad data, 4 something missing, 130 interrupted. How a terminal shows the document is another matter:
`cli/tables` may have a table for it.
"""

import ast
import importlib.util
from collections.abc import Generator
from pathlib import Path
from typing import Any, Protocol

from convscope.jobs.output.workspace import Workspace
from convscope.system.progress import Progress

JOBS: dict[str, str] = {
    verb: f"convscope.{module if module.startswith('lab.') else f'jobs.{module}'}"
    for verb, module in {
        "lab": "lab.verb",
        "tour": "program.tour",
        "nets": "network.nets",
        "describe": "network.describe",
        "train": "network.train",
        "recipes": "program.recipes",
        "runs": "program.runs",
        "runs prune": "program.prune",
        "export": "network.export",
        "push": "network.push",
        "classify": "input.classify",
        "look": "input.look",
        "visualize": "network.visualize",
        "explain": "input.explain",
        "units": "network.units",
        "unit": "network.unit",
        "atlas": "network.atlas",
        "embed": "network.embed",
        "factors": "input.factors",
        "caricature": "input.caricature",
        "invert": "input.invert",
        "style": "style.style",
        "style train": "style.train",
        "style add": "style.add",
        "style apply": "style.apply",
        "dream": "input.dream",
        "play": "go.play",
        "gtp": "go.gtp",
        "data check": "program.data_check",
        "replay": "program.replay",
        "doctor": "program.doctor",
    }.items()
}
"""Verb -> the module that does it, in the order of the help. Two words make a group.

The job of `lab` lies in a room above, which is imported when the verb is called.
"""


VERB_ALIASES = {
    "deepdream": "dream",
    "inceptionism": "dream",
    "gradcam": "explain",
    "attribution": "explain",
    "saliency": "explain",
    "heatmap": "explain",
    "finetune": "train",
    "transfer learning": "train",
    "predict": "classify",
    "infer": "classify",
    "feature visualization": "visualize",
    "activation maximization": "visualize",
    "lucid": "visualize",
    "activations": "look",
    "feature maps": "look",
    "activation atlas": "atlas",
    "embedding": "embed",
    "projector": "embed",
    "umap": "embed",
    "tsne": "embed",
    "thumbnails": "embed",
    "neurons": "units",
    "neuron": "unit",
    "channel": "unit",
    "nmf": "factors",
    "inversion": "invert",
    "reconstruct": "invert",
    "neural style": "style",
    "style transfer": "style",
    "stylize": "style apply",
    "fast style": "style apply",
    "stylebank": "style apply",
    "summary": "describe",
    "info": "describe",
    "models": "nets",
    "zoo": "nets",
    "classics": "recipes",
    "examples": "recipes",
    "list": "nets",
    "fit": "train",
    "learn": "train",
    "check": "data check",
    "reproduce": "replay",
    "report": "tour",
    "serve": "lab",
    "ui": "lab",
    "gui": "lab",
    "web": "lab",
    "server": "lab",
    "notebook": "lab",
    "experiments": "runs",
    "onnx": "export",
    "convert": "export",
    "upload": "push",
    "hub": "push",
    "history": "runs",
    "compare": "runs",
    "clean": "runs prune",
}
"""Other words for verbs, from papers and other programs, for hints."""


class JobModule(Protocol):
    """Interface of a job's module. Its docstring is the verb's help."""

    schema: Any
    """A subclass of `Recipe`."""

    def run(
        self, recipe: Any, workspace: Workspace, /
    ) -> Generator[Progress[dict[str, Any] | None], None, None]:
        """Do the work of a recipe, an instance of `schema`.

        Args:
            recipe: the settings.
            workspace: where files go, and what is logged.

        Yields:
            The progress with the document so far, None where there is none yet. When the last step comes, all
            files lie at their paths.
        """
        ...


def load(verb: str) -> JobModule:
    """Import the module of a job.

    Args:
        verb: a key of `JOBS`.

    Returns:
        The module.
    """
    return importlib.import_module(JOBS[verb])  # pyright: ignore[reportReturnType]


def summary(verb: str) -> str:
    """Return the first line of a verb's docstring, read without importing its module.

    Args:
        verb: a key of `JOBS`.

    Returns:
        The line; empty if the module has no docstring.
    """
    spec = importlib.util.find_spec(JOBS[verb])
    text = ast.get_docstring(ast.parse(Path(str(spec and spec.origin)).read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


def schema_for(verb: str, values: dict[str, Any]) -> Any:
    """Return the schema that validates some settings of a verb.

    Args:
        verb: a key of `JOBS`. A job whose settings depend on one of them, as those of a training depend on
            its task, has a function `schema_for` of the settings.
        values: settings by field, not validated.

    Returns:
        The schema: what the job's `schema_for` returns where it has one, else its `schema`.

    Raises:
        UsageError: the job refuses a setting.
    """
    module = load(verb)
    choose = getattr(module, "schema_for", None)
    return choose(values) if choose else module.schema
