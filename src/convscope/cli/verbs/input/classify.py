"""Say what is in pictures.

convscope classify digits digit.png
convscope classify efficientnet_lite0 photo.jpg --top 5
"""

from typing import Any

from convscope.cli.core import inputs
from convscope.cli.core.shell import Shell, VerbResult
from convscope.errors import DataError
from convscope.use.recipe import ClassifyRecipe

schema = ClassifyRecipe
ALONE = "The network knows one class, so every picture gets it: that says nothing about the picture."


def run(recipe: ClassifyRecipe, shell: Shell) -> VerbResult:
    """Classify every picture; those that cannot be read are listed, and make the exit code 3."""
    from convscope.use import classifying

    net = inputs.looks_at_pictures(inputs.network(recipe.net, recipe, shell))
    answers, first, alone = [], None, False
    with shell.progress("classifying", len(recipe.images)) as progress:
        found = classifying(net, recipe.images, top=recipe.top, batch=recipe.batch)
        for number, (path, answer) in enumerate(zip(recipe.images, found, strict=True)):
            if isinstance(answer, DataError):
                first = first or answer
                answers.append({"image": path, "error": str(answer)})
            else:
                alone = alone or answer.classes == 1
                values = answer.probabilities if answer.classes > 1 else (None,)
                top = zip(answer.units, answer.labels, values, strict=True)
                answers.append({"image": path, "top": [_entry(*entry) for entry in top]})
            progress.update(number + 1, path)
    if first is not None and all("error" in answer for answer in answers):
        raise first
    code = DataError.exit_code if first is not None else 0
    data = {"net": net.name, "answers": answers, **({"note": ALONE} if alone else {})}
    return VerbResult(data, lambda: _shown(answers, ALONE if alone else ""), code)


def _entry(unit: int, label: str, probability: float | None) -> dict[str, Any]:
    return {"unit": unit, "label": label, "probability": probability}


def _shown(answers: list[dict[str, Any]], note: str) -> Any:
    from rich.console import Group

    return Group(_table(answers), note) if note else _table(answers)


def _table(answers: list[dict[str, Any]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    for answer in answers:
        if "error" in answer:
            table.add_row(Text(answer["image"]), "", Text(answer["error"], "yellow"))
        for index, entry in enumerate(answer.get("top", ())):
            name = Text("" if index else answer["image"])
            share = entry["probability"]
            table.add_row(name, "" if share is None else f"{share:.1%}", Text(entry["label"]))
    return table
